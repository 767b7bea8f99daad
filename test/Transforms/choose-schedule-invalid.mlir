// Schedules that the chip cannot run: which limit, by how much, and what to change. Every op is looked at.
// RUN: twilight-opt %s --twilight-choose-schedule="tokens=65536" -verify-diagnostics --split-input-file
// RUN: not twilight-opt %s --twilight-choose-schedule="chip=sm_80" --split-input-file 2>&1 | FileCheck %s --check-prefix=SM80
// Without sizes, shared memory is not known: only what blocks cannot hold is wrong.
// RUN: not twilight-opt %s --twilight-choose-schedule --split-input-file 2>&1 | FileCheck %s --check-prefix=OPEN
// OPEN: error: 'twilight.fused' op cannot run with schedule(<block, {{.*}}>): a block shares one list
// OPEN: error: 'twilight.fused' op cannot run with schedule(<block, {{.*}}>): a block has no place for 'twilight.count'
// OPEN: error: 'twilight.fused' op cannot run with schedule(<block, {{.*}}>): a block scores every candidate from all bits
// OPEN-NOT: error: 'twilight.fused' op

!cache = !twilight.cache<kv_heads = 8, head_dim = 128, page_size = 16, bf16, hnd, codes = <bits = 4>, summary = #twilight.min_max<bf16>>
!q = tensor<?x32x128xbf16>
func.func @too_long(%q: !q, %cache: !cache, %p: f32) -> (!q, !q) {
  // expected-error @below {{'twilight.fused' op cannot run with schedule(<block, cluster = 1, warps = 16, select_warps = 0>): for 65536 tokens a thread block needs 336608 bytes of shared memory, 104160 more than the 232448 that sm_90a has: raise cluster to 2}}
  %0 = twilight.fused (%q_ = %q : !q, %cache_ = %cache : !cache, %p_ = %p : f32) schedule(<block>) {
    %pages = twilight.select %q_, %cache_ selector(#twilight.quest) budget(#twilight.fraction<0.25>) : !q, !cache -> !twilight.selection<page>
    %scores = twilight.quantize_score %q_, %cache_, %pages : !q, !cache, !twilight.selection<page> -> !twilight.scores
    %kept = twilight.top_p %scores, %p_ : !twilight.scores, f32 -> !twilight.selection<token>
    %o = twilight.gather_attend %q_, %cache_, %kept : !q, !cache, !twilight.selection<token> -> !q
    twilight.yield %o : !q
  } : !q
  // SM80: error: 'twilight.fused' op cannot run with schedule(<block, cluster = 2, warps = 16, select_warps = 0>): sm_80 has no clusters, found cluster = 2: set cluster to 1
  %1 = twilight.fused (%q_ = %q : !q, %cache_ = %cache : !cache, %p_ = %p : f32) schedule(<block, cluster = 2>) {
    %pages = twilight.select %q_, %cache_ selector(#twilight.quest) budget(#twilight.fraction<0.25>) : !q, !cache -> !twilight.selection<page>
    %scores = twilight.quantize_score %q_, %cache_, %pages : !q, !cache, !twilight.selection<page> -> !twilight.scores
    %kept = twilight.top_p %scores, %p_ : !twilight.scores, f32 -> !twilight.selection<token>
    %o = twilight.gather_attend %q_, %cache_, %kept : !q, !cache, !twilight.selection<token> -> !q
    twilight.yield %o : !q
  } : !q
  return %0, %1 : !q, !q
}

// -----

!cache = !twilight.cache<kv_heads = 8, head_dim = 128, page_size = 16, bf16, hnd, codes = <bits = 4>, summary = #twilight.min_max<bf16>>
!q = tensor<?x32x128xbf16>
func.func @lists_of_heads(%q: !q, %cache: !cache, %p: f32) -> !q {
  // expected-error @below {{a block shares one list between the query heads of a kv head, found lists for each query head: use the shape grid, or group(max) in select and group(union) in top_p}}
  %0 = twilight.fused (%q_ = %q : !q, %cache_ = %cache : !cache, %p_ = %p : f32) schedule(<block>) {
    %pages = twilight.select %q_, %cache_ selector(#twilight.quest) budget(#twilight.fraction<0.25>) : !q, !cache -> !twilight.selection<page>
    %scores = twilight.quantize_score %q_, %cache_, %pages : !q, !cache, !twilight.selection<page> -> !twilight.scores
    %kept = twilight.top_p %scores, %p_ group(per_head) : !twilight.scores, f32 -> !twilight.selection<token, query_head>
    %o = twilight.gather_attend %q_, %cache_, %kept : !q, !cache, !twilight.selection<token, query_head> -> !q
    twilight.yield %o : !q
  } : !q
  return %0 : !q
}

// -----

!cache = !twilight.cache<kv_heads = 8, head_dim = 128, page_size = 16, bf16, hnd, codes = <bits = 4>, summary = #twilight.min_max<bf16>>
!q = tensor<?x32x128xbf16>
func.func @another_op(%q: !q, %cache: !cache, %p: f32) -> (!q, tensor<?x8xi32>) {
  // expected-error @below {{a block has no place for 'twilight.count' beside one each of select, quantize_score, top_p, gather_attend and a count of the candidates: use the shape grid}}
  %0, %1 = twilight.fused (%q_ = %q : !q, %cache_ = %cache : !cache, %p_ = %p : f32) schedule(<block, cluster = 2>) {
    %pages = twilight.select %q_, %cache_ selector(#twilight.quest) budget(#twilight.fraction<0.25>) : !q, !cache -> !twilight.selection<page>
    %scores = twilight.quantize_score %q_, %cache_, %pages : !q, !cache, !twilight.selection<page> -> !twilight.scores
    %kept = twilight.top_p %scores, %p_ : !twilight.scores, f32 -> !twilight.selection<token>
    %o = twilight.gather_attend %q_, %cache_, %kept : !q, !cache, !twilight.selection<token> -> !q
    %n = twilight.count %kept, %cache_ : !twilight.selection<token>, !cache -> tensor<?x8xi32>
    twilight.yield %o, %n : !q, tensor<?x8xi32>
  } : !q, tensor<?x8xi32>
  return %0, %1 : !q, tensor<?x8xi32>
}

// -----

!planes = !twilight.cache<kv_heads = 8, head_dim = 128, page_size = 16, bf16, hnd, codes = <bits = 4, planes>, summary = #twilight.min_max<bf16>>
!q = tensor<?x32x128xbf16>
func.func @progressive(%q: !q, %cache: !planes, %p: f32) -> !q {
  // expected-error @below {{a block scores every candidate from all bits, found 'fine' pages of twilight.quantize_score: use the shape grid, or drop 'fine'}}
  %0 = twilight.fused (%q_ = %q : !q, %cache_ = %cache : !planes, %p_ = %p : f32) schedule(<block>) {
    %pages = twilight.select %q_, %cache_ selector(#twilight.quest) budget(#twilight.fraction<0.25>) : !q, !planes -> !twilight.selection<page>
    %fine = twilight.select %q_, %cache_ selector(#twilight.quest) budget(#twilight.fraction<0.0625>) : !q, !planes -> !twilight.selection<page>
    %scores = twilight.quantize_score %q_, %cache_, %pages fine(%fine : !twilight.selection<page>) : !q, !planes, !twilight.selection<page> -> !twilight.scores
    %kept = twilight.top_p %scores, %p_ : !twilight.scores, f32 -> !twilight.selection<token>
    %o = twilight.gather_attend %q_, %cache_, %kept : !q, !planes, !twilight.selection<token> -> !q
    twilight.yield %o : !q
  } : !q
  return %0 : !q
}
