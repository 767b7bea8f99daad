// Page bounds in i8 as loops: rows coded on their outer side, scale and zero of each behind the rows.
// RUN: twilight-opt %s --convert-twilight-to-scf --canonicalize --cse | FileCheck %s

!cache = !twilight.cache<kv_heads = 2, head_dim = 64, page_size = 16, f16, hnd, summary = #twilight.min_max<i8>>

// CHECK-LABEL: func.func @append
// CHECK-SAME: %[[SUMMARY:[a-z0-9]+]]: memref<?x2x144xi8>
// CHECK: memref.alloc() : memref<2x64xf32>
// A minimum's code is rounded down, and lowered by one where its number is still above.
// CHECK: %[[DOWN:.*]] = math.floor
// CHECK: %[[NUMBER:.*]] = math.fma
// CHECK: %[[ABOVE:.*]] = arith.cmpf ogt, %[[NUMBER]]
// CHECK: vector.store %{{.*}}, %[[SUMMARY]][%{{.*}}, %{{.*}}, %c0] : memref<?x2x144xi8>, vector<64xi8>
// CHECK: vector.store %{{.*}}, %[[SUMMARY]][%{{.*}}, %{{.*}}, %c128] : memref<?x2x144xi8>, vector<4xi8>
// CHECK: vector.store %{{.*}}, %[[SUMMARY]][%{{.*}}, %{{.*}}, %c132] : memref<?x2x144xi8>, vector<4xi8>
// CHECK: math.ceil
// CHECK: arith.cmpf olt
// CHECK: vector.store %{{.*}}, %[[SUMMARY]][%{{.*}}, %{{.*}}, %c64] : memref<?x2x144xi8>, vector<64xi8>
func.func @append(%cache: !cache, %k: tensor<?x1x2x64xf16>, %v: tensor<?x1x2x64xf16>) {
  %0 = twilight.append %cache, %k, %v : !cache, tensor<?x1x2x64xf16>, tensor<?x1x2x64xf16>
  return
}

// CHECK-LABEL: func.func @select
// CHECK: vector.load %{{.*}}[%{{.*}}, %{{.*}}, %c0] : memref<?x2x144xi8>, vector<64xi8>
// CHECK: %[[CODES:.*]] = arith.uitofp %{{.*}} : vector<64xi8> to vector<64xf32>
// CHECK: math.fma %{{.*}}, %[[CODES]], %{{.*}} : vector<64xf32>
func.func @select(%q: tensor<?x4x64xf16>, %cache: !cache) -> !twilight.selection<page> {
  %0 = twilight.select %q, %cache selector(#twilight.quest) budget(#twilight.fraction<0.25>)
      : tensor<?x4x64xf16>, !cache -> !twilight.selection<page>
  return %0 : !twilight.selection<page>
}
