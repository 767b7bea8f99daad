// Types of functions, calls and control flow: one value of the dialect becomes its buffers, each with a name.
// RUN: twilight-opt %s --convert-twilight-to-scf | FileCheck %s

!plain = !twilight.cache<kv_heads = 2, head_dim = 64, page_size = 16, f16, hnd>

// CHECK-LABEL: func.func private @choose(
// CHECK-SAME: memref<?x8x64xf16>, memref<?x2x16x64xf16> {twilight.name = "k_pages"}, memref<?x2x16x64xf16> {twilight.name = "v_pages"}, memref<?x?xi32> {twilight.name = "page_table"}, memref<?xi32> {twilight.name = "seq_lens"})
// CHECK-SAME: -> (memref<?x?x?xi32> {twilight.name = "indices"}, memref<?x?xi32> {twilight.name = "counts"})
func.func private @choose(tensor<?x8x64xf16>, !plain) -> !twilight.selection<token>

// A part of a named value is named after it.
// CHECK-LABEL: func.func @named(
// CHECK-SAME: %{{.*}}: memref<?x2x16x64xf16> {twilight.name = "left.k_pages"}
// CHECK-SAME: -> (memref<?x?x?xf32> {twilight.name = "s.logits"}, memref<?x?x?xi32> {twilight.name = "s.indices"}, memref<?x?xi32> {twilight.name = "s.counts"}, memref<?xi32> {twilight.name = "s.seq_lens"})
func.func @named(%cache: !plain {twilight.name = "left"}, %scores: !twilight.scores)
    -> (!twilight.scores {twilight.name = "s"}) {
  return %scores : !twilight.scores
}

// CHECK-LABEL: func.func @flow(
// CHECK: %[[CALL:.*]]:2 = call @choose(%{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}})
// CHECK: %[[IF:.*]]:2 = scf.if %{{.*}} -> (memref<?x?x?xi32>, memref<?x?xi32>)
// CHECK: scf.yield %[[CALL]]#0, %[[CALL]]#1
// CHECK: memref.cast %[[IF]]#0 : memref<?x?x?xi32> to memref<?x2x?xi32>
// CHECK: memref.cast %[[IF]]#1 : memref<?x?xi32> to memref<?x2xi32>
func.func @flow(%q: tensor<?x8x64xf16>, %cache: !plain, %other: !twilight.selection<token>, %which: i1)
    -> (tensor<?x2x?xi32>, tensor<?x2xi32>) {
  %0 = call @choose(%q, %cache) : (tensor<?x8x64xf16>, !plain) -> !twilight.selection<token>
  %1 = scf.if %which -> !twilight.selection<token> {
    scf.yield %0 : !twilight.selection<token>
  } else {
    scf.yield %other : !twilight.selection<token>
  }
  %indices, %counts = twilight.selection_parts %1 : !twilight.selection<token> -> tensor<?x2x?xi32>, tensor<?x2xi32>
  return %indices, %counts : tensor<?x2x?xi32>, tensor<?x2xi32>
}

// Taking apart and putting together moves no data.
// CHECK-LABEL: func.func @parts(
// CHECK-NOT: memref.alloc
// CHECK: return %{{.*}} : memref<9x2x16x64xf16>
func.func @parts(%k: tensor<9x2x16x64xf16>, %table: tensor<3x3xi32>, %lens: tensor<3xi32>) -> tensor<9x2x16x64xf16> {
  %cache = twilight.assemble_cache k_pages(%k : tensor<9x2x16x64xf16>) v_pages(%k : tensor<9x2x16x64xf16>)
      page_table(%table : tensor<3x3xi32>) seq_lens(%lens : tensor<3xi32>) -> !plain
  %part = twilight.cache_part k_pages of %cache : !plain -> tensor<9x2x16x64xf16>
  return %part : tensor<9x2x16x64xf16>
}
