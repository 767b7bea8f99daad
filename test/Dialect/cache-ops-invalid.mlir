// RUN: twilight-opt %s --split-input-file -verify-diagnostics

!coded = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd, codes = <bits = 4>>
func.func @missing_codes(%kv: tensor<?x3x16x64xf16>, %table: tensor<?x?xi32>, %lens: tensor<?xi32>) {
  // expected-error @below {{'twilight.assemble_cache' op the cache type has a part 'codes': expected an operand codes(...)}}
  %0 = twilight.assemble_cache k_pages(%kv : tensor<?x3x16x64xf16>) v_pages(%kv : tensor<?x3x16x64xf16>)
      page_table(%table : tensor<?x?xi32>) seq_lens(%lens : tensor<?xi32>) -> !coded
  return
}

// -----

!blocked = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd, codes = <bits = 4, blocked>>
func.func @scale_of_blocked(%kv: tensor<?x3x16x64xf16>, %codes: tensor<?x3x576xi8>, %scale: tensor<?x3x16xf16>, %table: tensor<?x?xi32>, %lens: tensor<?xi32>) {
  // expected-error @below {{the cache type has no part 'scale': declare it in the type or drop the operand}}
  %0 = twilight.assemble_cache k_pages(%kv : tensor<?x3x16x64xf16>) v_pages(%kv : tensor<?x3x16x64xf16>)
      codes(%codes : tensor<?x3x576xi8>) scale(%scale : tensor<?x3x16xf16>)
      page_table(%table : tensor<?x?xi32>) seq_lens(%lens : tensor<?xi32>) -> !blocked
  return
}

// -----

!blocked = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd, codes = <bits = 4, blocked>>
func.func @rows_of_blocked(%kv: tensor<?x3x16x64xf16>, %codes: tensor<?x3x16x32xi8>, %table: tensor<?x?xi32>, %lens: tensor<?xi32>) {
  // expected-error @below {{part 'codes' must be ?x3x576xi8, found 'tensor<?x3x16x32xi8>'}}
  %0 = twilight.assemble_cache k_pages(%kv : tensor<?x3x16x64xf16>) v_pages(%kv : tensor<?x3x16x64xf16>)
      codes(%codes : tensor<?x3x16x32xi8>)
      page_table(%table : tensor<?x?xi32>) seq_lens(%lens : tensor<?xi32>) -> !blocked
  return
}

// -----

!coded = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd, codes = <bits = 4>>
func.func @missing_zero(%kv: tensor<?x3x16x64xf16>, %codes: tensor<?x3x16x32xi8>, %scale: tensor<?x3x16xf16>, %table: tensor<?x?xi32>, %lens: tensor<?xi32>) {
  // expected-error @below {{the cache type has a part 'zero': expected an operand zero(...)}}
  %0 = twilight.assemble_cache k_pages(%kv : tensor<?x3x16x64xf16>) v_pages(%kv : tensor<?x3x16x64xf16>)
      codes(%codes : tensor<?x3x16x32xi8>) scale(%scale : tensor<?x3x16xf16>)
      page_table(%table : tensor<?x?xi32>) seq_lens(%lens : tensor<?xi32>) -> !coded
  return
}

// -----

!coded = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd, summary = #twilight.min_max<i8>>
func.func @coded_summary(%kv: tensor<?x3x16x64xf16>, %s: tensor<?x3x2x64xi8>, %table: tensor<?x?xi32>, %lens: tensor<?xi32>) {
  // expected-error @below {{part 'summary' must be ?x3x144xi8, found 'tensor<?x3x2x64xi8>'}}
  %0 = twilight.assemble_cache k_pages(%kv : tensor<?x3x16x64xf16>) v_pages(%kv : tensor<?x3x16x64xf16>)
      summary(%s : tensor<?x3x2x64xi8>) page_table(%table : tensor<?x?xi32>) seq_lens(%lens : tensor<?xi32>) -> !coded
  return
}

// -----

!ranked = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd, summary = #twilight.min_max<f16>>
func.func @missing_summary(%kv: tensor<?x3x16x64xf16>, %table: tensor<?x?xi32>, %lens: tensor<?xi32>) {
  // expected-error @below {{the cache type has a part 'summary': expected an operand summary(...)}}
  %0 = twilight.assemble_cache k_pages(%kv : tensor<?x3x16x64xf16>) v_pages(%kv : tensor<?x3x16x64xf16>)
      page_table(%table : tensor<?x?xi32>) seq_lens(%lens : tensor<?xi32>) -> !ranked
  return
}

// -----

!plain = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd>
func.func @superfluous_scale(%kv: tensor<?x3x16x64xf16>, %scale: tensor<?x3x16xf16>, %table: tensor<?x?xi32>, %lens: tensor<?xi32>) {
  // expected-error @below {{the cache type has no part 'scale': declare it in the type or drop the operand}}
  %0 = twilight.assemble_cache k_pages(%kv : tensor<?x3x16x64xf16>) v_pages(%kv : tensor<?x3x16x64xf16>) scale(%scale : tensor<?x3x16xf16>)
      page_table(%table : tensor<?x?xi32>) seq_lens(%lens : tensor<?xi32>) -> !plain
  return
}

// -----

!plain = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd>
func.func @other_layout(%k: tensor<?x3x16x64xf16>, %v: tensor<?x16x3x64xf16>, %table: tensor<?x?xi32>, %lens: tensor<?xi32>) {
  // expected-error @below {{part 'v_pages' must be ?x3x16x64xf16, found 'tensor<?x16x3x64xf16>'}}
  %0 = twilight.assemble_cache k_pages(%k : tensor<?x3x16x64xf16>) v_pages(%v : tensor<?x16x3x64xf16>)
      page_table(%table : tensor<?x?xi32>) seq_lens(%lens : tensor<?xi32>) -> !plain
  return
}

// -----

!plain = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd>
func.func @other_element(%kv: tensor<?x3x16x64xbf16>, %table: tensor<?x?xi32>, %lens: tensor<?xi32>) {
  // expected-error @below {{part 'k_pages' must be ?x3x16x64xf16, found 'tensor<?x3x16x64xbf16>'}}
  %0 = twilight.assemble_cache k_pages(%kv : tensor<?x3x16x64xbf16>) v_pages(%kv : tensor<?x3x16x64xbf16>)
      page_table(%table : tensor<?x?xi32>) seq_lens(%lens : tensor<?xi32>) -> !plain
  return
}

// -----

!coded = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd, codes = <bits = 4>>
func.func @unpacked_codes(%kv: tensor<?x3x16x64xf16>, %codes: tensor<?x3x16x64xi8>, %scale: tensor<?x3x16xf16>, %table: tensor<?x?xi32>, %lens: tensor<?xi32>) {
  // expected-error @below {{part 'codes' must be ?x3x16x32xi8, found 'tensor<?x3x16x64xi8>'}}
  %0 = twilight.assemble_cache k_pages(%kv : tensor<?x3x16x64xf16>) v_pages(%kv : tensor<?x3x16x64xf16>)
      codes(%codes : tensor<?x3x16x64xi8>) scale(%scale : tensor<?x3x16xf16>) zero(%scale : tensor<?x3x16xf16>)
      page_table(%table : tensor<?x?xi32>) seq_lens(%lens : tensor<?xi32>) -> !coded
  return
}

// -----

!plain = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd>
func.func @wide_lengths(%kv: tensor<?x3x16x64xf16>, %table: tensor<?x?xi32>, %lens: tensor<?xi64>) {
  // expected-error @below {{part 'seq_lens' must be ?xi32, found 'tensor<?xi64>'}}
  %0 = twilight.assemble_cache k_pages(%kv : tensor<?x3x16x64xf16>) v_pages(%kv : tensor<?x3x16x64xf16>)
      page_table(%table : tensor<?x?xi32>) seq_lens(%lens : tensor<?xi64>) -> !plain
  return
}

// -----

!plain = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd>
func.func @no_such_part(%cache: !plain) {
  // expected-error @below {{'twilight.cache_part' op the cache has no part 'codes': declare it in the cache type, twilight.append fills it; found '!twilight.cache<}}
  %0 = twilight.cache_part codes of %cache : !plain -> tensor<?x3x16x32xi8>
  return
}

// -----

!plain = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd>
func.func @part_of_other_shape(%cache: !plain) {
  // expected-error @below {{'twilight.cache_part' op part 'page_table' must be ?x?xi32, found 'tensor<?xi32>'}}
  %0 = twilight.cache_part page_table of %cache : !plain -> tensor<?xi32>
  return
}

// -----

!plain = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd>
func.func @append_of_other_heads(%cache: !plain, %k: tensor<?x1x9x64xf16>, %v: tensor<?x1x3x64xf16>) {
  // expected-error @below {{'twilight.append' op k must be ?x?x3x64xf16, found 'tensor<?x1x9x64xf16>'}}
  %0 = twilight.append %cache, %k, %v : !plain, tensor<?x1x9x64xf16>, tensor<?x1x3x64xf16>
  return
}

// -----

!plain = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd>
func.func @append_of_other_element(%cache: !plain, %k: tensor<?x1x3x64xf16>, %v: tensor<?x1x3x64xf32>) {
  // expected-error @below {{'twilight.append' op v must be ?x?x3x64xf16, found 'tensor<?x1x3x64xf32>'}}
  %0 = twilight.append %cache, %k, %v : !plain, tensor<?x1x3x64xf16>, tensor<?x1x3x64xf32>
  return
}

// -----

!plain = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd>
func.func @append_of_wide_counts(%cache: !plain, %kv: tensor<?x1x3x64xf16>, %new: tensor<?xi64>) {
  // expected-error @below {{'twilight.append' op new_lens must be ?xi32, found 'tensor<?xi64>'}}
  %0 = twilight.append %cache, %kv, %kv new_lens(%new : tensor<?xi64>) : !plain, tensor<?x1x3x64xf16>, tensor<?x1x3x64xf16>
  return
}
