// A budget is checked where it is used: an attribute by itself may be anything.
// RUN: twilight-opt %s --split-input-file -verify-diagnostics

!cache = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd, summary = #twilight.min_max<f16>>
func.func @none(%q: tensor<?x9x64xf16>, %cache: !cache) {
  // expected-error @below {{'twilight.select' op a fraction must lie in (0, 1], at least one millionth, found #twilight.fraction<0.0>; to keep everything use #twilight.all}}
  %0 = twilight.select %q, %cache selector(#twilight.quest) budget(#twilight.fraction<0.0>) : tensor<?x9x64xf16>, !cache -> !twilight.selection<page>
  return
}

// -----

!cache = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd, summary = #twilight.min_max<f16>>
func.func @negative(%q: tensor<?x9x64xf16>, %cache: !cache) {
  // expected-error @below {{a fraction must lie in (0, 1], at least one millionth, found #twilight.fraction<-0.25>}}
  %0 = twilight.select %q, %cache selector(#twilight.quest) budget(#twilight.fraction<-0.25>) : tensor<?x9x64xf16>, !cache -> !twilight.selection<page>
  return
}

// -----

!cache = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd, summary = #twilight.min_max<f16>>
func.func @more_than_all(%q: tensor<?x9x64xf16>, %cache: !cache) {
  // expected-error @below {{at least one millionth, found #twilight.fraction<1.000001>}}
  %0 = twilight.select %q, %cache selector(#twilight.quest) budget(#twilight.fraction<1.000001>) : tensor<?x9x64xf16>, !cache -> !twilight.selection<page>
  return
}

// -----

!cache = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd, summary = #twilight.min_max<f16>>
func.func @rounds_to_nothing(%q: tensor<?x9x64xf16>, %cache: !cache) {
  // expected-error @below {{a fraction must lie in (0, 1], at least one millionth, found #twilight.fraction<4.90e-07>}}
  %0 = twilight.select %q, %cache selector(#twilight.quest) budget(#twilight.fraction<4.9e-7>) : tensor<?x9x64xf16>, !cache -> !twilight.selection<page>
  return
}

// -----

!cache = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd, summary = #twilight.min_max<f16>>
func.func @no_tokens(%q: tensor<?x9x64xf16>, %cache: !cache) {
  // expected-error @below {{'twilight.select' op a token budget must be positive and fit 32 bits, found 0}}
  %0 = twilight.select %q, %cache selector(#twilight.quest) budget(#twilight.tokens<0>) : tensor<?x9x64xf16>, !cache -> !twilight.selection<page>
  return
}

// -----

!cache = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd, summary = #twilight.min_max<f16>>
func.func @too_many_tokens(%q: tensor<?x9x64xf16>, %cache: !cache) {
  // expected-error @below {{a token budget must be positive and fit 32 bits, found 2147483648}}
  %0 = twilight.select %q, %cache selector(#twilight.quest) budget(#twilight.tokens<2147483648>) : tensor<?x9x64xf16>, !cache -> !twilight.selection<page>
  return
}
