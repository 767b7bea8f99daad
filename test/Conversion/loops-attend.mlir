// twilight.gather_attend, attend and merge as loops.
// RUN: twilight-opt %s --convert-twilight-to-scf --canonicalize --cse | FileCheck %s

!hnd = !twilight.cache<kv_heads = 2, head_dim = 64, page_size = 16, bf16, hnd>
!nhd = !twilight.cache<kv_heads = 2, head_dim = 64, page_size = 16, bf16, nhd>

// Only listed tokens are read, through the page table; the sum of weights is f64, lse is natural.
// CHECK-LABEL: func.func @tokens
// CHECK-SAME: %[[K:[a-z0-9]+]]: memref<?x2x16x64xbf16>
// CHECK: %[[OUT:.*]] = memref.alloc(%{{.*}}) : memref<?x8x64xbf16>
// CHECK: %[[LSE:.*]] = memref.alloc(%{{.*}}) : memref<?x8xf32>
// CHECK: scf.parallel (%[[B:.*]], %[[H:.*]]) =
// CHECK: %[[TOKEN:.*]] = memref.load %{{.*}} : memref<?x?x?xi32>
// CHECK: vector.load %[[K]][%{{.*}}, %[[G:.*]], %{{.*}}, %{{.*}}] : memref<?x2x16x64xbf16>, vector<64xbf16>
// CHECK: math.exp
// CHECK: math.fma
// CHECK: math.log %{{.*}} : f64
// CHECK: %[[ROW:.*]] = arith.truncf %{{.*}} : vector<64xf32> to vector<64xbf16>
// CHECK: vector.store %[[ROW]], %[[OUT]]
// CHECK: memref.store %{{.*}}, %[[LSE]]
// CHECK: return %[[OUT]], %[[LSE]]
func.func @tokens(%q: tensor<?x8x64xbf16>, %cache: !hnd, %kept: !twilight.selection<token>)
    -> (tensor<?x8x64xbf16>, tensor<?x8xf32>) {
  %out, %lse = twilight.gather_attend %q, %cache, %kept
      : tensor<?x8x64xbf16>, !hnd, !twilight.selection<token> -> tensor<?x8x64xbf16> lse tensor<?x8xf32>
  return %out, %lse : tensor<?x8x64xbf16>, tensor<?x8xf32>
}

// nhd: the slot comes before the head. Without lse, no logarithm. A list of each query head is that head's own.
// CHECK-LABEL: func.func @nhd_pages
// CHECK: scf.parallel (%[[B:.*]], %[[H:.*]]) =
// CHECK: %[[G:.*]] = arith.divsi %[[H]]
// CHECK: vector.load %{{.*}}[%{{.*}}, %{{.*}}, %[[G]], %{{.*}}] : memref<?x16x2x64xbf16>, vector<64xbf16>
// CHECK-NOT: math.log
// CHECK: return
func.func @nhd_pages(%q: tensor<?x8x64xbf16>, %cache: !nhd, %pages: !twilight.selection<page, query_head>)
    -> tensor<?x8x64xf32> {
  %out = twilight.gather_attend %q, %cache, %pages
      : tensor<?x8x64xbf16>, !nhd, !twilight.selection<page, query_head> -> tensor<?x8x64xf32>
  return %out : tensor<?x8x64xf32>
}

// Dense: every token, and counts are the lengths.
// CHECK-LABEL: func.func @dense
// CHECK-SAME: %[[LENS:[a-z0-9]+]]: memref<?xi32>
// CHECK-NOT: memref<?x?x?xi32>
// CHECK: scf.parallel
// CHECK: scf.parallel (%[[B:.*]], %[[R:.*]]) =
// CHECK: %[[N:.*]] = memref.load %[[LENS]][%[[B]]]
// CHECK: memref.store %{{.*}}, %{{.*}}[%[[B]], %[[R]]] : memref<?x2xi32>
func.func @dense(%q: tensor<?x8x64xbf16>, %cache: !hnd) -> (tensor<?x8x64xf32>, tensor<?x2xi32>) {
  %out, %counts = twilight.attend %q, %cache : tensor<?x8x64xbf16>, !hnd -> tensor<?x8x64xf32> counts tensor<?x2xi32>
  return %out, %counts : tensor<?x8x64xf32>, tensor<?x2xi32>
}

// Where one side is empty, the other is taken as it is.
// CHECK-LABEL: func.func @merge
// CHECK-DAG: %[[EMPTY:.*]] = arith.constant 0xFF800000 : f32
// CHECK-DAG: %[[ZERO:.*]] = arith.constant dense<0.000000e+00> : vector<64xf32>
// CHECK: scf.parallel
// CHECK: %[[LA:.*]] = memref.load
// CHECK: %[[LB:.*]] = memref.load
// CHECK: %[[M:.*]] = arith.maxnumf %[[LA]], %[[LB]]
// CHECK-COUNT-2: math.exp
// CHECK: %[[A:.*]] = vector.load
// CHECK: %[[B:.*]] = vector.load
// CHECK: %[[BOTH:.*]] = arith.addf %{{.*}} : vector<64xf32>
// CHECK-DAG: %[[NONE:.*]] = arith.cmpf oeq, %[[M]], %[[EMPTY]] : f32
// CHECK-DAG: %[[NO_B:.*]] = arith.cmpf oeq, %[[LB]], %[[EMPTY]] : f32
// CHECK-DAG: %[[NO_A:.*]] = arith.cmpf oeq, %[[LA]], %[[EMPTY]] : f32
// CHECK: %[[ONE:.*]] = arith.select %[[NO_A]], %[[B]], %[[BOTH]]
// CHECK: %[[OTHER:.*]] = arith.select %[[NO_B]], %[[A]], %[[ONE]]
// CHECK: %[[OUT:.*]] = arith.select %[[NONE]], %[[ZERO]], %[[OTHER]]
// CHECK: vector.store %[[OUT]]
// CHECK: math.log
func.func @merge(%a: tensor<?x8x64xf32>, %la: tensor<?x8xf32>, %b: tensor<?x8x64xf32>, %lb: tensor<?x8xf32>)
    -> (tensor<?x8x64xf32>, tensor<?x8xf32>) {
  %out, %lse = twilight.merge %a, %la, %b, %lb : tensor<?x8x64xf32>, tensor<?x8xf32>
  return %out, %lse : tensor<?x8x64xf32>, tensor<?x8xf32>
}
