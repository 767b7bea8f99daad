// Small functions for tests of the tools.
!plain = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd>
!pool = tensor<?x3x16x64xf16>

func.func @lengths(%k: !pool {twilight.name = "k_pages"}, %v: !pool {twilight.name = "v_pages"},
    %table: tensor<?x?xi32> {twilight.name = "page_table"}, %lens: tensor<?xi32> {twilight.name = "seq_lens"})
    -> (tensor<?xi32> {twilight.name = "lens"}) {
  %cache = twilight.assemble_cache k_pages(%k : !pool) v_pages(%v : !pool) page_table(%table : tensor<?x?xi32>)
      seq_lens(%lens : tensor<?xi32>) -> !plain
  %part = twilight.cache_part seq_lens of %cache : !plain -> tensor<?xi32>
  return %part : tensor<?xi32>
}

func.func @nameless(%x: tensor<?xf32>) {
  return
}

func.func @wide(%x: tensor<?xf64> {twilight.name = "x"}) {
  return
}

func.func @cache(%cache: !plain {twilight.name = "cache"}) {
  return
}

func.func @twice(%a: tensor<?xf32> {twilight.name = "x"}, %b: tensor<?xf32> {twilight.name = "x"}) {
  return
}

func.func @by_k(%k: tensor<?x?x3x64xf16> {twilight.name = "k"}, %q: tensor<?x9x64xf32> {twilight.name = "q"}) {
  return
}
