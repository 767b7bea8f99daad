// Page bounds in f8E5M2 on a GPU: two bytes become two f16 by one permutation; infinities only where there are any.
// RUN: twilight-opt %s --convert-twilight-to-gpu --canonicalize --cse | FileCheck %s

!cache = !twilight.cache<kv_heads = 2, head_dim = 64, page_size = 32, bf16, hnd, summary = #twilight.min_max<f8E5M2>>

// Sixteen bounds a lane and load: two pages, two rows, one load each, ...
// CHECK-LABEL: gpu.func @select_score_pages
// CHECK-COUNT-4: ld.global.nc.L1::no_allocate.L2::cache_hint.L2::128B.v4.b32
// CHECK-NOT: ld.global.nc.L1
// ... zeros below the bytes, f16 products though the query is bf16, ...
// CHECK: %[[LOW:.*]] = nvvm.prmt <default> %c9220_i32, %{{.*}}, %c0_i32 : i32
// CHECK: %[[HIGH:.*]] = nvvm.prmt <default> %c13332_i32, %{{.*}}, %c0_i32 : i32
// CHECK: nvvm.mma.sync {{.*}} : (vector<2xf16>, vector<2xf16>, f32) -> !llvm.struct<(f32, f32, f32, f32)>
// ... and once more with 0x7BFF for 0x7C00 where a product is not finite.
// CHECK: %[[ANY:.*]] = nvvm.vote.sync ballot
// CHECK: %[[AGAIN:.*]] = arith.cmpi ne, %[[ANY]], %c0_i32
// CHECK: scf.if %[[AGAIN]]
// CHECK-DAG: arith.andi %{{.*}}, %c2139062143_i32
// CHECK-DAG: arith.addi %{{.*}}, %c67372036_i32
// CHECK: nvvm.prmt <default> %c9732_i32, %{{.*}}, %{{.*}} : i32
// CHECK: nvvm.mma.sync
func.func @select(%q: tensor<?x8x64xbf16>, %k: tensor<?x2x32x64xbf16>, %s: tensor<?x2x2x64xf8E5M2>, %t: tensor<?x?xi32>,
                  %n: tensor<?xi32>) -> tensor<?x2x?xi32> {
  %c = twilight.assemble_cache k_pages(%k : tensor<?x2x32x64xbf16>) v_pages(%k : tensor<?x2x32x64xbf16>)
      summary(%s : tensor<?x2x2x64xf8E5M2>) page_table(%t : tensor<?x?xi32>) seq_lens(%n : tensor<?xi32>) -> !cache
  %pages = twilight.select %q, %c selector(#twilight.quest) budget(#twilight.fraction<0.25>)
      : tensor<?x8x64xbf16>, !cache -> !twilight.selection<page>
  %i, %m = twilight.selection_parts %pages : !twilight.selection<page> -> tensor<?x2x?xi32>, tensor<?x2xi32>
  return %i : tensor<?x2x?xi32>
}

// The outward-rounded f32 is a number of the format: the upper byte of its f16.
// CHECK-LABEL: gpu.func @append_append
// CHECK: math.ceil
// CHECK: %[[HALF:.*]] = arith.truncf %{{.*}} : f32 to f16
// CHECK: %[[BITS:.*]] = arith.bitcast %[[HALF]] : f16 to i16
// CHECK: %[[UPPER:.*]] = arith.shrui %[[BITS]], %c8_i16 : i16
// CHECK: %[[BYTE:.*]] = arith.trunci %[[UPPER]] : i16 to i8
// CHECK: llvm.store %[[BYTE]], %{{.*}} : i8, !llvm.ptr<1>
func.func @append(%k: memref<?x2x32x64xbf16>, %s: memref<?x2x2x64xf8E5M2>, %t: memref<?x?xi32>, %n: memref<?xi32>,
                  %new: memref<?x1x2x64xbf16>) {
  %c = twilight.assemble_cache k_pages(%k : memref<?x2x32x64xbf16>) v_pages(%k : memref<?x2x32x64xbf16>)
      summary(%s : memref<?x2x2x64xf8E5M2>) page_table(%t : memref<?x?xi32>) seq_lens(%n : memref<?xi32>) -> !cache
  %next = twilight.append %c, %new, %new : !cache, memref<?x1x2x64xbf16>, memref<?x1x2x64xbf16>
  return
}
