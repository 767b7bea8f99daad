// Page bounds that the kernels neither read nor write.
// RUN: twilight-opt %s --convert-twilight-to-gpu --split-input-file --verify-diagnostics

!c = !twilight.cache<kv_heads = 2, head_dim = 64, page_size = 16, f16, hnd, summary = #twilight.min_max<f8E5M2>>
func.func @select(%q: tensor<?x8x64xf16>, %k: tensor<?x2x16x64xf16>, %s: tensor<?x2x2x64xf8E5M2>, %t: tensor<?x?xi32>,
                  %n: tensor<?xi32>) -> tensor<?x2x?xi32> {
  %c = twilight.assemble_cache k_pages(%k : tensor<?x2x16x64xf16>) v_pages(%k : tensor<?x2x16x64xf16>)
      summary(%s : tensor<?x2x2x64xf8E5M2>) page_table(%t : tensor<?x?xi32>) seq_lens(%n : tensor<?xi32>) -> !c
  // expected-error @+2 {{GPU kernels read page summaries of f16 or bf16, found #twilight.min_max<f8E5M2>}}
  // expected-error @+1 {{failed to legalize operation 'twilight.select'}}
  %pages = twilight.select %q, %c selector(#twilight.quest) budget(#twilight.fraction<0.25>)
      : tensor<?x8x64xf16>, !c -> !twilight.selection<page>
  %i, %m = twilight.selection_parts %pages : !twilight.selection<page> -> tensor<?x2x?xi32>, tensor<?x2xi32>
  return %i : tensor<?x2x?xi32>
}

// -----

!c = !twilight.cache<kv_heads = 2, head_dim = 64, page_size = 16, f16, hnd, summary = #twilight.min_max<f8E5M2>>
func.func @append(%k: memref<?x2x16x64xf16>, %s: memref<?x2x2x64xf8E5M2>, %t: memref<?x?xi32>, %n: memref<?xi32>,
                  %new: memref<?x1x2x64xf16>) {
  %c = twilight.assemble_cache k_pages(%k : memref<?x2x16x64xf16>) v_pages(%k : memref<?x2x16x64xf16>)
      summary(%s : memref<?x2x2x64xf8E5M2>) page_table(%t : memref<?x?xi32>) seq_lens(%n : memref<?xi32>) -> !c
  // expected-error @+2 {{GPU kernels write page summaries of f16, bf16 or f32, found #twilight.min_max<f8E5M2>}}
  // expected-error @+1 {{failed to legalize operation 'twilight.append'}}
  %next = twilight.append %c, %new, %new : !c, memref<?x1x2x64xf16>, memref<?x1x2x64xf16>
  return
}
