// Blocks that share an item without being a cluster: one cooperative launch, room to hand things on, counters that are
// zero before and after.
// RUN: twilight-opt %s --convert-twilight-to-gpu=chip=sm_90a --canonicalize --cse | FileCheck %s
// RUN: twilight-opt %s --convert-twilight-to-gpu=chip=sm_80 --canonicalize --cse | FileCheck %s --check-prefix=OLDER

!cache = !twilight.cache<kv_heads = 2, head_dim = 64, page_size = 16, f16, hnd, codes = <bits = 4>,
                         summary = #twilight.min_max<f16>>
!q = tensor<?x8x64xf16>

// 132 / 5 = 26 groups at most, each with a line of counters. What they exchange beside keys of the pages, 5 blocks in each:
// 4 heads' maxima of 8 warps and as many blocks, 20 headers of 4, 20 x 1024 posted keys, 40 histograms of 768, 12 counts, 5
// parts of 4 x 66 sums (and 31 more, to round up to lines).
// CHECK-LABEL: func.func @fused
// CHECK-DAG: %[[ITEMS:.*]] = arith.muli %{{.*}}, %c2 : index
// CHECK: %[[FEW:.*]] = arith.minsi %[[ITEMS]], %c26 : index
// CHECK: %[[GROUPS:.*]] = arith.maxsi %[[FEW]], %c1 : index
// CHECK: arith.addi %{{.*}}, %c52899 : index
// CHECK: %[[WORDS:.*]] = arith.muli %[[GROUPS]], %{{.*}} : index
// CHECK: %[[EXCHANGE:.*]] = memref.alloc(%[[WORDS]]) : memref<?xi32>
// CHECK: %[[COUNTERS:.*]] = memref.alloc() {twilight.zeroed} : memref<832xi32>
// CHECK: %[[BLOCKS:.*]] = arith.muli %[[GROUPS]], %c5
// CHECK: gpu.launch_func @twilight_kernels::@fused_pipeline blocks in (%[[BLOCKS]], %c1, %c1) threads in (%c256, %c1, %c1)
// CHECK-SAME: twilight.cooperative
// CHECK-NOT: twilight.cluster
// CHECK: gpu.func @fused_pipeline

// It begins when everything before it has ended; three meetings, one for each round of a search together, and a merge, each
// a release before its count. At the third only the four blocks that find a threshold wait. Each gives a notice, for which
// all wait. Last, counters and notices are zero again.
// CHECK-NOT: griddepcontrol
// CHECK-NOT: nvvm.cluster
// CHECK-COUNT-2: llvm.fence syncscope("device") release
// CHECK-NOT: llvm.fence
// CHECK: llvm.fence syncscope("device") release
// CHECK: llvm.atomicrmw add %{{.*}}, %{{.*}} syncscope("device") monotonic
// CHECK-NOT: syncscope("device") acquire
// CHECK: arith.cmpi slt, %{{.*}}, %c4_i32
// CHECK: llvm.load %{{.*}} atomic syncscope("device") acquire {alignment = 4 : i64}
// CHECK: llvm.store %{{.*}}, %{{.*}} atomic syncscope("device") monotonic {alignment = 8 : i64} : i64
// CHECK: llvm.load %{{.*}} atomic syncscope("device") monotonic {alignment = 8 : i64} : !llvm.ptr<1> -> i64
// CHECK: scf.for
// CHECK: llvm.fence syncscope("device") release
// CHECK: llvm.fence syncscope("device") release
// CHECK: llvm.atomicrmw add %{{.*}}, %{{.*}} syncscope("device") monotonic
// CHECK-NEXT: llvm.fence syncscope("device") acquire
// CHECK-NOT: llvm.fence
// CHECK-COUNT-2: llvm.store %c0_i32, %{{.*}} : i32, !llvm.ptr<1>
// CHECK-COUNT-4: llvm.store %c0_i64, %{{.*}} : i64, !llvm.ptr<1>
// CHECK: gpu.return

// A chip without clusters has them too: 108 / 5.
// OLDER: memref.alloc() {twilight.zeroed} : memref<672xi32>
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
