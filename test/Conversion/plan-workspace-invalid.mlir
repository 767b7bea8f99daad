// A result must be a buffer that the function computes, once.
// RUN: twilight-opt %s --twilight-plan-workspace --split-input-file --verify-diagnostics

module attributes {gpu.container_module} {
gpu.module @kernels {
  gpu.func @k() kernel { gpu.return }
}
func.func @callers(%x: memref<4xf32>) -> (memref<?xf32> {twilight.name = "x_again"}) {
  %c1 = arith.constant 1 : index
  gpu.launch_func @kernels::@k blocks in (%c1, %c1, %c1) threads in (%c1, %c1, %c1)
  %cast = memref.cast %x : memref<4xf32> to memref<?xf32>
  // expected-error @+1 {{'func.return' op result 0 is a buffer of the caller's already: return nothing, or something that the function computes}}
  return %cast : memref<?xf32>
}
}

// -----

module attributes {gpu.container_module} {
gpu.module @kernels {
  gpu.func @k() kernel { gpu.return }
}
func.func @twice() -> (memref<4xf32> {twilight.name = "a"}, memref<4xf32> {twilight.name = "b"}) {
  %c1 = arith.constant 1 : index
  %x = memref.alloc() : memref<4xf32>
  gpu.launch_func @kernels::@k blocks in (%c1, %c1, %c1) threads in (%c1, %c1, %c1)
  // expected-error @+1 {{'func.return' op result 1 is a buffer of the caller's already}}
  return %x, %x : memref<4xf32>, memref<4xf32>
}
}

// -----

module attributes {gpu.container_module} {
gpu.module @kernels {
  gpu.func @k() kernel { gpu.return }
}
func.func @zeroed_of_any_size(%n: index) {
  %c1 = arith.constant 1 : index
  // expected-error @+1 {{'memref.alloc' op is to be zero before the first launch: expected a static size, found 'memref<?xi32>'}}
  %x = memref.alloc(%n) {twilight.zeroed} : memref<?xi32>
  gpu.launch_func @kernels::@k blocks in (%c1, %c1, %c1) threads in (%c1, %c1, %c1)
  return
}
}
