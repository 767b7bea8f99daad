// twilight.quantize_score and twilight.top_p as kernels and launches.
// RUN: twilight-opt %s --convert-twilight-to-gpu --canonicalize --cse | FileCheck %s

!cache = !twilight.cache<kv_heads = 2, head_dim = 64, page_size = 16, bf16, hnd, codes = <bits = 4>>

// Slots are those of the candidates' worst case: P for each entry of the lists. One block works on both kv heads' lists;
// the counts say how long they are, so scoring reads no lengths. p is one f32 on the device.
// CHECK-LABEL: func.func @union
// CHECK-SAME: %[[Q:[a-z0-9]+]]: memref<?x8x64xbf16>
// CHECK-SAME: %[[CODES:[a-z0-9]+]]: memref<?x2x16x32xi8>
// CHECK-SAME: %[[SCALE:[a-z0-9]+]]: memref<?x2x16xf16>
// CHECK-SAME: %[[ZERO:[a-z0-9]+]]: memref<?x2x16xf16>
// CHECK-SAME: %[[TABLE:[a-z0-9]+]]: memref<?x?xi32>
// CHECK-SAME: %[[LENS:[a-z0-9]+]]: memref<?xi32>
// CHECK-SAME: %[[LISTS:[a-z0-9]+]]: memref<?x2x?xi32>
// CHECK-SAME: %[[COUNTS:[a-z0-9]+]]: memref<?x2xi32>
// CHECK-SAME: %[[P:[a-z0-9]+]]: memref<1xf32>
// CHECK-DAG: %[[B:.*]] = memref.dim %[[TABLE]], %c0
// CHECK-DAG: %[[PAGES:.*]] = memref.dim %[[TABLE]], %c1
// CHECK-DAG: %[[CAP:.*]] = memref.dim %{{.*}}, %c2
// CHECK: %[[SLOTS:.*]] = arith.muli %[[CAP]], %c16
// CHECK: memref.alloc(%[[B]], %[[SLOTS]]) : memref<?x8x?xf32>
// CHECK: arith.maxsi %{{.*}}, %c1 : index
// CHECK: %[[PER:.*]] = arith.muli %{{.*}}, %c{{[0-9]+}} : index
// CHECK-NEXT: %[[SUM:.*]] = arith.addi %[[SLOTS]], %[[PER]]
// CHECK: %[[LESS:.*]] = arith.subi %[[SUM]], %c1
// CHECK: %[[BLOCKS:.*]] = arith.divsi %[[LESS]], %[[PER]]
// CHECK: memref.extract_aligned_pointer_as_index %[[Q]] :
// CHECK: %[[P_Q:.*]] = llvm.inttoptr
// CHECK: memref.extract_aligned_pointer_as_index %[[CODES]] :
// CHECK: %[[P_CODES:.*]] = llvm.inttoptr
// CHECK: memref.extract_aligned_pointer_as_index %[[SCALE]] :
// CHECK: %[[P_SCALE:.*]] = llvm.inttoptr
// CHECK: memref.extract_aligned_pointer_as_index %[[ZERO]] :
// CHECK: %[[P_ZERO:.*]] = llvm.inttoptr
// CHECK: memref.extract_aligned_pointer_as_index %[[TABLE]] :
// CHECK: %[[P_TABLE:.*]] = llvm.inttoptr
// CHECK: %[[P_LISTS:.*]] = llvm.inttoptr
// CHECK: %[[P_COUNTS:.*]] = llvm.inttoptr
// CHECK: %[[P_LOGITS:.*]] = llvm.inttoptr
// CHECK-DAG: %[[PAGES32:.*]] = arith.index_cast %[[PAGES]] : index to i32
// CHECK-DAG: %[[CAP32:.*]] = arith.index_cast %[[CAP]] : index to i32
// CHECK-DAG: %[[PER32:.*]] = arith.index_cast %[[PER]] : index to i32
// CHECK: gpu.launch_func @twilight_kernels::@union_quantize_score blocks in (%c1, %[[BLOCKS]], %[[B]])
// CHECK-SAME: args(%[[P_Q]] : !llvm.ptr<1>, %[[P_CODES]] : !llvm.ptr<1>, %[[P_SCALE]] : !llvm.ptr<1>, %[[P_ZERO]] : !llvm.ptr<1>, %[[P_TABLE]] : !llvm.ptr<1>, %[[P_LISTS]] : !llvm.ptr<1>, %[[P_COUNTS]] : !llvm.ptr<1>, %[[P_LOGITS]] : !llvm.ptr<1>, %[[PAGES32]] : i32, %[[CAP32]] : i32, %[[PER32]] : i32)
// CHECK-SAME: {twilight.op = "twilight.quantize_score"}

// One bit a slot and query head, then a list for each kv head.
// CHECK: %[[UP:.*]] = arith.addi %[[SLOTS]], %c31
// CHECK: %[[WORDS:.*]] = arith.divsi %[[UP]], %c32
// CHECK: memref.alloc(%[[B]], %[[WORDS]]) : memref<?x8x?xi32>
// CHECK: memref.alloc(%[[B]], %[[SLOTS]]) : memref<?x2x?xi32>
// CHECK: memref.alloc(%[[B]]) : memref<?x2xi32>
// CHECK: %[[CACHED:.*]] = arith.minsi %{{.*}}, %c{{[0-9][0-9][0-9][0-9]+}} : index
// CHECK: memref.extract_aligned_pointer_as_index %[[P]] :
// CHECK: %[[P_P:.*]] = llvm.inttoptr
// CHECK: memref.extract_aligned_pointer_as_index %[[LENS]] :
// CHECK: %[[P_LENS:.*]] = llvm.inttoptr
// CHECK: %[[P_MASK:.*]] = llvm.inttoptr
// CHECK-DAG: %[[WORDS32:.*]] = arith.index_cast %[[WORDS]] : index to i32
// CHECK-DAG: %[[CACHED32:.*]] = arith.index_cast %[[CACHED]] : index to i32
// CHECK: gpu.launch_func @twilight_kernels::@union_keep_mask blocks in (%c8, %[[B]], %c1)
// CHECK-SAME: args(%[[P_LOGITS]] : !llvm.ptr<1>, %[[P_P]] : !llvm.ptr<1>, %[[P_LENS]] : !llvm.ptr<1>, %[[P_LISTS]] : !llvm.ptr<1>, %[[P_COUNTS]] : !llvm.ptr<1>, %[[P_MASK]] : !llvm.ptr<1>, %[[CAP32]] : i32, %[[WORDS32]] : i32, %[[CACHED32]] : i32)
// CHECK-SAME: {twilight.dependent_launch, twilight.op = "twilight.top_p"}
// CHECK: %[[P_TOKENS:.*]] = llvm.inttoptr
// CHECK: %[[P_KEPT:.*]] = llvm.inttoptr
// CHECK: gpu.launch_func @twilight_kernels::@union_compact_tokens blocks in (%c2, %[[B]], %c1)
// CHECK-SAME: args(%[[P_MASK]] : !llvm.ptr<1>, %[[P_LENS]] : !llvm.ptr<1>, %[[P_LISTS]] : !llvm.ptr<1>, %[[P_COUNTS]] : !llvm.ptr<1>, %[[P_TOKENS]] : !llvm.ptr<1>, %[[P_KEPT]] : !llvm.ptr<1>, %[[CAP32]] : i32, %[[WORDS32]] : i32)
// CHECK-SAME: {twilight.dependent_launch, twilight.op = "twilight.top_p"}
func.func @union(%q: tensor<?x8x64xbf16>, %k: tensor<?x2x16x64xbf16>, %codes: tensor<?x2x16x32xi8>,
                 %scale: tensor<?x2x16xf16>, %zero: tensor<?x2x16xf16>, %table: tensor<?x?xi32>, %lens: tensor<?xi32>,
                 %lists: tensor<?x2x?xi32>, %counts: tensor<?x2xi32>, %p: f32) -> (tensor<?x2x?xi32>, tensor<?x2xi32>) {
  %cache = twilight.assemble_cache k_pages(%k : tensor<?x2x16x64xbf16>) v_pages(%k : tensor<?x2x16x64xbf16>)
      codes(%codes : tensor<?x2x16x32xi8>) scale(%scale : tensor<?x2x16xf16>) zero(%zero : tensor<?x2x16xf16>)
      page_table(%table : tensor<?x?xi32>) seq_lens(%lens : tensor<?xi32>) -> !cache
  %pages = twilight.assemble_selection %lists, %counts : tensor<?x2x?xi32>, tensor<?x2xi32> -> !twilight.selection<page>
  %scores = twilight.quantize_score %q, %cache, %pages
      : tensor<?x8x64xbf16>, !cache, !twilight.selection<page> -> !twilight.scores
  %kept = twilight.top_p %scores, %p : !twilight.scores, f32 -> !twilight.selection<token>
  %i, %c = twilight.selection_parts %kept : !twilight.selection<token> -> tensor<?x2x?xi32>, tensor<?x2xi32>
  return %i, %c : tensor<?x2x?xi32>, tensor<?x2xi32>
}
