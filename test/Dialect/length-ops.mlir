// Ops on lengths print what they were given and parse back.
// RUN: twilight-opt %s | twilight-opt | FileCheck %s
// RUN: twilight-opt %s --mlir-print-op-generic | twilight-opt | FileCheck %s

!plain = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd>

// CHECK-LABEL: func @lengths(
// CHECK-SAME: %[[CACHE:.*]]: !twilight.cache<{{.*}}>, %[[N:.*]]: tensor<?x9xi32>, %[[M:.*]]: memref<4x3xi32>)
// CHECK: %[[SHORTER:.*]], %[[LONGER:.*]] = twilight.split_by_length %[[CACHE]] below(2048) : !twilight.cache<kv_heads = 3, {{.*}}>{{$}}
// CHECK: twilight.add_lengths %[[N]], %[[SHORTER]] : tensor<?x9xi32>, !twilight.cache<{{.*}}>{{$}}
// CHECK: twilight.add_lengths %[[M]], %[[LONGER]] : memref<4x3xi32>, !twilight.cache<{{.*}}>{{$}}
func.func @lengths(%cache: !plain, %n: tensor<?x9xi32>, %m: memref<4x3xi32>) -> (tensor<?x9xi32>, memref<4x3xi32>) {
  %shorter, %longer = twilight.split_by_length %cache below(2048) : !plain
  %0 = twilight.add_lengths %n, %shorter : tensor<?x9xi32>, !plain
  %1 = twilight.add_lengths %m, %longer : memref<4x3xi32>, !plain
  return %0, %1 : tensor<?x9xi32>, memref<4x3xi32>
}
