// A launch may overlap the end of the one before it: all but the first, on chips whose kernels can wait for that end, and
// only where no kernel changes what the caller owns.
// RUN: twilight-opt %s --convert-twilight-to-gpu=chip=sm_90a -o %t.90a
// RUN: twilight-opt %s --convert-twilight-to-gpu=chip=sm_100a -o %t.100a
// RUN: FileCheck %s --input-file=%t.90a --implicit-check-not=twilight.dependent_launch
// RUN: FileCheck %s --input-file=%t.100a --implicit-check-not=twilight.dependent_launch
// RUN: FileCheck %s --input-file=%t.90a --check-prefix=WAIT --implicit-check-not=nvvm.griddepcontrol
// RUN: FileCheck %s --input-file=%t.100a --check-prefix=WAIT --implicit-check-not=nvvm.griddepcontrol

// Chips before 9.0 have neither the attribute nor the instructions.
// RUN: twilight-opt %s --convert-twilight-to-gpu=chip=sm_80 | FileCheck %s --check-prefix=PLAIN --implicit-check-not=dependent_launch --implicit-check-not=griddepcontrol
// RUN: twilight-opt %s --convert-twilight-to-gpu=chip=sm_89 | FileCheck %s --check-prefix=PLAIN --implicit-check-not=dependent_launch --implicit-check-not=griddepcontrol
// PLAIN-COUNT-7: gpu.launch_func
// PLAIN-NOT: gpu.launch_func
// PLAIN-COUNT-7: gpu.func @
// PLAIN-NOT: gpu.func @

!plain = !twilight.cache<kv_heads = 2, head_dim = 64, page_size = 16, f16, hnd>

// CHECK-LABEL: func.func @reads
// CHECK: @twilight_kernels::@reads_attend blocks
// CHECK-SAME: {twilight.op = "twilight.attend"}
// CHECK: @twilight_kernels::@reads_combine_splits blocks
// CHECK-SAME: {twilight.dependent_launch, twilight.op = "twilight.attend"}
// CHECK: @twilight_kernels::@reads_merge blocks
// CHECK-SAME: {twilight.dependent_launch, twilight.op = "twilight.merge"}
func.func @reads(%q: tensor<?x8x64xf16>, %k: tensor<?x2x16x64xf16>, %v: tensor<?x2x16x64xf16>, %table: tensor<?x?xi32>,
                 %lens: tensor<?xi32>, %oa: tensor<?x8x64xf16>, %la: tensor<?x8xf32>)
    -> (tensor<?x8x64xf16>, tensor<?x8xf32>) {
  %cache = twilight.assemble_cache k_pages(%k : tensor<?x2x16x64xf16>) v_pages(%v : tensor<?x2x16x64xf16>)
      page_table(%table : tensor<?x?xi32>) seq_lens(%lens : tensor<?xi32>) -> !plain
  %o, %l = twilight.attend %q, %cache : tensor<?x8x64xf16>, !plain -> tensor<?x8x64xf16> lse tensor<?x8xf32>
  %out, %lse = twilight.merge %o, %l, %oa, %la : tensor<?x8x64xf16>, tensor<?x8xf32>
  return %out, %lse : tensor<?x8x64xf16>, tensor<?x8xf32>
}

// Keys are read as constant data by kernels after the one that appends them: these launches stay apart, all of them.
// CHECK-LABEL: func.func @appends
// CHECK: @twilight_kernels::@appends_append blocks
// CHECK-SAME: {twilight.op = "twilight.append"}
// CHECK: @twilight_kernels::@appends_advance_lengths blocks
// CHECK-SAME: {twilight.op = "twilight.append"}
// CHECK: @twilight_kernels::@appends_attend blocks
// CHECK-SAME: {twilight.op = "twilight.attend"}
// CHECK: @twilight_kernels::@appends_combine_splits blocks
// CHECK-SAME: {twilight.op = "twilight.attend"}
// CHECK: gpu.module
func.func @appends(%q: tensor<?x8x64xf16>, %k: tensor<?x2x16x64xf16>, %v: tensor<?x2x16x64xf16>, %table: tensor<?x?xi32>,
                   %lens: tensor<?xi32>, %nk: tensor<?x1x2x64xf16>, %nv: tensor<?x1x2x64xf16>) -> tensor<?x8x64xf16> {
  %cache = twilight.assemble_cache k_pages(%k : tensor<?x2x16x64xf16>) v_pages(%v : tensor<?x2x16x64xf16>)
      page_table(%table : tensor<?x?xi32>) seq_lens(%lens : tensor<?xi32>) -> !plain
  %next = twilight.append %cache, %nk, %nv : !plain, tensor<?x1x2x64xf16>, tensor<?x1x2x64xf16>
  %out = twilight.attend %q, %next : tensor<?x8x64xf16>, !plain -> tensor<?x8x64xf16>
  return %out : tensor<?x8x64xf16>
}

// Kernels begin alike, however they are launched.
// WAIT: gpu.func @reads_attend(
// WAIT-NEXT: nvvm.griddepcontrol wait
// WAIT-NEXT: nvvm.griddepcontrol launch_dependents
// WAIT: gpu.func @reads_combine_splits(
// WAIT-NEXT: nvvm.griddepcontrol wait
// WAIT-NEXT: nvvm.griddepcontrol launch_dependents
// WAIT: gpu.func @reads_merge(
// WAIT-NEXT: nvvm.griddepcontrol wait
// WAIT-NEXT: nvvm.griddepcontrol launch_dependents
// WAIT: gpu.func @appends_append(
// WAIT-NEXT: nvvm.griddepcontrol wait
// WAIT-NEXT: nvvm.griddepcontrol launch_dependents
// WAIT: gpu.func @appends_advance_lengths(
// WAIT-NEXT: nvvm.griddepcontrol wait
// WAIT-NEXT: nvvm.griddepcontrol launch_dependents
// WAIT: gpu.func @appends_attend(
// WAIT-NEXT: nvvm.griddepcontrol wait
// WAIT-NEXT: nvvm.griddepcontrol launch_dependents
// WAIT: gpu.func @appends_combine_splits(
// WAIT-NEXT: nvvm.griddepcontrol wait
// WAIT-NEXT: nvvm.griddepcontrol launch_dependents
