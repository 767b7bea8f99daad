// A short sequence can only attend densely where everything that is chosen is chosen inside.
// RUN: twilight-opt %s --split-input-file -verify-diagnostics

!cache = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd, codes = <bits = 4>, summary = #twilight.min_max<f16>>
!q = tensor<?x9x64xf16>
!out = tensor<?x9x64xf32>
func.func @no_tokens(%q: !q, %cache: !cache) -> !out {
  // expected-error @below {{'twilight.fused' op dense_below must be a positive number of tokens, found 0; drop it where no sequence should attend densely}}
  %out = twilight.fused (%q_ = %q : !q, %c = %cache : !cache) dense_below(0) {
    %pages = twilight.select %q_, %c selector(#twilight.quest) budget(#twilight.fraction<0.25>) : !q, !cache -> !twilight.selection<page>
    %o = twilight.gather_attend %q_, %c, %pages : !q, !cache, !twilight.selection<page> -> !out
    twilight.yield %o : !out
  } : !out
  return %out : !out
}

// -----

!cache = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd, codes = <bits = 4>, summary = #twilight.min_max<f16>>
!q = tensor<?x9x64xf16>
!out = tensor<?x9x64xf32>
func.func @negative_tokens(%q: !q, %cache: !cache) -> !out {
  // expected-error @below {{'twilight.fused' op dense_below must be a positive number of tokens, found -1;}}
  %out = twilight.fused (%q_ = %q : !q, %c = %cache : !cache) dense_below(-1) {
    %pages = twilight.select %q_, %c selector(#twilight.quest) budget(#twilight.fraction<0.25>) : !q, !cache -> !twilight.selection<page>
    %o = twilight.gather_attend %q_, %c, %pages : !q, !cache, !twilight.selection<page> -> !out
    twilight.yield %o : !out
  } : !out
  return %out : !out
}

// -----

!cache = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd, codes = <bits = 4>, summary = #twilight.min_max<f16>>
!q = tensor<?x9x64xf16>
!out = tensor<?x9x64xf32>
func.func @too_many_tokens(%q: !q, %cache: !cache) -> !out {
  // expected-error @below {{'twilight.fused' op dense_below must not be negative and must fit 32 bits, found 2147483648}}
  %out = twilight.fused (%q_ = %q : !q, %c = %cache : !cache) dense_below(2147483648) {
    %pages = twilight.select %q_, %c selector(#twilight.quest) budget(#twilight.fraction<0.25>) : !q, !cache -> !twilight.selection<page>
    %o = twilight.gather_attend %q_, %c, %pages : !q, !cache, !twilight.selection<page> -> !out
    twilight.yield %o : !out
  } : !out
  return %out : !out
}

// -----

!cache = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd, codes = <bits = 4>, summary = #twilight.min_max<f16>>
!q = tensor<?x9x64xf16>
!out = tensor<?x9x64xf32>
func.func @tokens_from_outside(%q: !q, %cache: !cache, %kept: !twilight.selection<token>) -> !out {
  %out = twilight.fused (%q_ = %q : !q, %c = %cache : !cache, %k = %kept : !twilight.selection<token>) dense_below(64) {
    // expected-error @below {{'twilight.gather_attend' op in a twilight.fused with dense_below takes tokens from elsewhere: expected a selection of a twilight.select of the same cache in the region}}
    %o = twilight.gather_attend %q_, %c, %k : !q, !cache, !twilight.selection<token> -> !out
    twilight.yield %o : !out
  } : !out
  return %out : !out
}

// -----

!cache = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd, codes = <bits = 4>, summary = #twilight.min_max<f16>>
!q = tensor<?x9x64xf16>
!out = tensor<?x9x64xf32>
func.func @scores_from_outside(%q: !q, %cache: !cache, %scores: !twilight.scores, %p: f32) -> !out {
  %out = twilight.fused (%q_ = %q : !q, %c = %cache : !cache, %s = %scores : !twilight.scores, %p_ = %p : f32) dense_below(64) {
    // expected-error @below {{'twilight.top_p' op in a twilight.fused with dense_below takes tokens from elsewhere}}
    %k = twilight.top_p %s, %p_ : !twilight.scores, f32 -> !twilight.selection<token>
    %o = twilight.gather_attend %q_, %c, %k : !q, !cache, !twilight.selection<token> -> !out
    twilight.yield %o : !out
  } : !out
  return %out : !out
}

// -----

!cache = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd, codes = <bits = 4>, summary = #twilight.min_max<f16>>
!q = tensor<?x9x64xf16>
!out = tensor<?x9x64xf32>
func.func @pages_of_another_cache(%q: !q, %a: !cache, %b: !cache) -> !out {
  %out = twilight.fused (%q_ = %q : !q, %a_ = %a : !cache, %b_ = %b : !cache) dense_below(64) {
    %pages = twilight.select %q_, %a_ selector(#twilight.quest) budget(#twilight.fraction<0.25>) : !q, !cache -> !twilight.selection<page>
    // expected-error @below {{'twilight.gather_attend' op in a twilight.fused with dense_below takes tokens from elsewhere}}
    %o = twilight.gather_attend %q_, %b_, %pages : !q, !cache, !twilight.selection<page> -> !out
    twilight.yield %o : !out
  } : !out
  return %out : !out
}

// -----

!cache = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd, codes = <bits = 4>, summary = #twilight.min_max<f16>>
!q = tensor<?x9x64xf16>
!out = tensor<?x9x64xf32>
func.func @count_of_tokens_from_outside(%q: !q, %cache: !cache, %kept: !twilight.selection<token>) -> tensor<?x3xi32> {
  %out = twilight.fused (%q_ = %q : !q, %c = %cache : !cache, %k = %kept : !twilight.selection<token>) dense_below(64) {
    %o = twilight.attend %q_, %c : !q, !cache -> !out
    // expected-error @below {{'twilight.count' op in a twilight.fused with dense_below takes tokens from elsewhere}}
    %n = twilight.count %k, %c : !twilight.selection<token>, !cache -> tensor<?x3xi32>
    twilight.yield %n : tensor<?x3xi32>
  } : tensor<?x3xi32>
  return %out : tensor<?x3xi32>
}

// -----

!cache = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd, codes = <bits = 4>, summary = #twilight.min_max<f16>>
!q = tensor<?x9x64xf16>
!out = tensor<?x9x64xf32>
func.func @yields_pages(%q: !q, %cache: !cache) -> (!out, !twilight.selection<page>) {
  %out:2 = twilight.fused (%q_ = %q : !q, %c = %cache : !cache) dense_below(64) {
    %pages = twilight.select %q_, %c selector(#twilight.quest) budget(#twilight.fraction<0.25>) : !q, !cache -> !twilight.selection<page>
    %o = twilight.gather_attend %q_, %c, %pages : !q, !cache, !twilight.selection<page> -> !out
    // expected-error @below {{'twilight.yield' op with dense_below must yield results of attention and counts, found '!twilight.selection<page>'}}
    twilight.yield %o, %pages : !out, !twilight.selection<page>
  } : !out, !twilight.selection<page>
  return %out#0, %out#1 : !out, !twilight.selection<page>
}
