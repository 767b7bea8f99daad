// Blocked codes on a GPU: one buffer; what lies before a row counts the scales and zeros of the pages before.
// RUN: twilight-opt %s --convert-twilight-to-gpu --canonicalize --cse | FileCheck %s

!cache = !twilight.cache<kv_heads = 2, head_dim = 128, page_size = 16, f16, hnd, codes = <bits = 4, blocked>>

// A row is 4 pieces of 16 bytes, and every page of 16 tokens before it 4 more; scales begin 1024 bytes into a page.
// CHECK-LABEL: gpu.func @score_quantize_score
// CHECK-SAME: (%{{.*}}: !llvm.ptr<1>, %[[CODES:[a-z0-9]+]]: !llvm.ptr<1>,
// CHECK: %[[PAGE:.*]] = arith.shrui %[[ROW:[a-z0-9_]+]], %c4_i32 : i32
// CHECK: %[[NEXT:.*]] = arith.addi %[[PAGE]], %c1_i32 : i32
// CHECK: arith.muli %[[NEXT]], %c512_i32 : i32
// CHECK: llvm.load %{{.*}} invariant {alignment = 2 : i64} : !llvm.ptr<1> -> f16
// CHECK: %[[PIECE:.*]] = arith.muli %{{.*}}, %c4_i32 : i32
// CHECK: arith.shrui %{{.*}}, %c4_i32 : i32
// CHECK: ld.global.nc.L1::no_allocate.L2::cache_hint.v4.b32
func.func @score(%q: tensor<?x8x128xf16>, %k: tensor<?x2x16x128xf16>, %codes: tensor<?x2x1088xi8>, %t: tensor<?x?xi32>,
                 %n: tensor<?xi32>) -> tensor<?x8x?xf32> {
  %c = twilight.assemble_cache k_pages(%k : tensor<?x2x16x128xf16>) v_pages(%k : tensor<?x2x16x128xf16>)
      codes(%codes : tensor<?x2x1088xi8>) page_table(%t : tensor<?x?xi32>) seq_lens(%n : tensor<?xi32>) -> !cache
  %pages = twilight.select %q, %c selector(#twilight.full) budget(#twilight.all) : tensor<?x8x128xf16>, !cache -> !twilight.selection<page>
  %scores = twilight.quantize_score %q, %c, %pages : tensor<?x8x128xf16>, !cache, !twilight.selection<page> -> !twilight.scores
  %logits = twilight.logits %scores : !twilight.scores -> tensor<?x8x?xf32>
  return %logits : tensor<?x8x?xf32>
}

// A lane's four codes are 16 bits: 32 of them a row, and 32 more for each page before.
// CHECK-LABEL: gpu.func @append_append
// CHECK: %[[BEFORE:.*]] = arith.muli %{{.*}}, %c32_i32 : i32
// CHECK: llvm.store %{{.*}} : i16, !llvm.ptr<1>
// CHECK: llvm.store %{{.*}} : f16, !llvm.ptr<1>
// CHECK: llvm.store %{{.*}} : f16, !llvm.ptr<1>
func.func @append(%k: memref<?x2x16x128xf16>, %codes: memref<?x2x1088xi8>, %t: memref<?x?xi32>, %n: memref<?xi32>,
                  %new: memref<?x1x2x128xf16>) {
  %c = twilight.assemble_cache k_pages(%k : memref<?x2x16x128xf16>) v_pages(%k : memref<?x2x16x128xf16>)
      codes(%codes : memref<?x2x1088xi8>) page_table(%t : memref<?x?xi32>) seq_lens(%n : memref<?xi32>) -> !cache
  %next = twilight.append %c, %new, %new : !cache, memref<?x1x2x128xf16>, memref<?x1x2x128xf16>
  return
}
