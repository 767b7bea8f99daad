// twilight-to-ptx leaves launches and one gpu.binary with the kernels' PTX, for the chip that was asked for.
// RUN: twilight-opt %examples/quest_twilight.mlir --twilight-to-ptx=chip=sm_80 -o %t.80
// RUN: twilight-opt %examples/quest_twilight.mlir --twilight-to-ptx -o %t.90a
// RUN: twilight-opt %examples/quest_twilight.mlir --twilight-to-ptx=chip=sm_100a -o %t.100a
// RUN: FileCheck %s --input-file=%t.80 -DCHIP=sm_80
// RUN: FileCheck %s --input-file=%t.90a -DCHIP=sm_90a
// RUN: FileCheck %s --input-file=%t.100a -DCHIP=sm_100a

// The text of the PTX is one line of escapes: as lines, what must be in each kernel and what nowhere.
// DEFINE: %{lines} = sed 's/\\0A/\n/g; s/\\09/ /g'
// DEFINE: %{ptx} = FileCheck %s --check-prefix=PTX --implicit-check-not=".extern .func" --implicit-check-not=.local --implicit-check-not="{{(atom|red)[.a-z_]*[.](bf16|f16|f32|f64)}}"
// RUN: %{lines} %t.80 | %{ptx}
// RUN: %{lines} %t.90a | %{ptx}
// RUN: %{lines} %t.100a | %{ptx}

// CHECK: func.func @quest_twilight(
// CHECK-NOT: memref.alloc
// CHECK-COUNT-8: gpu.launch_func @twilight_kernels::@quest_twilight_
// CHECK-NOT: gpu.launch_func
// CHECK-NOT: gpu.module
// CHECK: gpu.binary @twilight_kernels {{ *}}[#gpu.object<#nvvm.target<O = 3, chip = "[[CHIP]]", features = "+ptx[[MAJOR:[0-9]]][[MINOR:[0-9]]]">, assembly =
// CHECK-SAME: .version [[MAJOR]].[[MINOR]]\0A.target [[CHIP]]\0A

// Keys, codes and summaries come 16 bytes at a time; products are the tensor cores'.
// PTX: .entry quest_twilight_score_pages(
// PTX: .maxntid
// PTX-DAG: ld.global{{[.a-zA-Z0-9_:]*}}.v4.b32
// PTX-DAG: mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32
// PTX: .entry quest_twilight_choose_pages(
// PTX-NOT: mma.sync
// PTX: .entry quest_twilight_quantize_score(
// PTX-DAG: ld.global{{[.a-zA-Z0-9_:]*}}.v4.b32
// PTX-DAG: mma.sync.aligned.m16n8k32.row.col.s32.u8.s8.s32
// PTX: .entry quest_twilight_keep_mask(
// PTX-NOT: mma.sync
// PTX: .entry quest_twilight_compact_tokens(
// PTX-NOT: mma.sync
// PTX: .entry quest_twilight_gather_attend(
// PTX-DAG: ld.global{{[.a-zA-Z0-9_:]*}}.v4.b32
// PTX-DAG: mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32
// PTX: .entry quest_twilight_combine_splits(
// PTX-NOT: mma.sync
// PTX: .entry quest_twilight_count(
// PTX-NOT: mma.sync
