// Over tensors the ops are values: equal ones are computed once, unread ones not at all. A memref is memory: what was
// read from it before a write is not what is read after, and a new one is nobody else's.
// RUN: twilight-opt %s --cse | FileCheck %s

!plain = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd>
!out = tensor<?x9x64xf32>

// CHECK-LABEL: func @values(
// CHECK-NEXT: %[[OUT:.*]] = twilight.attend
// CHECK-NEXT: return %[[OUT]], %[[OUT]]
func.func @values(%q: tensor<?x9x64xf16>, %cache: !plain) -> (!out, !out) {
  %0 = twilight.attend %q, %cache : tensor<?x9x64xf16>, !plain -> !out
  %1 = twilight.attend %q, %cache : tensor<?x9x64xf16>, !plain -> !out
  %unread = twilight.attend %q, %cache {softmax_scale = 0.5 : f64} : tensor<?x9x64xf16>, !plain -> !out
  return %0, %1 : !out, !out
}

// CHECK-LABEL: func @query_written_in_between(
// CHECK: %[[BEFORE:.*]] = twilight.attend
// CHECK: memref.store
// CHECK: %[[AFTER:.*]] = twilight.attend
// CHECK: return %[[BEFORE]], %[[AFTER]]
func.func @query_written_in_between(%q: memref<?x9x64xf16>, %cache: !plain, %x: f16, %i: index) -> (!out, !out) {
  %0 = twilight.attend %q, %cache : memref<?x9x64xf16>, !plain -> !out
  memref.store %x, %q[%i, %i, %i] : memref<?x9x64xf16>
  %1 = twilight.attend %q, %cache : memref<?x9x64xf16>, !plain -> !out
  return %0, %1 : !out, !out
}

// A cache that is assembled anew after its buffers were written is another cache.
// CHECK-LABEL: func @pages_written_in_between(
// CHECK-COUNT-2: twilight.assemble_cache
// CHECK: twilight.attend
// CHECK: twilight.attend
func.func @pages_written_in_between(%q: tensor<?x9x64xf16>, %kv: memref<?x3x16x64xf16>, %table: memref<?x?xi32>, %lens: memref<?xi32>, %n: i32, %i: index) -> (!out, !out) {
  %before = twilight.assemble_cache k_pages(%kv : memref<?x3x16x64xf16>) v_pages(%kv : memref<?x3x16x64xf16>) page_table(%table : memref<?x?xi32>) seq_lens(%lens : memref<?xi32>) -> !plain
  memref.store %n, %lens[%i] : memref<?xi32>
  %after = twilight.assemble_cache k_pages(%kv : memref<?x3x16x64xf16>) v_pages(%kv : memref<?x3x16x64xf16>) page_table(%table : memref<?x?xi32>) seq_lens(%lens : memref<?xi32>) -> !plain
  %0 = twilight.attend %q, %before : tensor<?x9x64xf16>, !plain -> !out
  %1 = twilight.attend %q, %after : tensor<?x9x64xf16>, !plain -> !out
  return %0, %1 : !out, !out
}

// p for each head is read where it stands.
// CHECK-LABEL: func @level_written_in_between(
// CHECK-COUNT-2: twilight.top_p
func.func @level_written_in_between(%scores: !twilight.scores, %p: memref<9xf32>, %x: f32, %i: index) -> (!twilight.selection<token>, !twilight.selection<token>) {
  %0 = twilight.top_p %scores, %p : !twilight.scores, memref<9xf32> -> !twilight.selection<token>
  memref.store %x, %p[%i] : memref<9xf32>
  %1 = twilight.top_p %scores, %p : !twilight.scores, memref<9xf32> -> !twilight.selection<token>
  return %0, %1 : !twilight.selection<token>, !twilight.selection<token>
}

// Two results may be written one by one, so they stay two; one that nobody reads still goes.
// CHECK-LABEL: func @new_buffers(
// CHECK-COUNT-2: twilight.attend
// CHECK-NOT: twilight.attend
func.func @new_buffers(%q: tensor<?x9x64xf16>, %cache: !plain) -> (memref<?x9x64xf32>, memref<?x9x64xf32>) {
  %0 = twilight.attend %q, %cache : tensor<?x9x64xf16>, !plain -> memref<?x9x64xf32>
  %1 = twilight.attend %q, %cache : tensor<?x9x64xf16>, !plain -> memref<?x9x64xf32>
  %unread = twilight.attend %q, %cache {softmax_scale = 0.5 : f64} : tensor<?x9x64xf16>, !plain -> memref<?x9x64xf32>
  return %0, %1 : memref<?x9x64xf32>, memref<?x9x64xf32>
}

// A fused op is as its ops are: a value over tensors, a reader of memory over memrefs.
// CHECK-LABEL: func @fused_values(
// CHECK-COUNT-1: twilight.fused
// CHECK-NOT: twilight.fused
// CHECK: return %[[OUT:.*]], %[[OUT]]
func.func @fused_values(%q: tensor<?x9x64xf16>, %cache: !plain) -> (!out, !out) {
  %0 = twilight.fused (%q_ = %q : tensor<?x9x64xf16>, %c = %cache : !plain) {
    %o = twilight.attend %q_, %c : tensor<?x9x64xf16>, !plain -> !out
    twilight.yield %o : !out
  } : !out
  %1 = twilight.fused (%q_ = %q : tensor<?x9x64xf16>, %c = %cache : !plain) {
    %o = twilight.attend %q_, %c : tensor<?x9x64xf16>, !plain -> !out
    twilight.yield %o : !out
  } : !out
  return %0, %1 : !out, !out
}

// CHECK-LABEL: func @fused_query_written_in_between(
// CHECK: twilight.fused
// CHECK: memref.store
// CHECK: twilight.fused
func.func @fused_query_written_in_between(%q: memref<?x9x64xf16>, %cache: !plain, %x: f16, %i: index) -> (!out, !out) {
  %0 = twilight.fused (%q_ = %q : memref<?x9x64xf16>, %c = %cache : !plain) {
    %o = twilight.attend %q_, %c : memref<?x9x64xf16>, !plain -> !out
    twilight.yield %o : !out
  } : !out
  memref.store %x, %q[%i, %i, %i] : memref<?x9x64xf16>
  %1 = twilight.fused (%q_ = %q : memref<?x9x64xf16>, %c = %cache : !plain) {
    %o = twilight.attend %q_, %c : memref<?x9x64xf16>, !plain -> !out
    twilight.yield %o : !out
  } : !out
  return %0, %1 : !out, !out
}
