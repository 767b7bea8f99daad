// twilight.select as kernels and launches: sizes from the buffers' shapes, lengths read on the device.
// RUN: twilight-opt %s --convert-twilight-to-gpu --canonicalize --cse | FileCheck %s

!cache = !twilight.cache<kv_heads = 2, head_dim = 64, page_size = 16, f16, hnd, summary = #twilight.min_max<f16>>

// CHECK: module attributes {gpu.container_module}

// Capacity: ceil(0.25 max_pages), at least 1, at most max_pages. Importances are scored once for all heads of a kv
// head, then the best of each list are chosen.
// CHECK-LABEL: func.func @quest
// CHECK-SAME: %[[Q:[a-z0-9]+]]: memref<?x8x64xf16>
// CHECK-SAME: %[[SUMMARY:[a-z0-9]+]]: memref<?x2x2x64xf16>
// CHECK-SAME: %[[TABLE:[a-z0-9]+]]: memref<?x?xi32>
// CHECK-SAME: %[[LENS:[a-z0-9]+]]: memref<?xi32>
// CHECK-DAG: %[[B:.*]] = memref.dim %[[TABLE]], %c0
// CHECK-DAG: %[[PAGES:.*]] = memref.dim %[[TABLE]], %c1
// CHECK: %[[PARTS:.*]] = arith.muli %{{.*}}, %c250000_i64 : i64
// CHECK: %[[UP:.*]] = arith.addi %[[PARTS]], %c999999_i64
// CHECK: %[[CEIL:.*]] = arith.divsi %[[UP]], %c1000000_i64
// CHECK: %[[LEAST:.*]] = arith.maxsi %[[CEIL]], %c1_i64
// CHECK: %[[BUDGET:.*]] = arith.index_cast %[[LEAST]]
// CHECK: %[[K:.*]] = arith.minsi %[[BUDGET]], %[[PAGES]] : index
// CHECK: memref.alloc(%[[B]], %[[K]]) : memref<?x2x?xi32>
// CHECK: memref.alloc(%[[B]]) : memref<?x2xi32>
// CHECK: memref.alloc(%[[B]], %[[PAGES]]) : memref<?x2x?xf32>
// Blocks take both heads of whole multiples of the step, and cover all pages: ceildiv(max_pages, per_block).
// CHECK: arith.maxsi %{{.*}}, %c1 : index
// CHECK: %[[PER:.*]] = arith.muli %{{.*}}, %c{{[0-9]+}} : index
// CHECK-NEXT: %[[SUM:.*]] = arith.addi %[[PAGES]], %[[PER]]
// CHECK: %[[LESS:.*]] = arith.subi %[[SUM]], %c1
// CHECK: %[[BLOCKS:.*]] = arith.divsi %[[LESS]], %[[PER]]
// CHECK: memref.extract_aligned_pointer_as_index %[[Q]] :
// CHECK: %[[P_Q:.*]] = llvm.inttoptr
// CHECK: memref.extract_aligned_pointer_as_index %[[SUMMARY]] :
// CHECK: %[[P_SUMMARY:.*]] = llvm.inttoptr
// CHECK: memref.extract_aligned_pointer_as_index %[[TABLE]] :
// CHECK: %[[P_TABLE:.*]] = llvm.inttoptr
// CHECK: memref.extract_aligned_pointer_as_index %[[LENS]] :
// CHECK: %[[P_LENS:.*]] = llvm.inttoptr
// CHECK: %[[P_IMPORTANCE:.*]] = llvm.inttoptr
// CHECK-DAG: %[[PAGES32:.*]] = arith.index_cast %[[PAGES]] : index to i32
// CHECK-DAG: %[[PER32:.*]] = arith.index_cast %[[PER]] : index to i32
// CHECK: gpu.launch_func @twilight_kernels::@quest_score_pages blocks in (%c1, %[[BLOCKS]], %[[B]])
// CHECK-SAME: args(%[[P_Q]] : !llvm.ptr<1>, %[[P_SUMMARY]] : !llvm.ptr<1>, %[[P_TABLE]] : !llvm.ptr<1>, %[[P_LENS]] : !llvm.ptr<1>, %[[P_IMPORTANCE]] : !llvm.ptr<1>, %[[PAGES32]] : i32, %[[PER32]] : i32)
// CHECK-SAME: {twilight.op = "twilight.select"}
// Importances stay in shared memory as far as it goes: 4 bytes each beside what the kernel itself needs.
// CHECK: %[[CACHED:.*]] = arith.minsi %{{.*}}, %c{{[0-9][0-9][0-9][0-9]+}} : index
// CHECK: %[[EXTRA:.*]] = arith.muli %[[CACHED]], %c4
// CHECK: %[[P_INDICES:.*]] = llvm.inttoptr
// CHECK: %[[P_COUNTS:.*]] = llvm.inttoptr
// CHECK-DAG: %[[K32:.*]] = arith.index_cast %[[K]] : index to i32
// CHECK-DAG: %[[CACHED32:.*]] = arith.index_cast %[[CACHED]] : index to i32
// CHECK-DAG: %[[EXTRA32:.*]] = arith.index_cast %[[EXTRA]] : index to i32
// CHECK: %[[SHARED:.*]] = arith.addi %[[EXTRA32]], %{{.*}} : i32
// CHECK: gpu.launch_func @twilight_kernels::@quest_choose_pages blocks in (%c2, %[[B]], %c1)
// CHECK-SAME: dynamic_shared_memory_size %[[SHARED]]
// CHECK-SAME: args(%[[P_IMPORTANCE]] : !llvm.ptr<1>, %[[P_LENS]] : !llvm.ptr<1>, %[[P_INDICES]] : !llvm.ptr<1>, %[[P_COUNTS]] : !llvm.ptr<1>, %[[PAGES32]] : i32, %[[K32]] : i32, %[[CACHED32]] : i32)
// CHECK-SAME: {twilight.dependent_launch, twilight.op = "twilight.select"}
// CHECK-NOT: gpu.launch_func
// CHECK: return
func.func @quest(%q: tensor<?x8x64xf16>, %k: tensor<?x2x16x64xf16>, %v: tensor<?x2x16x64xf16>,
                 %summary: tensor<?x2x2x64xf16>, %table: tensor<?x?xi32>, %lens: tensor<?xi32>)
    -> (tensor<?x2x?xi32>, tensor<?x2xi32>) {
  %cache = twilight.assemble_cache k_pages(%k : tensor<?x2x16x64xf16>) v_pages(%v : tensor<?x2x16x64xf16>)
      summary(%summary : tensor<?x2x2x64xf16>) page_table(%table : tensor<?x?xi32>) seq_lens(%lens : tensor<?xi32>) -> !cache
  %pages = twilight.select %q, %cache selector(#twilight.quest) budget(#twilight.fraction<0.25>)
      : tensor<?x8x64xf16>, !cache -> !twilight.selection<page>
  %i, %c = twilight.selection_parts %pages : !twilight.selection<page> -> tensor<?x2x?xi32>, tensor<?x2xi32>
  return %i, %c : tensor<?x2x?xi32>, tensor<?x2xi32>
}

// A list for each query head: importances and choices too; a budget in tokens is one in pages, whatever the length.
// CHECK-LABEL: func.func @per_head
// CHECK: %[[K:.*]] = arith.minsi %{{.*}}, %c7 : index
// CHECK: memref.alloc(%[[B:.*]], %[[K]]) : memref<?x8x?xi32>
// CHECK: memref.alloc(%[[B]]) : memref<?x8xi32>
// CHECK: memref.alloc(%[[B]], %{{.*}}) : memref<?x8x?xf32>
// CHECK: gpu.launch_func @twilight_kernels::@per_head_score_pages blocks in (%c1, %{{[a-z0-9_]+}}, %[[B]])
// CHECK: gpu.launch_func @twilight_kernels::@per_head_choose_pages blocks in (%c8, %[[B]], %c1)
func.func @per_head(%q: tensor<?x8x64xf16>, %k: tensor<?x2x16x64xf16>, %v: tensor<?x2x16x64xf16>,
                    %summary: tensor<?x2x2x64xf16>, %table: tensor<?x?xi32>, %lens: tensor<?xi32>)
    -> (tensor<?x8x?xi32>, tensor<?x8xi32>) {
  %cache = twilight.assemble_cache k_pages(%k : tensor<?x2x16x64xf16>) v_pages(%v : tensor<?x2x16x64xf16>)
      summary(%summary : tensor<?x2x2x64xf16>) page_table(%table : tensor<?x?xi32>) seq_lens(%lens : tensor<?xi32>) -> !cache
  %pages = twilight.select %q, %cache selector(#twilight.quest) budget(#twilight.tokens<100>) group(per_head)
      : tensor<?x8x64xf16>, !cache -> !twilight.selection<page, query_head>
  %i, %c = twilight.selection_parts %pages : !twilight.selection<page, query_head> -> tensor<?x8x?xi32>, tensor<?x8xi32>
  return %i, %c : tensor<?x8x?xi32>, tensor<?x8xi32>
}
