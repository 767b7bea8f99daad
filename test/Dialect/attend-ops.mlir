// Ops that attend print what they were given and parse back.
// RUN: twilight-opt %s | twilight-opt | FileCheck %s
// RUN: twilight-opt %s --mlir-print-op-generic | twilight-opt | FileCheck %s
// RUN: twilight-opt %s --emit-bytecode | twilight-opt | FileCheck %s

!plain = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd>

// CHECK-LABEL: func @attend
func.func @attend(%q: tensor<?x9x64xf16>, %cache: !plain) {
  // CHECK: twilight.attend %{{.*}}, %{{.*}} : tensor<?x9x64xf16>, !twilight.cache<{{.*}}> -> tensor<?x9x64xf32>{{$}}
  %0 = twilight.attend %q, %cache : tensor<?x9x64xf16>, !plain -> tensor<?x9x64xf32>
  // CHECK: twilight.attend %{{.*}}, %{{.*}} {softmax_scale = 5.000000e-01 : f64} : {{.*}} -> tensor<?x9x64xf16> lse tensor<?x9xf32>{{$}}
  %1:2 = twilight.attend %q, %cache {softmax_scale = 0.5 : f64} : tensor<?x9x64xf16>, !plain -> tensor<?x9x64xf16> lse tensor<?x9xf32>
  // CHECK: twilight.attend {{.*}} -> tensor<?x9x64xf32> counts tensor<?x3xi32>{{$}}
  %2:2 = twilight.attend %q, %cache : tensor<?x9x64xf16>, !plain -> tensor<?x9x64xf32> counts tensor<?x3xi32>
  // CHECK: twilight.attend {{.*}} -> tensor<?x9x64xf32> lse tensor<?x9xf32> counts tensor<?x3xi32>{{$}}
  %3:3 = twilight.attend %q, %cache : tensor<?x9x64xf16>, !plain -> tensor<?x9x64xf32> lse tensor<?x9xf32> counts tensor<?x3xi32>
  return
}

// A query may have another float type than the cache, and its batch may be known.
// CHECK-LABEL: func @attend_mixed
func.func @attend_mixed(%q: tensor<4x9x64xf32>, %cache: !plain) {
  // CHECK: twilight.attend {{.*}} : tensor<4x9x64xf32>, {{.*}} -> tensor<4x9x64xbf16> lse tensor<4x9xf32>{{$}}
  %0:2 = twilight.attend %q, %cache : tensor<4x9x64xf32>, !plain -> tensor<4x9x64xbf16> lse tensor<4x9xf32>
  return
}

// CHECK-LABEL: func @gather_attend
func.func @gather_attend(%q: tensor<?x9x64xf16>, %cache: !plain, %tokens: !twilight.selection<token>, %pages: !twilight.selection<page>,
                         %per_head: !twilight.selection<token, query_head>) {
  // CHECK: twilight.gather_attend %{{.*}}, %{{.*}}, %{{.*}} : tensor<?x9x64xf16>, !twilight.cache<{{.*}}>, !twilight.selection<token> -> tensor<?x9x64xf32>{{$}}
  %0 = twilight.gather_attend %q, %cache, %tokens : tensor<?x9x64xf16>, !plain, !twilight.selection<token> -> tensor<?x9x64xf32>
  // CHECK: twilight.gather_attend {{.*}} {softmax_scale = 1.000000e+00 : f64} : {{.*}}, !twilight.selection<page> -> tensor<?x9x64xf32> lse tensor<?x9xf32> counts tensor<?x3xi32>{{$}}
  %1:3 = twilight.gather_attend %q, %cache, %pages {softmax_scale = 1.0 : f64} : tensor<?x9x64xf16>, !plain, !twilight.selection<page> -> tensor<?x9x64xf32> lse tensor<?x9xf32> counts tensor<?x3xi32>
  // Lists of the query heads are counted for each of them.
  // CHECK: twilight.gather_attend {{.*}}, !twilight.selection<token, query_head> -> tensor<?x9x64xf32> counts tensor<?x9xi32>{{$}}
  %2:2 = twilight.gather_attend %q, %cache, %per_head : tensor<?x9x64xf16>, !plain, !twilight.selection<token, query_head> -> tensor<?x9x64xf32> counts tensor<?x9xi32>
  return
}

// CHECK-LABEL: func @merge
func.func @merge(%a: tensor<?x9x64xf32>, %la: tensor<?x9xf32>, %b: tensor<?x9x64xf32>, %lb: tensor<?x9xf32>) {
  // CHECK: twilight.merge %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}} : tensor<?x9x64xf32>, tensor<?x9xf32>
  %0:2 = twilight.merge %a, %la, %b, %lb : tensor<?x9x64xf32>, tensor<?x9xf32>
  return
}
