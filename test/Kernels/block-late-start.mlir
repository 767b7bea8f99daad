// Which of the items that start together rank with a smaller share of memory, and how: two forms of the one kernel.
// DEFINE: %{schedule} =
// DEFINE: %{kernel} = twilight-opt %s --twilight-choose-schedule="schedule='#twilight.schedule<block, %{schedule}>'" --convert-twilight-to-gpu=chip=sm_90a --canonicalize --cse
// REDEFINE: %{schedule} = warps = 16
// RUN: %{kernel} | FileCheck %s --check-prefix=TOGETHER
// REDEFINE: %{schedule} = cluster = 2, warps = 16
// RUN: %{kernel} | FileCheck %s --check-prefix=CLUSTER
// REDEFINE: %{schedule} = warps = 12, select_warps = 4
// RUN: %{kernel} | FileCheck %s --check-prefix=AHEAD
// REDEFINE: %{schedule} = warps = 8, resident = 2
// RUN: %{kernel} | FileCheck %s --check-prefix=NEVER
// REDEFINE: %{schedule} = warps = 4
// RUN: %{kernel} | FileCheck %s --check-prefix=NEVER

// Every second item of the first round, unless there is only one at a time: four warps rank it, tiles of 16 pages go round
// them. Else all 16 do.
// TOGETHER-LABEL: gpu.func @decode_pipeline
// TOGETHER: scf.while
// TOGETHER: ^bb0(%[[ITEM:.*]]: i32)
// TOGETHER: %[[GROUPS:.*]] = llvm.inline_asm {{.*}}mov.u32 $0, %nctaid.x;
// TOGETHER-NEXT: %[[FIRST:.*]] = arith.cmpi slt, %[[ITEM]], %[[GROUPS]]
// TOGETHER: %[[PLACE:.*]] = arith.remsi %{{.*}}, %c2_i32
// TOGETHER-NEXT: %[[SECOND:.*]] = arith.cmpi eq, %[[PLACE]], %c0_i32
// TOGETHER: %[[SEVERAL:.*]] = arith.cmpi sgt, %{{.*}}, %c1_i32
// TOGETHER-NEXT: %[[BOTH:.*]] = arith.andi %[[SECOND]], %[[SEVERAL]]
// TOGETHER-NEXT: %[[LATE:.*]] = arith.andi %[[FIRST]], %[[BOTH]]
// TOGETHER-NEXT: scf.if %[[LATE]] {
// TOGETHER: %[[FEW:.*]] = arith.cmpi slt, %[[WARP:.*]], %c4_i32
// TOGETHER-NEXT: scf.if %[[FEW]] {
// TOGETHER-NEXT: arith.muli %[[WARP]], %c16_i32
// TOGETHER: scf.for %{{.*}} step %c64_i32
// TOGETHER: } else {
// TOGETHER-NOT: arith.cmpi slt, %{{.*}}, %c4_i32
// TOGETHER: arith.muli %{{.*}}, %c16_i32
// TOGETHER: scf.for %{{.*}} step %c256_i32

// Both blocks of a cluster are late, or none: the place is the item's.
// CLUSTER-LABEL: gpu.func @decode_pipeline
// CLUSTER: scf.while
// CLUSTER: %[[BLOCK:.*]] = llvm.inline_asm {{.*}}mov.u32 $0, %ctaid.x;
// CLUSTER-NEXT: %[[GROUP:.*]] = arith.divsi %[[BLOCK]], %c2_i32
// CLUSTER-NEXT: %[[PLACE:.*]] = arith.remsi %[[GROUP]], %c2_i32
// CLUSTER-NEXT: arith.cmpi eq, %[[PLACE]], %c0_i32
// CLUSTER: arith.cmpi sgt, %{{.*}}, %c2_i32
// CLUSTER: scf.for %{{.*}} step %c128_i32
// CLUSTER: scf.for %{{.*}} step %c512_i32

// Every third item of the first round is not ranked by all warps in front of the loop, but in it, by those which rank ahead.
// AHEAD-LABEL: gpu.func @decode_pipeline
// AHEAD: %[[EXISTS:.*]] = arith.cmpi slt, %{{.*}}, %{{.*}} : i32
// AHEAD: %[[PLACE:.*]] = arith.remsi %{{.*}}, %c3_i32
// AHEAD-NEXT: %[[THIRD:.*]] = arith.cmpi eq, %[[PLACE]], %c0_i32
// AHEAD: %[[SEVERAL:.*]] = arith.cmpi sgt, %{{.*}}, %c1_i32
// AHEAD-NEXT: %[[LATE:.*]] = arith.andi %[[THIRD]], %[[SEVERAL]]
// AHEAD-NEXT: %[[EARLY:.*]] = arith.xori %[[LATE]], %true
// AHEAD-NEXT: %[[NOW:.*]] = arith.andi %[[EXISTS]], %[[EARLY]]
// AHEAD-NEXT: scf.if %[[NOW]] {
// AHEAD: scf.for %{{.*}} step %c256_i32
// Those that finish it wait for its keys, as for a later round's.
// AHEAD: gpu.barrier
// AHEAD-NEXT: %[[FINISHES:.*]] = arith.cmpi slt, %{{.*}}, %c12_i32
// AHEAD-NEXT: scf.if %[[FINISHES]] {
// AHEAD: %[[LATER:.*]] = arith.cmpi sgt, %{{.*}}, %c0_i32
// AHEAD: arith.remsi %{{.*}}, %c3_i32
// AHEAD: %[[WAITS:.*]] = arith.ori %[[LATER]], %{{.*}}
// AHEAD-NEXT: scf.if %[[WAITS]] {
// AHEAD: nvvm.barrier id = %{{.*}} number_of_threads = %c512_i32
// AHEAD: arith.remsi %{{.*}}, %c3_i32
// AHEAD: %[[RANKS:.*]] = arith.ori %{{.*}}, %{{.*}} : i1
// AHEAD-NEXT: scf.if %[[RANKS]] {
// AHEAD: scf.for %{{.*}} step %c64_i32
// AHEAD: barrier.cta.arrive.aligned.count"(%{{.*}}, %c512_i32)

// Not where blocks share a multiprocessor, nor where there are no more than four warps.
// NEVER-LABEL: gpu.func @decode_pipeline
// NEVER: scf.while
// NEVER-NOT: %nctaid
// NEVER: step %c{{64|128}}_i32 iter_args

!cache = !twilight.cache<kv_heads = 2, head_dim = 64, page_size = 16, f16, hnd, codes = <bits = 4>,
                         summary = #twilight.min_max<f16>>
!q = tensor<?x8x64xf16>

func.func @decode(%q: !q, %k: tensor<?x2x16x64xf16>, %codes: tensor<?x2x16x32xi8>, %scale: tensor<?x2x16xf16>,
                  %bounds: tensor<?x2x2x64xf16>, %table: tensor<?x?xi32>, %lens: tensor<?xi32>, %p: f32) -> !q {
  %cache = twilight.assemble_cache k_pages(%k : tensor<?x2x16x64xf16>) v_pages(%k : tensor<?x2x16x64xf16>)
      codes(%codes : tensor<?x2x16x32xi8>) scale(%scale : tensor<?x2x16xf16>) zero(%scale : tensor<?x2x16xf16>)
      summary(%bounds : tensor<?x2x2x64xf16>) page_table(%table : tensor<?x?xi32>) seq_lens(%lens : tensor<?xi32>) -> !cache
  %out = twilight.fused (%q_ = %q : !q, %c = %cache : !cache, %p_ = %p : f32) {
    %pages = twilight.select %q_, %c selector(#twilight.quest) budget(#twilight.fraction<0.25>)
        : !q, !cache -> !twilight.selection<page>
    %scores = twilight.quantize_score %q_, %c, %pages : !q, !cache, !twilight.selection<page> -> !twilight.scores
    %kept = twilight.top_p %scores, %p_ : !twilight.scores, f32 -> !twilight.selection<token>
    %o = twilight.gather_attend %q_, %c, %kept : !q, !cache, !twilight.selection<token> -> !q
    twilight.yield %o : !q
  } : !q
  return %out : !q
}
