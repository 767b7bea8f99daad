// Where p comes from, and whose lists top_p makes.
// RUN: twilight-opt %s --convert-twilight-to-gpu --canonicalize --cse | FileCheck %s

!cache = !twilight.cache<kv_heads = 2, head_dim = 64, page_size = 16, f16, hnd, codes = <bits = 4>>

// A known p is part of the kernel: no argument for it (5 buffers, not 6).
// CHECK-LABEL: func.func @constant
// CHECK: @twilight_kernels::@constant_keep_mask blocks in (%c8,
// CHECK-SAME: args(%{{[0-9]+}} : !llvm.ptr<1>, %{{[0-9]+}} : !llvm.ptr<1>, %{{[0-9]+}} : !llvm.ptr<1>, %{{[0-9]+}} : !llvm.ptr<1>, %{{[0-9]+}} : !llvm.ptr<1>, %{{[0-9]+}} : i32,
// CHECK: @twilight_kernels::@constant_compact_tokens blocks in (%c2,
func.func @constant(%q: tensor<?x8x64xf16>, %k: tensor<?x2x16x64xf16>, %codes: tensor<?x2x16x32xi8>,
                    %scale: tensor<?x2x16xf16>, %table: tensor<?x?xi32>, %lens: tensor<?xi32>) -> tensor<?x2xi32> {
  %p = arith.constant 0.85 : f32
  %cache = twilight.assemble_cache k_pages(%k : tensor<?x2x16x64xf16>) v_pages(%k : tensor<?x2x16x64xf16>)
      codes(%codes : tensor<?x2x16x32xi8>) scale(%scale : tensor<?x2x16xf16>) zero(%scale : tensor<?x2x16xf16>)
      page_table(%table : tensor<?x?xi32>) seq_lens(%lens : tensor<?xi32>) -> !cache
  %pages = twilight.select %q, %cache selector(#twilight.full) budget(#twilight.all)
      : tensor<?x8x64xf16>, !cache -> !twilight.selection<page>
  %scores = twilight.quantize_score %q, %cache, %pages
      : tensor<?x8x64xf16>, !cache, !twilight.selection<page> -> !twilight.scores
  %kept = twilight.top_p %scores, %p : !twilight.scores, f32 -> !twilight.selection<token>
  %i, %c = twilight.selection_parts %kept : !twilight.selection<token> -> tensor<?x2x?xi32>, tensor<?x2xi32>
  return %c : tensor<?x2xi32>
}

// One p for each query head, and a list for each: the buffer is the argument as it is.
// CHECK-LABEL: func.func @per_head
// CHECK-SAME: %[[P:[a-z0-9]+]]: memref<8xf32>
// CHECK: memref.extract_aligned_pointer_as_index %[[P]] :
// CHECK: %[[P_P:.*]] = llvm.inttoptr
// CHECK: @twilight_kernels::@per_head_keep_mask blocks in (%c8,
// CHECK-SAME: args(%{{[0-9]+}} : !llvm.ptr<1>, %[[P_P]] : !llvm.ptr<1>,
// CHECK: @twilight_kernels::@per_head_compact_tokens blocks in (%c8,
func.func @per_head(%q: tensor<?x8x64xf16>, %k: tensor<?x2x16x64xf16>, %codes: tensor<?x2x16x32xi8>,
                    %scale: tensor<?x2x16xf16>, %table: tensor<?x?xi32>, %lens: tensor<?xi32>, %p: tensor<8xf32>)
    -> tensor<?x8xi32> {
  %cache = twilight.assemble_cache k_pages(%k : tensor<?x2x16x64xf16>) v_pages(%k : tensor<?x2x16x64xf16>)
      codes(%codes : tensor<?x2x16x32xi8>) scale(%scale : tensor<?x2x16xf16>) zero(%scale : tensor<?x2x16xf16>)
      page_table(%table : tensor<?x?xi32>) seq_lens(%lens : tensor<?xi32>) -> !cache
  %pages = twilight.select %q, %cache selector(#twilight.full) budget(#twilight.all)
      : tensor<?x8x64xf16>, !cache -> !twilight.selection<page>
  %scores = twilight.quantize_score %q, %cache, %pages
      : tensor<?x8x64xf16>, !cache, !twilight.selection<page> -> !twilight.scores
  %kept = twilight.top_p %scores, %p group(per_head)
      : !twilight.scores, tensor<8xf32> -> !twilight.selection<token, query_head>
  %i, %c = twilight.selection_parts %kept : !twilight.selection<token, query_head> -> tensor<?x8x?xi32>, tensor<?x8xi32>
  return %c : tensor<?x8xi32>
}

// With one p for each head, the kernel reads the one of its own.
// CHECK-LABEL: gpu.func @per_head_keep_mask
// CHECK-SAME: %[[LOGITS:[a-z0-9]+]]: !llvm.ptr<1>, %[[P:[a-z0-9]+]]: !llvm.ptr<1>,
// CHECK: %[[HEAD_ID:.*]] = gpu.block_id x
// CHECK: %[[HEAD:.*]] = arith.index_cast %[[HEAD_ID]] : index to i32
// CHECK: %[[I:.*]] = arith.extsi %[[HEAD]] : i32 to i64
// CHECK: %[[AT:.*]] = llvm.getelementptr %[[P]][%[[I]]] : (!llvm.ptr<1>, i64) -> !llvm.ptr<1>, f32
// CHECK: llvm.load %[[AT]]
