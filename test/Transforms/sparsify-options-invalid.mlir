// Options that say nothing, or too much. Those of a text are refused before any op is looked at.
// RUN: not twilight-opt %s --twilight-sparsify=selector=fastest 2>&1 | FileCheck %s --check-prefix=SELECTOR
// RUN: not twilight-opt %s --twilight-sparsify=selector=min_max 2>&1 | FileCheck %s --check-prefix=SUMMARY
// RUN: not twilight-opt %s --twilight-sparsify="selector='#twilight.mean_std<d = 2.0>'" 2>&1 | FileCheck %s --check-prefix=PARAMETER
// RUN: not twilight-opt %s --twilight-sparsify=budget=some 2>&1 | FileCheck %s --check-prefix=BUDGET
// RUN: not twilight-opt %s --twilight-sparsify=budget=0 2>&1 | FileCheck %s --check-prefix=NOTHING
// RUN: not twilight-opt %s --twilight-sparsify=budget=tokens:-16 2>&1 | FileCheck %s --check-prefix=TOKENS
// RUN: not twilight-opt %s --twilight-sparsify=skip-first=-1 2>&1 | FileCheck %s --check-prefix=SKIP
// RUN: not twilight-opt %s --twilight-sparsify=p=1.5 2>&1 | FileCheck %s --check-prefix=P
// RUN: not twilight-opt %s --twilight-sparsify=selector=window 2>&1 | FileCheck %s --check-prefix=WINDOW
// RUN: not twilight-opt %s --twilight-sparsify="selector=full budget=0.5" 2>&1 | FileCheck %s --check-prefix=FULL
// RUN: not twilight-opt %s --twilight-sparsify="min-tokens=9 max-tokens=8" 2>&1 | FileCheck %s --check-prefix=CAP
// RUN: not twilight-opt %s --twilight-sparsify=keep-group=per_head 2>&1 | FileCheck %s --check-prefix=COUNTS
// RUN: not twilight-opt %s --twilight-sparsify=group=per_head 2>&1 | FileCheck %s --check-prefix=COUNTS

// SELECTOR: error: 'fastest' is no selector: expected quest, mean_std, window, full or a selector attribute such as #twilight.mean_std<c = 1.5>
// SUMMARY: error: 'min_max' is no selector
// PARAMETER: error: '#twilight.mean_std<d = 2.0>' is no selector
// BUDGET: error: 'some' is no budget: expected a fraction such as 0.25, tokens:N, all or a budget attribute
// NOTHING: error: a fraction must lie in (0, 1], at least one millionth, found #twilight.fraction<0.0>
// TOKENS: error: a token budget must be positive and fit 32 bits, found -16
// SKIP: '-1' value invalid for uint argument

!cache = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd, codes = <bits = 4>, summary = #twilight.min_max<f16>>
func.func @attend(%q: tensor<?x9x64xf16>, %cache: !cache) -> (tensor<?x9x64xf32>, tensor<?x3xi32>) {
  // P: sparsify-options-invalid.mlir:[[@LINE+6]]:10: error: 'twilight.top_p' op p must lie in [0, 1], found the constant 1.5
  // WINDOW: :[[@LINE+5]]:10: error: 'twilight.select' op #twilight.window keeps only the floors: expected sink or recent to be positive
  // FULL: :[[@LINE+4]]:10: error: 'twilight.select' op #twilight.full ranks nothing: its budget must be #twilight.all, found #twilight.fraction<0.5>
  // CAP: :[[@LINE+3]]:10: error: 'twilight.top_p' op max_tokens (8) must be 0 or at least min_tokens (9)
  // COUNTS: :[[@LINE+2]]:10: error: 'twilight.attend' op has counts for each kv head, which a list for each query head cannot give: use keep-group=union and a group other than per_head, or drop the counts
  //
  %0:2 = twilight.attend %q, %cache : tensor<?x9x64xf16>, !cache -> tensor<?x9x64xf32> counts tensor<?x3xi32>
  return %0#0, %0#1 : tensor<?x9x64xf32>, tensor<?x3xi32>
}
