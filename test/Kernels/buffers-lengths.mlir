// What the kernels of split lengths read and write; those that read split lengths as inputs are not launched ahead.
// RUN: twilight-opt %s --twilight-inline-fused --convert-twilight-to-gpu --canonicalize --cse | %python -B %S/Inputs/describe_kernels.py mixed_attend=counts mixed_combine_splits_2=indices | FileCheck %s

// CHECK: mixed_split_lengths: 128 threads, reads seq_lens, writes shorter longer
// CHECK-NEXT: mixed_score_pages:
// CHECK: mixed_gather_attend:
// CHECK: mixed_attend: {{.*}} reads q k_pages v_pages page_table seq_lens, writes out lse partial
// CHECK: mixed_merge:
// CHECK-NEXT: mixed_add_lengths: 128 threads, reads counts seq_lens, writes result

!cache = !twilight.cache<kv_heads = 2, head_dim = 64, page_size = 16, f16, hnd, summary = #twilight.min_max<f16>>
!q = tensor<?x8x64xf16>
!counts = tensor<?x2xi32>
func.func @mixed(%q: !q, %k: tensor<?x2x16x64xf16>, %v: tensor<?x2x16x64xf16>, %summary: tensor<?x2x2x64xf16>,
                 %table: tensor<?x?xi32>, %lens: tensor<?xi32>) -> (!q, tensor<?x8xf32>, !counts) {
  %cache = twilight.assemble_cache k_pages(%k : tensor<?x2x16x64xf16>) v_pages(%v : tensor<?x2x16x64xf16>)
      summary(%summary : tensor<?x2x2x64xf16>) page_table(%table : tensor<?x?xi32>) seq_lens(%lens : tensor<?xi32>) -> !cache
  %out:3 = twilight.fused (%q_ = %q : !q, %c = %cache : !cache) dense_below(2048) {
    %pages = twilight.select %q_, %c selector(#twilight.quest) budget(#twilight.fraction<0.25>) : !q, !cache -> !twilight.selection<page>
    %o:3 = twilight.gather_attend %q_, %c, %pages : !q, !cache, !twilight.selection<page> -> !q lse tensor<?x8xf32> counts !counts
    twilight.yield %o#0, %o#1, %o#2 : !q, tensor<?x8xf32>, !counts
  } : !q, tensor<?x8xf32>, !counts
  return %out#0, %out#1, %out#2 : !q, tensor<?x8xf32>, !counts
}
