// How often the blocks of an item meet, and what is done meanwhile: as a cluster, or anywhere on the chip.
// DEFINE: %{schedule} =
// DEFINE: %{kernel} = twilight-opt %s --twilight-choose-schedule="schedule='#twilight.schedule<block, %{schedule}>'" --convert-twilight-to-gpu=chip=sm_90a --canonicalize --cse
// REDEFINE: %{schedule} = cluster = 2, warps = 8
// RUN: %{kernel} | FileCheck %s --check-prefix=CLUSTER
// REDEFINE: %{schedule} = spread = 2, warps = 8
// RUN: %{kernel} | FileCheck %s --check-prefix=SPREAD

// Once at the start. Then, between coming to the keys' meeting and going on, the last warp makes what scoring needs of the
// query, and stores it for all.
// CLUSTER-LABEL: gpu.func @decode_pipeline
// CLUSTER: nvvm.cluster.arrive
// CLUSTER-NEXT: nvvm.cluster.wait
// CLUSTER: scf.while
// CLUSTER: nvvm.cluster.arrive
// CLUSTER-NOT: nvvm.cluster
// CLUSTER: %[[LAST:.*]] = arith.cmpi eq, %{{.*}}, %c7_i32
// CLUSTER-NEXT: scf.if %[[LAST]] {
// CLUSTER-NOT: nvvm.cluster
// CLUSTER-COUNT-3: llvm.store %{{.*}}, %{{.*}} {alignment = 16 : i64} : vector<4xi32>, !llvm.ptr<3>
// CLUSTER-NEXT: }
// CLUSTER-NEXT: nvvm.cluster.wait
// Of scores, of masks, of sums: nothing is left to do while they are waited for.
// CLUSTER: nvvm.cluster.arrive
// CLUSTER-NEXT: nvvm.cluster.wait
// CLUSTER: nvvm.cluster.arrive
// CLUSTER-NEXT: nvvm.cluster.wait
// CLUSTER: nvvm.cluster.arrive
// CLUSTER-NEXT: nvvm.cluster.wait
// CLUSTER-NOT: nvvm.cluster
// CLUSTER: gpu.return

// The last warp makes what scoring needs while others rank. Keys are looked for without a meeting, but where there are too many.
// SPREAD-LABEL: gpu.func @decode_pipeline
// SPREAD: scf.while
// SPREAD: llvm.store %{{.*}}, %{{.*}} atomic syncscope("device") monotonic {alignment = 4 : i64} : i32
// SPREAD: %[[LAST:.*]] = arith.cmpi eq, %{{.*}}, %c7_i32
// SPREAD-NEXT: scf.if %[[LAST]] {
// SPREAD-NOT: gpu.barrier
// SPREAD-COUNT-3: llvm.store %{{.*}}, %{{.*}} {alignment = 16 : i64} : vector<4xi32>, !llvm.ptr<3>
// SPREAD-NEXT: }
// SPREAD: gpu.barrier
// SPREAD: %[[MANY:.*]] = arith.cmpi sgt, %{{.*}}, %c8192_i32
// SPREAD: scf.if %[[MANY]] {
// SPREAD-NEXT: arith.cmpi eq, %{{.*}}, %c0_i32
// SPREAD-NEXT: scf.if
// SPREAD: llvm.store %c0_i32, %{{.*}} {alignment = 4 : i64} : i32, !llvm.ptr<1>
// SPREAD: gpu.barrier
// SPREAD: llvm.fence syncscope("device") release
// SPREAD: llvm.atomicrmw add %{{.*}}, %{{.*}} syncscope("device") monotonic
// SPREAD: llvm.load %{{.*}} atomic syncscope("device") acquire
// SPREAD-COUNT-8: ld.relaxed.gpu.global.v4.b32
// The logits' and the masks' meetings, and no more.
// SPREAD-COUNT-2: llvm.fence syncscope("device") release
// SPREAD-NOT: llvm.fence
// Sums are brought as single words, and zeros left.
// SPREAD-NOT: {alignment = 8 : i64} : !llvm.ptr<1> -> i64
// SPREAD: %[[SUM:.*]] = arith.ori %{{.*}}, %c4294967296_i64
// SPREAD: llvm.store %[[SUM]], %{{.*}} atomic syncscope("device") monotonic {alignment = 8 : i64} : i64
// SPREAD: llvm.store %{{.*}}, %{{.*}} atomic syncscope("device") monotonic {alignment = 8 : i64} : i64
// SPREAD: llvm.load %[[PART:.*]] atomic syncscope("device") monotonic {alignment = 8 : i64} : !llvm.ptr<1> -> i64
// SPREAD: scf.while
// SPREAD: llvm.load %[[PART]] atomic syncscope("device") monotonic {alignment = 8 : i64} : !llvm.ptr<1> -> i64
// SPREAD: llvm.store %c0_i64, %[[PART]] atomic syncscope("device") monotonic {alignment = 8 : i64} : i64
// Zeros are left in place of keys. All come to a meeting for the next item, where there is one.
// SPREAD: st.relaxed.gpu.global.v4.b32 [$0], {$1, $2, $3, $4};", "l,r,r,r,r,~{memory}" %{{.*}}, %c0_i32, %c0_i32, %c0_i32, %c0_i32
// SPREAD: llvm.fence syncscope("device") release
// SPREAD-NOT: llvm.fence
// There are no notices: the first block sets the counter back, alone in 32 bytes.
// SPREAD: scf.for %{{.*}} to %c4_i32 step %c256_i32
// SPREAD: llvm.store %c0_i64, %{{.*}} atomic syncscope("device") monotonic {alignment = 8 : i64} : i64
// SPREAD: gpu.return

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
