// Blocked codes as loops: a page's codes, then its scales, then its zeros, in one row of bytes.
// RUN: twilight-opt %s --convert-twilight-to-scf --canonicalize --cse | FileCheck %s

!cache = !twilight.cache<kv_heads = 2, head_dim = 64, page_size = 16, f16, hnd, codes = <bits = 4, blocked>>

// CHECK-LABEL: func.func @append
// CHECK-SAME: %[[BLOCK:[a-z0-9]+]]: memref<?x2x576xi8>
// CHECK: %[[CODES:.*]] = arith.muli %[[SLOT:.*]], %c32
// CHECK: vector.store %{{.*}}, %[[BLOCK]][%{{.*}}, %{{.*}}, %[[CODES]]] : memref<?x2x576xi8>, vector<32xi8>
// CHECK-DAG: %[[TWICE:.*]] = arith.muli %[[SLOT]], %c2
// CHECK-DAG: %[[SCALE:.*]] = arith.addi %[[TWICE]], %c512
// CHECK-DAG: %[[ZERO:.*]] = arith.addi %[[TWICE]], %c544
// CHECK: vector.store %{{.*}}, %[[BLOCK]][%{{.*}}, %{{.*}}, %[[SCALE]]] : memref<?x2x576xi8>, vector<2xi8>
// CHECK: vector.store %{{.*}}, %[[BLOCK]][%{{.*}}, %{{.*}}, %[[ZERO]]] : memref<?x2x576xi8>, vector<2xi8>
func.func @append(%cache: !cache, %k: tensor<?x1x2x64xf16>, %v: tensor<?x1x2x64xf16>) {
  %0 = twilight.append %cache, %k, %v : !cache, tensor<?x1x2x64xf16>, tensor<?x1x2x64xf16>
  return
}

// CHECK-LABEL: func.func @score
// CHECK: vector.load %{{.*}} : memref<?x2x576xi8>, vector<32xi8>
// CHECK: %[[BYTES:.*]] = vector.load %{{.*}} : memref<?x2x576xi8>, vector<2xi8>
// CHECK: vector.bitcast %[[BYTES]] : vector<2xi8> to vector<1xf16>
func.func @score(%q: tensor<?x4x64xf16>, %cache: !cache, %pages: !twilight.selection<page>) -> !twilight.scores {
  %0 = twilight.quantize_score %q, %cache, %pages : tensor<?x4x64xf16>, !cache, !twilight.selection<page> -> !twilight.scores
  return %0 : !twilight.scores
}
