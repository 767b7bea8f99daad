// Codes of 2 and 8 bits as loops: neighbours join, the lower dim in the lower bits, until a field is a byte.
// RUN: twilight-opt %s --convert-twilight-to-scf --canonicalize --cse | FileCheck %s

!two = !twilight.cache<kv_heads = 2, head_dim = 64, page_size = 16, f16, hnd, codes = <bits = 2>>
!eight = !twilight.cache<kv_heads = 2, head_dim = 64, page_size = 16, f16, hnd, codes = <bits = 8>>

// CHECK-LABEL: func.func @append_two
// CHECK-SAME: %[[CODES:[a-z0-9]+]]: memref<?x2x16x16xi8>
// CHECK-DAG: %[[TOP:.*]] = arith.constant 3.000000e+00 : f32
// CHECK-DAG: %[[TWO:.*]] = arith.constant dense<2> : vector<32xi8>
// CHECK-DAG: %[[FOUR:.*]] = arith.constant dense<4> : vector<16xi8>
// CHECK: arith.divf %{{.*}}, %[[TOP]] : f32
// CHECK: %[[EVEN:.*]], %[[ODD:.*]] = vector.deinterleave %{{.*}} : vector<64xi8> -> vector<32xi8>
// CHECK: %[[RAISED:.*]] = arith.shli %[[ODD]], %[[TWO]]
// CHECK: %[[PAIRS:.*]] = arith.ori %[[EVEN]], %[[RAISED]]
// CHECK: %[[EVEN:.*]], %[[ODD:.*]] = vector.deinterleave %[[PAIRS]] : vector<32xi8> -> vector<16xi8>
// CHECK: %[[RAISED:.*]] = arith.shli %[[ODD]], %[[FOUR]]
// CHECK: %[[BYTES:.*]] = arith.ori %[[EVEN]], %[[RAISED]]
// CHECK: vector.store %[[BYTES]], %[[CODES]]
func.func @append_two(%cache: !two, %k: tensor<?x1x2x64xf16>, %v: tensor<?x1x2x64xf16>) {
  %0 = twilight.append %cache, %k, %v : !two, tensor<?x1x2x64xf16>, tensor<?x1x2x64xf16>
  return
}

// CHECK-LABEL: func.func @append_eight
// CHECK-SAME: %[[CODES:[a-z0-9]+]]: memref<?x2x16x64xi8>
// CHECK-DAG: %[[TOP:.*]] = arith.constant 2.550000e+02 : f32
// CHECK: arith.divf %{{.*}}, %[[TOP]] : f32
// CHECK: %[[BYTES:.*]] = arith.fptoui %{{.*}} : vector<64xf32> to vector<64xi8>
// CHECK-NOT: vector.deinterleave
// CHECK: vector.store %[[BYTES]], %[[CODES]]
func.func @append_eight(%cache: !eight, %k: tensor<?x1x2x64xf16>, %v: tensor<?x1x2x64xf16>) {
  %0 = twilight.append %cache, %k, %v : !eight, tensor<?x1x2x64xf16>, tensor<?x1x2x64xf16>
  return
}

// CHECK-LABEL: func.func @score_two
// CHECK: %[[BYTES:.*]] = vector.load %{{.*}} : memref<?x2x16x16xi8>, vector<16xi8>
// CHECK: %[[LOW:.*]] = arith.andi %[[BYTES]]
// CHECK: %[[HIGH:.*]] = arith.shrui %[[BYTES]]
// CHECK: %[[PAIRS:.*]] = vector.interleave %[[LOW]], %[[HIGH]] : vector<16xi8> -> vector<32xi8>
// CHECK: %[[LOW:.*]] = arith.andi %[[PAIRS]]
// CHECK: %[[HIGH:.*]] = arith.shrui %[[PAIRS]]
// CHECK: %[[CODES:.*]] = vector.interleave %[[LOW]], %[[HIGH]] : vector<32xi8> -> vector<64xi8>
// CHECK: arith.uitofp %[[CODES]]
func.func @score_two(%q: tensor<?x4x64xf16>, %cache: !two, %pages: !twilight.selection<page>) -> !twilight.scores {
  %0 = twilight.quantize_score %q, %cache, %pages : tensor<?x4x64xf16>, !two, !twilight.selection<page> -> !twilight.scores
  return %0 : !twilight.scores
}

// CHECK-LABEL: func.func @score_eight
// CHECK: %[[BYTES:.*]] = vector.load %{{.*}} : memref<?x2x16x64xi8>, vector<64xi8>
// CHECK: arith.uitofp %[[BYTES]]
func.func @score_eight(%q: tensor<?x4x64xf16>, %cache: !eight, %pages: !twilight.selection<page>) -> !twilight.scores {
  %0 = twilight.quantize_score %q, %cache, %pages : tensor<?x4x64xf16>, !eight, !twilight.selection<page> -> !twilight.scores
  return %0 : !twilight.scores
}
