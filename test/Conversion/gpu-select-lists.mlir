// Selectors that look at no page: one kernel that lists pages, no scores.
// RUN: twilight-opt %s --convert-twilight-to-gpu --canonicalize --cse | FileCheck %s

!cache = !twilight.cache<kv_heads = 2, head_dim = 128, page_size = 32, bf16, nhd>

// Every page: as many as the table has.
// CHECK-LABEL: func.func @full
// CHECK-SAME: %[[TABLE:[a-z0-9]+]]: memref<?x?xi32>
// CHECK-SAME: %[[LENS:[a-z0-9]+]]: memref<?xi32>
// CHECK-DAG: %[[B:.*]] = memref.dim %[[TABLE]], %c0
// CHECK-DAG: %[[PAGES:.*]] = memref.dim %[[TABLE]], %c1
// CHECK: %[[INDICES:.*]] = memref.alloc(%[[B]], %[[PAGES]]) : memref<?x2x?xi32>
// CHECK: %[[COUNTS:.*]] = memref.alloc(%[[B]]) : memref<?x2xi32>
// CHECK: memref.extract_aligned_pointer_as_index %[[LENS]] :
// CHECK: %[[P_LENS:.*]] = llvm.inttoptr
// CHECK: %[[P_INDICES:.*]] = llvm.inttoptr
// CHECK: %[[P_COUNTS:.*]] = llvm.inttoptr
// CHECK: %[[K32:.*]] = arith.index_cast %[[PAGES]] : index to i32
// CHECK: gpu.launch_func @twilight_kernels::@full_list_pages blocks in (%c2, %[[B]], %c1)
// CHECK-SAME: args(%[[P_LENS]] : !llvm.ptr<1>, %[[P_INDICES]] : !llvm.ptr<1>, %[[P_COUNTS]] : !llvm.ptr<1>, %[[K32]] : i32)
// CHECK-SAME: {twilight.op = "twilight.select"}
// CHECK-NOT: gpu.launch_func
// CHECK: return %[[INDICES]], %[[COUNTS]]
func.func @full(%q: tensor<?x8x128xbf16>, %k: tensor<?x32x2x128xbf16>, %v: tensor<?x32x2x128xbf16>,
                %table: tensor<?x?xi32>, %lens: tensor<?xi32>) -> (tensor<?x2x?xi32>, tensor<?x2xi32>) {
  %cache = twilight.assemble_cache k_pages(%k : tensor<?x32x2x128xbf16>) v_pages(%v : tensor<?x32x2x128xbf16>)
      page_table(%table : tensor<?x?xi32>) seq_lens(%lens : tensor<?xi32>) -> !cache
  %pages = twilight.select %q, %cache selector(#twilight.full) budget(#twilight.all)
      : tensor<?x8x128xbf16>, !cache -> !twilight.selection<page>
  %i, %c = twilight.selection_parts %pages : !twilight.selection<page> -> tensor<?x2x?xi32>, tensor<?x2xi32>
  return %i, %c : tensor<?x2x?xi32>, tensor<?x2xi32>
}

// The first and the last tokens' pages; a list for each query head.
// CHECK-LABEL: func.func @window
// CHECK-NOT: gpu.launch_func
// CHECK: gpu.launch_func @twilight_kernels::@window_list_pages blocks in (%c8, %{{[a-z0-9_]+}}, %c1)
// CHECK-NOT: gpu.launch_func
// CHECK: return
func.func @window(%q: tensor<?x8x128xbf16>, %k: tensor<?x32x2x128xbf16>, %v: tensor<?x32x2x128xbf16>,
                  %table: tensor<?x?xi32>, %lens: tensor<?xi32>) -> (tensor<?x8x?xi32>, tensor<?x8xi32>) {
  %cache = twilight.assemble_cache k_pages(%k : tensor<?x32x2x128xbf16>) v_pages(%v : tensor<?x32x2x128xbf16>)
      page_table(%table : tensor<?x?xi32>) seq_lens(%lens : tensor<?xi32>) -> !cache
  %pages = twilight.select %q, %cache selector(#twilight.window) budget(#twilight.all) group(per_head)
      {sink = 4 : i64, recent = 64 : i64} : tensor<?x8x128xbf16>, !cache -> !twilight.selection<page, query_head>
  %i, %c = twilight.selection_parts %pages : !twilight.selection<page, query_head> -> tensor<?x8x?xi32>, tensor<?x8xi32>
  return %i, %c : tensor<?x8x?xi32>, tensor<?x8xi32>
}

// Two functions share one module of kernels, whose names begin with theirs.
// CHECK: gpu.module @twilight_kernels [#nvvm.target<O = 3, chip = "sm_90a", features = "+ptx{{[0-9]+}}">]
// CHECK: gpu.func @full_list_pages
// CHECK: gpu.func @window_list_pages
// CHECK-NOT: gpu.module
