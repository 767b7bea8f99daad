// Codes of 2 and 8 bits on a GPU: loads as wide as a row allows, and bytes for the tensor cores.
// RUN: twilight-opt %s --convert-twilight-to-gpu --canonicalize --cse | FileCheck %s

!two = !twilight.cache<kv_heads = 2, head_dim = 64, page_size = 16, f16, hnd, codes = <bits = 2>>
!eight = !twilight.cache<kv_heads = 2, head_dim = 128, page_size = 16, f16, hnd, codes = <bits = 8>>

// A row of 16 bytes is 4 a lane: a word for each of the two tokens of a lane, for four tiles. The query is rounded to
// integers by a number whose last place is 1, and even rows take the upper bytes of them.
// CHECK-LABEL: gpu.func @score_two_quantize_score
// CHECK: %[[ROUNDER:.*]] = arith.select %{{.*}}, %cst{{.*}}, %cst{{.*}} : f32
// CHECK: %[[BYTES:.*]] = arith.select %{{.*}}, %c64_i32, %c81_i32 : i32
// CHECK: math.fma %{{.*}}, %{{.*}}, %[[ROUNDER]] : f32
// CHECK: nvvm.prmt <default> %[[BYTES]],
// CHECK-COUNT-8: ld.global.nc.L1::no_allocate.L2::cache_hint.L2::256B.b32 $0, [$1], $2;
// Codes 0, 4, 8 and 12 of a word where they stand; 3, 7, 11 and 15 from bit 6 on.
// CHECK: arith.andi %[[WORD:.*]], %c50529027_i32 : i32
// CHECK: %[[DOWN:.*]] = arith.shrui %[[WORD]], %c6_i32 : i32
// CHECK: arith.andi %[[DOWN]], %c50529027_i32 : i32
// CHECK: nvvm.mma.sync {{.*}}multiplicandAPtxType = #nvvm.mma_type<u8>, multiplicandBPtxType = #nvvm.mma_type<s8>, {{.*}}k = 32
func.func @score_two(%q: tensor<?x8x64xf16>, %k: tensor<?x2x16x64xf16>, %codes: tensor<?x2x16x16xi8>, %s: tensor<?x2x16xf16>,
                     %t: tensor<?x?xi32>, %n: tensor<?xi32>) -> tensor<?x8x?xf32> {
  %c = twilight.assemble_cache k_pages(%k : tensor<?x2x16x64xf16>) v_pages(%k : tensor<?x2x16x64xf16>)
      codes(%codes : tensor<?x2x16x16xi8>) scale(%s : tensor<?x2x16xf16>) zero(%s : tensor<?x2x16xf16>)
      page_table(%t : tensor<?x?xi32>) seq_lens(%n : tensor<?xi32>) -> !two
  %pages = twilight.select %q, %c selector(#twilight.full) budget(#twilight.all) : tensor<?x8x64xf16>, !two -> !twilight.selection<page>
  %scores = twilight.quantize_score %q, %c, %pages : tensor<?x8x64xf16>, !two, !twilight.selection<page> -> !twilight.scores
  %logits = twilight.logits %scores : !twilight.scores -> tensor<?x8x?xf32>
  return %logits : tensor<?x8x?xf32>
}

// A lane has two codes of four bits together: two lanes share a byte.
// CHECK-LABEL: gpu.func @append_two_append
// CHECK: %[[CODE:.*]] = arith.fptosi
// CHECK: arith.shli %{{.*}}, %c2_i32 : i32
// CHECK: %[[NEXT:.*]] = nvvm.shfl.sync bfly
// CHECK: %[[HIGH:.*]] = arith.shli %[[NEXT]], %c4_i32 : i32
// CHECK: %[[BOTH:.*]] = arith.ori %{{.*}}, %[[HIGH]] : i32
// CHECK: scf.if
// CHECK: arith.trunci %[[BOTH]] : i32 to i8
func.func @append_two(%k: memref<?x2x16x64xf16>, %codes: memref<?x2x16x16xi8>, %s: memref<?x2x16xf16>, %z: memref<?x2x16xf16>,
                      %t: memref<?x?xi32>, %n: memref<?xi32>, %new: memref<?x1x2x64xf16>) {
  %c = twilight.assemble_cache k_pages(%k : memref<?x2x16x64xf16>) v_pages(%k : memref<?x2x16x64xf16>)
      codes(%codes : memref<?x2x16x16xi8>) scale(%s : memref<?x2x16xf16>) zero(%z : memref<?x2x16xf16>)
      page_table(%t : memref<?x?xi32>) seq_lens(%n : memref<?xi32>) -> !two
  %next = twilight.append %c, %new, %new : !two, memref<?x1x2x64xf16>, memref<?x1x2x64xf16>
  return
}

// A row of 128 bytes is two loads of 16 a lane. Its words are the tensor cores' as they are.
// CHECK-LABEL: gpu.func @score_eight_quantize_score
// CHECK-COUNT-16: ld.global.nc.L1::no_allocate.L2::cache_hint.L2::256B.v4.b32
// CHECK-NOT: arith.andi
// CHECK-NOT: nvvm.prmt
// CHECK: nvvm.mma.sync A[%{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}]{{.*}}k = 32
func.func @score_eight(%q: tensor<?x8x128xf16>, %k: tensor<?x2x16x128xf16>, %codes: tensor<?x2x16x128xi8>,
                       %s: tensor<?x2x16xf16>, %t: tensor<?x?xi32>, %n: tensor<?xi32>) -> tensor<?x8x?xf32> {
  %c = twilight.assemble_cache k_pages(%k : tensor<?x2x16x128xf16>) v_pages(%k : tensor<?x2x16x128xf16>)
      codes(%codes : tensor<?x2x16x128xi8>) scale(%s : tensor<?x2x16xf16>) zero(%s : tensor<?x2x16xf16>)
      page_table(%t : tensor<?x?xi32>) seq_lens(%n : tensor<?xi32>) -> !eight
  %pages = twilight.select %q, %c selector(#twilight.full) budget(#twilight.all) : tensor<?x8x128xf16>, !eight -> !twilight.selection<page>
  %scores = twilight.quantize_score %q, %c, %pages : tensor<?x8x128xf16>, !eight, !twilight.selection<page> -> !twilight.scores
  %logits = twilight.logits %scores : !twilight.scores -> tensor<?x8x?xf32>
  return %logits : tensor<?x8x?xf32>
}
