// Blocks that share an item without being a cluster: one cooperative launch, room to hand things on, counters that are
// zero before and after.
// RUN: twilight-opt %s --convert-twilight-to-gpu=chip=sm_90a --canonicalize --cse | FileCheck %s
// RUN: twilight-opt %s --convert-twilight-to-gpu=chip=sm_80 --canonicalize --cse | FileCheck %s --check-prefix=OLDER

!cache = !twilight.cache<kv_heads = 2, head_dim = 64, page_size = 16, f16, hnd, codes = <bits = 4>,
                         summary = #twilight.min_max<f16>>
!q = tensor<?x8x64xf16>

// 132 / 5 = 26 groups at most. What each exchanges beside keys of many pages: 40 histograms of 768 (and 31 more, to round up
// to lines). What is zero before and after, of each group: 4 and 12 + 4 x 5 x 8 notices, 176 in all, and 25 x 57 parts, of
// 52 sums each, 4 maxima with masses, and counts, 1440 in whole lines; all these of 8 bytes. 8192 keys, 20 headers of 4 words,
// 20 x 1024 posted keys; 32000 words in whole lines.
// CHECK-LABEL: func.func @fused
// CHECK-DAG: %[[ITEMS:.*]] = arith.muli %{{.*}}, %c2 : index
// CHECK: %[[FEW:.*]] = arith.minsi %[[ITEMS]], %c26 : index
// CHECK: %[[GROUPS:.*]] = arith.maxsi %[[FEW]], %c1 : index
// CHECK: arith.addi %{{.*}}, %c30751 : index
// CHECK: %[[WORDS:.*]] = arith.muli %[[GROUPS]], %{{.*}} : index
// CHECK: %[[EXCHANGE:.*]] = memref.alloc(%[[WORDS]]) : memref<?xi32>
// CHECK: %[[COUNTERS:.*]] = memref.alloc() {twilight.zeroed} : memref<832000xi32>
// CHECK: %[[BLOCKS:.*]] = arith.muli %[[GROUPS]], %c5
// CHECK: gpu.launch_func @twilight_kernels::@fused_pipeline blocks in (%[[BLOCKS]], %c1, %c1) threads in (%c256, %c1, %c1)
// CHECK-SAME: twilight.cooperative
// CHECK-NOT: twilight.cluster
// CHECK: gpu.func @fused_pipeline

// It begins when everything before it has ended. Keys are published, each by itself, to what is zero before; where a sequence
// may have more than 8192 pages, to what is not.
// CHECK-NOT: griddepcontrol
// CHECK-NOT: nvvm.cluster
// CHECK-NOT: syncscope("device")
// CHECK: %[[MANY:.*]] = arith.cmpi sgt, %{{.*}}, %c8192_i32
// CHECK: %[[KEYS:.*]] = arith.select %[[MANY]], %{{.*}}, %{{.*}} : !llvm.ptr<1>
// CHECK-NOT: syncscope("device")
// CHECK: %[[KEY:.*]] = llvm.getelementptr %[[KEYS]]
// CHECK-NEXT: llvm.store %{{.*}}, %[[KEY]] atomic syncscope("device") monotonic {alignment = 4 : i64} : i32

// Then nobody waits, but where there are so many: one block zeroes what pads them, all come, a release before the count, and wait. Where this is not the
// first item they wait, too: they came at the last one's end.
// CHECK: gpu.barrier
// CHECK-NOT: syncscope("device")
// CHECK: %[[MANY:.*]] = arith.cmpi sgt, %{{.*}}, %c8192_i32
// CHECK: scf.if %[[MANY]] {
// CHECK-NEXT: arith.cmpi eq, %{{.*}}, %c0_i32
// CHECK-NEXT: scf.if
// CHECK: llvm.store %c0_i32, %{{.*}} {alignment = 4 : i64} : i32, !llvm.ptr<1>
// CHECK: gpu.barrier
// CHECK: llvm.fence syncscope("device") release
// CHECK: llvm.atomicrmw add %{{.*}}, %{{.*}} syncscope("device") monotonic
// CHECK-NEXT: }
// CHECK-NEXT: }
// CHECK-NOT: syncscope("device")
// CHECK: %[[MANY:.*]] = arith.cmpi sgt, %{{.*}}, %c8192_i32
// CHECK-NEXT: llvm.getelementptr
// CHECK-NEXT: %[[ITEM:.*]] = llvm.load
// CHECK-NEXT: %[[NOTFIRST:.*]] = arith.cmpi ne, %[[ITEM]], %c1_i32
// CHECK-NEXT: %[[WAITS:.*]] = arith.ori %[[MANY]], %[[NOTFIRST]]
// CHECK-NEXT: scf.if %[[WAITS]] {
// CHECK-NOT: syncscope("device")
// CHECK: llvm.load %{{.*}} atomic syncscope("device") acquire {alignment = 4 : i64}
// CHECK: llvm.load %{{.*}} atomic syncscope("device") acquire {alignment = 4 : i64}

// Eight fours are asked for at a time. While one of a lane's words is 0, those fours that have it are looked at again: behind
// the last page none has.
// CHECK-COUNT-8: ld.relaxed.gpu.global.v4.b32
// CHECK: scf.while
// CHECK-COUNT-31: arith.minui
// CHECK-NEXT: %[[MISSING:.*]] = arith.cmpi eq, %{{.*}}, %c0_i32
// CHECK-NEXT: scf.condition(%[[MISSING]])
// CHECK: arith.cmpi slt, %{{.*}}, %[[PAGES:.*]] : i32
// CHECK-NEXT: arith.maxui
// CHECK: scf.if
// CHECK-NEXT: ld.relaxed.gpu.global.v4.b32
// CHECK: arith.cmpi slt, %{{.*}}, %[[PAGES]] : i32
// CHECK-NEXT: arith.maxui
// CHECK-COUNT-7: ld.relaxed.gpu.global.v4.b32

// Each warp's maximum of a head is a notice, behind which there is no meeting. The two warps of a head look until all of a
// lane's have the item's number: here one, of 5 x 8.
// CHECK-NOT: syncscope("device")
// CHECK: llvm.store %{{.*}}, %{{.*}} atomic syncscope("device") monotonic {alignment = 8 : i64} : i64
// CHECK-NOT: syncscope("device")
// CHECK: %[[MET:.*]] = llvm.load %{{.*}} {alignment = 4 : i64} : !llvm.ptr<3> -> i32
// CHECK-NEXT: arith.extsi
// CHECK-NEXT: %[[NOTICE:.*]] = llvm.getelementptr
// CHECK-NEXT: %[[FIRST:.*]] = llvm.load %[[NOTICE]] atomic syncscope("device") monotonic {alignment = 8 : i64} : !llvm.ptr<1> -> i64
// CHECK-NEXT: scf.while (%[[SEEN:.*]] = %[[FIRST]])
// CHECK-NEXT: %[[UPPER:.*]] = arith.shrui %[[SEEN]], %c32_i64
// CHECK-NEXT: %[[BOTH:.*]] = arith.trunci %[[UPPER]]
// CHECK-NEXT: %[[NUMBER:.*]] = arith.shrui %[[BOTH]], %c2_i32
// CHECK-NEXT: %[[OLD:.*]] = arith.cmpi ne, %[[NUMBER]], %[[MET]] : i32
// CHECK-NEXT: nvvm.vote.sync ballot %{{.*}}, %[[OLD]]
// CHECK: llvm.load %[[NOTICE]] atomic syncscope("device") monotonic {alignment = 8 : i64} : !llvm.ptr<1> -> i64

// Keys are posted, where 0 < p < 1, and a header, each word of which has its highest bit set. Only the four blocks that find
// a threshold look: for the front of a block's keys and a header, which says how many there are, until all are there.
// CHECK-NOT: syncscope("device")
// CHECK: st.relaxed.gpu.global.v4.b32 [$0]
// CHECK-COUNT-4: arith.ori %{{.*}}, %c-2147483648_i32
// CHECK-NOT: syncscope("device")
// CHECK: st.relaxed.gpu.global.v4.b32 [$0]
// CHECK-NOT: syncscope("device")
// CHECK: arith.cmpi slt, %{{.*}}, %c4_i32
// CHECK-NOT: syncscope("device")
// CHECK: ld.relaxed.gpu.global.v4.b32 {$0, $1, $2, $3}, [$4];", "=r,=r,=r,=r,l,~{memory}" %[[FRONT:[0-9]+]]
// CHECK: ld.relaxed.gpu.global.v4.b32 {$0, $1, $2, $3}, [$4];", "=r,=r,=r,=r,l,~{memory}" %[[HEADER:[0-9]+]]
// CHECK: scf.while
// CHECK: nvvm.vote.sync ballot
// CHECK: ld.relaxed.gpu.global.v4.b32 {$0, $1, $2, $3}, [$4];", "=r,=r,=r,=r,l,~{memory}" %[[HEADER]]
// CHECK: scf.while
// CHECK: ld.relaxed.gpu.global.v4.b32 {$0, $1, $2, $3}, [$4];", "=r,=r,=r,=r,l,~{memory}" %[[FRONT]]

// Each gives a notice, for which all wait, and then leaves zeros: of headers, and of keys.
// CHECK-NOT: syncscope("device")
// CHECK: llvm.store %{{.*}}, %{{.*}} atomic syncscope("device") monotonic {alignment = 8 : i64} : i64
// CHECK: st.relaxed.gpu.global.v4.b32 [$0], {$1, $2, $3, $4};", "l,r,r,r,r,~{memory}" %{{.*}}, %c0_i32, %c0_i32, %c0_i32, %c0_i32
// CHECK: st.relaxed.gpu.global.v4.b32 [$0], {$1, $2, $3, $4};", "l,r,r,r,r,~{memory}" %{{.*}}, %c0_i32, %c0_i32, %c0_i32, %c0_i32
// CHECK-NOT: syncscope("device")
// CHECK: llvm.load %{{.*}} atomic syncscope("device") monotonic {alignment = 8 : i64} : !llvm.ptr<1> -> i64
// CHECK-NEXT: scf.while

// Where they search together, each round has a meeting.
// CHECK: scf.for
// CHECK: llvm.fence syncscope("device") release
// CHECK: llvm.atomicrmw add %{{.*}}, %{{.*}} syncscope("device") monotonic
// CHECK-NEXT: llvm.load %{{.*}} atomic syncscope("device") acquire {alignment = 4 : i64}

// Counts have their highest bit set, and sums 1 in the upper half: no part is 0. None has a fence.
// CHECK-NOT: llvm.fence
// CHECK: %[[COUNTS:.*]] = arith.ori %{{.*}}, %c-9223372036854775808_i64
// CHECK: llvm.store %[[COUNTS]], %{{.*}} atomic syncscope("device") monotonic {alignment = 8 : i64} : i64
// CHECK-NOT: llvm.fence
// CHECK: %[[SUM:.*]] = arith.ori %{{.*}}, %c4294967296_i64
// CHECK: llvm.store %[[SUM]], %{{.*}} atomic syncscope("device") monotonic {alignment = 8 : i64} : i64
// CHECK-NOT: llvm.fence
// CHECK: llvm.store %{{.*}}, %{{.*}} atomic syncscope("device") monotonic {alignment = 8 : i64} : i64

// A thread has up to two of the 5 x 57 parts: it looks until neither is 0, and leaves 0.
// CHECK-NOT: syncscope("device")
// CHECK: %[[ONE:.*]] = llvm.load %[[A:.*]] atomic syncscope("device") monotonic {alignment = 8 : i64} : !llvm.ptr<1> -> i64
// CHECK: %[[OTHER:.*]] = llvm.load %[[B:.*]] atomic syncscope("device") monotonic {alignment = 8 : i64} : !llvm.ptr<1> -> i64
// CHECK: scf.while (%[[X:.*]] = %{{.*}}, %[[Y:.*]] = %{{.*}}) : (i64, i64) -> (i64, i64)
// CHECK-NEXT: %[[NOX:.*]] = arith.cmpi eq, %[[X]], %c0_i64
// CHECK-NEXT: %[[NOY:.*]] = arith.cmpi eq, %[[Y]], %c0_i64
// CHECK-NEXT: %[[MISSING:.*]] = arith.ori %[[NOX]], %[[NOY]]
// CHECK-NEXT: scf.condition(%[[MISSING]])
// CHECK: llvm.load %[[A]] atomic syncscope("device") monotonic
// CHECK: llvm.load %[[B]] atomic syncscope("device") monotonic
// CHECK: llvm.store %c0_i64, %[[A]] atomic syncscope("device") monotonic {alignment = 8 : i64} : i64
// CHECK: llvm.store %c0_i64, %[[B]] atomic syncscope("device") monotonic {alignment = 8 : i64} : i64

// By now all have taken the keys: each block leaves zeros in place of its own. Where another item follows it comes to the
// meeting that is waited for in that one.
// CHECK-NOT: syncscope("device")
// CHECK: st.relaxed.gpu.global.v4.b32 [$0], {$1, $2, $3, $4};", "l,r,r,r,r,~{memory}" %{{.*}}, %c0_i32, %c0_i32, %c0_i32, %c0_i32
// CHECK: gpu.barrier
// CHECK: scf.if
// CHECK: llvm.fence syncscope("device") release
// CHECK: llvm.atomicrmw add %{{.*}}, %{{.*}} syncscope("device") monotonic

// Last, the first block sets the counter and the notices back to zero: 4 + 32 words.
// CHECK-NOT: syncscope("device")
// CHECK: %[[RANK:.*]] = arith.remsi %{{.*}}, %c5_i32
// CHECK-NEXT: %[[ISFIRST:.*]] = arith.cmpi eq, %[[RANK]], %c0_i32
// CHECK-NEXT: scf.if %[[ISFIRST]]
// CHECK-NEXT: scf.for %{{.*}} = %{{.*}} to %c176_i32 step %c256_i32
// CHECK: llvm.store %c0_i64, %{{.*}} atomic syncscope("device") monotonic {alignment = 8 : i64} : i64
// CHECK-NOT: syncscope("device")
// CHECK: gpu.return

// A chip without clusters has them too: 108 / 5.
// OLDER: memref.alloc() {twilight.zeroed} : memref<672000xi32>
// OLDER: twilight.cooperative
func.func @fused(%q: !q, %k: tensor<?x2x16x64xf16>, %codes: tensor<?x2x16x32xi8>, %scale: tensor<?x2x16xf16>,
                 %bounds: tensor<?x2x2x64xf16>, %table: tensor<?x?xi32>, %lens: tensor<?xi32>, %p: f32)
    -> (tensor<?x2xi32>, !q, tensor<?x2xi32>) {
  %cache = twilight.assemble_cache k_pages(%k : tensor<?x2x16x64xf16>) v_pages(%k : tensor<?x2x16x64xf16>)
      codes(%codes : tensor<?x2x16x32xi8>) scale(%scale : tensor<?x2x16xf16>) zero(%scale : tensor<?x2x16xf16>)
      summary(%bounds : tensor<?x2x2x64xf16>) page_table(%table : tensor<?x?xi32>) seq_lens(%lens : tensor<?xi32>) -> !cache
  %candidates, %out, %counts = twilight.fused (%q_ = %q : !q, %c = %cache : !cache, %p_ = %p : f32)
      schedule(<block, spread = 5, warps = 8>) {
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
