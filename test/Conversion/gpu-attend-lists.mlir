// Attention over lists of query heads and over pages; merge.
// RUN: twilight-opt %s --convert-twilight-to-gpu --canonicalize --cse | FileCheck %s

!plain = !twilight.cache<kv_heads = 2, head_dim = 128, page_size = 16, bf16, nhd>

// A list for each query head: 8 of them, one head each.
// CHECK-LABEL: func.func @per_head
// CHECK: memref.alloc(%{{.*}}) : memref<?x8x[[SPLITS:[0-9]+]]x1x130xf32>
// CHECK: @twilight_kernels::@per_head_gather_attend blocks in (%c8, %c[[SPLITS]], %{{[a-z0-9_]+}})
// CHECK: @twilight_kernels::@per_head_combine_splits blocks in (%c8, %{{[a-z0-9_]+}}, %c1)
func.func @per_head(%q: tensor<?x8x128xbf16>, %k: tensor<?x16x2x128xbf16>, %v: tensor<?x16x2x128xbf16>,
                    %table: tensor<?x?xi32>, %lens: tensor<?xi32>, %lists: tensor<?x8x?xi32>, %sizes: tensor<?x8xi32>)
    -> tensor<?x8x128xbf16> {
  %cache = twilight.assemble_cache k_pages(%k : tensor<?x16x2x128xbf16>) v_pages(%v : tensor<?x16x2x128xbf16>)
      page_table(%table : tensor<?x?xi32>) seq_lens(%lens : tensor<?xi32>) -> !plain
  %kept = twilight.assemble_selection %lists, %sizes
      : tensor<?x8x?xi32>, tensor<?x8xi32> -> !twilight.selection<token, query_head>
  %out = twilight.gather_attend %q, %cache, %kept
      : tensor<?x8x128xbf16>, !plain, !twilight.selection<token, query_head> -> tensor<?x8x128xbf16>
  return %out : tensor<?x8x128xbf16>
}

// Pages are attended to as they are listed: no list of tokens between, the capacity is the pages'.
// CHECK-LABEL: func.func @paged
// CHECK: memref.alloc(%[[B:.*]], %[[K:.*]]) : memref<?x2x?xi32>
// CHECK: %[[K32:.*]] = arith.index_cast %[[K]] : index to i32
// CHECK: @twilight_kernels::@paged_list_pages
// CHECK: @twilight_kernels::@paged_gather_attend
// CHECK-SAME: %[[K32]] : i32) {twilight.dependent_launch, twilight.op
// CHECK: @twilight_kernels::@paged_combine_splits
// CHECK-SAME: %[[K32]] : i32) {twilight.dependent_launch, twilight.op
func.func @paged(%q: tensor<?x8x128xbf16>, %k: tensor<?x16x2x128xbf16>, %v: tensor<?x16x2x128xbf16>,
                 %table: tensor<?x?xi32>, %lens: tensor<?xi32>) -> tensor<?x8x128xbf16> {
  %cache = twilight.assemble_cache k_pages(%k : tensor<?x16x2x128xbf16>) v_pages(%v : tensor<?x16x2x128xbf16>)
      page_table(%table : tensor<?x?xi32>) seq_lens(%lens : tensor<?xi32>) -> !plain
  %pages = twilight.select %q, %cache selector(#twilight.window) budget(#twilight.all)
      {sink = 4 : i64, recent = 64 : i64} : tensor<?x8x128xbf16>, !plain -> !twilight.selection<page>
  %out = twilight.gather_attend %q, %cache, %pages
      : tensor<?x8x128xbf16>, !plain, !twilight.selection<page> -> tensor<?x8x128xbf16>
  return %out : tensor<?x8x128xbf16>
}

// A block for each query head of each sequence; outputs and lse of both sides, then the merged ones.
// CHECK-LABEL: func.func @merged
// CHECK-SAME: %[[OA:[a-z0-9]+]]: memref<?x8x64xf16>
// CHECK-SAME: %[[LA:[a-z0-9]+]]: memref<?x8xf32>
// CHECK-SAME: %[[OB:[a-z0-9]+]]: memref<?x8x64xf16>
// CHECK-SAME: %[[LB:[a-z0-9]+]]: memref<?x8xf32>
// CHECK: %[[B:.*]] = memref.dim %[[OA]], %c0
// CHECK: %[[OUT:.*]] = memref.alloc(%[[B]]) : memref<?x8x64xf16>
// CHECK: %[[LSE:.*]] = memref.alloc(%{{.*}}) : memref<?x8xf32>
// CHECK: memref.extract_aligned_pointer_as_index %[[OA]] :
// CHECK: %[[P_OA:.*]] = llvm.inttoptr
// CHECK: memref.extract_aligned_pointer_as_index %[[LA]] :
// CHECK: %[[P_LA:.*]] = llvm.inttoptr
// CHECK: memref.extract_aligned_pointer_as_index %[[OB]] :
// CHECK: %[[P_OB:.*]] = llvm.inttoptr
// CHECK: memref.extract_aligned_pointer_as_index %[[LB]] :
// CHECK: %[[P_LB:.*]] = llvm.inttoptr
// CHECK: memref.extract_aligned_pointer_as_index %[[OUT]] :
// CHECK: %[[P_OUT:.*]] = llvm.inttoptr
// CHECK: memref.extract_aligned_pointer_as_index %[[LSE]] :
// CHECK: %[[P_LSE:.*]] = llvm.inttoptr
// CHECK: gpu.launch_func @twilight_kernels::@merged_merge blocks in (%c8, %[[B]], %c1)
// CHECK-SAME: args(%[[P_OA]] : !llvm.ptr<1>, %[[P_LA]] : !llvm.ptr<1>, %[[P_OB]] : !llvm.ptr<1>, %[[P_LB]] : !llvm.ptr<1>, %[[P_OUT]] : !llvm.ptr<1>, %[[P_LSE]] : !llvm.ptr<1>)
// CHECK-SAME: {twilight.op = "twilight.merge"}
func.func @merged(%oa: tensor<?x8x64xf16>, %la: tensor<?x8xf32>, %ob: tensor<?x8x64xf16>, %lb: tensor<?x8xf32>)
    -> (tensor<?x8x64xf16>, tensor<?x8xf32>) {
  %out, %lse = twilight.merge %oa, %la, %ob, %lb : tensor<?x8x64xf16>, tensor<?x8xf32>
  return %out, %lse : tensor<?x8x64xf16>, tensor<?x8xf32>
}
