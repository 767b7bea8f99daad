// twilight.split_by_length and twilight.add_lengths as loops: only the lengths are new buffers.
// RUN: twilight-opt %s --convert-twilight-to-scf --canonicalize --cse | FileCheck %s

!plain = !twilight.cache<kv_heads = 2, head_dim = 64, page_size = 16, f16, hnd>

// CHECK-LABEL: func.func @split(
// CHECK-SAME: %[[K:[a-z0-9]+]]: memref<?x2x16x64xf16> {{.*}}, %[[V:[a-z0-9]+]]: memref<?x2x16x64xf16> {{.*}}, %[[TABLE:[a-z0-9]+]]: memref<?x?xi32> {{.*}}, %[[LENS:[a-z0-9]+]]: memref<?xi32>
// CHECK-DAG: %[[BELOW:.*]] = arith.constant 2048 : i32
// CHECK-DAG: %[[NONE:.*]] = arith.constant 0 : i32
// CHECK: %[[SHORTER:.*]] = memref.alloc(%{{.*}}) : memref<?xi32>
// CHECK: %[[LONGER:.*]] = memref.alloc(%{{.*}}) : memref<?xi32>
// CHECK: scf.for
// CHECK: %[[N:.*]] = memref.load %[[LENS]]
// CHECK: %[[IS_SHORT:.*]] = arith.cmpi slt, %[[N]], %[[BELOW]] : i32
// CHECK: %[[A:.*]] = arith.select %[[IS_SHORT]], %[[N]], %[[NONE]] : i32
// CHECK: memref.store %[[A]], %[[SHORTER]]
// CHECK: %[[B:.*]] = arith.select %[[IS_SHORT]], %[[NONE]], %[[N]] : i32
// CHECK: memref.store %[[B]], %[[LONGER]]
// CHECK: return %[[K]], %[[V]], %[[TABLE]], %[[SHORTER]], %[[K]], %[[V]], %[[TABLE]], %[[LONGER]] :
func.func @split(%cache: !plain) -> (!plain, !plain) {
  %shorter, %longer = twilight.split_by_length %cache below(2048) : !plain
  return %shorter, %longer : !plain, !plain
}

// CHECK-LABEL: func.func @add(
// CHECK-SAME: %[[COUNTS:[a-z0-9]+]]: memref<?x8xi32>
// CHECK-SAME: %[[LENS:[a-z0-9]+]]: memref<?xi32>
// CHECK: %[[RESULT:.*]] = memref.alloc(%{{.*}}) : memref<?x8xi32>
// CHECK: scf.parallel (%[[B:.*]], %[[LIST:.*]]) =
// CHECK: %[[COUNT:.*]] = memref.load %[[COUNTS]][%[[B]], %[[LIST]]]
// CHECK: %[[N:.*]] = memref.load %[[LENS]][%[[B]]]
// CHECK: %[[SUM:.*]] = arith.addi %[[COUNT]], %[[N]] : i32
// CHECK: memref.store %[[SUM]], %[[RESULT]][%[[B]], %[[LIST]]]
// CHECK: return %[[RESULT]]
func.func @add(%counts: tensor<?x8xi32>, %cache: !plain) -> tensor<?x8xi32> {
  %0 = twilight.add_lengths %counts, %cache : tensor<?x8xi32>, !plain
  return %0 : tensor<?x8xi32>
}
