// What stands in front of ranking: the query, the first pages and the item's length are asked for at once; coefficients of bounds
// of 8 bits are made by four warps for all, or where no more rank by each.
// DEFINE: %{schedule} =
// DEFINE: %{kernel} = twilight-opt %s --twilight-choose-schedule="schedule='#twilight.schedule<block, %{schedule}>'" --convert-twilight-to-gpu=chip=sm_90a --canonicalize --cse
// REDEFINE: %{schedule} = warps = 8
// RUN: %{kernel} | FileCheck %s --check-prefixes=SHARED,LATE
// REDEFINE: %{schedule} = warps = 8, resident = 2
// RUN: %{kernel} | FileCheck %s --check-prefix=SHARED
// REDEFINE: %{schedule} = warps = 4
// RUN: %{kernel} | FileCheck %s --check-prefix=OWN

// Four warps rank an item that starts late: each loads 32 elements a lane, of which it makes coefficients by itself.
// LATE-LABEL: gpu.func @decode_pipeline
// LATE: scf.while
// LATE: llvm.load {{.*}} invariant {alignment = 4 : i64} : !llvm.ptr<1> -> i32
// LATE: llvm.load {{.*}} : !llvm.ptr<1> -> vector<4xi32>
// LATE: llvm.load {{.*}} : !llvm.ptr<1> -> vector<4xi32>
// LATE: scf.for %{{.*}} step %c64_i32

// A warp's share is 16 bytes a lane. Loads that stay in front of the warp's barrier are not known to be of constant memory.
// LATE: } else {
// SHARED: llvm.load %{{[0-9]+}} {alignment = 16 : i64} : !llvm.ptr<1> -> vector<4xi32>
// SHARED-NOT: -> vector<4xi32>
// SHARED: llvm.load %{{[0-9]+}} {alignment = 4 : i64} : !llvm.ptr<1> -> i32
// SHARED: llvm.load %{{[0-9]+}} {alignment = 4 : i64} : !llvm.ptr<1> -> i32
// SHARED-NEXT: nvvm.bar.warp.sync
// SHARED: llvm.load %{{[0-9]+}} invariant {alignment = 4 : i64} : !llvm.ptr<1> -> i32
// SHARED: nvvm.redux.sync umax
// SHARED: llvm.store %{{.*}} : vector<4xi32>, !llvm.ptr<3>
// SHARED: gpu.barrier
// SHARED-COUNT-2: llvm.load %{{.*}} : !llvm.ptr<3> -> vector<4xi32>
// The sum of a head's coefficients is their product with ones.
// SHARED: %[[ONES:.*]] = llvm.bitcast %c1006648320_i32
// SHARED: nvvm.mma.sync A[%[[ONES]], %[[ONES]], %[[ONES]], %[[ONES]]]
// SHARED: scf.for %{{.*}} step %c128_i32

// OWN-LABEL: gpu.func @decode_pipeline
// OWN: scf.while
// OWN: nvvm.bar.warp.sync
// OWN-NOT: gpu.barrier
// OWN: nvvm.shfl.sync bfly %{{.*}}, %{{.*}}, %c16_i32, %c31_i32
// OWN-NOT: gpu.barrier
// OWN: scf.for %{{.*}} step %c64_i32

!cache = !twilight.cache<kv_heads = 2, head_dim = 64, page_size = 16, bf16, hnd, codes = <bits = 4>,
                         summary = #twilight.min_max<i8>>
!q = tensor<?x8x64xbf16>

func.func @decode(%q: !q, %k: tensor<?x2x16x64xbf16>, %codes: tensor<?x2x16x32xi8>, %scale: tensor<?x2x16xf16>,
                  %bounds: tensor<?x2x144xi8>, %table: tensor<?x?xi32>, %lens: tensor<?xi32>, %p: f32) -> !q {
  %cache = twilight.assemble_cache k_pages(%k : tensor<?x2x16x64xbf16>) v_pages(%k : tensor<?x2x16x64xbf16>)
      codes(%codes : tensor<?x2x16x32xi8>) scale(%scale : tensor<?x2x16xf16>) zero(%scale : tensor<?x2x16xf16>)
      summary(%bounds : tensor<?x2x144xi8>) page_table(%table : tensor<?x?xi32>) seq_lens(%lens : tensor<?xi32>) -> !cache
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
