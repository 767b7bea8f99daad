// Page bounds in i8 on a GPU: 144 bytes a page and head, read as one piece; rows coded by a warp each.
// RUN: twilight-opt %s --convert-twilight-to-gpu --canonicalize --cse | FileCheck %s

!cache = !twilight.cache<kv_heads = 2, head_dim = 64, page_size = 16, f16, hnd, summary = #twilight.min_max<i8>>

// Nine pieces of 16 bytes: four lanes read a row, all of them the scales and zeros behind the rows.
// CHECK-LABEL: gpu.func @select_score_pages
// CHECK-DAG: %[[PIECES:.*]] = arith.muli %{{.*}}, %c9_i32 : i32
// CHECK: arith.addi %[[PIECES]], %c8_i32 : i32
// CHECK: ld.global.nc.L1::no_allocate.L2::cache_hint.v4.b32
// CHECK: arith.bitcast %{{.*}} : i32 to f32
// Codes are exact in f16, and a row's scale and zero come in behind its products.
// CHECK: nvvm.prmt <default> %c16960_i32, %{{.*}}, %c1684300900_i32 : i32
// CHECK: llvm.fsub %{{.*}}, %{{.*}} : vector<2xf16>
// CHECK: %[[DOT:.*]] = nvvm.mma.sync
// CHECK-NOT: nvvm.vote.sync
// CHECK: arith.mulf
func.func @select(%q: tensor<?x8x64xf16>, %k: tensor<?x2x16x64xf16>, %s: tensor<?x2x144xi8>, %t: tensor<?x?xi32>,
                  %n: tensor<?xi32>) -> tensor<?x2x?xi32> {
  %c = twilight.assemble_cache k_pages(%k : tensor<?x2x16x64xf16>) v_pages(%k : tensor<?x2x16x64xf16>)
      summary(%s : tensor<?x2x144xi8>) page_table(%t : tensor<?x?xi32>) seq_lens(%n : tensor<?xi32>) -> !cache
  %pages = twilight.select %q, %c selector(#twilight.quest) budget(#twilight.fraction<0.25>)
      : tensor<?x8x64xf16>, !cache -> !twilight.selection<page>
  %i, %m = twilight.selection_parts %pages : !twilight.selection<page> -> tensor<?x2x?xi32>, tensor<?x2xi32>
  return %i : tensor<?x2x?xi32>
}

// The channels' bounds meet in shared memory; then two warps take a row each.
// CHECK-LABEL: gpu.func @append_append
// CHECK: llvm.store %{{.*}} : f32, !llvm.ptr<3>
// CHECK: gpu.barrier
// CHECK: %[[ROW:.*]] = arith.cmpi slt, %{{.*}}, %c2_i32 : i32
// CHECK: scf.if %[[ROW]]
// CHECK: math.floor
// CHECK: math.fma
// CHECK: math.ceil
// CHECK: arith.trunci %{{.*}} : i32 to i16
// CHECK: llvm.store %{{.*}} : i16, !llvm.ptr<1>
// CHECK: llvm.store %{{.*}} : f32, !llvm.ptr<1>
// CHECK: llvm.store %{{.*}} : f32, !llvm.ptr<1>
func.func @append(%k: memref<?x2x16x64xf16>, %s: memref<?x2x144xi8>, %t: memref<?x?xi32>, %n: memref<?xi32>,
                  %new: memref<?x1x2x64xf16>) {
  %c = twilight.assemble_cache k_pages(%k : memref<?x2x16x64xf16>) v_pages(%k : memref<?x2x16x64xf16>)
      summary(%s : memref<?x2x144xi8>) page_table(%t : memref<?x?xi32>) seq_lens(%n : memref<?xi32>) -> !cache
  %next = twilight.append %c, %new, %new : !cache, memref<?x1x2x64xf16>, memref<?x1x2x64xf16>
  return
}
