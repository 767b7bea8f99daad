// twilight.gather_attend and twilight.attend: split over blocks, then combined in a fixed order.
// RUN: twilight-opt %s --convert-twilight-to-gpu --canonicalize --cse | FileCheck %s

!plain = !twilight.cache<kv_heads = 2, head_dim = 64, page_size = 16, f16, hnd>

// How many blocks share a list does not depend on the batch: the results do not either.
// CHECK-LABEL: func.func @gathered
// CHECK-SAME: %[[Q:[a-z0-9]+]]: memref<?x8x64xf16>
// CHECK-SAME: %[[K:[a-z0-9]+]]: memref<?x2x16x64xf16>
// CHECK-SAME: %[[V:[a-z0-9]+]]: memref<?x2x16x64xf16>
// CHECK-SAME: %[[TABLE:[a-z0-9]+]]: memref<?x?xi32>
// CHECK-SAME: %[[LENS:[a-z0-9]+]]: memref<?xi32>
// CHECK-SAME: %[[LISTS:[a-z0-9]+]]: memref<?x2x?xi32>
// CHECK-SAME: %[[SIZES:[a-z0-9]+]]: memref<?x2xi32>
// CHECK-DAG: %[[B:.*]] = memref.dim %[[TABLE]], %c0
// CHECK-DAG: %[[PAGES:.*]] = memref.dim %[[TABLE]], %c1
// CHECK-DAG: memref.alloc(%[[B]]) : memref<?x2x[[SPLITS:[0-9]+]]x4x66xf32>
// CHECK-DAG: %[[OUT:.*]] = memref.alloc(%[[B]]) : memref<?x8x64xf16>
// CHECK-DAG: %[[LSE:.*]] = memref.alloc(%[[B]]) : memref<?x8xf32>
// CHECK-DAG: %[[COUNTS:.*]] = memref.alloc(%[[B]]) : memref<?x2xi32>
// CHECK: %[[CAP:.*]] = memref.dim %{{.*}}, %c2
// CHECK: memref.extract_aligned_pointer_as_index %[[Q]] :
// CHECK: %[[P_Q:.*]] = llvm.inttoptr
// CHECK: memref.extract_aligned_pointer_as_index %[[K]] :
// CHECK: %[[P_K:.*]] = llvm.inttoptr
// CHECK: memref.extract_aligned_pointer_as_index %[[V]] :
// CHECK: %[[P_V:.*]] = llvm.inttoptr
// CHECK: memref.extract_aligned_pointer_as_index %[[TABLE]] :
// CHECK: %[[P_TABLE:.*]] = llvm.inttoptr
// CHECK: memref.extract_aligned_pointer_as_index %[[LENS]] :
// CHECK: %[[P_LENS:.*]] = llvm.inttoptr
// CHECK: %[[P_LISTS:.*]] = llvm.inttoptr
// CHECK: %[[P_SIZES:.*]] = llvm.inttoptr
// CHECK: memref.extract_aligned_pointer_as_index %[[OUT]] :
// CHECK: %[[P_OUT:.*]] = llvm.inttoptr
// CHECK: memref.extract_aligned_pointer_as_index %[[LSE]] :
// CHECK: %[[P_LSE:.*]] = llvm.inttoptr
// CHECK: memref.extract_aligned_pointer_as_index %[[COUNTS]] :
// CHECK: %[[P_COUNTS:.*]] = llvm.inttoptr
// CHECK: %[[P_PARTIAL:.*]] = llvm.inttoptr
// CHECK-DAG: %[[PAGES32:.*]] = arith.index_cast %[[PAGES]] : index to i32
// CHECK-DAG: %[[CAP32:.*]] = arith.index_cast %[[CAP]] : index to i32
// CHECK: gpu.launch_func @twilight_kernels::@gathered_gather_attend blocks in (%c2, %c[[SPLITS]], %[[B]])
// CHECK-SAME: args(%[[P_Q]] : !llvm.ptr<1>, %[[P_K]] : !llvm.ptr<1>, %[[P_V]] : !llvm.ptr<1>, %[[P_TABLE]] : !llvm.ptr<1>, %[[P_LENS]] : !llvm.ptr<1>, %[[P_LISTS]] : !llvm.ptr<1>, %[[P_SIZES]] : !llvm.ptr<1>, %[[P_OUT]] : !llvm.ptr<1>, %[[P_LSE]] : !llvm.ptr<1>, %[[P_COUNTS]] : !llvm.ptr<1>, %[[P_PARTIAL]] : !llvm.ptr<1>, %[[PAGES32]] : i32, %[[CAP32]] : i32)
// CHECK-SAME: {twilight.op = "twilight.gather_attend"}
// CHECK: gpu.launch_func @twilight_kernels::@gathered_combine_splits blocks in (%c2, %[[B]], %c1)
// CHECK-SAME: args(%[[P_PARTIAL]] : !llvm.ptr<1>, %[[P_LENS]] : !llvm.ptr<1>, %[[P_LISTS]] : !llvm.ptr<1>, %[[P_SIZES]] : !llvm.ptr<1>, %[[P_OUT]] : !llvm.ptr<1>, %[[P_LSE]] : !llvm.ptr<1>, %[[CAP32]] : i32)
// CHECK-SAME: {twilight.dependent_launch, twilight.op = "twilight.gather_attend"}
// CHECK: return %[[OUT]], %[[LSE]], %[[COUNTS]]
func.func @gathered(%q: tensor<?x8x64xf16>, %k: tensor<?x2x16x64xf16>, %v: tensor<?x2x16x64xf16>,
                    %table: tensor<?x?xi32>, %lens: tensor<?xi32>, %lists: tensor<?x2x?xi32>, %sizes: tensor<?x2xi32>)
    -> (tensor<?x8x64xf16>, tensor<?x8xf32>, tensor<?x2xi32>) {
  %cache = twilight.assemble_cache k_pages(%k : tensor<?x2x16x64xf16>) v_pages(%v : tensor<?x2x16x64xf16>)
      page_table(%table : tensor<?x?xi32>) seq_lens(%lens : tensor<?xi32>) -> !plain
  %kept = twilight.assemble_selection %lists, %sizes : tensor<?x2x?xi32>, tensor<?x2xi32> -> !twilight.selection<token>
  %out, %lse, %counts = twilight.gather_attend %q, %cache, %kept : tensor<?x8x64xf16>, !plain, !twilight.selection<token>
      -> tensor<?x8x64xf16> lse tensor<?x8xf32> counts tensor<?x2xi32>
  return %out, %lse, %counts : tensor<?x8x64xf16>, tensor<?x8xf32>, tensor<?x2xi32>
}

// Dense: no lists and no capacity; lse and counts that nobody asked for are not computed (7 buffers and max_pages).
// CHECK-LABEL: func.func @dense
// CHECK-DAG: memref.alloc(%{{.*}}) : memref<?x2x[[SPLITS:[0-9]+]]x4x66xf32>
// CHECK-DAG: memref.alloc(%{{.*}}) : memref<?x8x64xf32>
// CHECK-NOT: memref.alloc
// CHECK: gpu.launch_func @twilight_kernels::@dense_attend blocks in (%c2, %c[[SPLITS]], %{{[a-z0-9_]+}})
// CHECK-SAME: args(%{{[0-9]+}} : !llvm.ptr<1>, %{{[0-9]+}} : !llvm.ptr<1>, %{{[0-9]+}} : !llvm.ptr<1>, %{{[0-9]+}} : !llvm.ptr<1>, %[[LENS:[0-9]+]] : !llvm.ptr<1>, %[[OUT:[0-9]+]] : !llvm.ptr<1>, %[[PARTIAL:[0-9]+]] : !llvm.ptr<1>, %{{[0-9]+}} : i32)
// CHECK-SAME: {twilight.op = "twilight.attend"}
// CHECK: gpu.launch_func @twilight_kernels::@dense_combine_splits blocks in (%c2, %{{[a-z0-9_]+}}, %c1)
// CHECK-SAME: args(%[[PARTIAL]] : !llvm.ptr<1>, %[[LENS]] : !llvm.ptr<1>, %[[OUT]] : !llvm.ptr<1>)
// CHECK-SAME: {twilight.dependent_launch, twilight.op = "twilight.attend"}
func.func @dense(%q: tensor<?x8x64xf16>, %k: tensor<?x2x16x64xf16>, %v: tensor<?x2x16x64xf16>,
                 %table: tensor<?x?xi32>, %lens: tensor<?xi32>) -> tensor<?x8x64xf32> {
  %cache = twilight.assemble_cache k_pages(%k : tensor<?x2x16x64xf16>) v_pages(%v : tensor<?x2x16x64xf16>)
      page_table(%table : tensor<?x?xi32>) seq_lens(%lens : tensor<?xi32>) -> !plain
  %out = twilight.attend %q, %cache : tensor<?x8x64xf16>, !plain -> tensor<?x8x64xf32>
  return %out : tensor<?x8x64xf32>
}
