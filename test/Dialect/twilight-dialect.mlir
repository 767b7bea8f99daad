// Names of a function's arguments and results, and of their dimensions, survive.
// RUN: twilight-opt %s | twilight-opt | FileCheck %s

// CHECK-LABEL: func @named(
// CHECK-SAME: %{{.*}}: tensor<?x9x64xf16> {twilight.dims = ["B", "", ""], twilight.name = "q"}
// CHECK-SAME: -> (tensor<?x9x64xf32> {twilight.name = "out"})
func.func @named(%q: tensor<?x9x64xf16> {twilight.name = "q", twilight.dims = ["B", "", ""]},
                 %cache: !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd>)
    -> (tensor<?x9x64xf32> {twilight.name = "out"}) {
  %out = twilight.attend %q, %cache : tensor<?x9x64xf16>, !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd> -> tensor<?x9x64xf32>
  return %out : tensor<?x9x64xf32>
}

// CHECK-LABEL: func private @described(
// CHECK-SAME: memref<?x?xi32> {twilight.page_size = 16 : i64}, memref<?xi32> {twilight.written})
func.func private @described(memref<?x?xi32> {twilight.page_size = 16 : i64}, memref<?xi32> {twilight.written})
