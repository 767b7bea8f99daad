// What the GPU kernels do not cover, and where it says so. Below each error is the conversion's own, which names the op.
// RUN: twilight-opt %s --convert-twilight-to-gpu --split-input-file --verify-diagnostics

!c = !twilight.cache<kv_heads = 2, head_dim = 64, page_size = 16, f32, hnd>
func.func @f32_cache(%q: tensor<?x8x64xf16>, %k: tensor<?x2x16x64xf32>, %t: tensor<?x?xi32>, %n: tensor<?xi32>) -> tensor<?x8x64xf32> {
  %c = twilight.assemble_cache k_pages(%k : tensor<?x2x16x64xf32>) v_pages(%k : tensor<?x2x16x64xf32>)
      page_table(%t : tensor<?x?xi32>) seq_lens(%n : tensor<?xi32>) -> !c
  // expected-error @+2 {{GPU kernels take f16 or bf16 queries, keys and values, found q of 'f16' and a cache of 'f32'}}
  // expected-error @+1 {{failed to legalize operation 'twilight.attend'}}
  %out = twilight.attend %q, %c : tensor<?x8x64xf16>, !c -> tensor<?x8x64xf32>
  return %out : tensor<?x8x64xf32>
}

// -----

!c = !twilight.cache<kv_heads = 2, head_dim = 64, page_size = 16, bf16, hnd>
func.func @mixed_types(%q: tensor<?x8x64xf16>, %k: tensor<?x2x16x64xbf16>, %t: tensor<?x?xi32>, %n: tensor<?xi32>) -> tensor<?x8x64xf32> {
  %c = twilight.assemble_cache k_pages(%k : tensor<?x2x16x64xbf16>) v_pages(%k : tensor<?x2x16x64xbf16>)
      page_table(%t : tensor<?x?xi32>) seq_lens(%n : tensor<?xi32>) -> !c
  // expected-error @+2 {{GPU kernels take q in the cache's element type 'bf16', found 'f16'}}
  // expected-error @+1 {{failed to legalize operation 'twilight.attend'}}
  %out = twilight.attend %q, %c : tensor<?x8x64xf16>, !c -> tensor<?x8x64xf32>
  return %out : tensor<?x8x64xf32>
}

// -----

!c = !twilight.cache<kv_heads = 2, head_dim = 96, page_size = 16, f16, hnd>
func.func @head_dim(%q: tensor<?x8x96xf16>, %k: tensor<?x2x16x96xf16>, %t: tensor<?x?xi32>, %n: tensor<?xi32>) -> tensor<?x8x96xf32> {
  %c = twilight.assemble_cache k_pages(%k : tensor<?x2x16x96xf16>) v_pages(%k : tensor<?x2x16x96xf16>)
      page_table(%t : tensor<?x?xi32>) seq_lens(%n : tensor<?xi32>) -> !c
  // expected-error @+2 {{GPU kernels support head_dim 64 and 128, found 96}}
  // expected-error @+1 {{failed to legalize operation 'twilight.attend'}}
  %out = twilight.attend %q, %c : tensor<?x8x96xf16>, !c -> tensor<?x8x96xf32>
  return %out : tensor<?x8x96xf32>
}

// -----

!c = !twilight.cache<kv_heads = 2, head_dim = 64, page_size = 16, f16, hnd>
func.func @group(%q: tensor<?x18x64xf16>, %k: tensor<?x2x16x64xf16>, %t: tensor<?x?xi32>, %n: tensor<?xi32>) -> tensor<?x18x64xf32> {
  %c = twilight.assemble_cache k_pages(%k : tensor<?x2x16x64xf16>) v_pages(%k : tensor<?x2x16x64xf16>)
      page_table(%t : tensor<?x?xi32>) seq_lens(%n : tensor<?xi32>) -> !c
  // expected-error @+2 {{GPU kernels support up to 8 query heads for each kv head, found 9}}
  // expected-error @+1 {{failed to legalize operation 'twilight.attend'}}
  %out = twilight.attend %q, %c : tensor<?x18x64xf16>, !c -> tensor<?x18x64xf32>
  return %out : tensor<?x18x64xf32>
}

// -----

!c = !twilight.cache<kv_heads = 2, head_dim = 96, page_size = 16, f16, hnd>
func.func @append_f16_96(%k: memref<?x2x16x96xf16>, %t: memref<?x?xi32>, %n: memref<?xi32>, %new: memref<?x1x2x96xf16>) {
  %c = twilight.assemble_cache k_pages(%k : memref<?x2x16x96xf16>) v_pages(%k : memref<?x2x16x96xf16>)
      page_table(%t : memref<?x?xi32>) seq_lens(%n : memref<?xi32>) -> !c
  // expected-error @+2 {{GPU kernels support head_dim 64 and 128, found 96}}
  // expected-error @+1 {{failed to legalize operation 'twilight.append'}}
  %next = twilight.append %c, %new, %new : !c, memref<?x1x2x96xf16>, memref<?x1x2x96xf16>
  return
}

// -----

!c = !twilight.cache<kv_heads = 2, head_dim = 64, page_size = 16, f32, hnd>
func.func @append_f32_64(%k: memref<?x2x16x64xf32>, %t: memref<?x?xi32>, %n: memref<?xi32>, %new: memref<?x1x2x64xf32>) {
  %c = twilight.assemble_cache k_pages(%k : memref<?x2x16x64xf32>) v_pages(%k : memref<?x2x16x64xf32>)
      page_table(%t : memref<?x?xi32>) seq_lens(%n : memref<?xi32>) -> !c
  // expected-error @+2 {{GPU kernels take caches of f16 or bf16, found f32}}
  // expected-error @+1 {{failed to legalize operation 'twilight.append'}}
  %next = twilight.append %c, %new, %new : !c, memref<?x1x2x64xf32>, memref<?x1x2x64xf32>
  return
}

// -----

!c = !twilight.cache<kv_heads = 2, head_dim = 64, page_size = 16, f16, hnd, summary = #twilight.min_max<f32>>
func.func @f32_summary(%q: tensor<?x8x64xf16>, %k: tensor<?x2x16x64xf16>, %s: tensor<?x2x2x64xf32>, %t: tensor<?x?xi32>,
                       %n: tensor<?xi32>) -> tensor<?x2x?xi32> {
  %c = twilight.assemble_cache k_pages(%k : tensor<?x2x16x64xf16>) v_pages(%k : tensor<?x2x16x64xf16>)
      summary(%s : tensor<?x2x2x64xf32>) page_table(%t : tensor<?x?xi32>) seq_lens(%n : tensor<?xi32>) -> !c
  // expected-error @+2 {{GPU kernels read page summaries of f16, bf16, f8E5M2 or i8, found #twilight.min_max<f32>}}
  // expected-error @+1 {{failed to legalize operation 'twilight.select'}}
  %pages = twilight.select %q, %c selector(#twilight.quest) budget(#twilight.fraction<0.25>)
      : tensor<?x8x64xf16>, !c -> !twilight.selection<page>
  %i, %m = twilight.selection_parts %pages : !twilight.selection<page> -> tensor<?x2x?xi32>, tensor<?x2xi32>
  return %i : tensor<?x2x?xi32>
}
