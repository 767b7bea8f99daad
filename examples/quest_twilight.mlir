// Twilight over Quest (arXiv 2502.02770, 2406.10774): a quarter of the pages by their key bounds, then the smallest set
// of their tokens whose estimated attention mass reaches p, then exact attention over those. The first tokens, which
// draw attention whatever they say, and the latest are always kept.
//
//   twilight-run examples/quest_twilight.mlir --inputs=test/data/smollm2_trace.safetensors --p=0.85
//   twilight-compile examples/quest_twilight.mlir --chip=sm_90a --batch=8 --tokens=32768 -o out

!cache = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd,
                         codes = <bits = 4>, summary = #twilight.min_max<f16>>

func.func @quest_twilight(
    %q: tensor<?x9x64xf16> {twilight.name = "q"},
    %k_pages: tensor<?x3x16x64xf16> {twilight.name = "k_pages"},
    %v_pages: tensor<?x3x16x64xf16> {twilight.name = "v_pages"},
    %codes: tensor<?x3x16x32xi8> {twilight.name = "codes"},
    %scale: tensor<?x3x16xf16> {twilight.name = "scale"},
    %zero: tensor<?x3x16xf16> {twilight.name = "zero"},
    %summary: tensor<?x3x2x64xf16> {twilight.name = "summary"},
    %page_table: tensor<?x?xi32> {twilight.name = "page_table"},
    %seq_lens: tensor<?xi32> {twilight.name = "seq_lens"},
    %p: f32 {twilight.name = "p"})
    -> (tensor<?x9x64xf32> {twilight.name = "out"}, tensor<?x9xf32> {twilight.name = "lse"},
        tensor<?x3xi32> {twilight.name = "counts"}, tensor<?x3xi32> {twilight.name = "candidates"}) {
  %cache = twilight.assemble_cache
      k_pages(%k_pages : tensor<?x3x16x64xf16>) v_pages(%v_pages : tensor<?x3x16x64xf16>)
      codes(%codes : tensor<?x3x16x32xi8>) scale(%scale : tensor<?x3x16xf16>) zero(%zero : tensor<?x3x16xf16>)
      summary(%summary : tensor<?x3x2x64xf16>)
      page_table(%page_table : tensor<?x?xi32>) seq_lens(%seq_lens : tensor<?xi32>) -> !cache

  %pages = twilight.select %q, %cache selector(#twilight.quest) budget(#twilight.fraction<0.25>)
      {sink = 4 : i64, recent = 64 : i64}
      : tensor<?x9x64xf16>, !cache -> !twilight.selection<page>
  %scores = twilight.quantize_score %q, %cache, %pages
      : tensor<?x9x64xf16>, !cache, !twilight.selection<page> -> !twilight.scores
  %kept = twilight.top_p %scores, %p {sink = 4 : i64, recent = 64 : i64}
      : !twilight.scores, f32 -> !twilight.selection<token>
  %out, %lse, %counts = twilight.gather_attend %q, %cache, %kept
      : tensor<?x9x64xf16>, !cache, !twilight.selection<token>
      -> tensor<?x9x64xf32> lse tensor<?x9xf32> counts tensor<?x3xi32>

  %candidates = twilight.count %pages, %cache : !twilight.selection<page>, !cache -> tensor<?x3xi32>
  return %out, %lse, %counts, %candidates
      : tensor<?x9x64xf32>, tensor<?x9xf32>, tensor<?x3xi32>, tensor<?x3xi32>
}
