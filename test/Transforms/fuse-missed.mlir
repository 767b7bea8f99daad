// Why a pipeline is not fused is said at its attention, with the op that is in the way; nothing changes.
// RUN: twilight-opt %s --twilight-fuse --remarks-filter=twilight-fuse --remark-format=emitRemark -verify-diagnostics | FileCheck %s --implicit-check-not=twilight.fused

!cache = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd, codes = <bits = 4>, summary = #twilight.min_max<f16>>
!q = tensor<?x9x64xf16>
!pages = !twilight.selection<page>
!tokens = !twilight.selection<token>

// CHECK-LABEL: func @foreign_selection(
func.func @foreign_selection(%q: !q, %cache: !cache, %kept: !tokens, %n: index) -> (!q, !q) {
  // expected-remark @below {{[Missed] fuse | Category:twilight-fuse | Remark="not fused: the selection comes from an argument, not from a twilight.select of the same block"}}
  %0 = twilight.gather_attend %q, %cache, %kept : !q, !cache, !tokens -> !q
  %i, %c = twilight.selection_parts %kept : !tokens -> tensor<?x3x?xi32>, tensor<?x3xi32>
  %made = twilight.assemble_selection %i, %c : tensor<?x3x?xi32>, tensor<?x3xi32> -> !tokens
  // expected-remark @below {{the selection comes from 'twilight.assemble_selection'}}
  %1 = twilight.gather_attend %q, %cache, %made : !q, !cache, !tokens -> !q
  %pages = twilight.select %q, %cache selector(#twilight.quest) budget(#twilight.fraction<0.25>) : !q, !cache -> !pages
  scf.for %j = %n to %n step %n {
    // expected-remark @below {{the selection comes from 'twilight.select', not from a twilight.select of the same block}}
    %2 = twilight.gather_attend %q, %cache, %pages : !q, !cache, !pages -> !q
  }
  return %0, %1 : !q, !q
}

// CHECK-LABEL: func @other_inputs(
func.func @other_inputs(%q: !q, %r: !q, %cache: !cache, %other: !cache, %p: f32) -> (!q, !q, !q) {
  %pages0 = twilight.select %r, %cache selector(#twilight.quest) budget(#twilight.fraction<0.25>) : !q, !cache -> !pages
  // expected-remark @below {{not fused: 'twilight.select' reads another query than the attention}}
  %0 = twilight.gather_attend %q, %cache, %pages0 : !q, !cache, !pages -> !q
  %pages1 = twilight.select %q, %other selector(#twilight.quest) budget(#twilight.fraction<0.25>) : !q, !cache -> !pages
  // expected-remark @below {{not fused: 'twilight.select' reads another cache than the attention}}
  %1 = twilight.gather_attend %q, %cache, %pages1 : !q, !cache, !pages -> !q
  %pages2 = twilight.select %q, %cache selector(#twilight.quest) budget(#twilight.fraction<0.25>) : !q, !cache -> !pages
  %scores = twilight.quantize_score %q, %other, %pages2 : !q, !cache, !pages -> !twilight.scores
  %kept = twilight.top_p %scores, %p : !twilight.scores, f32 -> !tokens
  // expected-remark @below {{not fused: 'twilight.quantize_score' reads another cache than the attention}}
  %2 = twilight.gather_attend %q, %cache, %kept : !q, !cache, !tokens -> !q
  return %0, %1, %2 : !q, !q, !q
}

// CHECK-LABEL: func @other_reader(
func.func @other_reader(%q: !q, %cache: !cache, %other: !cache, %p: f32) -> (!q, !q, !q, tensor<?x9x?xf32>, tensor<?x3x?xi32>, tensor<?x3xi32>) {
  %pages = twilight.select %q, %cache selector(#twilight.quest) budget(#twilight.fraction<0.25>) : !q, !cache -> !pages
  %scores = twilight.quantize_score %q, %cache, %pages : !q, !cache, !pages -> !twilight.scores
  %logits = twilight.logits %scores : !twilight.scores -> tensor<?x9x?xf32>
  %kept = twilight.top_p %scores, %p : !twilight.scores, f32 -> !tokens
  // expected-remark @below {{not fused: what 'twilight.quantize_score' makes is also read by 'twilight.logits'}}
  %0 = twilight.gather_attend %q, %cache, %kept : !q, !cache, !tokens -> !q
  %pages1 = twilight.select %q, %cache selector(#twilight.quest) budget(#twilight.fraction<0.5>) : !q, !cache -> !pages
  // expected-remark @below {{what 'twilight.select' makes is also read by 'twilight.selection_parts'}}
  %1 = twilight.gather_attend %q, %cache, %pages1 : !q, !cache, !pages -> !q
  %i, %c = twilight.selection_parts %pages1 : !pages -> tensor<?x3x?xi32>, tensor<?x3xi32>
  // Pages of one cache hold other numbers of tokens in another.
  %pages2 = twilight.select %q, %cache selector(#twilight.quest) budget(#twilight.fraction<0.75>) : !q, !cache -> !pages
  // expected-remark @below {{what 'twilight.select' makes is also read by 'twilight.count'}}
  %2 = twilight.gather_attend %q, %cache, %pages2 : !q, !cache, !pages -> !q
  %n = twilight.count %pages2, %other : !pages, !cache -> tensor<?x3xi32>
  return %0, %1, %2, %logits, %i, %n : !q, !q, !q, tensor<?x9x?xf32>, tensor<?x3x?xi32>, tensor<?x3xi32>
}

// CHECK-LABEL: func @early_reader(
func.func @early_reader(%q: !q, %cache: !cache, %i: index) -> !q {
  %pages = twilight.select %q, %cache selector(#twilight.quest) budget(#twilight.fraction<0.25>) : !q, !cache -> !pages
  %n = twilight.count %pages, %cache : !pages, !cache -> tensor<?x3xi32>
  %x = tensor.extract %n[%i, %i] : tensor<?x3xi32>
  // expected-remark @below {{not fused: the count is read by 'tensor.extract' before the attention}}
  %0 = twilight.gather_attend %q, %cache, %pages : !q, !cache, !pages -> !q
  return %0 : !q
}

func.func private @unknown()

// CHECK-LABEL: func @writes(
func.func @writes(%q: memref<?x9x64xf16>, %r: !q, %cache: !cache, %kv: tensor<?x1x3x64xf16>) -> (!q, !q) {
  %pages0 = twilight.select %q, %cache selector(#twilight.quest) budget(#twilight.fraction<0.25>) : memref<?x9x64xf16>, !cache -> !pages
  func.call @unknown() : () -> ()
  // expected-remark @below {{not fused: 'func.call' in between may write what the pipeline reads}}
  %0 = twilight.gather_attend %q, %cache, %pages0 : memref<?x9x64xf16>, !cache, !pages -> !q
  %pages1 = twilight.select %r, %cache selector(#twilight.quest) budget(#twilight.fraction<0.25>) : !q, !cache -> !pages
  %next = twilight.append %cache, %kv, %kv : !cache, tensor<?x1x3x64xf16>, tensor<?x1x3x64xf16>
  // expected-remark @below {{not fused: 'twilight.append' in between may write what the pipeline reads}}
  %1 = twilight.gather_attend %r, %cache, %pages1 : !q, !cache, !pages -> !q
  return %0, %1 : !q, !q
}
