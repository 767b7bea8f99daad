// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Passes that rewrite inside the dialect.

#ifndef TWILIGHT_TRANSFORMS_PASSES_TD
#define TWILIGHT_TRANSFORMS_PASSES_TD

include "mlir/Pass/PassBase.td"

def ChooseSchedulePass : Pass<"twilight-choose-schedule"> {
  let summary = "give every twilight.fused a schedule, and other dense attentions their splits";
  let description = [{
    Fills the attribute `schedule` of `twilight.fused`. In this order: what the op says already, a measured row of a
    tuning table, the cost model's fastest candidate, and `#twilight.schedule<grid>` where sizes are not known. The
    attribute's `origin` says which of them it was.

    `batch` and `tokens` are the sizes to expect; they steer the choice and nothing else. A batch that the query's type
    has is taken instead. With neither, the model has nothing to go by.

    ```mlir
    // given %q: tensor<64x32x128xbf16>, %cache: !cache, %p: f32
    !cache = !twilight.cache<kv_heads = 8, head_dim = 128, page_size = 16, bf16, hnd, codes = <bits = 4>,
                             summary = #twilight.min_max<bf16>>
    // after, with tokens=32768 and no table; before, there was no schedule
    %fused = twilight.fused (%q_ = %q : tensor<64x32x128xbf16>, %cache_ = %cache : !cache, %p_ = %p : f32)
        schedule(<block, cluster = 1, warps = 8, select_warps = 8, origin = model>) {
      %pages = twilight.select %q_, %cache_ selector(#twilight.quest) budget(#twilight.fraction<0.25>)
          : tensor<64x32x128xbf16>, !cache -> !twilight.selection<page>
      %scores = twilight.quantize_score %q_, %cache_, %pages
          : tensor<64x32x128xbf16>, !cache, !twilight.selection<page> -> !twilight.scores
      %kept = twilight.top_p %scores, %p_ : !twilight.scores, f32 -> !twilight.selection<token>
      %o = twilight.gather_attend %q_, %cache_, %kept
          : tensor<64x32x128xbf16>, !cache, !twilight.selection<token> -> tensor<64x32x128xbf16>
      twilight.yield %o : tensor<64x32x128xbf16>
    } : tensor<64x32x128xbf16>
    ```

    A schedule that was written by hand stays, but must be one that the chip can run: too much shared memory, clusters
    on a chip that has none, or lists for each query head in shape `block` are errors that say what to change.

    Every `twilight.attend` outside of these gets the attribute `twilight.splits`: how many thread blocks share one of its
    lists, by the model, where it has none and sizes are known. Without it there are 32. A sequence's result follows from
    its length and the splits, so it is the same in any batch that the compiled attention is given.

    ```mlir
    // given %q: tensor<?x32x128xbf16>, %cache: !cache
    !cache = !twilight.cache<kv_heads = 8, head_dim = 128, page_size = 16, bf16, hnd>
    // after, with batch=8 tokens=32768
    %o = twilight.attend %q, %cache {twilight.splits = 8 : i64} : tensor<?x32x128xbf16>, !cache -> tensor<?x32x128xbf16>
    ```

    Remarks of category `twilight-choose-schedule` say for every op what was chosen and why. How the choice is made:
    docs/rationale/schedules.md.
  }];
  let options = [
    Option<"chip", "chip", "std::string", "\"sm_90a\"", "chip to choose for">,
    Option<"batch", "batch", "int64_t", "0", "sequences to expect (0: not known)">,
    Option<"tokens", "tokens", "int64_t", "0", "cached tokens of a sequence to expect (0: not known)">,
    Option<"table", "table", "std::string", "",
           "file with a tuning table, asked before the one that the compiler carries">,
    Option<"schedule", "schedule", "std::string", "",
           "text of a schedule for every op, in place of its own: '#twilight.schedule<grid>'">
  ];
  let statistics = [
    Statistic<"numWritten", "num-written", "schedules that were there already">,
    Statistic<"numMeasured", "num-measured", "schedules of a tuning table">,
    Statistic<"numPredicted", "num-predicted", "schedules of the cost model">,
    Statistic<"numDefault", "num-default", "schedules chosen without sizes">,
    Statistic<"numSplits", "num-splits", "attentions that the model gave splits">
  ];
  let dependentDialects = ["::twilight::TwilightDialect"];
}

def FusePass : Pass<"twilight-fuse"> {
  let summary = "group the ops of a pipeline into twilight.fused";
  let description = [{
    Every `twilight.gather_attend` moves into a `twilight.fused` together with the ops that its selection comes from:
    `select`, and `quantize_score` and `top_p` where there are, all of one block, one query and one cache. Counts of
    their selections move along and become results of the whole. Constants are copied into the region.

    ```mlir
    // given %q: tensor<?x32x128xbf16>, %cache: !cache
    !cache = !twilight.cache<kv_heads = 8, head_dim = 128, page_size = 16, bf16, hnd, summary = #twilight.min_max<bf16>>
    // before
    %pages = twilight.select %q, %cache selector(#twilight.quest) budget(#twilight.fraction<0.25>)
        : tensor<?x32x128xbf16>, !cache -> !twilight.selection<page>
    %out = twilight.gather_attend %q, %cache, %pages
        : tensor<?x32x128xbf16>, !cache, !twilight.selection<page> -> tensor<?x32x128xbf16>
    // after, with dense-below=2048
    %fused = twilight.fused (%q_ = %q : tensor<?x32x128xbf16>, %cache_ = %cache : !cache) dense_below(2048) {
      %p = twilight.select %q_, %cache_ selector(#twilight.quest) budget(#twilight.fraction<0.25>)
          : tensor<?x32x128xbf16>, !cache -> !twilight.selection<page>
      %o = twilight.gather_attend %q_, %cache_, %p
          : tensor<?x32x128xbf16>, !cache, !twilight.selection<page> -> tensor<?x32x128xbf16>
      twilight.yield %o : tensor<?x32x128xbf16>
    } : tensor<?x32x128xbf16>
    ```

    A pipeline stays as it is where its selection comes from elsewhere; where an op reads another query or cache; where
    something else reads a selection or scores, which then exist anyway; where a count is read before the attention; or
    where an op in between may write what the pipeline reads. Remarks of category `twilight-fuse` say for every
    `gather_attend` whether it was fused, or which op is in the way.
  }];
  let options = [
    Option<"denseBelow", "dense-below", "int64_t", "0",
           "sequences of fewer cached tokens attend densely (0: none does)">
  ];
  let statistics = [
    Statistic<"numFused", "num-fused", "pipelines that were fused">,
    Statistic<"numForeignSelection", "num-foreign-selection", "pipelines left: their selection comes from elsewhere">,
    Statistic<"numOtherInputs", "num-other-inputs", "pipelines left: an op reads another query or cache">,
    Statistic<"numOtherReader", "num-other-reader", "pipelines left: something else reads a selection or scores">,
    Statistic<"numEarlyReader", "num-early-reader", "pipelines left: a count is read before the attention">,
    Statistic<"numWrite", "num-write", "pipelines left: an op in between may write what they read">
  ];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::twilight::TwilightDialect"];
}

def InlineFusedPass : Pass<"twilight-inline-fused"> {
  let summary = "put the ops of twilight.fused in its place";
  let description = [{
    The reverse of `twilight-fuse`, for targets that lower op by op. `dense_below(N)` becomes visible: the cache is split
    by length, the shorter sequences attend densely, the longer ones run the pipeline, and the results are merged, which
    changes neither (the other side is empty). Splits of a schedule that are not the default stay with the attentions, as
    `twilight.splits`.

    ```mlir
    // given %q: tensor<?x32x128xbf16>, %cache: !cache
    !cache = !twilight.cache<kv_heads = 8, head_dim = 128, page_size = 16, bf16, hnd, summary = #twilight.min_max<bf16>>
    // before: twilight.fused with dense_below(2048), of a select and a gather_attend that gives out; after:
    %shorter, %longer = twilight.split_by_length %cache below(2048) : !cache
    %pages = twilight.select %q, %longer selector(#twilight.quest) budget(#twilight.fraction<0.25>)
        : tensor<?x32x128xbf16>, !cache -> !twilight.selection<page>
    %sparse, %sparse_lse = twilight.gather_attend %q, %longer, %pages
        : tensor<?x32x128xbf16>, !cache, !twilight.selection<page> -> tensor<?x32x128xbf16> lse tensor<?x32xf32>
    %dense, %dense_lse = twilight.attend %q, %shorter
        : tensor<?x32x128xbf16>, !cache -> tensor<?x32x128xbf16> lse tensor<?x32xf32>
    %out, %lse = twilight.merge %dense, %dense_lse, %sparse, %sparse_lse : tensor<?x32x128xbf16>, tensor<?x32xf32>
    ```
  }];
  let options = [
    Option<"keepBlock", "keep-block", "bool", "false", "leave ops whose schedule has shape block: one kernel each">
  ];
  let statistics = [
    Statistic<"numInlined", "num-inlined", "fused ops replaced by what they hold">,
    Statistic<"numSplit", "num-split", "among them those whose short sequences attend densely">
  ];
  let dependentDialects = ["::twilight::TwilightDialect"];
}

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

    With `fine`, a second `select` of the same ranking with that budget makes the pages that `quantize_score` scores from
    all bits; the other candidates it scores from the high planes of their codes, which the cache must have.

    With `scores=f16`, the result of `quantize_score` is `!twilight.scores<f16>`: half the bytes of its logits.

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
    Option<"fine", "fine", "std::string", "",
           "pages scored from all bits of their codes, as a budget; others from the high planes alone (default: all)">,
    Option<"scores", "scores", "std::string", "\"f32\"", "element type of the scores: f32 or f16">,
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
