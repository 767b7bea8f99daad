// Checks that every op with a query or a buffer shares.
// RUN: twilight-opt %s --split-input-file -verify-diagnostics

!plain = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd>
func.func @other_head_dim(%q: tensor<?x9x128xf16>, %cache: !plain) {
  // expected-error @below {{'twilight.attend' op q must be ?x?x64x(f16, bf16 or f32), found 'tensor<?x9x128xf16>'}}
  %0 = twilight.attend %q, %cache : tensor<?x9x128xf16>, !plain -> tensor<?x9x128xf32>
  return
}

// -----

!plain = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd>
func.func @other_rank(%q: tensor<?x576xf16>, %cache: !plain) {
  // expected-error @below {{q must be ?x?x64x(f16, bf16 or f32), found 'tensor<?x576xf16>'}}
  %0 = twilight.attend %q, %cache : tensor<?x576xf16>, !plain -> tensor<?x576xf32>
  return
}

// -----

!plain = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd>
func.func @integer_query(%q: tensor<?x9x64xi8>, %cache: !plain) {
  // expected-error @below {{q must be ?x?x64x(f16, bf16 or f32), found 'tensor<?x9x64xi8>'}}
  %0 = twilight.attend %q, %cache : tensor<?x9x64xi8>, !plain -> tensor<?x9x64xf32>
  return
}

// -----

!plain = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd>
func.func @unknown_heads(%q: tensor<?x?x64xf16>, %cache: !plain) {
  // expected-error @below {{q must have a static number of query heads, found 'tensor<?x?x64xf16>'}}
  %0 = twilight.attend %q, %cache : tensor<?x?x64xf16>, !plain -> tensor<?x9x64xf32>
  return
}

// -----

// A size that the cache fixes must be fixed in the buffer's type.
!plain = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd>
func.func @unknown_head_dim(%q: tensor<?x9x?xf16>, %cache: !plain) {
  // expected-error @below {{q must be ?x?x64x(f16, bf16 or f32), found 'tensor<?x9x?xf16>'}}
  %0 = twilight.attend %q, %cache : tensor<?x9x?xf16>, !plain -> tensor<?x9x64xf32>
  return
}

// -----

// A batch that is known on one side must be known on the other.
!plain = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd>
func.func @forgotten_batch(%q: tensor<4x9x64xf16>, %cache: !plain) {
  // expected-error @below {{out must be 4x9x64x(f16, bf16 or f32), found 'tensor<?x9x64xf32>'}}
  %0 = twilight.attend %q, %cache : tensor<4x9x64xf16>, !plain -> tensor<?x9x64xf32>
  return
}

// -----

!plain = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd>
func.func @strided(%q: memref<?x9x64xf16, strided<[1152, 64, 1]>>, %cache: !plain) {
  // expected-error @below {{q must be contiguous (row-major), found 'memref<?x9x64xf16, strided<[1152, 64, 1]>>'}}
  %0 = twilight.attend %q, %cache : memref<?x9x64xf16, strided<[1152, 64, 1]>>, !plain -> tensor<?x9x64xf32>
  return
}

// -----

!plain = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd>
func.func @no_buffer(%q: vector<4x9x64xf16>, %cache: !plain) {
  // expected-error @below {{'twilight.attend' op operand #0 must be tensor or memref, but got 'vector<4x9x64xf16>'}}
  %0 = twilight.attend %q, %cache : vector<4x9x64xf16>, !plain -> tensor<4x9x64xf32>
  return
}
