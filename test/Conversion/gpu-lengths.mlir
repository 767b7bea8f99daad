// twilight.split_by_length and twilight.add_lengths as kernels. Split lengths are read like the pipeline's inputs, at any
// time: the launch after the split does not overlap it, later ones overlap that one.
// RUN: twilight-opt %s --convert-twilight-to-gpu=chip=sm_90a --canonicalize --cse | FileCheck %s --implicit-check-not=dependent_launch

!plain = !twilight.cache<kv_heads = 2, head_dim = 64, page_size = 16, f16, hnd>

// CHECK-LABEL: func.func @split(
// CHECK-SAME: %[[LENS:[a-z0-9]+]]: memref<?xi32>
// CHECK: %[[SHORTER:.*]] = memref.alloc(%{{.*}}) : memref<?xi32>
// CHECK: %[[LONGER:.*]] = memref.alloc(%{{.*}}) : memref<?xi32>
// CHECK: gpu.launch_func @twilight_kernels::@split_split_lengths blocks
// CHECK-SAME: {twilight.op = "twilight.split_by_length"}
// CHECK: gpu.launch_func @twilight_kernels::@split_attend blocks
// CHECK-SAME: {twilight.op = "twilight.attend"}
// CHECK: gpu.launch_func @twilight_kernels::@split_combine_splits blocks
// CHECK-SAME: {twilight.dependent_launch, twilight.op = "twilight.attend"}
// CHECK: gpu.launch_func @twilight_kernels::@split_add_lengths blocks
// CHECK-SAME: {twilight.dependent_launch, twilight.op = "twilight.add_lengths"}
// CHECK: return %{{.*}}, %{{.*}}, %[[LONGER]]
func.func @split(%q: tensor<?x8x64xf16>, %k: tensor<?x2x16x64xf16>, %v: tensor<?x2x16x64xf16>, %table: tensor<?x?xi32>,
                 %lens: tensor<?xi32>) -> (tensor<?x8x64xf16>, tensor<?x2xi32>, tensor<?xi32>) {
  %cache = twilight.assemble_cache k_pages(%k : tensor<?x2x16x64xf16>) v_pages(%v : tensor<?x2x16x64xf16>)
      page_table(%table : tensor<?x?xi32>) seq_lens(%lens : tensor<?xi32>) -> !plain
  %shorter, %longer = twilight.split_by_length %cache below(2048) : !plain
  %out, %n = twilight.attend %q, %shorter : tensor<?x8x64xf16>, !plain -> tensor<?x8x64xf16> counts tensor<?x2xi32>
  %sum = twilight.add_lengths %n, %longer : tensor<?x2xi32>, !plain
  %long_lens = twilight.cache_part seq_lens of %longer : !plain -> tensor<?xi32>
  return %out, %sum, %long_lens : tensor<?x8x64xf16>, tensor<?x2xi32>, tensor<?xi32>
}

// CHECK: gpu.func @split_split_lengths(%[[FROM:.*]]: !llvm.ptr<1>, %[[SHORT:.*]]: !llvm.ptr<1>, %[[LONG:.*]]: !llvm.ptr<1>, %[[BATCH:.*]]: i32) kernel
// CHECK-DAG: %[[BELOW:.*]] = arith.constant 2048 : i32
// CHECK-DAG: %[[NONE:.*]] = arith.constant 0 : i32
// CHECK: %[[B:.*]] = arith.addi
// CHECK: arith.cmpi slt, %[[B]], %[[BATCH]]
// CHECK: scf.if
// CHECK: %[[N:.*]] = llvm.load %{{.*}} invariant
// CHECK: %[[IS_SHORT:.*]] = arith.cmpi slt, %[[N]], %[[BELOW]]
// CHECK: llvm.getelementptr %[[SHORT]]
// CHECK: llvm.getelementptr %[[LONG]]

// Both were written by kernels before it.
// CHECK: gpu.func @split_add_lengths(
// CHECK-NOT: invariant
// CHECK: gpu.return
