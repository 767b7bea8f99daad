// Progressive scores need planes; the message says so, at the op, which stays as it was.
// RUN: twilight-opt %s --twilight-sparsify="fine=0.0625" -verify-diagnostics
// RUN: not twilight-opt %s --twilight-sparsify="fine=0.0625" --mlir-print-ir-after-failure --mlir-print-op-on-diagnostic=false 2>&1 | FileCheck %s

!whole = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd, codes = <bits = 4>, summary = #twilight.min_max<f16>>
// CHECK: func.func @attend(
// CHECK-NEXT: %[[OUT:.*]] = twilight.attend %{{.*}}
// CHECK-NEXT: return %[[OUT]]
func.func @attend(%q: tensor<?x9x64xf16>, %cache: !whole) -> tensor<?x9x64xf32> {
  // expected-error @below {{declare codes = <bits = 4, planes> in the cache type or drop 'fine'}}
  %0 = twilight.attend %q, %cache : tensor<?x9x64xf16>, !whole -> tensor<?x9x64xf32>
  return %0 : tensor<?x9x64xf32>
}
