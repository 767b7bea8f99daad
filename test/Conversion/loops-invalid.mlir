// What the lowering cannot change it names.
// RUN: twilight-opt %s --convert-twilight-to-scf --split-input-file --verify-diagnostics --allow-unregistered-dialect

!plain = !twilight.cache<kv_heads = 2, head_dim = 64, page_size = 16, f16, hnd>

func.func @foreign_op(%k: tensor<?x2x16x64xf16>, %table: tensor<?x?xi32>, %lens: tensor<?xi32>) {
  // expected-error @+1 {{failed to legalize unresolved materialization from ('memref<?x2x16x64xf16>', 'memref<?x2x16x64xf16>', 'memref<?x?xi32>', 'memref<?xi32>') to ('!twilight.cache<kv_heads = 2, head_dim = 64, page_size = 16, f16, hnd>')}}
  %cache = twilight.assemble_cache k_pages(%k : tensor<?x2x16x64xf16>) v_pages(%k : tensor<?x2x16x64xf16>)
      page_table(%table : tensor<?x?xi32>) seq_lens(%lens : tensor<?xi32>) -> !plain
  // expected-note @+1 {{see existing live user here}}
  "somebody.reads"(%cache) : (!plain) -> ()
  return
}
