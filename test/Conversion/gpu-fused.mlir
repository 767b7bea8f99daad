// A fused pipeline of the block shape is one kernel and one launch.
// RUN: twilight-opt %s --convert-twilight-to-gpu=chip=sm_90a --canonicalize --cse | FileCheck %s

!cache = !twilight.cache<kv_heads = 2, head_dim = 64, page_size = 16, f16, hnd, codes = <bits = 4>,
                         summary = #twilight.min_max<f16>>
!q = tensor<?x8x64xf16>

// As many clusters as fit the chip, at most one for each sequence and kv head; shared memory from the table's width.
// p and the function's other arguments keep their names inside the fused op.
// CHECK-LABEL: func.func @fused
// CHECK-SAME: memref<?x8x64xf16> {twilight.dims = ["B", "", ""]
// CHECK-SAME: memref<1xf32>
// CHECK-DAG: %[[B:.*]] = memref.dim %{{.*}}, %c0 : memref<?x?xi32>
// CHECK-DAG: %[[ITEMS:.*]] = arith.muli %[[B]], %c2 : index
// CHECK: %[[FEW:.*]] = arith.minsi %[[ITEMS]], %c66 : index
// CHECK: %[[CLUSTERS:.*]] = arith.maxsi %[[FEW]], %c1 : index
// CHECK: %[[BLOCKS:.*]] = arith.muli %[[CLUSTERS]], %c2
// CHECK: gpu.launch_func @twilight_kernels::@fused_pipeline blocks in (%[[BLOCKS]], %c1, %c1) threads in (%c256, %c1, %c1)
// CHECK-SAME: dynamic_shared_memory_size
// CHECK-SAME: twilight.cluster = 2 : i64, twilight.op = "twilight.fused"
// CHECK-NOT: gpu.launch_func
// CHECK: return
// CHECK: gpu.func @fused_pipeline
// CHECK-SAME: nvvm.cluster_dim = array<i32: 2, 1, 1>
// CHECK: nvvm.cluster.arrive
// CHECK-NOT: gpu.func
func.func @fused(%q: !q, %k: tensor<?x2x16x64xf16>, %codes: tensor<?x2x16x32xi8>, %scale: tensor<?x2x16xf16>,
                 %bounds: tensor<?x2x2x64xf16>, %table: tensor<?x?xi32>, %lens: tensor<?xi32>, %p: f32)
    -> (tensor<?x2xi32>, !q, tensor<?x2xi32>) {
  %cache = twilight.assemble_cache k_pages(%k : tensor<?x2x16x64xf16>) v_pages(%k : tensor<?x2x16x64xf16>)
      codes(%codes : tensor<?x2x16x32xi8>) scale(%scale : tensor<?x2x16xf16>) zero(%scale : tensor<?x2x16xf16>)
      summary(%bounds : tensor<?x2x2x64xf16>) page_table(%table : tensor<?x?xi32>) seq_lens(%lens : tensor<?xi32>) -> !cache
  %candidates, %out, %counts = twilight.fused (%q_ = %q : !q, %c = %cache : !cache, %p_ = %p : f32)
      schedule(<block, cluster = 2, warps = 8>) {
    %pages = twilight.select %q_, %c selector(#twilight.quest) budget(#twilight.fraction<0.25>)
        : !q, !cache -> !twilight.selection<page>
    %scores = twilight.quantize_score %q_, %c, %pages : !q, !cache, !twilight.selection<page> -> !twilight.scores
    %kept = twilight.top_p %scores, %p_ : !twilight.scores, f32 -> !twilight.selection<token>
    %o, %n = twilight.gather_attend %q_, %c, %kept : !q, !cache, !twilight.selection<token> -> !q counts tensor<?x2xi32>
    %all = twilight.count %pages, %c : !twilight.selection<page>, !cache -> tensor<?x2xi32>
    twilight.yield %all, %o, %n : tensor<?x2xi32>, !q, tensor<?x2xi32>
  } : tensor<?x2xi32>, !q, tensor<?x2xi32>
  return %candidates, %out, %counts : tensor<?x2xi32>, !q, tensor<?x2xi32>
}
