// RUN: twilight-opt %s --split-input-file -verify-diagnostics

func.func @above_one(%scores: !twilight.scores) {
  %p = arith.constant 1.5 : f32
  // expected-error @below {{'twilight.top_p' op p must lie in [0, 1], found the constant 1.5}}
  %0 = twilight.top_p %scores, %p : !twilight.scores, f32 -> !twilight.selection<token>
  return
}

// -----

func.func @below_zero(%scores: !twilight.scores) {
  %p = arith.constant -0.25 : f32
  // expected-error @below {{'twilight.top_p' op p must lie in [0, 1], found the constant -2.5}}
  %0 = twilight.top_p %scores, %p : !twilight.scores, f32 -> !twilight.selection<token>
  return
}

// -----

func.func @not_a_number(%scores: !twilight.scores) {
  %p = arith.constant 0x7FC00000 : f32
  // expected-error @below {{'twilight.top_p' op p must lie in [0, 1], found the constant nan}}
  %0 = twilight.top_p %scores, %p : !twilight.scores, f32 -> !twilight.selection<token>
  return
}

// -----

func.func @threshold_above_one(%scores: !twilight.scores) {
  %lambda = arith.constant 2.0 : f32
  // expected-error @below {{'twilight.top_p' op lambda must lie in [0, 1], found the constant 2.0}}
  %0 = twilight.top_p %scores, %lambda rule(threshold) : !twilight.scores, f32 -> !twilight.selection<token>
  return
}

// -----

func.func @one_head_above_one(%scores: !twilight.scores) {
  %p = arith.constant dense<[0.5, 0.9, 1.25]> : tensor<3xf32>
  // expected-error @below {{'twilight.top_p' op p must lie in [0, 1], found the constant 1.25}}
  %0 = twilight.top_p %scores, %p : !twilight.scores, tensor<3xf32> -> !twilight.selection<token>
  return
}

// -----

!coded = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd, codes = <bits = 4>>
func.func @other_number_of_heads(%q: tensor<?x9x64xf16>, %cache: !coded, %pages: !twilight.selection<page>, %p: tensor<3xf32>) {
  %scores = twilight.quantize_score %q, %cache, %pages : tensor<?x9x64xf16>, !coded, !twilight.selection<page> -> !twilight.scores
  // expected-error @below {{'twilight.top_p' op p must be one f32, or one for each of the 9 query heads, found 'tensor<3xf32>'}}
  %0 = twilight.top_p %scores, %p : !twilight.scores, tensor<3xf32> -> !twilight.selection<token>
  return
}

// -----

func.func @double(%scores: !twilight.scores, %p: f64) {
  // expected-error @below {{'twilight.top_p' op operand #1 must be f32, or one f32 for each query head, but got 'f64'}}
  %0 = twilight.top_p %scores, %p : !twilight.scores, f64 -> !twilight.selection<token>
  return
}

// -----

func.func @negative_floor(%scores: !twilight.scores, %p: f32) {
  // expected-error @below {{'twilight.top_p' op min_tokens must not be negative and must fit 32 bits, found -3}}
  %0 = twilight.top_p %scores, %p {min_tokens = -3 : i64} : !twilight.scores, f32 -> !twilight.selection<token>
  return
}

// -----

func.func @negative_cap(%scores: !twilight.scores, %p: f32) {
  // expected-error @below {{max_tokens must not be negative and must fit 32 bits, found -1}}
  %0 = twilight.top_p %scores, %p {max_tokens = -1 : i64} : !twilight.scores, f32 -> !twilight.selection<token>
  return
}

// -----

func.func @negative_sink(%scores: !twilight.scores, %p: f32) {
  // expected-error @below {{sink must not be negative and must fit 32 bits, found -4}}
  %0 = twilight.top_p %scores, %p {sink = -4 : i64} : !twilight.scores, f32 -> !twilight.selection<token>
  return
}

// -----

func.func @huge_recent(%scores: !twilight.scores, %p: f32) {
  // expected-error @below {{recent must not be negative and must fit 32 bits, found 4294967296}}
  %0 = twilight.top_p %scores, %p {recent = 4294967296 : i64} : !twilight.scores, f32 -> !twilight.selection<token>
  return
}

// -----

func.func @cap_below_floor(%scores: !twilight.scores, %p: f32) {
  // expected-error @below {{max_tokens (16) must be 0 or at least min_tokens (32)}}
  %0 = twilight.top_p %scores, %p {min_tokens = 32 : i64, max_tokens = 16 : i64} : !twilight.scores, f32 -> !twilight.selection<token>
  return
}

// -----

func.func @pages_for_tokens(%scores: !twilight.scores, %p: f32) {
  // expected-error @below {{with this group and these scores the result must be '!twilight.selection<token>', found '!twilight.selection<page>'}}
  %0 = twilight.top_p %scores, %p : !twilight.scores, f32 -> !twilight.selection<page>
  return
}

// -----

func.func @union_for_per_head(%scores: !twilight.scores, %p: f32) {
  // expected-error @below {{with this group and these scores the result must be '!twilight.selection<token, query_head>', found '!twilight.selection<token>'}}
  %0 = twilight.top_p %scores, %p group(per_head) : !twilight.scores, f32 -> !twilight.selection<token>
  return
}

// -----

// Scores over a list for each query head cannot be united: their candidates differ.
func.func @union_of_query_heads(%scores: !twilight.scores<query_head>, %p: f32) {
  // expected-error @below {{with this group and these scores the result must be '!twilight.selection<token, query_head>', found '!twilight.selection<token>'}}
  %0 = twilight.top_p %scores, %p : !twilight.scores<query_head>, f32 -> !twilight.selection<token>
  return
}
