// A fused op is one kernel, where it has the shape for that, or inlined before.
// RUN: twilight-opt %s --convert-twilight-to-gpu=chip=sm_80 --split-input-file -verify-diagnostics

!plain = !twilight.cache<kv_heads = 2, head_dim = 64, page_size = 16, f16, hnd>
!q = tensor<?x8x64xf16>
func.func @block(%q: !q, %k: tensor<?x2x16x64xf16>, %table: tensor<?x?xi32>, %lens: tensor<?xi32>, %p: f32) -> !q {
  %cache = twilight.assemble_cache k_pages(%k : tensor<?x2x16x64xf16>) v_pages(%k : tensor<?x2x16x64xf16>)
      page_table(%table : tensor<?x?xi32>) seq_lens(%lens : tensor<?xi32>) -> !plain
  // expected-error @below {{failed to legalize operation 'twilight.fused' that was explicitly marked illegal}}
  %out = twilight.fused (%q_ = %q : !q, %c = %cache : !plain, %p_ = %p : f32) schedule(<block>) {
    // expected-error @below {{'twilight.attend' op has no place in a pipeline of the block shape, which is one each of select, quantize_score, top_p and gather_attend, and a count of the candidates; give the fused op schedule(<grid>)}}
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

// -----

!cache = !twilight.cache<kv_heads = 2, head_dim = 64, page_size = 16, f16, hnd, codes = <bits = 4>, summary = #twilight.min_max<f16>>
!q = tensor<?x8x64xf16>
func.func @lists_of_query_heads(%q: !q, %k: tensor<?x2x16x64xf16>, %codes: tensor<?x2x16x32xi8>, %scale: tensor<?x2x16xf16>,
                 %bounds: tensor<?x2x2x64xf16>, %table: tensor<?x?xi32>, %lens: tensor<?xi32>, %p: f32) -> !q {
  %cache = twilight.assemble_cache k_pages(%k : tensor<?x2x16x64xf16>) v_pages(%k : tensor<?x2x16x64xf16>)
      codes(%codes : tensor<?x2x16x32xi8>) scale(%scale : tensor<?x2x16xf16>) zero(%scale : tensor<?x2x16xf16>)
      summary(%bounds : tensor<?x2x2x64xf16>) page_table(%table : tensor<?x?xi32>) seq_lens(%lens : tensor<?xi32>) -> !cache
  // expected-error @below {{'twilight.fused' op the block shape keeps one list for each kv head, found lists for each query head; give it schedule(<grid>)}}
  // expected-error @below {{failed to legalize operation 'twilight.fused' that was explicitly marked illegal}}
  %out = twilight.fused (%q_ = %q : !q, %c = %cache : !cache, %p_ = %p : f32) schedule(<block>) {
    %pages = twilight.select %q_, %c selector(#twilight.quest) budget(#twilight.fraction<0.25>) : !q, !cache -> !twilight.selection<page>
    %scores = twilight.quantize_score %q_, %c, %pages : !q, !cache, !twilight.selection<page> -> !twilight.scores
    %kept = twilight.top_p %scores, %p_ {group = #twilight<keep_group per_head>} : !twilight.scores, f32 -> !twilight.selection<token, query_head>
    %o = twilight.gather_attend %q_, %c, %kept : !q, !cache, !twilight.selection<token, query_head> -> !q
    twilight.yield %o : !q
  } : !q
  return %out : !q
}

// -----

!cache = !twilight.cache<kv_heads = 2, head_dim = 64, page_size = 16, f16, hnd, codes = <bits = 4>, summary = #twilight.min_max<f16>>
!q = tensor<?x8x64xf16>
func.func @unranked(%q: !q, %k: tensor<?x2x16x64xf16>, %codes: tensor<?x2x16x32xi8>, %scale: tensor<?x2x16xf16>,
                 %bounds: tensor<?x2x2x64xf16>, %table: tensor<?x?xi32>, %lens: tensor<?xi32>, %p: f32) -> !q {
  %cache = twilight.assemble_cache k_pages(%k : tensor<?x2x16x64xf16>) v_pages(%k : tensor<?x2x16x64xf16>)
      codes(%codes : tensor<?x2x16x32xi8>) scale(%scale : tensor<?x2x16xf16>) zero(%scale : tensor<?x2x16xf16>)
      summary(%bounds : tensor<?x2x2x64xf16>) page_table(%table : tensor<?x?xi32>) seq_lens(%lens : tensor<?xi32>) -> !cache
  // expected-error @below {{failed to legalize operation 'twilight.fused' that was explicitly marked illegal}}
  %out = twilight.fused (%q_ = %q : !q, %c = %cache : !cache, %p_ = %p : f32) schedule(<block>) {
    // expected-error @below {{'twilight.select' op the block shape ranks pages, which this selector does not; give the fused op schedule(<grid>)}}
    %pages = twilight.select %q_, %c selector(#twilight.window) budget(#twilight.all) {sink = 4 : i64} : !q, !cache -> !twilight.selection<page>
    %scores = twilight.quantize_score %q_, %c, %pages : !q, !cache, !twilight.selection<page> -> !twilight.scores
    %kept = twilight.top_p %scores, %p_ : !twilight.scores, f32 -> !twilight.selection<token>
    %o = twilight.gather_attend %q_, %c, %kept : !q, !cache, !twilight.selection<token> -> !q
    twilight.yield %o : !q
  } : !q
  return %out : !q
}

// -----

!cache = !twilight.cache<kv_heads = 2, head_dim = 64, page_size = 16, f16, hnd, codes = <bits = 4>, summary = #twilight.min_max<f16>>
!q = tensor<?x8x64xf16>
func.func @no_clusters(%q: !q, %k: tensor<?x2x16x64xf16>, %codes: tensor<?x2x16x32xi8>, %scale: tensor<?x2x16xf16>,
                 %bounds: tensor<?x2x2x64xf16>, %table: tensor<?x?xi32>, %lens: tensor<?xi32>, %p: f32) -> !q {
  %cache = twilight.assemble_cache k_pages(%k : tensor<?x2x16x64xf16>) v_pages(%k : tensor<?x2x16x64xf16>)
      codes(%codes : tensor<?x2x16x32xi8>) scale(%scale : tensor<?x2x16xf16>) zero(%scale : tensor<?x2x16xf16>)
      summary(%bounds : tensor<?x2x2x64xf16>) page_table(%table : tensor<?x?xi32>) seq_lens(%lens : tensor<?xi32>) -> !cache
  // expected-error @below {{'twilight.fused' op has a schedule with cluster = 2, and chip sm_80 has no clusters: give it cluster = 1}}
  // expected-error @below {{failed to legalize operation 'twilight.fused' that was explicitly marked illegal}}
  %out = twilight.fused (%q_ = %q : !q, %c = %cache : !cache, %p_ = %p : f32) schedule(<block, cluster = 2>) {
    %pages = twilight.select %q_, %c selector(#twilight.quest) budget(#twilight.fraction<0.25>) : !q, !cache -> !twilight.selection<page>
    %scores = twilight.quantize_score %q_, %c, %pages : !q, !cache, !twilight.selection<page> -> !twilight.scores
    %kept = twilight.top_p %scores, %p_ : !twilight.scores, f32 -> !twilight.selection<token>
    %o = twilight.gather_attend %q_, %c, %kept : !q, !cache, !twilight.selection<token> -> !q
    twilight.yield %o : !q
  } : !q
  return %out : !q
}

// -----

!planes = !twilight.cache<kv_heads = 2, head_dim = 64, page_size = 16, f16, hnd, codes = <bits = 4, blocked, planes>, summary = #twilight.min_max<f16>>
!q = tensor<?x8x64xf16>
func.func @progressive(%q: !q, %k: tensor<?x2x16x64xf16>, %codes: tensor<?x2x576xi8>, %m: tensor<?x2x2x64xf16>, %table: tensor<?x?xi32>, %lens: tensor<?xi32>, %p: f32) -> !q {
  %cache = twilight.assemble_cache k_pages(%k : tensor<?x2x16x64xf16>) v_pages(%k : tensor<?x2x16x64xf16>) codes(%codes : tensor<?x2x576xi8>)
      summary(%m : tensor<?x2x2x64xf16>) page_table(%table : tensor<?x?xi32>) seq_lens(%lens : tensor<?xi32>) -> !planes
  // expected-error @below {{failed to legalize operation 'twilight.fused' that was explicitly marked illegal}}
  %out = twilight.fused (%q_ = %q : !q, %c = %cache : !planes, %p_ = %p : f32) schedule(<block>) {
    %pages = twilight.select %q_, %c selector(#twilight.quest) budget(#twilight.fraction<0.25>) : !q, !planes -> !twilight.selection<page>
    %fine = twilight.select %q_, %c selector(#twilight.quest) budget(#twilight.fraction<0.0625>) : !q, !planes -> !twilight.selection<page>
    // expected-error @below {{'twilight.quantize_score' op has 'fine' pages, and the block shape scores every candidate from all bits; give the fused op schedule(<grid>)}}
    %scores = twilight.quantize_score %q_, %c, %pages fine(%fine : !twilight.selection<page>) : !q, !planes, !twilight.selection<page> -> !twilight.scores
    %kept = twilight.top_p %scores, %p_ : !twilight.scores, f32 -> !twilight.selection<token>
    %o = twilight.gather_attend %q_, %c, %kept : !q, !planes, !twilight.selection<token> -> !q
    twilight.yield %o : !q
  } : !q
  return %out : !q
}
