// The first attends of each function stay dense, and remarks say which.
// RUN: twilight-opt %s --twilight-sparsify=skip-first=2 | FileCheck %s
// RUN: twilight-opt %s --twilight-sparsify=skip-first=2 --remarks-filter=twilight-sparsify --remark-format=emitRemark -verify-diagnostics -o /dev/null

!cache = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd, codes = <bits = 4>, summary = #twilight.min_max<f16>>
!q = tensor<?x9x64xf16>

// CHECK-LABEL: func @layers(
// CHECK-COUNT-2: twilight.attend
// CHECK-NOT: twilight.attend
// CHECK: twilight.gather_attend
// CHECK-NOT: twilight.gather_attend
func.func @layers(%q: !q, %a: !cache, %b: !cache, %c: !cache) -> (!q, !q, !q) {
  // expected-remark @below {{[Missed] sparsify | Category:twilight-sparsify | Remark="left dense: among the first 2 of its function"}}
  %0 = twilight.attend %q, %a : !q, !cache -> !q
  // expected-remark @below {{left dense: among the first 2 of its function}}
  %1 = twilight.attend %q, %b : !q, !cache -> !q
  // expected-remark @below {{[Passed] sparsify | Category:twilight-sparsify | Remark="attends to the tokens that hold 0.85 of the mass"}}
  %2 = twilight.attend %q, %c : !q, !cache -> !q
  return %0, %1, %2 : !q, !q, !q
}

// Counting begins anew.
// CHECK-LABEL: func @another(
// CHECK-NOT: gather_attend
func.func @another(%q: !q, %a: !cache) -> !q {
  // expected-remark @below {{left dense}}
  %0 = twilight.attend %q, %a : !q, !cache -> !q
  return %0 : !q
}
