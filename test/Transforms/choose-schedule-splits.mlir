// Blocks that share a list of dense attention: few where lists are many, 32 where they are few; what is written stays.
// RUN: twilight-opt %s --twilight-choose-schedule="batch=8 tokens=32768" | FileCheck %s -DSPLITS=8
// RUN: twilight-opt %s --twilight-choose-schedule="batch=1 tokens=131072" | FileCheck %s -DSPLITS=32
// RUN: twilight-opt %s --twilight-choose-schedule="batch=64 tokens=1024" | FileCheck %s -DSPLITS=1
// The first choice is kept.
// RUN: twilight-opt %s --twilight-choose-schedule="batch=8 tokens=32768" --twilight-choose-schedule="batch=1 tokens=131072" | FileCheck %s -DSPLITS=8
// Without sizes there is nothing to go by; a schedule that is forced is for fused ops.
// RUN: twilight-opt %s --twilight-choose-schedule="schedule='#twilight.schedule<grid, dense_splits = 4>'" | FileCheck %s --check-prefix=OPEN
// RUN: twilight-opt %s --twilight-choose-schedule="batch=8" | FileCheck %s --check-prefix=OPEN
// On a GPU they are the second size of the grid.
// RUN: twilight-opt %s --twilight-choose-schedule="batch=8 tokens=32768" --twilight-inline-fused --convert-twilight-to-gpu --canonicalize | FileCheck %s --check-prefix=GPU
// Remarks say what was chosen.
// RUN: twilight-opt %s --twilight-choose-schedule="batch=8 tokens=32768" --remarks-filter=twilight-choose-schedule --remark-format=emitRemark -verify-diagnostics -o /dev/null

!cache = !twilight.cache<kv_heads = 8, head_dim = 128, page_size = 16, bf16, hnd>
!q = tensor<?x32x128xbf16>
!pool = tensor<?x8x16x128xbf16>

// CHECK-LABEL: func @dense(
// CHECK: twilight.attend {{.*}} {twilight.splits = [[SPLITS]] : i64} :
// CHECK: twilight.attend {{.*}} {twilight.splits = 3 : i64} :
// CHECK: twilight.fused
// CHECK: twilight.attend {{%[a-z0-9_]+}}, {{%[a-z0-9_]+}} :
// OPEN-LABEL: func @dense(
// OPEN: twilight.attend {{%[a-z0-9_]+}}, {{%[a-z0-9_]+}} :
// OPEN: twilight.attend {{.*}} {twilight.splits = 3 : i64} :
// GPU-DAG: %[[EIGHT:.*]] = arith.constant 8 : index
// GPU-DAG: %[[THREE:.*]] = arith.constant 3 : index
// GPU-DAG: %[[USUAL:.*]] = arith.constant 32 : index
// GPU: gpu.launch_func @twilight_kernels::@dense_attend blocks in (%[[EIGHT]], %[[EIGHT]], %{{.*}})
// GPU: gpu.launch_func @twilight_kernels::@dense_attend_2 blocks in (%[[EIGHT]], %[[THREE]], %{{.*}})
// GPU: gpu.launch_func @twilight_kernels::@dense_attend_3 blocks in (%[[EIGHT]], %[[USUAL]], %{{.*}})
func.func @dense(%q: !q, %k: !pool, %v: !pool, %t: tensor<?x?xi32>, %n: tensor<?xi32>) -> (!q, !q, !q) {
  %cache = twilight.assemble_cache k_pages(%k : !pool) v_pages(%v : !pool) page_table(%t : tensor<?x?xi32>)
      seq_lens(%n : tensor<?xi32>) -> !cache
  // expected-remark @below {{[Passed] choose-schedule | Category:twilight-choose-schedule | Remark="8 splits: predicted 375.1 us"}}
  %0 = twilight.attend %q, %cache : !q, !cache -> !q
  // expected-remark @below {{Remark="3 splits: written on the op"}}
  %1 = twilight.attend %q, %cache {twilight.splits = 3 : i64} : !q, !cache -> !q
  // expected-remark @below {{Remark="grid, gather_splits = 8, dense_splits = 32: its ops are not one chain of select, quantize_score, top_p and gather_attend"}}
  %2 = twilight.fused (%q_ = %q : !q, %cache_ = %cache : !cache) {
    %o = twilight.attend %q_, %cache_ : !q, !cache -> !q
    twilight.yield %o : !q
  } : !q
  return %0, %1, %2 : !q, !q, !q
}
