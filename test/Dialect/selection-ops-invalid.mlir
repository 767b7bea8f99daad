// select and quantize_score. What selectors and budgets refuse is in files of their own.
// RUN: twilight-opt %s --split-input-file -verify-diagnostics

!bounds = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd, summary = #twilight.min_max<f16>>
func.func @heads_no_multiple(%q: tensor<?x8x64xf16>, %cache: !bounds) {
  // expected-error @below {{'twilight.select' op the number of query heads must be a multiple of the cache's 3 kv heads, found 8}}
  %0 = twilight.select %q, %cache selector(#twilight.quest) budget(#twilight.all) : tensor<?x8x64xf16>, !bounds -> !twilight.selection<page>
  return
}

// -----

!bounds = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd, summary = #twilight.min_max<f16>>
func.func @negative_sink(%q: tensor<?x9x64xf16>, %cache: !bounds) {
  // expected-error @below {{'twilight.select' op sink must not be negative and must fit 32 bits, found -1}}
  %0 = twilight.select %q, %cache selector(#twilight.quest) budget(#twilight.all) {sink = -1 : i64} : tensor<?x9x64xf16>, !bounds -> !twilight.selection<page>
  return
}

// -----

!bounds = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd, summary = #twilight.min_max<f16>>
func.func @huge_recent(%q: tensor<?x9x64xf16>, %cache: !bounds) {
  // expected-error @below {{'twilight.select' op recent must not be negative and must fit 32 bits, found 2147483648}}
  %0 = twilight.select %q, %cache selector(#twilight.quest) budget(#twilight.all) {recent = 2147483648 : i64} : tensor<?x9x64xf16>, !bounds -> !twilight.selection<page>
  return
}

// -----

!bounds = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd, summary = #twilight.min_max<f16>>
func.func @tokens_for_pages(%q: tensor<?x9x64xf16>, %cache: !bounds) {
  // expected-error @below {{'twilight.select' op with this group the result must be '!twilight.selection<page>', found '!twilight.selection<token>'}}
  %0 = twilight.select %q, %cache selector(#twilight.quest) budget(#twilight.all) : tensor<?x9x64xf16>, !bounds -> !twilight.selection<token>
  return
}

// -----

!bounds = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd, summary = #twilight.min_max<f16>>
func.func @lists_of_the_other_heads(%q: tensor<?x9x64xf16>, %cache: !bounds) {
  // expected-error @below {{with this group the result must be '!twilight.selection<page, query_head>', found '!twilight.selection<page>'}}
  %0 = twilight.select %q, %cache selector(#twilight.quest) budget(#twilight.all) group(per_head) : tensor<?x9x64xf16>, !bounds -> !twilight.selection<page>
  return
}

// -----

!coded = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd, codes = <bits = 4>>
func.func @heads_no_multiple(%q: tensor<?x4x64xf16>, %cache: !coded, %pages: !twilight.selection<page>) {
  // expected-error @below {{'twilight.quantize_score' op the number of query heads must be a multiple of the cache's 3 kv heads, found 4}}
  %0 = twilight.quantize_score %q, %cache, %pages : tensor<?x4x64xf16>, !coded, !twilight.selection<page> -> !twilight.scores
  return
}

// -----

!bounds = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd, summary = #twilight.min_max<f16>>
func.func @no_codes(%q: tensor<?x9x64xf16>, %cache: !bounds, %pages: !twilight.selection<page>) {
  // expected-error @below {{'twilight.quantize_score' op reads part 'codes', which the cache lacks: declare codes = <bits = 4> in the cache type and fill it with twilight.append}}
  %0 = twilight.quantize_score %q, %cache, %pages : tensor<?x9x64xf16>, !bounds, !twilight.selection<page> -> !twilight.scores
  return
}

// -----

!coded = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd, codes = <bits = 4>>
func.func @tokens_for_pages(%q: tensor<?x9x64xf16>, %cache: !coded, %tokens: !twilight.selection<token>) {
  // expected-error @below {{'twilight.quantize_score' op scores the tokens of pages: expected !twilight.selection<page>, found '!twilight.selection<token>'}}
  %0 = twilight.quantize_score %q, %cache, %tokens : tensor<?x9x64xf16>, !coded, !twilight.selection<token> -> !twilight.scores
  return
}

// -----

!coded = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd, codes = <bits = 4>>
func.func @scores_of_other_lists(%q: tensor<?x9x64xf16>, %cache: !coded, %pages: !twilight.selection<page, query_head>) {
  // expected-error @below {{'twilight.quantize_score' op the result must be '!twilight.scores<query_head>', found '!twilight.scores'}}
  %0 = twilight.quantize_score %q, %cache, %pages : tensor<?x9x64xf16>, !coded, !twilight.selection<page, query_head> -> !twilight.scores
  return
}

// -----

!coded = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd, codes = <bits = 4>>
func.func @half_scores_of_other_lists(%q: tensor<?x9x64xf16>, %cache: !coded, %pages: !twilight.selection<page>) {
  // expected-error @below {{'twilight.quantize_score' op the result must be '!twilight.scores<f16>', found '!twilight.scores<query_head, f16>'}}
  %0 = twilight.quantize_score %q, %cache, %pages : tensor<?x9x64xf16>, !coded, !twilight.selection<page> -> !twilight.scores<query_head, f16>
  return
}

// -----

!coded = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd, codes = <bits = 4>>
func.func @foreign_lists(%q: tensor<?x9x64xf16>, %cache: !coded, %indices: tensor<?x8x?xi32>, %counts: tensor<?x8xi32>) {
  %pages = twilight.assemble_selection %indices, %counts : tensor<?x8x?xi32>, tensor<?x8xi32> -> !twilight.selection<page, query_head>
  // expected-error @below {{'twilight.quantize_score' op the selection must have a list for each of the 9 query heads, found 8 lists in twilight.assemble_selection}}
  %0 = twilight.quantize_score %q, %cache, %pages : tensor<?x9x64xf16>, !coded, !twilight.selection<page, query_head> -> !twilight.scores<query_head>
  return
}

// -----

!coded = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd, codes = <bits = 4>>
func.func @infinite_scale(%q: tensor<?x9x64xf16>, %cache: !coded, %pages: !twilight.selection<page>) {
  // expected-error @below {{'twilight.quantize_score' op softmax_scale must be finite}}
  %0 = twilight.quantize_score %q, %cache, %pages {softmax_scale = 0xFFF0000000000000 : f64} : tensor<?x9x64xf16>, !coded, !twilight.selection<page> -> !twilight.scores
  return
}

// -----

!coded = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd, codes = <bits = 4, blocked>>
func.func @fine_without_planes(%q: tensor<?x9x64xf16>, %cache: !coded, %pages: !twilight.selection<page>, %fine: !twilight.selection<page>) {
  // expected-error @below {{'twilight.quantize_score' op scores pages that are not in 'fine' from the high planes of their codes, which the cache lacks: declare codes = <bits = 4, planes> in the cache type or drop 'fine'}}
  %0 = twilight.quantize_score %q, %cache, %pages fine(%fine : !twilight.selection<page>) : tensor<?x9x64xf16>, !coded, !twilight.selection<page> -> !twilight.scores
  return
}

// -----

!planes = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd, codes = <bits = 4, planes>>
func.func @fine_of_other_lists(%q: tensor<?x9x64xf16>, %cache: !planes, %pages: !twilight.selection<page>, %fine: !twilight.selection<page, query_head>) {
  // expected-error @below {{'twilight.quantize_score' op 'fine', like the candidates, must be '!twilight.selection<page>', found '!twilight.selection<page, query_head>'}}
  %0 = twilight.quantize_score %q, %cache, %pages fine(%fine : !twilight.selection<page, query_head>) : tensor<?x9x64xf16>, !planes, !twilight.selection<page> -> !twilight.scores
  return
}

// -----

!planes = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd, codes = <bits = 4, planes>>
func.func @fine_tokens(%q: tensor<?x9x64xf16>, %cache: !planes, %pages: !twilight.selection<page>, %fine: !twilight.selection<token>) {
  // expected-error @below {{'fine', like the candidates, must be '!twilight.selection<page>', found '!twilight.selection<token>'}}
  %0 = twilight.quantize_score %q, %cache, %pages fine(%fine : !twilight.selection<token>) : tensor<?x9x64xf16>, !planes, !twilight.selection<page> -> !twilight.scores
  return
}

// -----

!planes = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd, codes = <bits = 4, planes>>
func.func @too_few_fine_lists(%q: tensor<?x9x64xf16>, %cache: !planes, %pages: !twilight.selection<page>, %indices: tensor<?x2x?xi32>, %counts: tensor<?x2xi32>) {
  %fine = twilight.assemble_selection %indices, %counts : tensor<?x2x?xi32>, tensor<?x2xi32> -> !twilight.selection<page>
  // expected-error @below {{the selection must have a list for each of the 3 kv heads, found 2 lists in twilight.assemble_selection}}
  %0 = twilight.quantize_score %q, %cache, %pages fine(%fine : !twilight.selection<page>) : tensor<?x9x64xf16>, !planes, !twilight.selection<page> -> !twilight.scores
  return
}
