// Codes in planes as loops: a page's high planes, then its low ones; two of them fill a row of the buffer.
// RUN: twilight-opt %s --convert-twilight-to-scf --canonicalize --cse | FileCheck %s

!cache = !twilight.cache<kv_heads = 2, head_dim = 64, page_size = 16, f16, hnd, codes = <bits = 4, planes>>
!blocked = !twilight.cache<kv_heads = 2, head_dim = 64, page_size = 16, f16, hnd, codes = <bits = 4, blocked, planes>>

// Row r of a page's planes is half r % 2 of row r / 2; the low planes begin behind 16 rows.
// CHECK-LABEL: func.func @append(
// CHECK-SAME: %[[CODES:[a-z0-9]+]]: memref<?x2x16x32xi8>
// CHECK: %[[HIGH:.*]] = arith.shrui %[[CODE:.*]], %{{.*}} : vector<64xi8>
// CHECK: vector.store %{{.*}}, %[[CODES]]{{.*}} : memref<?x2x16x32xi8>, vector<16xi8>
// CHECK: arith.addi %{{.*}}, %c16
// CHECK: arith.andi %[[CODE]], %{{.*}} : vector<64xi8>
// CHECK: vector.store %{{.*}}, %[[CODES]]{{.*}} : memref<?x2x16x32xi8>, vector<16xi8>
func.func @append(%cache: !cache, %k: tensor<?x1x2x64xf16>, %v: tensor<?x1x2x64xf16>) {
  %0 = twilight.append %cache, %k, %v : !cache, tensor<?x1x2x64xf16>, tensor<?x1x2x64xf16>
  return
}

// Blocked, they lie in one row of bytes: 16 bytes a plane, the low ones from byte 256 on, scales from byte 512.
// CHECK-LABEL: func.func @append_blocked(
// CHECK-SAME: %[[BLOCK:[a-z0-9]+]]: memref<?x2x576xi8>
// CHECK-COUNT-2: vector.store %{{.*}}, %[[BLOCK]]{{.*}}, vector<16xi8>
// CHECK-COUNT-2: vector.store %{{.*}}, %[[BLOCK]]{{.*}}, vector<2xi8>
func.func @append_blocked(%cache: !blocked, %k: tensor<?x1x2x64xf16>, %v: tensor<?x1x2x64xf16>) {
  %0 = twilight.append %cache, %k, %v : !blocked, tensor<?x1x2x64xf16>, tensor<?x1x2x64xf16>
  return
}

// The cursor moves along with the candidates; a page that is not fine has its low planes left alone.
// CHECK-LABEL: func.func @progressive(
// CHECK: scf.for {{.*}} iter_args(%[[CURSOR:.*]] = %c0)
// CHECK: %[[NEXT:.*]] = scf.while (%{{.*}} = %[[CURSOR]])
// CHECK: scf.if %{{.*}} -> (vector<64xf32>)
// CHECK-COUNT-2: vector.load {{.*}} : memref<?x2x16x32xi8>, vector<16xi8>
// CHECK: } else {
// CHECK: vector.load {{.*}} : memref<?x2x16x32xi8>, vector<16xi8>
// CHECK-NOT: vector.load {{.*}} : memref<?x2x16x32xi8>
// CHECK: arith.addf %{{.*}}, %cst{{.*}} : vector<64xf32>
// CHECK: scf.yield %[[NEXT]] : index
func.func @progressive(%q: tensor<?x4x64xf16>, %cache: !cache, %pages: !twilight.selection<page>, %fine: !twilight.selection<page>) -> !twilight.scores {
  %0 = twilight.quantize_score %q, %cache, %pages fine(%fine : !twilight.selection<page>) : tensor<?x4x64xf16>, !cache, !twilight.selection<page> -> !twilight.scores
  return %0 : !twilight.scores
}
