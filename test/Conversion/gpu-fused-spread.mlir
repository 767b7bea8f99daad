// Blocks that share an item without being a cluster: one cooperative launch, room to hand things on, counters that are
// zero before and after.
// RUN: twilight-opt %s --convert-twilight-to-gpu=chip=sm_90a --canonicalize --cse | FileCheck %s
// RUN: twilight-opt %s --convert-twilight-to-gpu=chip=sm_80 --canonicalize --cse | FileCheck %s --check-prefix=OLDER

!cache = !twilight.cache<kv_heads = 2, head_dim = 64, page_size = 16, f16, hnd, codes = <bits = 4>,
                         summary = #twilight.min_max<f16>>
!q = tensor<?x8x64xf16>

// 132 / 5 = 26 groups at most. What each exchanges beside two buffers of keys of the pages: 20 headers of 4 words, 20 x 1024
// posted keys, 40 histograms of 768 (and 31 more, to round up to lines). Counters: of each group 4 and 12 + 4 x 5 notices,
// in whole lines 48, and 25 x 57 parts, of 52 sums each, 4 maxima with masses, and counts; 1440 in whole lines; of 8 bytes.
// CHECK-LABEL: func.func @fused
// CHECK-DAG: %[[ITEMS:.*]] = arith.muli %{{.*}}, %c2 : index
// CHECK: %[[FEW:.*]] = arith.minsi %[[ITEMS]], %c26 : index
// CHECK: %[[GROUPS:.*]] = arith.maxsi %[[FEW]], %c1 : index
// CHECK: arith.addi %{{.*}}, %c51311 : index
// CHECK: %[[WORDS:.*]] = arith.muli %[[GROUPS]], %{{.*}} : index
// CHECK: %[[EXCHANGE:.*]] = memref.alloc(%[[WORDS]]) : memref<?xi32>
// CHECK: %[[COUNTERS:.*]] = memref.alloc() {twilight.zeroed} : memref<77376xi32>
// CHECK: %[[BLOCKS:.*]] = arith.muli %[[GROUPS]], %c5
// CHECK: gpu.launch_func @twilight_kernels::@fused_pipeline blocks in (%[[BLOCKS]], %c1, %c1) threads in (%c256, %c1, %c1)
// CHECK-SAME: twilight.cooperative
// CHECK-NOT: twilight.cluster
// CHECK: gpu.func @fused_pipeline

// It begins when everything before it has ended. All meet when the keys are there: a release before the count.
// CHECK-NOT: griddepcontrol
// CHECK-NOT: nvvm.cluster
// CHECK-NOT: syncscope("device")
// CHECK: llvm.fence syncscope("device") release
// CHECK: llvm.atomicrmw add %{{.*}}, %{{.*}} syncscope("device") monotonic
// CHECK-NEXT: llvm.load %{{.*}} atomic syncscope("device") acquire {alignment = 4 : i64}

// Each block's maximum of a head is a notice, behind which there is no meeting: the block's first four lanes give them, and
// a warp of the head looks until all have the number of the meeting before.
// CHECK: scf.while
// CHECK: llvm.load %{{.*}} atomic syncscope("device") acquire
// CHECK-NOT: syncscope("device")
// CHECK: llvm.store %{{.*}}, %{{.*}} atomic syncscope("device") monotonic {alignment = 8 : i64} : i64
// CHECK-NOT: syncscope("device")
// CHECK: nvvm.bar.warp.sync
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

// Keys are posted: all come, and only the four blocks that find a threshold wait. Each gives a notice, for which all wait.
// CHECK-NOT: syncscope("device")
// CHECK: llvm.fence syncscope("device") release
// CHECK: llvm.atomicrmw add %{{.*}}, %{{.*}} syncscope("device") monotonic
// CHECK-NOT: syncscope("device")
// CHECK: arith.cmpi slt, %{{.*}}, %c4_i32
// CHECK-NOT: syncscope("device")
// CHECK: llvm.load %{{.*}} atomic syncscope("device") acquire {alignment = 4 : i64}
// CHECK: llvm.load %{{.*}} atomic syncscope("device") acquire {alignment = 4 : i64}
// CHECK-NOT: syncscope("device")
// CHECK: llvm.store %{{.*}}, %{{.*}} atomic syncscope("device") monotonic {alignment = 8 : i64} : i64
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

// Last, the first block sets the counter and the notices back to zero: 4 + 32 words.
// CHECK-NOT: syncscope("device")
// CHECK: %[[RANK:.*]] = arith.remsi %{{.*}}, %c5_i32
// CHECK-NEXT: %[[ISFIRST:.*]] = arith.cmpi eq, %[[RANK]], %c0_i32
// CHECK-NEXT: scf.if %[[ISFIRST]]
// CHECK-NEXT: scf.for %{{.*}} = %{{.*}} to %c36_i32 step %c256_i32
// CHECK: llvm.store %c0_i64, %{{.*}} atomic syncscope("device") monotonic {alignment = 8 : i64} : i64
// CHECK-NOT: syncscope("device")
// CHECK: gpu.return

// A chip without clusters has them too: 108 / 5.
// OLDER: memref.alloc() {twilight.zeroed} : memref<62496xi32>
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
