// A cache without what the pipeline reads: the message names the part and the op that fills it.
// RUN: twilight-opt %s --twilight-sparsify -verify-diagnostics --split-input-file
// The op stays as it was, and nothing is left beside it.
// RUN: not twilight-opt %s --twilight-sparsify --split-input-file --mlir-print-ir-after-failure --mlir-print-op-on-diagnostic=false 2>&1 | FileCheck %s

// CHECK: IR Dump After {{.*}} Failed (twilight-sparsify)
// CHECK: func.func @no_codes(
// CHECK-NEXT: %[[OUT:.*]] = twilight.attend %{{.*}}
// CHECK-NEXT: return %[[OUT]]
!uncoded = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd, summary = #twilight.min_max<f16>>
func.func @no_codes(%q: tensor<?x9x64xf16>, %cache: !uncoded) -> tensor<?x9x64xf32> {
  // expected-error @below {{'twilight.quantize_score' op reads part 'codes', which the cache lacks: declare codes = <bits = 4> in the cache type and fill it with twilight.append}}
  %0 = twilight.attend %q, %cache : tensor<?x9x64xf16>, !uncoded -> tensor<?x9x64xf32>
  return %0 : tensor<?x9x64xf32>
}

// -----

!unranked = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd, codes = <bits = 4>>
func.func @no_summary(%q: tensor<?x9x64xf16>, %cache: !unranked) -> tensor<?x9x64xf32> {
  // expected-error @below {{'twilight.select' op #twilight.quest reads page bounds: expected a cache with summary = #twilight.min_max<...>, found no summary; declare it in the cache type and fill it with twilight.append}}
  %0 = twilight.attend %q, %cache : tensor<?x9x64xf16>, !unranked -> tensor<?x9x64xf32>
  return %0 : tensor<?x9x64xf32>
}

// -----

// Every op that cannot be rewritten is named, not the first alone.
!spread = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd, codes = <bits = 4>, summary = #twilight.mean_var<f16>>
func.func @other_summary(%q: tensor<?x9x64xf16>, %cache: !spread) -> (tensor<?x9x64xf32>, tensor<?x9x64xf16>) {
  // expected-error @below {{found summary = #twilight.mean_var<f16>}}
  %0 = twilight.attend %q, %cache : tensor<?x9x64xf16>, !spread -> tensor<?x9x64xf32>
  // expected-error @below {{found summary = #twilight.mean_var<f16>}}
  %1 = twilight.attend %q, %cache : tensor<?x9x64xf16>, !spread -> tensor<?x9x64xf16>
  return %0, %1 : tensor<?x9x64xf32>, tensor<?x9x64xf16>
}
