// Page bounds in f8E5M2 as loops: rounded outward in f32, then the upper byte of an f16.
// RUN: twilight-opt %s --convert-twilight-to-scf --canonicalize --cse | FileCheck %s

!cache = !twilight.cache<kv_heads = 2, head_dim = 64, page_size = 16, f16, hnd, summary = #twilight.min_max<f8E5M2>>

// CHECK-LABEL: func.func @append
// CHECK-SAME: %[[SUMMARY:[a-z0-9]+]]: memref<?x2x2x64xf8E5M2>
// CHECK-DAG: %[[LARGEST:.*]] = arith.constant 5.734400e+04 : f32
// The minimum is rounded down: its opposite up.
// CHECK: arith.negf
// CHECK: %[[STEPS:.*]] = math.ceil
// CHECK: arith.cmpf ogt, %{{.*}}, %[[LARGEST]] : f32
// CHECK: arith.negf
// CHECK: math.ceil
// CHECK: %[[HALF:.*]] = arith.truncf %{{.*}} : f32 to f16
// CHECK: %[[BITS:.*]] = arith.bitcast %[[HALF]] : f16 to i16
// CHECK: %[[UPPER:.*]] = arith.shrui %[[BITS]]
// CHECK: %[[BYTE:.*]] = arith.trunci %[[UPPER]] : i16 to i8
// CHECK: %[[BOUND:.*]] = arith.bitcast %[[BYTE]] : i8 to f8E5M2
// CHECK: memref.store %[[BOUND]], %[[SUMMARY]]
func.func @append(%cache: !cache, %k: tensor<?x1x2x64xf16>, %v: tensor<?x1x2x64xf16>) {
  %0 = twilight.append %cache, %k, %v : !cache, tensor<?x1x2x64xf16>, tensor<?x1x2x64xf16>
  return
}

// An infinite bound reads as the largest f16, which 0 makes 0.
// CHECK-LABEL: func.func @select
// CHECK-DAG: %[[MOST:.*]] = arith.constant dense<6.550400e+04> : vector<64xf32>
// CHECK: %[[BYTES:.*]] = vector.load %{{.*}} : memref<?x2x2x64xf8E5M2>, vector<64xf8E5M2>
// CHECK: arith.bitcast %[[BYTES]] : vector<64xf8E5M2> to vector<64xi8>
// CHECK: arith.extui %{{.*}} : vector<64xi8> to vector<64xi16>
// CHECK: arith.bitcast %{{.*}} : vector<64xi16> to vector<64xf16>
// CHECK: %[[WIDE:.*]] = arith.extf %{{.*}} : vector<64xf16> to vector<64xf32>
// CHECK: arith.cmpf ogt, %[[WIDE]], %[[MOST]]
func.func @select(%q: tensor<?x4x64xf16>, %cache: !cache) -> !twilight.selection<page> {
  %0 = twilight.select %q, %cache selector(#twilight.quest) budget(#twilight.fraction<0.25>)
      : tensor<?x4x64xf16>, !cache -> !twilight.selection<page>
  return %0 : !twilight.selection<page>
}
