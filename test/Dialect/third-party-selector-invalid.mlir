// What a selector of another dialect refuses is refused by twilight.select.
// RUN: twilight-test-opt %s --split-input-file -verify-diagnostics

!bounds = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd, summary = #twilight.min_max<f16>>
func.func @other_summary(%q: tensor<?x9x64xf16>, %cache: !bounds) {
  // expected-error @below {{'twilight.select' op #test_selector.bound reads #test_selector.abs_max}}
  %0 = twilight.select %q, %cache selector(#test_selector.bound) budget(#twilight.all) : tensor<?x9x64xf16>, !bounds -> !twilight.selection<page>
  return
}

// -----

!small = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 8, f16, hnd, summary = #test_selector.abs_max>
func.func @small_pages(%q: tensor<?x9x64xf16>, %cache: !small) {
  // expected-error @below {{'twilight.select' op #test_selector.bound ranks pages of at least 16 tokens, found page_size = 8}}
  %0 = twilight.select %q, %cache selector(#test_selector.bound) budget(#twilight.all) : tensor<?x9x64xf16>, !small -> !twilight.selection<page>
  return
}

// -----

!bounds = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd, summary = #twilight.min_max<f16>>
func.func @no_selector(%q: tensor<?x9x64xf16>, %cache: !bounds) {
  // expected-error @below {{'twilight.select' op attribute 'selector' failed to satisfy constraint: SelectorAttrInterface instance}}
  %0 = "twilight.select"(%q, %cache) {selector = #test_selector.abs_max, budget = #twilight.all} : (tensor<?x9x64xf16>, !bounds) -> !twilight.selection<page>
  return
}

// -----

!bounds = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd, summary = #twilight.min_max<f16>>
func.func @no_budget(%q: tensor<?x9x64xf16>, %cache: !bounds) {
  // expected-error @below {{'twilight.select' op attribute 'budget' failed to satisfy constraint: BudgetAttrInterface instance}}
  %0 = "twilight.select"(%q, %cache) {selector = #twilight.quest, budget = #test_selector.bound} : (tensor<?x9x64xf16>, !bounds) -> !twilight.selection<page>
  return
}
