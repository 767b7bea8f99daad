// A schedule prints all fields of its shape, whichever were given (resident where it is not 1), and parses back.
// RUN: twilight-opt %s --split-input-file | twilight-opt --split-input-file | FileCheck %s
// RUN: twilight-opt %s --split-input-file --mlir-print-op-generic | twilight-opt --split-input-file | FileCheck %s

// CHECK-LABEL: module
// CHECK: test.a = #twilight.schedule<block, cluster = 1, warps = 16, select_warps = 0, origin = user>
// CHECK-SAME: b = #twilight.schedule<block, cluster = 2, warps = 16, select_warps = 0, origin = user>
// CHECK-SAME: c = #twilight.schedule<block, cluster = 16, warps = 32, select_warps = 0, origin = model>
// CHECK-SAME: d = #twilight.schedule<block, cluster = 1, warps = 4, select_warps = 28, origin = table>
// CHECK-SAME: e = #twilight.schedule<block, cluster = 2, warps = 8, select_warps = 0, resident = 2, origin = user>
// CHECK-SAME: f = #twilight.schedule<block, cluster = 1, spread = 32, warps = 8, select_warps = 0, origin = user>
// CHECK-SAME: g = #twilight.schedule<block, cluster = 4, warps = 16, select_warps = 0, origin = user>
module @block attributes {test.a = #twilight.schedule<block>, test.b = #twilight.schedule<block, cluster = 2>,
                          test.c = #twilight.schedule<block, origin = model, warps = 32, cluster = 16>,
                          test.d = #twilight.schedule<block, cluster = 1, warps = 4, select_warps = 28, origin = table>,
                          test.e = #twilight.schedule<block, resident = 2, cluster = 2, warps = 8>,
                          test.f = #twilight.schedule<block, warps = 8, spread = 32>,
                          test.g = #twilight.schedule<block, spread = 1, cluster = 4>} {}

// -----

// CHECK-LABEL: module
// CHECK: test.a = #twilight.schedule<grid, gather_splits = 8, dense_splits = 32, origin = user>
// CHECK-SAME: b = #twilight.schedule<grid, gather_splits = 1, dense_splits = 64, origin = default>
module @grid attributes {test.a = #twilight.schedule<grid>,
                         test.b = #twilight.schedule<grid, gather_splits = 1, dense_splits = 64, origin = default>} {}
