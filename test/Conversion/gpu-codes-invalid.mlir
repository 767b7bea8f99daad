// Codes of other widths than the kernels read.
// RUN: twilight-opt %s --convert-twilight-to-gpu --split-input-file --verify-diagnostics

!c = !twilight.cache<kv_heads = 2, head_dim = 64, page_size = 16, f16, hnd, codes = <bits = 2>>
func.func @score_two(%q: tensor<?x8x64xf16>, %k: tensor<?x2x16x64xf16>, %codes: tensor<?x2x16x16xi8>, %s: tensor<?x2x16xf16>,
                     %t: tensor<?x?xi32>, %n: tensor<?xi32>) -> tensor<?x8x?xf32> {
  %c = twilight.assemble_cache k_pages(%k : tensor<?x2x16x64xf16>) v_pages(%k : tensor<?x2x16x64xf16>)
      codes(%codes : tensor<?x2x16x16xi8>) scale(%s : tensor<?x2x16xf16>) zero(%s : tensor<?x2x16xf16>)
      page_table(%t : tensor<?x?xi32>) seq_lens(%n : tensor<?xi32>) -> !c
  %pages = twilight.select %q, %c selector(#twilight.full) budget(#twilight.all) : tensor<?x8x64xf16>, !c -> !twilight.selection<page>
  // expected-error @+2 {{GPU kernels read codes of 4 bits, found bits = 2: declare codes = <bits = 4> or compile for the CPU}}
  // expected-error @+1 {{failed to legalize operation 'twilight.quantize_score'}}
  %scores = twilight.quantize_score %q, %c, %pages : tensor<?x8x64xf16>, !c, !twilight.selection<page> -> !twilight.scores
  %logits = twilight.logits %scores : !twilight.scores -> tensor<?x8x?xf32>
  return %logits : tensor<?x8x?xf32>
}

// -----

!c = !twilight.cache<kv_heads = 2, head_dim = 64, page_size = 16, f16, hnd, codes = <bits = 8>>
func.func @append_eight(%k: memref<?x2x16x64xf16>, %codes: memref<?x2x16x64xi8>, %s: memref<?x2x16xf16>,
                        %t: memref<?x?xi32>, %n: memref<?xi32>, %new: memref<?x1x2x64xf16>) {
  %c = twilight.assemble_cache k_pages(%k : memref<?x2x16x64xf16>) v_pages(%k : memref<?x2x16x64xf16>)
      codes(%codes : memref<?x2x16x64xi8>) scale(%s : memref<?x2x16xf16>) zero(%s : memref<?x2x16xf16>)
      page_table(%t : memref<?x?xi32>) seq_lens(%n : memref<?xi32>) -> !c
  // expected-error @+2 {{GPU kernels read codes of 4 bits, found bits = 8: declare codes = <bits = 4> or compile for the CPU}}
  // expected-error @+1 {{failed to legalize operation 'twilight.append'}}
  %next = twilight.append %c, %new, %new : !c, memref<?x1x2x64xf16>, memref<?x1x2x64xf16>
  return
}
