// RUN: twilight-opt %s --split-input-file -verify-diagnostics

!plain = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd>
!q = tensor<?x9x64xf16>
!out = tensor<?x9x64xf32>
func.func @adds(%q: !q, %cache: !plain, %kept: !twilight.selection<token>) -> !out {
  %out = twilight.fused (%q_ = %q : !q, %c = %cache : !plain, %k = %kept : !twilight.selection<token>) {
    %o = twilight.gather_attend %q_, %c, %k : !q, !plain, !twilight.selection<token> -> !out
    // expected-error @below {{'arith.addf' op lies in a twilight.fused, which holds twilight ops and arith.constant; compute it outside and pass it in}}
    %twice = arith.addf %o, %o : !out
    twilight.yield %twice : !out
  } : !out
  return %out : !out
}

// -----

!plain = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd>
!q = tensor<?x9x64xf16>
!out = tensor<?x9x64xf32>
func.func @appends(%q: !q, %cache: !plain, %kept: !twilight.selection<token>, %kv: tensor<?x1x3x64xf16>) -> !out {
  %out = twilight.fused (%q_ = %q : !q, %c = %cache : !plain, %k = %kept : !twilight.selection<token>, %kv_ = %kv : tensor<?x1x3x64xf16>) {
    // expected-error @below {{'twilight.append' op changes a cache; expected it before or after the twilight.fused}}
    %next = twilight.append %c, %kv_, %kv_ : !plain, tensor<?x1x3x64xf16>, tensor<?x1x3x64xf16>
    %o = twilight.gather_attend %q_, %next, %k : !q, !plain, !twilight.selection<token> -> !out
    twilight.yield %o : !out
  } : !out
  return %out : !out
}

// -----

!plain = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd>
!q = tensor<?x9x64xf16>
!out = tensor<?x9x64xf32>
func.func @nests(%q: !q, %cache: !plain) -> !out {
  %out = twilight.fused (%q_ = %q : !q, %c = %cache : !plain) {
    // expected-error @below {{'twilight.fused' op lies in another twilight.fused; expected its ops in its place}}
    %o = twilight.fused (%q__ = %q_ : !q, %c_ = %c : !plain) {
      %inner = twilight.attend %q__, %c_ : !q, !plain -> !out
      twilight.yield %inner : !out
    } : !out
    twilight.yield %o : !out
  } : !out
  return %out : !out
}

// -----

!plain = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd>
func.func @only_counts(%cache: !plain, %kept: !twilight.selection<token>) -> tensor<?x3xi32> {
  // expected-error @below {{'twilight.fused' op attends to nothing: expected a twilight.gather_attend in the region}}
  %n = twilight.fused (%c = %cache : !plain, %k = %kept : !twilight.selection<token>) {
    %o = twilight.count %k, %c : !twilight.selection<token>, !plain -> tensor<?x3xi32>
    twilight.yield %o : tensor<?x3xi32>
  } : tensor<?x3xi32>
  return %n : tensor<?x3xi32>
}

// -----

!plain = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd>
!q = tensor<?x9x64xf16>
!out = tensor<?x9x64xf32>
func.func @yields_another_type(%q: !q, %cache: !plain) -> tensor<?x9xf32> {
  %lse = twilight.fused (%q_ = %q : !q, %c = %cache : !plain) {
    %o = twilight.attend %q_, %c : !q, !plain -> !out
    // expected-error @below {{'twilight.yield' op must yield the types of the results ('tensor<?x9xf32>'), found ('tensor<?x9x64xf32>')}}
    twilight.yield %o : !out
  } : tensor<?x9xf32>
  return %lse : tensor<?x9xf32>
}

// -----

!plain = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd>
!q = tensor<?x9x64xf16>
!out = tensor<?x9x64xf32>
func.func @argument_of_another_type(%q: !q, %cache: !plain) -> !out {
  // expected-error @below {{'twilight.fused' op the region's arguments must have the operands' types ('!twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd>'), found ('tensor<?x9x64xf16>', }}
  %out = "twilight.fused"(%cache) ({
  ^bb0(%q_: !q, %c: !plain):
    %o = twilight.attend %q_, %c : !q, !plain -> !out
    twilight.yield %o : !out
  }) : (!plain) -> !out
  return %out : !out
}

// -----

!plain = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd>
!q = tensor<?x9x64xf16>
!out = tensor<?x9x64xf32>
func.func @no_yield(%q: !q, %cache: !plain) {
  // expected-error @below {{'twilight.fused' op the region must end with twilight.yield, found 'llvm.unreachable'}}
  twilight.fused (%q_ = %q : !q, %c = %cache : !plain) {
    %o = twilight.attend %q_, %c : !q, !plain -> !out
    llvm.unreachable
  }
  return
}

// -----

// expected-error @below {{'twilight.fused' op region #0 ('body') failed to verify constraint: region with 1 blocks}}
twilight.fused () {
}

// -----

// expected-error @below {{'twilight.yield' op expects parent op 'twilight.fused'}}
twilight.yield
