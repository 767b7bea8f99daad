// twilight.append as loops: in place, each derived part only where the cache has it.
// RUN: twilight-opt %s --convert-twilight-to-scf --canonicalize --cse | FileCheck %s

!full = !twilight.cache<kv_heads = 2, head_dim = 64, page_size = 16, f16, hnd, codes = <bits = 4>, summary = #twilight.mean_var<f32>>
!plain = !twilight.cache<kv_heads = 2, head_dim = 64, page_size = 16, f16, hnd>

// CHECK-LABEL: func.func @all_parts
// CHECK-SAME: %[[K:[a-z0-9]+]]: memref<?x2x16x64xf16> {twilight.name = "k_pages"}, %[[V:[a-z0-9]+]]: memref<?x2x16x64xf16> {twilight.name = "v_pages"}
// CHECK-SAME: %[[CODES:[a-z0-9]+]]: memref<?x2x16x32xi8> {twilight.name = "codes"}, %[[SCALE:[a-z0-9]+]]: memref<?x2x16xf16> {twilight.name = "scale"}, %[[ZERO:[a-z0-9]+]]: memref<?x2x16xf16>
// CHECK-SAME: %[[SUMMARY:[a-z0-9]+]]: memref<?x2x2x64xf32> {twilight.name = "summary"}
// CHECK-SAME: %[[LENS:[a-z0-9]+]]: memref<?xi32> {twilight.name = "seq_lens"}
// CHECK-DAG: %[[TOP:.*]] = arith.constant 1.500000e+01 : f32
// CHECK: scf.parallel
// CHECK: vector.store %{{.*}}, %[[K]]
// CHECK: vector.store %{{.*}}, %[[V]]
// CHECK: vector.reduction <minnumf>
// CHECK: vector.reduction <maxnumf>
// CHECK: arith.divf %{{.*}}, %[[TOP]] : f32
// CHECK: math.roundeven %{{.*}} : vector<64xf32>
// CHECK: vector.deinterleave %{{.*}} : vector<64xi8> -> vector<32xi8>
// CHECK: vector.store %{{.*}}, %[[CODES]]
// CHECK: memref.store %{{.*}}, %[[SCALE]]
// CHECK: memref.store %{{.*}}, %[[ZERO]]
// CHECK-COUNT-2: memref.store %{{.*}}, %[[SUMMARY]]
// Every head has read the length before it changes.
// CHECK: scf.parallel
// CHECK: memref.store %{{.*}}, %[[LENS]]
// CHECK: return %[[K]]
func.func @all_parts(%cache: !full, %k: tensor<?x1x2x64xf16>, %v: tensor<?x1x2x64xf16>, %n: tensor<?xi32>) -> !full {
  %0 = twilight.append %cache, %k, %v new_lens(%n : tensor<?xi32>) : !full, tensor<?x1x2x64xf16>, tensor<?x1x2x64xf16>
  return %0 : !full
}

// Without new_lens every row counts; without codes and summary there is nothing to derive.
// CHECK-LABEL: func.func @plain
// CHECK: memref.dim %{{.*}} : memref<?x?x2x64xf16>
// CHECK-NOT: f32
// CHECK: return
func.func @plain(%cache: !plain, %k: tensor<?x?x2x64xf16>, %v: tensor<?x?x2x64xf16>) {
  %0 = twilight.append %cache, %k, %v : !plain, tensor<?x?x2x64xf16>, tensor<?x?x2x64xf16>
  return
}
