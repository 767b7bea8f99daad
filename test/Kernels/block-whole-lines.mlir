// How pages are ranked: 16 warps ask for 128 bytes of a page at once, eight lanes a page; fewer warps, or two blocks of an item,
// for 64 bytes, four lanes a page. Lanes are counted in pieces of 16 bytes, of which a page has 16.
// DEFINE: %{schedule} =
// DEFINE: %{kernel} = twilight-opt %s --twilight-choose-schedule="schedule='#twilight.schedule<block, %{schedule}>'" --convert-twilight-to-gpu=chip=sm_90a --canonicalize --cse
// REDEFINE: %{schedule} = warps = 16
// RUN: %{kernel} | FileCheck %s --check-prefix=WIDE
// REDEFINE: %{schedule} = warps = 8
// RUN: %{kernel} | FileCheck %s --check-prefix=NARROW
// REDEFINE: %{schedule} = cluster = 2, warps = 16
// RUN: %{kernel} | FileCheck %s --check-prefix=NARROW

// Four pages a warp and load, in two loads of half a page each; four times for a tile.
// WIDE-LABEL: gpu.func @decode_pipeline
// WIDE: %[[PAGE:.*]] = arith.divsi %[[LANE:.*]], %c8_i32
// WIDE-NEXT: %[[ENTRY:.*]] = nvvm.shfl.sync idx %{{.*}}, %[[OWN:.*]], %[[PAGE]], %c31_i32
// WIDE: %[[PLACE:.*]] = arith.muli %{{.*}}, %c16_i32
// WIDE-NEXT: %[[PIECE:.*]] = arith.remsi %[[LANE]], %c8_i32
// WIDE-NEXT: arith.addi %[[PLACE]], %[[PIECE]]
// WIDE: ld.global.nc
// WIDE: %[[SECOND:.*]] = arith.addi %[[PLACE]], %c8_i32
// WIDE-NEXT: arith.addi %[[SECOND]], %[[PIECE]]
// WIDE: ld.global.nc
// WIDE: %[[NEXT:.*]] = arith.addi %[[PAGE]], %c4_i32
// WIDE-NEXT: nvvm.shfl.sync idx %{{.*}}, %[[OWN]], %[[NEXT]], %c31_i32
// WIDE: arith.addi %[[PAGE]], %c8_i32
// WIDE: arith.addi %[[PAGE]], %c12_i32

// A row of a page, as the left factor, is multiplied by the coefficients of both halves.
// WIDE: scf.for
// WIDE: nvvm.mma.sync A[%[[A:.*]], %[[B:.*]], %[[C:.*]], %[[D:.*]]] B[%[[LOW:.*]], %{{.*}}] C
// WIDE: nvvm.mma.sync A[%[[A]], %[[B]], %[[C]], %[[D]]] B[%{{.*}}, %{{.*}}] C
// A lane of eight keeps two heads of one page: it hands on two pages of four, then one of two.
// WIDE: nvvm.shfl.sync bfly %{{.*}}, %{{.*}}, %c4_i32, %c31_i32
// WIDE: nvvm.shfl.sync bfly %{{.*}}, %{{.*}}, %c2_i32, %c31_i32

// NARROW-LABEL: gpu.func @decode_pipeline
// NARROW: %[[PIECE:.*]] = arith.remsi %[[LANE:.*]], %c4_i32
// NARROW-NEXT: arith.addi %[[PLACE:.*]], %[[PIECE]]
// NARROW: ld.global.nc
// NARROW: arith.addi %[[PLACE]], %c4_i32
// NARROW: ld.global.nc
// NARROW: arith.addi %[[PLACE]], %c8_i32
// NARROW: ld.global.nc
// NARROW: arith.addi %[[PLACE]], %c12_i32
// NARROW: ld.global.nc
// NARROW: %[[NEXT:.*]] = arith.addi %[[PAGE:.*]], %c8_i32
// NARROW-NEXT: nvvm.shfl.sync idx %{{.*}}, %{{.*}}, %[[NEXT]], %c31_i32
// NARROW-NOT: arith.addi %[[PAGE]]
// NARROW: scf.for

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
