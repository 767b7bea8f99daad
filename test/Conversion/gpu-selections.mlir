// Ops around selections and scores: count is a kernel, the others only name buffers.
// RUN: twilight-opt %s --convert-twilight-to-gpu --canonicalize --cse | FileCheck %s

!plain = !twilight.cache<kv_heads = 2, head_dim = 64, page_size = 16, f16, hnd>
!coded = !twilight.cache<kv_heads = 2, head_dim = 64, page_size = 16, f16, hnd, codes = <bits = 4>>

// Tokens of each list: a page counts those that it holds.
// CHECK-LABEL: func.func @counted
// CHECK-SAME: %[[TABLE:[a-z0-9]+]]: memref<?x?xi32>
// CHECK-SAME: %[[LENS:[a-z0-9]+]]: memref<?xi32>
// CHECK-SAME: %[[LISTS:[a-z0-9]+]]: memref<?x8x?xi32>
// CHECK-SAME: %[[SIZES:[a-z0-9]+]]: memref<?x8xi32>
// CHECK: %[[B:.*]] = memref.dim %[[TABLE]], %c0
// CHECK: %[[RESULT:.*]] = memref.alloc(%[[B]]) : memref<?x8xi32>
// CHECK: %[[CAP:.*]] = memref.dim %{{.*}}, %c2
// CHECK: memref.extract_aligned_pointer_as_index %[[LENS]] :
// CHECK: %[[P_LENS:.*]] = llvm.inttoptr
// CHECK: %[[P_LISTS:.*]] = llvm.inttoptr
// CHECK: %[[P_SIZES:.*]] = llvm.inttoptr
// CHECK: memref.extract_aligned_pointer_as_index %[[RESULT]] :
// CHECK: %[[P_RESULT:.*]] = llvm.inttoptr
// CHECK: %[[CAP32:.*]] = arith.index_cast %[[CAP]] : index to i32
// CHECK: gpu.launch_func @twilight_kernels::@counted_count blocks in (%[[B]], %c1, %c1)
// CHECK-SAME: args(%[[P_LENS]] : !llvm.ptr<1>, %[[P_LISTS]] : !llvm.ptr<1>, %[[P_SIZES]] : !llvm.ptr<1>, %[[P_RESULT]] : !llvm.ptr<1>, %[[CAP32]] : i32)
// CHECK-SAME: {twilight.op = "twilight.count"}
// CHECK: return %[[RESULT]]
func.func @counted(%k: tensor<?x2x16x64xf16>, %table: tensor<?x?xi32>, %lens: tensor<?xi32>,
                   %lists: tensor<?x8x?xi32> {twilight.name = "lists"}, %sizes: tensor<?x8xi32>) -> tensor<?x8xi32> {
  %cache = twilight.assemble_cache k_pages(%k : tensor<?x2x16x64xf16>) v_pages(%k : tensor<?x2x16x64xf16>)
      page_table(%table : tensor<?x?xi32>) seq_lens(%lens : tensor<?xi32>) -> !plain
  %pages = twilight.assemble_selection %lists, %sizes
      : tensor<?x8x?xi32>, tensor<?x8xi32> -> !twilight.selection<page, query_head>
  %counts = twilight.count %pages, %cache : !twilight.selection<page, query_head>, !plain -> tensor<?x8xi32>
  return %counts : tensor<?x8xi32>
}

// The logits are the buffer that quantize_score wrote; as a result it has the declared type.
// CHECK-LABEL: func.func @estimates
// CHECK: %[[LOGITS:.*]] = memref.alloc(%{{.*}}, %{{.*}}) : memref<?x8x?xf32>
// CHECK: gpu.launch_func @twilight_kernels::@estimates_quantize_score
// CHECK-NOT: gpu.launch_func
// CHECK: return %[[LOGITS]] : memref<?x8x?xf32>
func.func @estimates(%q: tensor<?x8x64xf16>, %k: tensor<?x2x16x64xf16>, %codes: tensor<?x2x16x32xi8>,
                     %scale: tensor<?x2x16xf16>, %table: tensor<?x?xi32>, %lens: tensor<?xi32>) -> tensor<?x8x?xf32> {
  %cache = twilight.assemble_cache k_pages(%k : tensor<?x2x16x64xf16>) v_pages(%k : tensor<?x2x16x64xf16>)
      codes(%codes : tensor<?x2x16x32xi8>) scale(%scale : tensor<?x2x16xf16>) zero(%scale : tensor<?x2x16xf16>)
      page_table(%table : tensor<?x?xi32>) seq_lens(%lens : tensor<?xi32>) -> !coded
  %pages = twilight.select %q, %cache selector(#twilight.full) budget(#twilight.all)
      : tensor<?x8x64xf16>, !coded -> !twilight.selection<page>
  %scores = twilight.quantize_score %q, %cache, %pages
      : tensor<?x8x64xf16>, !coded, !twilight.selection<page> -> !twilight.scores
  %logits = twilight.logits %scores : !twilight.scores -> tensor<?x8x?xf32>
  return %logits : tensor<?x8x?xf32>
}

// The lengths of the cache are the caller's buffer: nothing to launch.
// CHECK-LABEL: func.func @part
// CHECK-SAME: %[[LENS:[a-z0-9]+]]: memref<?xi32>
// CHECK-NEXT: return %[[LENS]] : memref<?xi32>
func.func @part(%k: tensor<?x2x16x64xf16>, %table: tensor<?x?xi32>, %lens: tensor<?xi32>) -> tensor<?xi32> {
  %cache = twilight.assemble_cache k_pages(%k : tensor<?x2x16x64xf16>) v_pages(%k : tensor<?x2x16x64xf16>)
      page_table(%table : tensor<?x?xi32>) seq_lens(%lens : tensor<?xi32>) -> !plain
  %part = twilight.cache_part seq_lens of %cache : !plain -> tensor<?xi32>
  return %part : tensor<?xi32>
}
