// Values that must not come from where they do: p and scores, f32 arguments, caches.
// RUN: twilight-opt %s --convert-twilight-to-gpu --split-input-file --verify-diagnostics --allow-unregistered-dialect

!c = !twilight.cache<kv_heads = 2, head_dim = 64, page_size = 16, f16, hnd, codes = <bits = 4>>
func.func @computed_p(%q: tensor<?x8x64xf16>, %k: tensor<?x2x16x64xf16>, %codes: tensor<?x2x16x32xi8>, %s: tensor<?x2x16xf16>,
    %t: tensor<?x?xi32>, %n: tensor<?xi32>, %p: f32) -> tensor<?x2xi32> {
  %c = twilight.assemble_cache k_pages(%k : tensor<?x2x16x64xf16>) v_pages(%k : tensor<?x2x16x64xf16>)
      codes(%codes : tensor<?x2x16x32xi8>) scale(%s : tensor<?x2x16xf16>) zero(%s : tensor<?x2x16xf16>)
      page_table(%t : tensor<?x?xi32>) seq_lens(%n : tensor<?xi32>) -> !c
  %pages = twilight.select %q, %c selector(#twilight.full) budget(#twilight.all)
      : tensor<?x8x64xf16>, !c -> !twilight.selection<page>
  %scores = twilight.quantize_score %q, %c, %pages : tensor<?x8x64xf16>, !c, !twilight.selection<page> -> !twilight.scores
  %ps = "test.ps"() : () -> f32
  // expected-error @+2 {{on a GPU p must be a constant or an argument of the function (it is read on the device), found a computed value}}
  // expected-error @+1 {{failed to legalize operation 'twilight.top_p'}}
  %kept = twilight.top_p %scores, %ps : !twilight.scores, f32 -> !twilight.selection<token>
  %i, %m = twilight.selection_parts %kept : !twilight.selection<token> -> tensor<?x2x?xi32>, tensor<?x2xi32>
  return %m : tensor<?x2xi32>
}

// -----

!c = !twilight.cache<kv_heads = 2, head_dim = 64, page_size = 16, f16, hnd, codes = <bits = 4>>
func.func @used_elsewhere(%q: tensor<?x8x64xf16>, %k: tensor<?x2x16x64xf16>, %codes: tensor<?x2x16x32xi8>, %s: tensor<?x2x16xf16>,
    %t: tensor<?x?xi32>, %n: tensor<?xi32>, %p: f32) -> tensor<?x2xi32> {
  %c = twilight.assemble_cache k_pages(%k : tensor<?x2x16x64xf16>) v_pages(%k : tensor<?x2x16x64xf16>)
      codes(%codes : tensor<?x2x16x32xi8>) scale(%s : tensor<?x2x16xf16>) zero(%s : tensor<?x2x16xf16>)
      page_table(%t : tensor<?x?xi32>) seq_lens(%n : tensor<?xi32>) -> !c
  %pages = twilight.select %q, %c selector(#twilight.full) budget(#twilight.all)
      : tensor<?x8x64xf16>, !c -> !twilight.selection<page>
  %scores = twilight.quantize_score %q, %c, %pages : tensor<?x8x64xf16>, !c, !twilight.selection<page> -> !twilight.scores
  // expected-error @+1 {{'arith.mulf' op reads the f32 argument 6 of a GPU pipeline; only twilight.top_p can (it lives on the device)}}
  %half = arith.mulf %p, %p : f32
  %kept = twilight.top_p %scores, %p : !twilight.scores, f32 -> !twilight.selection<token>
  %i, %m = twilight.selection_parts %kept : !twilight.selection<token> -> tensor<?x2x?xi32>, tensor<?x2xi32>
  return %m : tensor<?x2xi32>
}

// -----

// expected-error @+1 {{argument 0 of a GPU pipeline must be a tensor, a memref or an f32 that twilight.top_p reads, found '!twilight.scores'; assemble caches inside the function}}
func.func @scores_argument(%scores: !twilight.scores, %p: f32) -> tensor<?x2xi32> {
  %kept = twilight.top_p %scores, %p : !twilight.scores, f32 -> !twilight.selection<token>
  %i, %c = twilight.selection_parts %kept : !twilight.selection<token> -> tensor<?x2x?xi32>, tensor<?x2xi32>
  return %c : tensor<?x2xi32>
}

// -----

func.func private @estimate() -> !twilight.scores
func.func @scores_of_a_call(%p: f32) -> tensor<?x2xi32> {
  %scores = func.call @estimate() : () -> !twilight.scores
  // expected-error @+2 {{scores must come from a twilight.quantize_score of the same function}}
  // expected-error @+1 {{failed to legalize operation 'twilight.top_p'}}
  %kept = twilight.top_p %scores, %p : !twilight.scores, f32 -> !twilight.selection<token>
  %i, %c = twilight.selection_parts %kept : !twilight.selection<token> -> tensor<?x2x?xi32>, tensor<?x2xi32>
  return %c : tensor<?x2xi32>
}

// -----

!c = !twilight.cache<kv_heads = 2, head_dim = 64, page_size = 16, f16, hnd>
// expected-error @+1 {{argument 1 of a GPU pipeline must be a tensor, a memref or an f32 that twilight.top_p reads, found '!twilight.cache<}}
func.func @cache_argument(%q: tensor<?x8x64xf16>, %c: !c) -> tensor<?x8x64xf32> {
  %out = twilight.attend %q, %c : tensor<?x8x64xf16>, !c -> tensor<?x8x64xf32>
  return %out : tensor<?x8x64xf32>
}

// -----

// expected-error @+1 {{result 0 of a GPU pipeline must be a tensor or a memref, found '!twilight.selection<token>'}}
func.func @selection_result(%i: tensor<?x2x?xi32>, %n: tensor<?x2xi32>) -> !twilight.selection<token> {
  %0 = twilight.assemble_selection %i, %n : tensor<?x2x?xi32>, tensor<?x2xi32> -> !twilight.selection<token>
  return %0 : !twilight.selection<token>
}
