// A fused op is either one kernel or inlined before.
// RUN: twilight-opt %s --convert-twilight-to-gpu --split-input-file -verify-diagnostics

!plain = !twilight.cache<kv_heads = 2, head_dim = 64, page_size = 16, f16, hnd>
!q = tensor<?x8x64xf16>
func.func @block(%q: !q, %k: tensor<?x2x16x64xf16>, %table: tensor<?x?xi32>, %lens: tensor<?xi32>, %p: f32) -> !q {
  %cache = twilight.assemble_cache k_pages(%k : tensor<?x2x16x64xf16>) v_pages(%k : tensor<?x2x16x64xf16>)
      page_table(%table : tensor<?x?xi32>) seq_lens(%lens : tensor<?xi32>) -> !plain
  // expected-error @below {{'twilight.fused' op has a schedule of shape block, for which there is no kernel: use #twilight.schedule<grid>}}
  %out = twilight.fused (%q_ = %q : !q, %c = %cache : !plain, %p_ = %p : f32) schedule(<block>) {
    %o = twilight.attend %q_, %c : !q, !plain -> !q
    twilight.yield %o : !q
  } : !q
  return %out : !q
}

// -----

!plain = !twilight.cache<kv_heads = 2, head_dim = 64, page_size = 16, f16, hnd>
!q = tensor<?x8x64xf16>
func.func @not_inlined(%q: !q, %k: tensor<?x2x16x64xf16>, %table: tensor<?x?xi32>, %lens: tensor<?xi32>) -> !q {
  %cache = twilight.assemble_cache k_pages(%k : tensor<?x2x16x64xf16>) v_pages(%k : tensor<?x2x16x64xf16>)
      page_table(%table : tensor<?x?xi32>) seq_lens(%lens : tensor<?xi32>) -> !plain
  // expected-error @below {{'twilight.fused' op must be inlined before its ops are lowered: run twilight-inline-fused}}
  %out = twilight.fused (%q_ = %q : !q, %c = %cache : !plain) schedule(<grid>) {
    %o = twilight.attend %q_, %c : !q, !plain -> !q
    twilight.yield %o : !q
  } : !q
  return %out : !q
}
