// twilight.append changes the caller's buffers; what reads the cache afterwards comes after it.
// RUN: twilight-opt %s --convert-twilight-to-gpu --canonicalize --cse | FileCheck %s

!cache = !twilight.cache<kv_heads = 2, head_dim = 64, page_size = 16, f16, hnd, codes = <bits = 4>, summary = #twilight.min_max<f16>>
!plain = !twilight.cache<kv_heads = 2, head_dim = 64, page_size = 16, f16, hnd>

// T rows touch at most ceildiv(T, P) + 1 pages. Every part but the page table is written.
// CHECK-LABEL: func.func @whole
// CHECK-SAME: %[[K:[a-z0-9]+]]: memref<?x2x16x64xf16> {{{.*}}twilight.name = "k_pages", twilight.written}
// CHECK-SAME: %[[V:[a-z0-9]+]]: memref<?x2x16x64xf16> {{{.*}}twilight.name = "v_pages", twilight.written}
// CHECK-SAME: %[[CODES:[a-z0-9]+]]: memref<?x2x16x32xi8> {{{.*}}twilight.name = "codes", twilight.written}
// CHECK-SAME: %[[SCALE:[a-z0-9]+]]: memref<?x2x16xf16> {{{.*}}twilight.name = "scale", twilight.written}
// CHECK-SAME: %[[ZERO:[a-z0-9]+]]: memref<?x2x16xf16> {{{.*}}twilight.name = "zero", twilight.written}
// CHECK-SAME: %[[SUMMARY:[a-z0-9]+]]: memref<?x2x2x64xf16> {{{.*}}twilight.name = "summary", twilight.written}
// CHECK-SAME: %[[TABLE:[a-z0-9]+]]: memref<?x?xi32> {twilight.dims = ["B", "max_pages"], twilight.name = "page_table", twilight.page_size = 16 : i64}
// CHECK-SAME: %[[LENS:[a-z0-9]+]]: memref<?xi32> {twilight.dims = ["B"], twilight.name = "seq_lens", twilight.page_size = 16 : i64, twilight.written}
// CHECK-SAME: %[[NK:[a-z0-9]+]]: memref<?x?x2x64xf16> {twilight.dims = ["B", "T", "", ""], twilight.name = "k"}
// CHECK-SAME: %[[NV:[a-z0-9]+]]: memref<?x?x2x64xf16> {twilight.dims = ["B", "T", "", ""], twilight.name = "v"}
// CHECK-SAME: %[[NEW:[a-z0-9]+]]: memref<?xi32> {twilight.dims = ["B"], twilight.name = "new_lens"}
// CHECK-DAG: %[[B:.*]] = memref.dim %[[TABLE]], %c0
// CHECK-DAG: %[[PAGES:.*]] = memref.dim %[[TABLE]], %c1
// CHECK-DAG: %[[T:.*]] = memref.dim %[[NK]], %c1
// CHECK: %[[UP:.*]] = arith.addi %[[T]], %c15
// CHECK: %[[FULL:.*]] = arith.divsi %[[UP]], %c16
// CHECK: %[[BLOCKS:.*]] = arith.addi %[[FULL]], %c1
// CHECK: memref.extract_aligned_pointer_as_index %[[K]] :
// CHECK: %[[P_K:.*]] = llvm.inttoptr
// CHECK: memref.extract_aligned_pointer_as_index %[[V]] :
// CHECK: %[[P_V:.*]] = llvm.inttoptr
// CHECK: memref.extract_aligned_pointer_as_index %[[CODES]] :
// CHECK: %[[P_CODES:.*]] = llvm.inttoptr
// CHECK: memref.extract_aligned_pointer_as_index %[[SCALE]] :
// CHECK: %[[P_SCALE:.*]] = llvm.inttoptr
// CHECK: memref.extract_aligned_pointer_as_index %[[ZERO]] :
// CHECK: %[[P_ZERO:.*]] = llvm.inttoptr
// CHECK: memref.extract_aligned_pointer_as_index %[[SUMMARY]] :
// CHECK: %[[P_SUMMARY:.*]] = llvm.inttoptr
// CHECK: memref.extract_aligned_pointer_as_index %[[TABLE]] :
// CHECK: %[[P_TABLE:.*]] = llvm.inttoptr
// CHECK: memref.extract_aligned_pointer_as_index %[[LENS]] :
// CHECK: %[[P_LENS:.*]] = llvm.inttoptr
// CHECK: memref.extract_aligned_pointer_as_index %[[NK]] :
// CHECK: %[[P_NK:.*]] = llvm.inttoptr
// CHECK: memref.extract_aligned_pointer_as_index %[[NV]] :
// CHECK: %[[P_NV:.*]] = llvm.inttoptr
// CHECK: memref.extract_aligned_pointer_as_index %[[NEW]] :
// CHECK: %[[P_NEW:.*]] = llvm.inttoptr
// CHECK-DAG: %[[PAGES32:.*]] = arith.index_cast %[[PAGES]] : index to i32
// CHECK-DAG: %[[T32:.*]] = arith.index_cast %[[T]] : index to i32
// CHECK: gpu.launch_func @twilight_kernels::@whole_append blocks in (%[[BLOCKS]], %c2, %[[B]])
// CHECK-SAME: args(%[[P_K]] : !llvm.ptr<1>, %[[P_V]] : !llvm.ptr<1>, %[[P_CODES]] : !llvm.ptr<1>, %[[P_SCALE]] : !llvm.ptr<1>, %[[P_ZERO]] : !llvm.ptr<1>, %[[P_SUMMARY]] : !llvm.ptr<1>, %[[P_TABLE]] : !llvm.ptr<1>, %[[P_LENS]] : !llvm.ptr<1>, %[[P_NK]] : !llvm.ptr<1>, %[[P_NV]] : !llvm.ptr<1>, %[[P_NEW]] : !llvm.ptr<1>, %[[PAGES32]] : i32, %[[T32]] : i32)
// CHECK-SAME: {twilight.op = "twilight.append"}
// The lengths change only when every block has read them: in a launch of its own.
// CHECK: %[[B32:.*]] = arith.index_cast %[[B]] : index to i32
// CHECK: gpu.launch_func @twilight_kernels::@whole_advance_lengths blocks in (%c1, %c1, %c1)
// CHECK-SAME: args(%[[P_LENS]] : !llvm.ptr<1>, %[[P_NEW]] : !llvm.ptr<1>, %[[B32]] : i32, %[[T32]] : i32)
// CHECK-SAME: {twilight.op = "twilight.append"}
// CHECK: return
func.func @whole(%k: tensor<?x2x16x64xf16> {twilight.name = "k_pages"}, %v: tensor<?x2x16x64xf16> {twilight.name = "v_pages"},
                 %codes: tensor<?x2x16x32xi8> {twilight.name = "codes"}, %scale: tensor<?x2x16xf16> {twilight.name = "scale"},
                 %zero: tensor<?x2x16xf16> {twilight.name = "zero"}, %summary: tensor<?x2x2x64xf16> {twilight.name = "summary"},
                 %table: tensor<?x?xi32> {twilight.name = "page_table"}, %lens: tensor<?xi32> {twilight.name = "seq_lens"},
                 %nk: tensor<?x?x2x64xf16> {twilight.name = "k"}, %nv: tensor<?x?x2x64xf16> {twilight.name = "v"},
                 %new: tensor<?xi32> {twilight.name = "new_lens"}) {
  %cache = twilight.assemble_cache k_pages(%k : tensor<?x2x16x64xf16>) v_pages(%v : tensor<?x2x16x64xf16>)
      codes(%codes : tensor<?x2x16x32xi8>) scale(%scale : tensor<?x2x16xf16>) zero(%zero : tensor<?x2x16xf16>)
      summary(%summary : tensor<?x2x2x64xf16>) page_table(%table : tensor<?x?xi32>) seq_lens(%lens : tensor<?xi32>) -> !cache
  %next = twilight.append %cache, %nk, %nv new_lens(%new : tensor<?xi32>)
      : !cache, tensor<?x?x2x64xf16>, tensor<?x?x2x64xf16>
  return
}

// Twice, then attention: kernels of the same stage are numbered, and launches keep the order of the ops.
// CHECK-LABEL: func.func @twice
// CHECK: @twilight_kernels::@twice_append blocks
// CHECK: @twilight_kernels::@twice_advance_lengths blocks
// CHECK: @twilight_kernels::@twice_append_2 blocks
// CHECK: @twilight_kernels::@twice_advance_lengths_2 blocks
// CHECK: @twilight_kernels::@twice_attend blocks
// CHECK: @twilight_kernels::@twice_combine_splits blocks
func.func @twice(%q: tensor<?x8x64xf16>, %k: tensor<?x2x16x64xf16>, %v: tensor<?x2x16x64xf16>, %table: tensor<?x?xi32>,
                 %lens: tensor<?xi32>, %nk: tensor<?x1x2x64xf16>, %nv: tensor<?x1x2x64xf16>) -> tensor<?x8x64xf16> {
  %cache = twilight.assemble_cache k_pages(%k : tensor<?x2x16x64xf16>) v_pages(%v : tensor<?x2x16x64xf16>)
      page_table(%table : tensor<?x?xi32>) seq_lens(%lens : tensor<?xi32>) -> !plain
  %1 = twilight.append %cache, %nk, %nv : !plain, tensor<?x1x2x64xf16>, tensor<?x1x2x64xf16>
  %2 = twilight.append %1, %nk, %nv : !plain, tensor<?x1x2x64xf16>, tensor<?x1x2x64xf16>
  %out = twilight.attend %q, %2 : tensor<?x8x64xf16>, !plain -> tensor<?x8x64xf16>
  return %out : tensor<?x8x64xf16>
}
