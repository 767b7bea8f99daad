// RUN: twilight-opt %s --split-input-file -verify-diagnostics

!plain = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd>
func.func @heads_no_multiple(%q: tensor<?x8x64xf16>, %cache: !plain) {
  // expected-error @below {{'twilight.attend' op the number of query heads must be a multiple of the cache's 3 kv heads, found 8}}
  %0 = twilight.attend %q, %cache : tensor<?x8x64xf16>, !plain -> tensor<?x8x64xf32>
  return
}

// -----

!plain = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd>
func.func @heads_no_multiple(%q: tensor<?x2x64xf16>, %cache: !plain, %tokens: !twilight.selection<token>) {
  // expected-error @below {{'twilight.gather_attend' op the number of query heads must be a multiple of the cache's 3 kv heads, found 2}}
  %0 = twilight.gather_attend %q, %cache, %tokens : tensor<?x2x64xf16>, !plain, !twilight.selection<token> -> tensor<?x2x64xf32>
  return
}

// -----

!plain = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd>
func.func @out_of_other_heads(%q: tensor<?x9x64xf16>, %cache: !plain) {
  // expected-error @below {{'twilight.attend' op out must be ?x9x64x(f16, bf16 or f32), found 'tensor<?x3x64xf32>'}}
  %0 = twilight.attend %q, %cache : tensor<?x9x64xf16>, !plain -> tensor<?x3x64xf32>
  return
}

// -----

!plain = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd>
func.func @out_of_integers(%q: tensor<?x9x64xf16>, %cache: !plain) {
  // expected-error @below {{'twilight.attend' op out must be ?x9x64x(f16, bf16 or f32), found 'tensor<?x9x64xi32>'}}
  %0 = twilight.attend %q, %cache : tensor<?x9x64xf16>, !plain -> tensor<?x9x64xi32>
  return
}

// -----

!plain = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd>
func.func @half_lse(%q: tensor<?x9x64xf16>, %cache: !plain) {
  // expected-error @below {{'twilight.attend' op lse must be ?x9xf32, found 'tensor<?x9xf16>'}}
  %0:2 = twilight.attend %q, %cache : tensor<?x9x64xf16>, !plain -> tensor<?x9x64xf32> lse tensor<?x9xf16>
  return
}

// -----

!plain = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd>
func.func @counts_of_query_heads(%q: tensor<?x9x64xf16>, %cache: !plain) {
  // expected-error @below {{'twilight.attend' op counts must be ?x3xi32, found 'tensor<?x9xi32>'}}
  %0:2 = twilight.attend %q, %cache : tensor<?x9x64xf16>, !plain -> tensor<?x9x64xf32> counts tensor<?x9xi32>
  return
}

// -----

!plain = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd>
func.func @counts_of_kv_heads(%q: tensor<?x9x64xf16>, %cache: !plain, %tokens: !twilight.selection<token, query_head>) {
  // expected-error @below {{'twilight.gather_attend' op counts must be ?x9xi32, found 'tensor<?x3xi32>'}}
  %0:2 = twilight.gather_attend %q, %cache, %tokens : tensor<?x9x64xf16>, !plain, !twilight.selection<token, query_head> -> tensor<?x9x64xf32> counts tensor<?x3xi32>
  return
}

// -----

// The selection was assembled from other lists than the cache has heads.
!plain = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd>
func.func @foreign_lists(%q: tensor<?x9x64xf16>, %cache: !plain, %indices: tensor<?x9x?xi32>, %counts: tensor<?x9xi32>) {
  %tokens = twilight.assemble_selection %indices, %counts : tensor<?x9x?xi32>, tensor<?x9xi32> -> !twilight.selection<token>
  // expected-error @below {{'twilight.gather_attend' op the selection must have a list for each of the 3 kv heads, found 9 lists in twilight.assemble_selection}}
  %0 = twilight.gather_attend %q, %cache, %tokens : tensor<?x9x64xf16>, !plain, !twilight.selection<token> -> tensor<?x9x64xf32>
  return
}

// -----

!plain = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd>
func.func @infinite_scale(%q: tensor<?x9x64xf16>, %cache: !plain) {
  // expected-error @below {{'twilight.attend' op softmax_scale must be finite; without it the scale is 1 / sqrt(head_dim)}}
  %0 = twilight.attend %q, %cache {softmax_scale = 0x7FF0000000000000 : f64} : tensor<?x9x64xf16>, !plain -> tensor<?x9x64xf32>
  return
}

// -----

!plain = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd>
func.func @nan_scale(%q: tensor<?x9x64xf16>, %cache: !plain, %tokens: !twilight.selection<token>) {
  // expected-error @below {{'twilight.gather_attend' op softmax_scale must be finite}}
  %0 = twilight.gather_attend %q, %cache, %tokens {softmax_scale = 0x7FF8000000000000 : f64} : tensor<?x9x64xf16>, !plain, !twilight.selection<token> -> tensor<?x9x64xf32>
  return
}

// -----

func.func @merge_of_unknown_heads(%a: tensor<?x?x64xf32>, %la: tensor<?x?xf32>) {
  // expected-error @below {{'twilight.merge' op out must have static heads and head dimension, found 'tensor<?x?x64xf32>'}}
  %0:2 = twilight.merge %a, %la, %a, %la : tensor<?x?x64xf32>, tensor<?x?xf32>
  return
}

// -----

func.func @merge_of_flat_heads(%a: tensor<?x576xf32>, %la: tensor<?x9xf32>) {
  // expected-error @below {{'twilight.merge' op out must be ?x?x?x(f16, bf16 or f32), found 'tensor<?x576xf32>'}}
  %0:2 = twilight.merge %a, %la, %a, %la : tensor<?x576xf32>, tensor<?x9xf32>
  return
}

// -----

func.func @merge_of_half_lse(%a: tensor<?x9x64xf32>, %la: tensor<?x9xf16>) {
  // expected-error @below {{'twilight.merge' op lse must be ?x9xf32, found 'tensor<?x9xf16>'}}
  %0:2 = twilight.merge %a, %la, %a, %la : tensor<?x9x64xf32>, tensor<?x9xf16>
  return
}

// -----

!plain = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd>
func.func @no_splits(%q: tensor<?x9x64xf16>, %cache: !plain) {
  // expected-error @below {{'twilight.attend' op 'twilight.splits' must be an i64 in 1 to 64, found 0 : i64}}
  %0 = twilight.attend %q, %cache {twilight.splits = 0 : i64} : tensor<?x9x64xf16>, !plain -> tensor<?x9x64xf32>
  return
}

// -----

!plain = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd>
func.func @too_many_splits(%q: tensor<?x9x64xf16>, %cache: !plain, %tokens: !twilight.selection<token>) {
  // expected-error @below {{'twilight.gather_attend' op 'twilight.splits' must be an i64 in 1 to 64, found 65 : i64}}
  %0 = twilight.gather_attend %q, %cache, %tokens {twilight.splits = 65 : i64} : tensor<?x9x64xf16>, !plain, !twilight.selection<token> -> tensor<?x9x64xf32>
  return
}

// -----

!plain = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd>
func.func @narrow_splits(%q: tensor<?x9x64xf16>, %cache: !plain) {
  // expected-error @below {{'twilight.attend' op 'twilight.splits' must be an i64 in 1 to 64, found 8 : i32}}
  %0 = twilight.attend %q, %cache {twilight.splits = 8 : i32} : tensor<?x9x64xf16>, !plain -> tensor<?x9x64xf32>
  return
}

// -----

// expected-error @below {{'func.func' op has 'twilight.splits', which is for twilight.gather_attend and twilight.attend}}
func.func @split() attributes {twilight.splits = 8 : i64} {
  return
}
