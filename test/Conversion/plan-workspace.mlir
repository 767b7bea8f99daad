// A launching function's buffers become arguments: results after the inputs, then one workspace.
// RUN: twilight-opt %s --allow-unregistered-dialect --twilight-plan-workspace --canonicalize --cse | FileCheck %s

module attributes {gpu.container_module} {

gpu.module @kernels {
  gpu.func @k() kernel { gpu.return }
}

// Offsets are rounded up to 256 bytes, also where a size is known; the function returns what it needs: bytes, and the
// sizes of its results that are not constant.
// CHECK-LABEL: func.func @plan
// CHECK-SAME: %[[X:[a-z0-9]+]]: memref<?x8xf32> {twilight.name = "x"}
// CHECK-SAME: %[[OUT:[a-z0-9]+]]: memref<?x8x64xf16> {twilight.dims = ["B", "", ""], twilight.name = "out"}
// CHECK-SAME: %[[LISTS:[a-z0-9]+]]: memref<?x3x?xi32> {twilight.name = "lists"}
// CHECK-SAME: %[[WS:[a-z0-9]+]]: memref<?xi8> {twilight.name = "workspace"}
// CHECK-SAME: -> (index {twilight.name = "workspace_bytes"}, index {twilight.name = "out_0"}, index {twilight.name = "lists_0"}, index {twilight.name = "lists_2"})
// CHECK-SAME: attributes {twilight.outputs = 2 : i64}
// CHECK-NOT: memref.alloc
// CHECK: %[[B:.*]] = memref.dim %[[X]]
// CHECK: %[[N:.*]] = arith.addi %[[B]], %[[B]]
// CHECK: memref.view %[[WS]][%c0][%[[B]], %[[N]]] : memref<?xi8> to memref<?x5x?xi32>
// CHECK: %[[PLANES:.*]] = arith.muli %[[B]], %[[N]]
// CHECK: %[[BYTES:.*]] = arith.muli %[[PLANES]], %c20
// CHECK: %[[UP:.*]] = arith.addi %[[BYTES]], %c255
// CHECK: %[[UNITS:.*]] = arith.divsi %[[UP]], %c256
// CHECK: %[[SECOND:.*]] = arith.muli %[[UNITS]], %c256
// CHECK: memref.view %[[WS]][%[[SECOND]]][] : memref<?xi8> to memref<9xf16>
// CHECK: %[[UP2:.*]] = arith.addi %[[SECOND]], %c273
// CHECK: %[[UNITS2:.*]] = arith.divsi %[[UP2]], %c256
// CHECK: %[[THIRD:.*]] = arith.muli %[[UNITS2]], %c256
// CHECK: return %[[THIRD]], %[[B]], %[[B]], %[[N]] : index, index, index, index
func.func @plan(%x: memref<?x8xf32> {twilight.name = "x"})
    -> (memref<?x8x64xf16> {twilight.name = "out", twilight.dims = ["B", "", ""]}, memref<?x?x?xi32> {twilight.name = "lists"}) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %b = memref.dim %x, %c0 : memref<?x8xf32>
  %n = arith.addi %b, %b : index
  %first = memref.alloc(%b, %n) : memref<?x5x?xi32>
  "test.use"(%first) : (memref<?x5x?xi32>) -> ()
  %out = memref.alloc(%b) : memref<?x8x64xf16>
  %second = memref.alloc() : memref<9xf16>
  "test.use"(%second) : (memref<9xf16>) -> ()
  %lists = memref.alloc(%b, %n) : memref<?x3x?xi32>
  %cast = memref.cast %lists : memref<?x3x?xi32> to memref<?x?x?xi32>
  gpu.launch_func @kernels::@k blocks in (%c1, %c1, %c1) threads in (%c1, %c1, %c1)
  return %out, %cast : memref<?x8x64xf16>, memref<?x?x?xi32>
}

// Nothing to return and nothing to keep: a workspace of no bytes, all the same.
// CHECK-LABEL: func.func @nothing(%{{.*}}: memref<?xi8> {twilight.name = "workspace"}) -> (index {twilight.name = "workspace_bytes"})
// CHECK-SAME: attributes {twilight.outputs = 0 : i64}
// CHECK: return %c0 : index
func.func @nothing() {
  %c1 = arith.constant 1 : index
  gpu.launch_func @kernels::@k blocks in (%c1, %c1, %c1) threads in (%c1, %c1, %c1)
  return
}

// What must be zero before the first launch lies at the start, wherever it is allocated; the function says how much that
// is.
// CHECK-LABEL: func.func @zeroed
// CHECK-SAME: %[[WS:[a-z0-9]+]]: memref<?xi8> {twilight.name = "workspace"})
// CHECK-SAME: attributes {twilight.outputs = 0 : i64, twilight.zeroed_bytes = 768 : i64}
// CHECK: %[[DATA:.*]] = memref.view %[[WS]][%c768][%{{.*}}] : memref<?xi8> to memref<?xi32>
// CHECK: %[[FIRST:.*]] = memref.view %[[WS]][%c0][] : memref<?xi8> to memref<65xi32>
// CHECK: %[[SECOND:.*]] = memref.view %[[WS]][%c512][] : memref<?xi8> to memref<3xi32>
// CHECK: "test.use"(%[[DATA]], %[[FIRST]], %[[SECOND]])
func.func @zeroed(%n: index {twilight.name = "n"}) {
  %c1 = arith.constant 1 : index
  %data = memref.alloc(%n) : memref<?xi32>
  %first = memref.alloc() {twilight.zeroed} : memref<65xi32>
  %second = memref.alloc() {twilight.zeroed} : memref<3xi32>
  "test.use"(%data, %first, %second) : (memref<?xi32>, memref<65xi32>, memref<3xi32>) -> ()
  gpu.launch_func @kernels::@k blocks in (%c1, %c1, %c1) threads in (%c1, %c1, %c1)
  return
}

// A function that launches nothing is not touched.
// CHECK-LABEL: func.func @other() -> memref<4xf32> {
// CHECK: memref.alloc() : memref<4xf32>
func.func @other() -> memref<4xf32> {
  %0 = memref.alloc() : memref<4xf32>
  return %0 : memref<4xf32>
}

}
