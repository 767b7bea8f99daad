// Ops around selections and scores: assemble_selection, selection_parts, logits, count.
// RUN: twilight-opt %s --split-input-file -verify-diagnostics

func.func @wide_indices(%indices: tensor<?x3x?xi64>, %counts: tensor<?x3xi32>) {
  // expected-error @below {{'twilight.assemble_selection' op indices must be ?x?x?xi32, found 'tensor<?x3x?xi64>'}}
  %0 = twilight.assemble_selection %indices, %counts : tensor<?x3x?xi64>, tensor<?x3xi32> -> !twilight.selection<token>
  return
}

// -----

func.func @flat_counts(%indices: tensor<?x3x?xi32>, %counts: tensor<?xi32>) {
  // expected-error @below {{'twilight.assemble_selection' op counts must be ?x?xi32, found 'tensor<?xi32>'}}
  %0 = twilight.assemble_selection %indices, %counts : tensor<?x3x?xi32>, tensor<?xi32> -> !twilight.selection<token>
  return
}

// -----

func.func @other_number_of_lists(%indices: tensor<?x3x?xi32>, %counts: tensor<?x9xi32>) {
  // expected-error @below {{'twilight.assemble_selection' op indices and counts must have the same static number of lists, found 'tensor<?x3x?xi32>' and 'tensor<?x9xi32>'}}
  %0 = twilight.assemble_selection %indices, %counts : tensor<?x3x?xi32>, tensor<?x9xi32> -> !twilight.selection<token>
  return
}

// -----

func.func @unknown_number_of_lists(%tokens: !twilight.selection<token>) {
  // expected-error @below {{'twilight.selection_parts' op indices and counts must have the same static number of lists, found 'tensor<?x?x?xi32>' and 'tensor<?x?xi32>'}}
  %0:2 = twilight.selection_parts %tokens : !twilight.selection<token> -> tensor<?x?x?xi32>, tensor<?x?xi32>
  return
}

// -----

func.func @float_indices(%tokens: !twilight.selection<token>) {
  // expected-error @below {{'twilight.selection_parts' op indices must be ?x?x?xi32, found 'tensor<?x3x?xf32>'}}
  %0:2 = twilight.selection_parts %tokens : !twilight.selection<token> -> tensor<?x3x?xf32>, tensor<?x3xi32>
  return
}

// -----

func.func @half_logits(%scores: !twilight.scores) {
  // expected-error @below {{'twilight.logits' op logits must be ?x?x?xf32, found 'tensor<?x9x?xf16>'}}
  %0 = twilight.logits %scores : !twilight.scores -> tensor<?x9x?xf16>
  return
}

// -----

func.func @wide_logits(%scores: !twilight.scores<f16>) {
  // expected-error @below {{'twilight.logits' op logits must be ?x?x?xf16, found 'tensor<?x9x?xf32>'}}
  %0 = twilight.logits %scores : !twilight.scores<f16> -> tensor<?x9x?xf32>
  return
}

// -----

func.func @logits_of_unknown_heads(%scores: !twilight.scores) {
  // expected-error @below {{'twilight.logits' op logits must have a static number of query heads, found 'tensor<?x?x?xf32>'}}
  %0 = twilight.logits %scores : !twilight.scores -> tensor<?x?x?xf32>
  return
}

// -----

!coded = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd, codes = <bits = 4>>
func.func @logits_of_other_heads(%q: tensor<?x9x64xf16>, %cache: !coded, %pages: !twilight.selection<page>) {
  %scores = twilight.quantize_score %q, %cache, %pages : tensor<?x9x64xf16>, !coded, !twilight.selection<page> -> !twilight.scores
  // expected-error @below {{'twilight.logits' op logits must have a row for each of the 9 query heads, found 'tensor<?x3x?xf32>'}}
  %0 = twilight.logits %scores : !twilight.scores -> tensor<?x3x?xf32>
  return
}

// -----

!plain = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd>
func.func @count_of_query_heads(%tokens: !twilight.selection<token>, %cache: !plain) {
  // expected-error @below {{'twilight.count' op counts must have one column for each list (3), found 'tensor<?x9xi32>'}}
  %0 = twilight.count %tokens, %cache : !twilight.selection<token>, !plain -> tensor<?x9xi32>
  return
}

// -----

!plain = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd>
func.func @count_of_no_multiple(%tokens: !twilight.selection<token, query_head>, %cache: !plain) {
  // expected-error @below {{'twilight.count' op counts must have one column for each list (a multiple of 3), found 'tensor<?x8xi32>'}}
  %0 = twilight.count %tokens, %cache : !twilight.selection<token, query_head>, !plain -> tensor<?x8xi32>
  return
}

// -----

!plain = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd>
func.func @count_in_floats(%tokens: !twilight.selection<token>, %cache: !plain) {
  // expected-error @below {{'twilight.count' op counts must be ?x?xi32, found 'tensor<?x3xf32>'}}
  %0 = twilight.count %tokens, %cache : !twilight.selection<token>, !plain -> tensor<?x3xf32>
  return
}

// -----

!plain = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd>
func.func @count_of_foreign_lists(%indices: tensor<?x9x?xi32>, %lens: tensor<?x9xi32>, %cache: !plain) {
  %tokens = twilight.assemble_selection %indices, %lens : tensor<?x9x?xi32>, tensor<?x9xi32> -> !twilight.selection<token>
  // expected-error @below {{'twilight.count' op the selection must have a list for each of the 3 kv heads, found 9 lists in twilight.assemble_selection}}
  %0 = twilight.count %tokens, %cache : !twilight.selection<token>, !plain -> tensor<?x3xi32>
  return
}
