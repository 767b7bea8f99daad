// Other dialects keep their tensors, before and after an op of ours; one-shot bufferization joins them.
// RUN: twilight-opt %s --convert-twilight-to-scf | FileCheck %s
// RUN: twilight-opt %s --convert-twilight-to-scf --one-shot-bufferize | FileCheck %s --check-prefix=BUFFERS

!plain = !twilight.cache<kv_heads = 2, head_dim = 64, page_size = 16, f16, hnd>

// CHECK-LABEL: func.func @scaled_query(
// CHECK-SAME: %[[Q:[a-z0-9]+]]: memref<4x8x64xf32>
// CHECK: %[[TENSOR:.*]] = bufferization.to_tensor %[[Q]] restrict
// CHECK: %[[DOUBLED:.*]] = linalg.add ins(%[[TENSOR]], %[[TENSOR]]
// CHECK: %[[BUFFER:.*]] = bufferization.to_buffer %[[DOUBLED]] : tensor<4x8x64xf32> to memref<4x8x64xf32>
// CHECK: vector.load %[[BUFFER]]
// CHECK: return %{{.*}} : memref<4x8x64xf32>
// BUFFERS: memref.global
// BUFFERS-LABEL: func.func @scaled_query(
// BUFFERS-NOT: tensor<
// BUFFERS: linalg.add ins(%{{.*}} : memref<4x8x64xf32>
func.func @scaled_query(%q: tensor<4x8x64xf32>, %cache: !plain) -> tensor<4x8x64xf32> {
  %empty = tensor.empty() : tensor<4x8x64xf32>
  %doubled = linalg.add ins(%q, %q : tensor<4x8x64xf32>, tensor<4x8x64xf32>) outs(%empty : tensor<4x8x64xf32>) -> tensor<4x8x64xf32>
  %out = twilight.attend %doubled, %cache : tensor<4x8x64xf32>, !plain -> tensor<4x8x64xf32>
  return %out : tensor<4x8x64xf32>
}

// p as a constant for each head.
// BUFFERS-LABEL: func.func @levels(
// BUFFERS: memref.get_global
func.func @levels(%scores: !twilight.scores) -> !twilight.selection<token> {
  %p = arith.constant dense<[0.5, 0.75]> : tensor<2xf32>
  %kept = twilight.top_p %scores, %p : !twilight.scores, tensor<2xf32> -> !twilight.selection<token>
  return %kept : !twilight.selection<token>
}
