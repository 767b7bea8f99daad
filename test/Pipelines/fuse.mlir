// fuse and dense-below as options of both pipelines, which fuse by default. Fused or not, what is lowered op by op is the same.
// DEFINE: %{example} = twilight-opt %examples/quest_twilight.mlir
// RUN: %{example} --twilight-to-cpu=fuse=false -o %t.cpu && %{example} --twilight-to-cpu -o %t.fused && cmp %t.cpu %t.fused
// RUN: %{example} --twilight-to-ptx=fuse=false -o %t.ptx && %{example} --twilight-to-ptx -o %t.fused && cmp %t.ptx %t.fused

// Where sizes are known a kernel of the whole pipeline may be chosen; never of what is not fused.
// RUN: %{example} --twilight-to-ptx="batch=8 tokens=32768" | FileCheck %s --check-prefix=BLOCK
// RUN: %{example} --twilight-to-ptx="batch=8 tokens=32768 fuse=false" -o %t.apart && cmp %t.ptx %t.apart
// BLOCK-COUNT-1: gpu.launch_func
// BLOCK-NOT: gpu.launch_func

// Over the whole of a file: the dense path and the pipeline, split and merged on the device.
// RUN: %{example} --twilight-to-cpu=dense-below=2048 | FileCheck %s --check-prefix=CPU
// CPU: llvm.mlir.constant(2048 : i32)
// RUN: %{example} --twilight-to-ptx=dense-below=2048 | FileCheck %s --check-prefix=PTX
// PTX: gpu.launch_func @twilight_kernels::@quest_twilight_split_lengths
// PTX: gpu.launch_func @twilight_kernels::@quest_twilight_score_pages
// PTX: gpu.launch_func @twilight_kernels::@quest_twilight_gather_attend
// PTX: gpu.launch_func @twilight_kernels::@quest_twilight_attend
// PTX: gpu.launch_func @twilight_kernels::@quest_twilight_merge

// A file may hold fused ops as it is; the CPU takes any schedule.
// RUN: %{example} --twilight-fuse -o %t.mlir && twilight-opt %t.mlir --twilight-to-ptx -o %t.fused && cmp %t.ptx %t.fused
// RUN: sed 's/ : f32) {/ : f32) schedule(<block>) {/' %t.mlir > %t.block.mlir
// RUN: twilight-opt %t.block.mlir --twilight-to-cpu -o %t.fused && cmp %t.cpu %t.fused
