// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Passes that rewrite inside the dialect.

#ifndef TWILIGHT_TRANSFORMS_PASSES_TD
#define TWILIGHT_TRANSFORMS_PASSES_TD

include "mlir/Pass/PassBase.td"

def SparsifyPass : Pass<"twilight-sparsify"> {
  let summary = "turn dense attention into select, quantize_score, top_p, gather_attend";
  let description = [{
    Every `twilight.attend` becomes the four-op pipeline, with the same operands, results and `softmax_scale`:

    ```mlir
    // given %q: tensor<?x32x128xbf16>, %cache: !cache
    !cache = !twilight.cache<kv_heads = 8, head_dim = 128, page_size = 16, bf16, hnd, codes = <bits = 4>,
                             summary = #twilight.min_max<bf16>>
    // before
    %dense = twilight.attend %q, %cache : tensor<?x32x128xbf16>, !cache -> tensor<?x32x128xbf16>
    // after
    %p = arith.constant 0.85 : f32
    %pages = twilight.select %q, %cache selector(#twilight.quest) budget(#twilight.fraction<0.25>)
        : tensor<?x32x128xbf16>, !cache -> !twilight.selection<page>
    %scores = twilight.quantize_score %q, %cache, %pages
        : tensor<?x32x128xbf16>, !cache, !twilight.selection<page> -> !twilight.scores
    %kept = twilight.top_p %scores, %p : !twilight.scores, f32 -> !twilight.selection<token>
    %sparse = twilight.gather_attend %q, %cache, %kept
        : tensor<?x32x128xbf16>, !cache, !twilight.selection<token> -> tensor<?x32x128xbf16>
    ```

    The cache must carry what the pipeline reads: `codes`, and the summary of the selector. Where its type lacks one,
    the pass fails with the verifier's message of the op that would read it, at the dense op, and leaves the op as it
    was. `counts` of the dense op are one column for each kv head, so with a list for each query head they must be
    unused.

    `skip-first` leaves the first attends of every function dense: early layers spread their attention widely (the
    Twilight paper keeps two of them dense). Attends are counted in the order of the text; one in a loop counts once.

    Remarks of category `twilight-sparsify` say for every op whether it was rewritten.
  }];
  let options = [
    Option<"selector", "selector", "std::string", "\"quest\"",
           "selector attribute: a name of this dialect (quest, mean_std, window, full) or the text of any, e.g. "
           "'#twilight.mean_std<c = 1.5>'">,
    Option<"budget", "budget", "std::string", "",
           "candidate pages: a fraction in (0, 1], tokens:N, all, or an attribute's text (default: 0.25, and all for "
           "a selector that ranks nothing)">,
    Option<"p", "p", "double", "0.85", "mass to keep, in [0, 1]">,
    Option<"group", "group", "::twilight::SelectGroup", "::twilight::SelectGroup::Max",
           "how the importances of a group's query heads become one list",
           [{::llvm::cl::values(
               clEnumValN(::twilight::SelectGroup::Max, "max", "the largest"),
               clEnumValN(::twilight::SelectGroup::Mean, "mean", "the mean"),
               clEnumValN(::twilight::SelectGroup::PerHead, "per_head", "a list for each query head"))}]>,
    Option<"keepGroup", "keep-group", "::twilight::KeepGroup", "::twilight::KeepGroup::Union",
           "how the tokens kept by a group's query heads become lists",
           [{::llvm::cl::values(
               clEnumValN(::twilight::KeepGroup::Union, "union", "one list, their union"),
               clEnumValN(::twilight::KeepGroup::PerHead, "per_head", "a list for each query head"))}]>,
    Option<"minTokens", "min-tokens", "int64_t", "0", "least tokens that each query head keeps">,
    Option<"maxTokens", "max-tokens", "int64_t", "0", "most tokens that each query head keeps, sinks and recent ones aside (0: no cap)">,
    Option<"sink", "sink", "int64_t", "0", "first tokens that are always kept">,
    Option<"recent", "recent", "int64_t", "0", "last tokens that are always kept">,
    Option<"skipFirst", "skip-first", "unsigned", "0", "first attends of each function that stay dense">
  ];
  let statistics = [
    Statistic<"numSparsified", "num-sparsified", "dense attention ops turned into the pipeline">,
    Statistic<"numSkipped", "num-skipped", "dense attention ops left dense on request">
  ];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::twilight::TwilightDialect"];
}

#endif
