// Selectors print what they were given; each is taken with the summary it reads.
// RUN: twilight-opt %s | twilight-opt | FileCheck %s
// RUN: twilight-opt %s --emit-bytecode | twilight-opt | FileCheck %s

!plain = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd>
!bounds = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd, summary = #twilight.min_max<f32>>
!spread = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 1, f16, hnd, summary = #twilight.mean_var<bf16>>
!q = tensor<?x9x64xf16>

// CHECK-LABEL: func @select
func.func @select(%q: !q, %plain: !plain, %bounds: !bounds, %spread: !spread) {
  // CHECK: selector(#twilight.full) budget(#twilight.all)
  %0 = twilight.select %q, %plain selector(#twilight.full) budget(#twilight.all) : !q, !plain -> !twilight.selection<page>
  // A whole is all, too.
  // CHECK: selector(#twilight.full) budget(#twilight.fraction<1.0>)
  %1 = twilight.select %q, %plain selector(#twilight.full) budget(#twilight.fraction<1.0>) : !q, !plain -> !twilight.selection<page>
  // CHECK: selector(#twilight.window) budget(#twilight.all) {recent = 64 : i64}
  %2 = twilight.select %q, %plain selector(#twilight.window) budget(#twilight.all) {recent = 64 : i64} : !q, !plain -> !twilight.selection<page>
  // CHECK: selector(#twilight.quest) budget(#twilight.tokens<1>)
  %3 = twilight.select %q, %bounds selector(#twilight.quest) budget(#twilight.tokens<1>) : !q, !bounds -> !twilight.selection<page>
  // CHECK: selector(#twilight.mean_std<c = 1.5>)
  %4 = twilight.select %q, %spread selector(#twilight.mean_std<c = 1.5>) budget(#twilight.fraction<0.1>) : !q, !spread -> !twilight.selection<page>
  // c = 1.0 is the default.
  // CHECK: selector(#twilight.mean_std) budget
  %5 = twilight.select %q, %spread selector(#twilight.mean_std<c = 1.0>) budget(#twilight.fraction<0.1>) : !q, !spread -> !twilight.selection<page>
  // CHECK: selector(#twilight.mean_std<c = -0.5>) budget
  %6 = twilight.select %q, %spread selector(#twilight.mean_std<c = -0.5>) budget(#twilight.fraction<0.1>) : !q, !spread -> !twilight.selection<page>
  return
}
