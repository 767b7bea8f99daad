// twilight.quantize_score and twilight.top_p as loops.
// RUN: twilight-opt %s --convert-twilight-to-scf --canonicalize --cse | FileCheck %s

!cache = !twilight.cache<kv_heads = 2, head_dim = 96, page_size = 16, bf16, nhd, codes = <bits = 4>>

// Two codes a byte, the lower nibble first; a row at a time whatever D is.
// CHECK-LABEL: func.func @score
// CHECK-DAG: %[[S:.*]] = arith.constant 2.500000e-01 : f32
// CHECK: memref.alloc(%{{.*}}) : memref<?x4x?xf32>
// CHECK: scf.parallel
// CHECK: %[[BYTES:.*]] = vector.load %{{.*}} : memref<?x2x16x48xi8>, vector<48xi8>
// CHECK: %[[LOW:.*]] = arith.andi %[[BYTES]]
// CHECK: %[[HIGH:.*]] = arith.shrui %[[BYTES]]
// CHECK: %[[CODES:.*]] = vector.interleave %[[LOW]], %[[HIGH]] : vector<48xi8> -> vector<96xi8>
// CHECK: %[[K:.*]] = math.fma
// CHECK: %[[DOT:.*]] = vector.reduction <add>
// CHECK: %[[LOGIT:.*]] = arith.mulf %[[DOT]], %[[S]] : f32
// CHECK: memref.store %[[LOGIT]]
// CHECK: return %{{.*}}, %arg{{.*}}, %arg{{.*}}, %arg{{.*}} : memref<?x?x?xf32>, memref<?x?x?xi32>, memref<?x?xi32>, memref<?xi32>
func.func @score(%q: tensor<?x4x96xbf16>, %cache: !cache, %pages: !twilight.selection<page>) -> !twilight.scores {
  %0 = twilight.quantize_score %q, %cache, %pages {softmax_scale = 0.25 : f64}
      : tensor<?x4x96xbf16>, !cache, !twilight.selection<page> -> !twilight.scores
  return %0 : !twilight.scores
}

// By mass: sums in f64, p extended to it; one list for each of the pages' lists.
// CHECK-LABEL: func.func @mass
// CHECK-SAME: %[[P:[a-z0-9]+]]: f32
// CHECK: %[[LISTS:.*]] = memref.dim %{{.*}} : memref<?x?xi32>
// CHECK: memref.alloc(%{{.*}}, %[[LISTS]], %{{.*}}) : memref<?x?x?xi32>
// CHECK: scf.parallel
// CHECK: math.exp %{{.*}} : f32
// CHECK: %[[WIDE:.*]] = arith.extf %[[P]] : f32 to f64
// CHECK: arith.mulf %[[WIDE]], %{{.*}} : f64
// CHECK: arith.cmpf oge, %{{.*}} : f64
func.func @mass(%scores: !twilight.scores, %p: f32) -> !twilight.selection<token> {
  %0 = twilight.top_p %scores, %p : !twilight.scores, f32 -> !twilight.selection<token>
  return %0 : !twilight.selection<token>
}

// By threshold: each query head's own lambda, no sums of weights; a cap below and above.
// CHECK-LABEL: func.func @threshold
// CHECK-SAME: %[[LAMBDA:[a-z0-9]+]]: memref<4xf32>
// CHECK-NOT: f64
// CHECK: %[[L:.*]] = memref.load %[[LAMBDA]]
// CHECK: arith.cmpf oge, %{{.*}}, %[[L]] : f32
// CHECK: arith.maxsi %{{.*}}, %c8
// CHECK: arith.minsi %{{.*}}, %c32
// CHECK-NOT: f64
// CHECK: return
func.func @threshold(%scores: !twilight.scores, %lambda: tensor<4xf32>) -> !twilight.selection<token, query_head> {
  %0 = twilight.top_p %scores, %lambda rule(threshold) group(per_head) {min_tokens = 8 : i64, max_tokens = 32 : i64}
      : !twilight.scores, tensor<4xf32> -> !twilight.selection<token, query_head>
  return %0 : !twilight.selection<token, query_head>
}

// Scores of f16 are finite, then rounded; sums of weights are those of any scores.
// CHECK-LABEL: func.func @half
// CHECK-DAG: %[[LOW:.*]] = arith.constant -6.550400e+04 : f32
// CHECK-DAG: %[[HIGH:.*]] = arith.constant 6.550400e+04 : f32
// CHECK: memref.alloc(%{{.*}}) : memref<?x4x?xf16>
// CHECK: %[[LOGIT:.*]] = arith.mulf %{{.*}} : f32
// CHECK: %[[RAISED:.*]] = arith.maxnumf %[[LOGIT]], %[[LOW]] : f32
// CHECK: %[[FINITE:.*]] = arith.minnumf %[[RAISED]], %[[HIGH]] : f32
// CHECK: %[[SCORE:.*]] = arith.truncf %[[FINITE]] : f32 to f16
// CHECK: memref.store %[[SCORE]]
// CHECK: memref.load %{{.*}} : memref<?x4x?xf16>
// CHECK-NEXT: arith.extf %{{.*}} : f16 to f32
// CHECK: math.exp %{{.*}} : f32
func.func @half(%q: tensor<?x4x96xbf16>, %cache: !cache, %pages: !twilight.selection<page>, %p: f32) -> !twilight.selection<token> {
  %0 = twilight.quantize_score %q, %cache, %pages
      : tensor<?x4x96xbf16>, !cache, !twilight.selection<page> -> !twilight.scores<f16>
  %1 = twilight.top_p %0, %p : !twilight.scores<f16>, f32 -> !twilight.selection<token>
  return %1 : !twilight.selection<token>
}
