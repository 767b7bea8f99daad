// Two pipelines, and a function that is none.

!plain = !twilight.cache<kv_heads = 2, head_dim = 64, page_size = 16, f16, hnd>
!coded = !twilight.cache<kv_heads = 2, head_dim = 64, page_size = 16, f16, hnd, codes = <bits = 4>>

// As test/Runtime/example.c calls it.
func.func @dense_attend(
    %q: tensor<?x8x64xf16> {twilight.name = "q"},
    %k: tensor<?x2x16x64xf16> {twilight.name = "k_pages"}, %v: tensor<?x2x16x64xf16> {twilight.name = "v_pages"},
    %t: tensor<?x?xi32> {twilight.name = "page_table"}, %n: tensor<?xi32> {twilight.name = "seq_lens"})
    -> (tensor<?x8x64xf32> {twilight.name = "out"}, tensor<?x8xf32> {twilight.name = "lse"}) {
  %c = twilight.assemble_cache k_pages(%k : tensor<?x2x16x64xf16>) v_pages(%v : tensor<?x2x16x64xf16>)
      page_table(%t : tensor<?x?xi32>) seq_lens(%n : tensor<?xi32>) -> !plain
  %out, %lse = twilight.attend %q, %c : tensor<?x8x64xf16>, !plain -> tensor<?x8x64xf32> lse tensor<?x8xf32>
  return %out, %lse : tensor<?x8x64xf32>, tensor<?x8xf32>
}

// A cache that changes in place, and lists as results, whose size is an expression.
func.func @append_and_keep(
    %q: tensor<?x8x64xf16> {twilight.name = "q"},
    %k: tensor<?x2x16x64xf16> {twilight.name = "k_pages"}, %v: tensor<?x2x16x64xf16> {twilight.name = "v_pages"},
    %codes: tensor<?x2x16x32xi8> {twilight.name = "codes"}, %s: tensor<?x2x16xf16> {twilight.name = "scale"},
    %z: tensor<?x2x16xf16> {twilight.name = "zero"},
    %t: tensor<?x?xi32> {twilight.name = "page_table"}, %n: tensor<?xi32> {twilight.name = "seq_lens"},
    %nk: tensor<?x?x2x64xf16> {twilight.name = "k"}, %nv: tensor<?x?x2x64xf16> {twilight.name = "v"},
    %p: tensor<8xf32> {twilight.name = "p"})
    -> (tensor<?x2x?xi32> {twilight.name = "indices"}, tensor<?x2xi32> {twilight.name = "counts"}) {
  %c = twilight.assemble_cache k_pages(%k : tensor<?x2x16x64xf16>) v_pages(%v : tensor<?x2x16x64xf16>)
      codes(%codes : tensor<?x2x16x32xi8>) scale(%s : tensor<?x2x16xf16>) zero(%z : tensor<?x2x16xf16>)
      page_table(%t : tensor<?x?xi32>) seq_lens(%n : tensor<?xi32>) -> !coded
  %d = twilight.append %c, %nk, %nv : !coded, tensor<?x?x2x64xf16>, tensor<?x?x2x64xf16>
  %pages = twilight.select %q, %d selector(#twilight.full) budget(#twilight.all)
      : tensor<?x8x64xf16>, !coded -> !twilight.selection<page>
  %scores = twilight.quantize_score %q, %d, %pages
      : tensor<?x8x64xf16>, !coded, !twilight.selection<page> -> !twilight.scores
  %kept = twilight.top_p %scores, %p : !twilight.scores, tensor<8xf32> -> !twilight.selection<token>
  %i, %m = twilight.selection_parts %kept : !twilight.selection<token> -> tensor<?x2x?xi32>, tensor<?x2xi32>
  return %i, %m : tensor<?x2x?xi32>, tensor<?x2xi32>
}

func.func @helper(%x: tensor<?xf32>) -> tensor<?xf32> {
  return %x : tensor<?xf32>
}
