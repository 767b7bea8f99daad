// cache_part of a cache that was assembled here is the buffer itself, unless something writes it in between.
// RUN: twilight-opt %s --canonicalize | FileCheck %s

!plain = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd>
!pages = tensor<?x3x16x64xf16>

// CHECK-LABEL: func @read_back(
// CHECK-SAME: %[[K:.*]]: tensor<?x3x16x64xf16>, %[[V:.*]]: tensor<?x3x16x64xf16>, %[[TABLE:.*]]: tensor<?x?xi32>, %[[LENS:.*]]: tensor<?xi32>)
// CHECK-NEXT: return %[[V]], %[[LENS]]
func.func @read_back(%k: !pages, %v: !pages, %table: tensor<?x?xi32>, %lens: tensor<?xi32>) -> (!pages, tensor<?xi32>) {
  %cache = twilight.assemble_cache k_pages(%k : !pages) v_pages(%v : !pages) page_table(%table : tensor<?x?xi32>) seq_lens(%lens : tensor<?xi32>) -> !plain
  %0 = twilight.cache_part v_pages of %cache : !plain -> !pages
  %1 = twilight.cache_part seq_lens of %cache : !plain -> tensor<?xi32>
  return %0, %1 : !pages, tensor<?xi32>
}

// append changes the buffers in place: what it left there is read through the cache.
// CHECK-LABEL: func @changed_in_between(
// CHECK: %[[CACHE:.*]] = twilight.assemble_cache
// CHECK: twilight.cache_part seq_lens of %[[CACHE]]
// CHECK: %[[NEXT:.*]] = twilight.append %[[CACHE]]
// CHECK: twilight.cache_part seq_lens of %[[NEXT]]
func.func @changed_in_between(%k: !pages, %v: !pages, %table: tensor<?x?xi32>, %lens: tensor<?xi32>, %new: tensor<?x1x3x64xf16>) -> (tensor<?xi32>, tensor<?xi32>) {
  %cache = twilight.assemble_cache k_pages(%k : !pages) v_pages(%v : !pages) page_table(%table : tensor<?x?xi32>) seq_lens(%lens : tensor<?xi32>) -> !plain
  %before = twilight.cache_part seq_lens of %cache : !plain -> tensor<?xi32>
  %next = twilight.append %cache, %new, %new : !plain, tensor<?x1x3x64xf16>, tensor<?x1x3x64xf16>
  %after = twilight.cache_part seq_lens of %next : !plain -> tensor<?xi32>
  return %before, %after : tensor<?xi32>, tensor<?xi32>
}

// A result whose type says less than the operand's is no fold.
// CHECK-LABEL: func @other_type(
// CHECK: twilight.cache_part seq_lens
func.func @other_type(%k: !pages, %v: !pages, %table: tensor<?x?xi32>, %lens: tensor<4xi32>) -> tensor<?xi32> {
  %cache = twilight.assemble_cache k_pages(%k : !pages) v_pages(%v : !pages) page_table(%table : tensor<?x?xi32>) seq_lens(%lens : tensor<4xi32>) -> !plain
  %0 = twilight.cache_part seq_lens of %cache : !plain -> tensor<?xi32>
  return %0 : tensor<?xi32>
}

// append has an effect, so it stays even where nobody reads its result; the rest goes.
// CHECK-LABEL: func @unread(
// CHECK-NEXT: twilight.append
// CHECK-NEXT: return
func.func @unread(%cache: !plain, %q: tensor<?x9x64xf16>, %new: tensor<?x1x3x64xf16>) {
  %0 = twilight.append %cache, %new, %new : !plain, tensor<?x1x3x64xf16>, tensor<?x1x3x64xf16>
  %1 = twilight.attend %q, %0 : tensor<?x9x64xf16>, !plain -> tensor<?x9x64xf32>
  return
}
