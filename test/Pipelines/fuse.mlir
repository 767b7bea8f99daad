// fuse and dense-below as options of both pipelines. Fused or not, what is lowered op by op is the same.
// DEFINE: %{example} = twilight-opt %examples/quest_twilight.mlir
// RUN: %{example} --twilight-to-cpu -o %t.cpu && %{example} --twilight-to-cpu=fuse -o %t.fused && cmp %t.cpu %t.fused
// RUN: %{example} --twilight-to-ptx -o %t.ptx && %{example} --twilight-to-ptx=fuse -o %t.fused && cmp %t.ptx %t.fused

// Over the whole of a file: the dense path and the pipeline, split and merged on the device.
// RUN: %{example} --twilight-to-cpu=dense-below=2048 | FileCheck %s --check-prefix=CPU
// CPU: llvm.mlir.constant(2048 : i32)
// RUN: %{example} --twilight-to-ptx="fuse dense-below=2048" | FileCheck %s --check-prefix=PTX
// PTX: gpu.launch_func @twilight_kernels::@quest_twilight_split_lengths
// PTX: gpu.launch_func @twilight_kernels::@quest_twilight_score_pages
// PTX: gpu.launch_func @twilight_kernels::@quest_twilight_gather_attend
// PTX: gpu.launch_func @twilight_kernels::@quest_twilight_attend
// PTX: gpu.launch_func @twilight_kernels::@quest_twilight_merge

// A file may hold fused ops as it is; the CPU takes any schedule.
// RUN: %{example} --twilight-fuse -o %t.mlir && twilight-opt %t.mlir --twilight-to-ptx -o %t.fused && cmp %t.ptx %t.fused
// RUN: sed 's/ : f32) {/ : f32) schedule(<block>) {/' %t.mlir > %t.block.mlir
// RUN: twilight-opt %t.block.mlir --twilight-to-cpu -o %t.fused && cmp %t.cpu %t.fused
