// RUN: twilight-opt %s --split-input-file -verify-diagnostics

!plain = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd>
func.func @quest_without_summary(%q: tensor<?x9x64xf16>, %cache: !plain) {
  // expected-error @below {{'twilight.select' op #twilight.quest reads page bounds: expected a cache with summary = #twilight.min_max<...>, found no summary; declare it in the cache type and fill it with twilight.append}}
  %0 = twilight.select %q, %cache selector(#twilight.quest) budget(#twilight.fraction<0.25>) : tensor<?x9x64xf16>, !plain -> !twilight.selection<page>
  return
}

// -----

!spread = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd, summary = #twilight.mean_var<f16>>
func.func @quest_of_means(%q: tensor<?x9x64xf16>, %cache: !spread) {
  // expected-error @below {{#twilight.quest reads page bounds: expected a cache with summary = #twilight.min_max<...>, found summary = #twilight.mean_var<f16>}}
  %0 = twilight.select %q, %cache selector(#twilight.quest) budget(#twilight.fraction<0.25>) : tensor<?x9x64xf16>, !spread -> !twilight.selection<page>
  return
}

// -----

!plain = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd>
func.func @mean_std_without_summary(%q: tensor<?x9x64xf16>, %cache: !plain) {
  // expected-error @below {{#twilight.mean_std reads page means and variances: expected a cache with summary = #twilight.mean_var<...>, found no summary; declare it in the cache type and fill it with twilight.append}}
  %0 = twilight.select %q, %cache selector(#twilight.mean_std) budget(#twilight.fraction<0.25>) : tensor<?x9x64xf16>, !plain -> !twilight.selection<page>
  return
}

// -----

!bounds = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd, summary = #twilight.min_max<f16>>
func.func @mean_std_of_bounds(%q: tensor<?x9x64xf16>, %cache: !bounds) {
  // expected-error @below {{#twilight.mean_std reads page means and variances: expected a cache with summary = #twilight.mean_var<...>, found summary = #twilight.min_max<f16>}}
  %0 = twilight.select %q, %cache selector(#twilight.mean_std) budget(#twilight.fraction<0.25>) : tensor<?x9x64xf16>, !bounds -> !twilight.selection<page>
  return
}

// -----

!plain = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd>
func.func @full_with_a_budget(%q: tensor<?x9x64xf16>, %cache: !plain) {
  // expected-error @below {{'twilight.select' op #twilight.full ranks nothing: its budget must be #twilight.all, found #twilight.fraction<0.25>}}
  %0 = twilight.select %q, %cache selector(#twilight.full) budget(#twilight.fraction<0.25>) : tensor<?x9x64xf16>, !plain -> !twilight.selection<page>
  return
}

// -----

!plain = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd>
func.func @window_with_a_budget(%q: tensor<?x9x64xf16>, %cache: !plain) {
  // expected-error @below {{#twilight.window ranks nothing: its budget must be #twilight.all, found #twilight.tokens<64>}}
  %0 = twilight.select %q, %cache selector(#twilight.window) budget(#twilight.tokens<64>) {recent = 64 : i64} : tensor<?x9x64xf16>, !plain -> !twilight.selection<page>
  return
}

// -----

!plain = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd>
func.func @window_of_nothing(%q: tensor<?x9x64xf16>, %cache: !plain) {
  // expected-error @below {{#twilight.window keeps only the floors: expected sink or recent to be positive}}
  %0 = twilight.select %q, %cache selector(#twilight.window) budget(#twilight.all) : tensor<?x9x64xf16>, !plain -> !twilight.selection<page>
  return
}

// -----

// expected-error @below {{#twilight.mean_std needs a finite c, found}}
func.func private @f() attributes {x = #twilight.mean_std<c = 1.0e999>}
