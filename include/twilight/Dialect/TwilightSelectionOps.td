// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Ops that choose: select, quantize_score, top_p, and the ops around selections.

#ifndef TWILIGHT_DIALECT_SELECTIONOPS_TD
#define TWILIGHT_DIALECT_SELECTIONOPS_TD

include "twilight/Dialect/TwilightOpBase.td"

def Twilight_SelectOp : Twilight_Op<"select", [Twilight_BufferEffects]> {
  let summary = "choose candidate pages for each head";
  let description = [{
    The selector gives each page u of kv head g an importance for each query head h of its group; `group` combines them
    (`max`, `mean`, or `per_head` for a list of its own for every query head); the budget keeps the k best. Ties go to
    the lower page. A NaN importance counts as -inf. The pages of the first `sink` and the last `recent` tokens have
    importance +inf: they are kept first, inside the budget.

      importance[b, g, u] = combine_h selector(q[b, h], summary[page_table[b, u], g]);  k = budget(ceil(N_b / P))

    If k >= the number of pages, all are kept. N_b = 0 gives an empty list.

    Errors: Hq no multiple of Hkv, q's head dimension not the cache's, a cache whose summary the selector cannot read,
    a budget <= 0, negative floors.

    ```mlir
    !cache = !twilight.cache<kv_heads = 8, head_dim = 128, page_size = 16, bf16, hnd, summary = #twilight.min_max<bf16>>
    func.func @candidates(%q: tensor<?x32x128xbf16>, %cache: !cache) -> !twilight.selection<page> {
      %pages = twilight.select %q, %cache selector(#twilight.quest) budget(#twilight.fraction<0.25>) {sink = 4 : i64}
          : tensor<?x32x128xbf16>, !cache -> !twilight.selection<page>
      return %pages : !twilight.selection<page>
    }
    ```
  }];
  let arguments = (ins Twilight_Buffer:$q, Twilight_CacheType:$cache, Twilight_SelectorAttrInterface:$selector,
                       Twilight_BudgetAttrInterface:$budget,
                       DefaultValuedAttr<Twilight_SelectGroupAttr, "::twilight::SelectGroup::Max">:$group,
                       DefaultValuedAttr<I64Attr, "0">:$sink, DefaultValuedAttr<I64Attr, "0">:$recent);
  let results = (outs Twilight_SelectionType:$selection);
  let assemblyFormat = [{
    $q `,` $cache `selector` `(` $selector `)` `budget` `(` $budget `)` (`group` `(` custom<Keyword>($group)^ `)`)? attr-dict
    `:` type($q) `,` qualified(type($cache)) `->` qualified(type($selection))
  }];
  let hasVerifier = 1;
}

def Twilight_QuantizeScoreOp : Twilight_Op<"quantize_score", [Twilight_BufferEffects]> {
  let summary = "estimate the candidates' logits from quantised keys";
  let description = [{
    logit[b, h, n] = s * sum_d q[b, h, d] * (scale[n] * code[n, d] + zero[n]) for every candidate token n, in f32.
    s is `softmax_scale`, 1 / sqrt(D) where it is not given. Tokens past N_b do not exist.

    With `fine`, precision is progressive: candidates in a page of `fine` are scored as above, the others from the high
    planes of their codes alone, as if every code were 4 * high + 1.5, the middle of the four that share the high bits:

      logit[b, h, n] = s * sum_d q[b, h, d] * (scale[n] * (4 * high[n, d] + 1.5) + zero[n])

    which reads D / 4 + 4 bytes of a token and kv head instead of D / 2 + 4. Pages of `fine` that are not candidates do
    not matter. A second `select` with a smaller budget makes such a list of the most important pages.

    Where the result's type says f16, a score is the f32 logit rounded to the nearest f16 (ties to even) and clamped to
    the finite numbers, so that none is infinite; a NaN becomes the lowest:

      score[b, h, n] = min(max(f16(logit[b, h, n]), -65504), 65504)

    It differs from the logit by half a unit of f16 in its last place: 0.0039 between 8 and 16. What reads scores
    computes in f32.

    Errors: a cache without codes (they are filled by `twilight.append`), a selection of tokens instead of pages, `fine`
    over codes without planes or with lists of another kind than the candidates', a result with other lists than the
    candidates'.

    ```mlir
    !cache = !twilight.cache<kv_heads = 8, head_dim = 128, page_size = 16, bf16, hnd, codes = <bits = 4>>
    func.func @score(%q: tensor<?x32x128xbf16>, %cache: !cache, %pages: !twilight.selection<page>) -> !twilight.scores {
      %scores = twilight.quantize_score %q, %cache, %pages
          : tensor<?x32x128xbf16>, !cache, !twilight.selection<page> -> !twilight.scores
      return %scores : !twilight.scores
    }
    ```

    ```mlir
    !planes = !twilight.cache<kv_heads = 8, head_dim = 128, page_size = 16, bf16, hnd, codes = <bits = 4, planes>,
                              summary = #twilight.min_max<bf16>>
    func.func @progressive(%q: tensor<?x32x128xbf16>, %cache: !planes) -> !twilight.scores {
      %pages = twilight.select %q, %cache selector(#twilight.quest) budget(#twilight.fraction<0.25>)
          : tensor<?x32x128xbf16>, !planes -> !twilight.selection<page>
      %fine = twilight.select %q, %cache selector(#twilight.quest) budget(#twilight.fraction<0.0625>)
          : tensor<?x32x128xbf16>, !planes -> !twilight.selection<page>
      %scores = twilight.quantize_score %q, %cache, %pages fine(%fine : !twilight.selection<page>)
          : tensor<?x32x128xbf16>, !planes, !twilight.selection<page> -> !twilight.scores
      return %scores : !twilight.scores
    }
    ```

    ```mlir
    !cache = !twilight.cache<kv_heads = 8, head_dim = 128, page_size = 16, bf16, hnd, codes = <bits = 4>>
    func.func @half(%q: tensor<?x32x128xbf16>, %cache: !cache, %pages: !twilight.selection<page>)
        -> !twilight.scores<f16> {
      %scores = twilight.quantize_score %q, %cache, %pages
          : tensor<?x32x128xbf16>, !cache, !twilight.selection<page> -> !twilight.scores<f16>
      return %scores : !twilight.scores<f16>
    }
    ```
  }];
  let arguments = (ins Twilight_Buffer:$q, Twilight_CacheType:$cache, Twilight_SelectionType:$selection,
                       Optional<Twilight_SelectionType>:$fine, OptionalAttr<F64Attr>:$softmax_scale);
  let results = (outs Twilight_ScoresType:$scores);
  let assemblyFormat = [{
    $q `,` $cache `,` $selection (`fine` `(` $fine^ `:` qualified(type($fine)) `)`)? attr-dict
    `:` type($q) `,` qualified(type($cache)) `,` qualified(type($selection)) `->` qualified(type($scores))
  }];
  let hasVerifier = 1;
  let hasCanonicalizer = 1;
}

def Twilight_TopPOp : Twilight_Op<"top_p", [Twilight_BufferEffects]> {
  let summary = "keep the smallest set of tokens whose mass reaches p";
  let description = [{
    w = softmax of the scores over the candidates of each query head, in f32 whatever their type. With `rule = mass`: t* = the largest threshold
    with sum_{w_n >= t*} w_n >= p; kept = {n : w_n >= t*}, so ties at t* are all kept. p >= 1 keeps every candidate,
    p <= 0 the heaviest. With `rule = threshold` the operand is lambda: kept = {n : w_n >= lambda * max w}.

    Then, for each query head and in this order: fewer than `min_tokens` become the `min_tokens` heaviest; more than
    `max_tokens` (0: no cap) become the `max_tokens` heaviest, ties to the earlier candidate; the candidates among the
    first `sink` and the last `recent` tokens are added. `group = union` makes one list for each kv head, `per_head`
    one for each query head.

    The operand is a run-time value: one f32, or one for each query head. It is read on the device.

    Errors: a constant operand outside [0, 1], negative floors, max_tokens < min_tokens.

    ```mlir
    func.func @keep(%scores: !twilight.scores, %p: f32) -> !twilight.selection<token> {
      %kept = twilight.top_p %scores, %p {min_tokens = 32 : i64} : !twilight.scores, f32 -> !twilight.selection<token>
      return %kept : !twilight.selection<token>
    }
    ```
  }];
  let arguments = (ins Twilight_ScoresType:$scores, Twilight_Level:$p,
                       DefaultValuedAttr<Twilight_KeepRuleAttr, "::twilight::KeepRule::Mass">:$rule,
                       DefaultValuedAttr<Twilight_KeepGroupAttr, "::twilight::KeepGroup::Union">:$group,
                       DefaultValuedAttr<I64Attr, "0">:$min_tokens, DefaultValuedAttr<I64Attr, "0">:$max_tokens,
                       DefaultValuedAttr<I64Attr, "0">:$sink, DefaultValuedAttr<I64Attr, "0">:$recent);
  let results = (outs Twilight_SelectionType:$selection);
  let assemblyFormat = [{
    $scores `,` $p (`rule` `(` custom<Keyword>($rule)^ `)`)? (`group` `(` custom<Keyword>($group)^ `)`)? attr-dict
    `:` qualified(type($scores)) `,` type($p) `->` qualified(type($selection))
  }];
  let hasVerifier = 1;
}

def Twilight_AssembleSelectionOp : Twilight_Op<"assemble_selection", [Twilight_BufferEffects]> {
  let summary = "make a selection from index lists";
  let description = [{
    Takes lists made elsewhere: `indices` i32 [B, lists, capacity], ascending and without repetition, and `counts` i32
    [B, lists]. The number of lists must be Hkv (`kv_head`) or Hq (`query_head`).

    ```mlir
    func.func @external(%indices: tensor<?x8x?xi32>, %counts: tensor<?x8xi32>) -> !twilight.selection<token> {
      %tokens = twilight.assemble_selection %indices, %counts
          : tensor<?x8x?xi32>, tensor<?x8xi32> -> !twilight.selection<token>
      return %tokens : !twilight.selection<token>
    }
    ```
  }];
  let arguments = (ins Twilight_Buffer:$indices, Twilight_Buffer:$counts);
  let results = (outs Twilight_SelectionType:$selection);
  let assemblyFormat = "$indices `,` $counts attr-dict `:` type($indices) `,` type($counts) `->` qualified(type($selection))";
  let hasVerifier = 1;
}

def Twilight_SelectionPartsOp : Twilight_Op<"selection_parts", [Pure]> {
  let summary = "read the index lists of a selection";
  let description = [{
    `indices` i32 [B, lists, capacity] (ascending; unspecified past the count) and `counts` i32 [B, lists].

    ```mlir
    func.func @lists(%tokens: !twilight.selection<token>) -> (tensor<?x8x?xi32>, tensor<?x8xi32>) {
      %indices, %counts = twilight.selection_parts %tokens
          : !twilight.selection<token> -> tensor<?x8x?xi32>, tensor<?x8xi32>
      return %indices, %counts : tensor<?x8x?xi32>, tensor<?x8xi32>
    }
    ```
  }];
  let arguments = (ins Twilight_SelectionType:$selection);
  let results = (outs Twilight_Buffer:$indices, Twilight_Buffer:$counts);
  let assemblyFormat = "$selection attr-dict `:` qualified(type($selection)) `->` type($indices) `,` type($counts)";
  let hasVerifier = 1;
}

def Twilight_LogitsOp : Twilight_Op<"logits", [Pure]> {
  let summary = "read the logits of scores";
  let description = [{
    [B, Hq, capacity] of the scores' element type: slot i of a head is token i % P of the i / P-th candidate page. Slots
    of tokens past N_b or past the list are unspecified.

    ```mlir
    func.func @estimate(%scores: !twilight.scores) -> tensor<?x32x?xf32> {
      %logits = twilight.logits %scores : !twilight.scores -> tensor<?x32x?xf32>
      return %logits : tensor<?x32x?xf32>
    }
    ```
  }];
  let arguments = (ins Twilight_ScoresType:$scores);
  let results = (outs Twilight_Buffer:$logits);
  let assemblyFormat = "$scores attr-dict `:` qualified(type($scores)) `->` type($logits)";
  let hasVerifier = 1;
}

def Twilight_CountOp : Twilight_Op<"count", [Twilight_BufferEffects]> {
  let summary = "number of tokens in each list of a selection";
  let description = [{
    i32 [B, lists]. A page counts the tokens it holds, so a sequence's last page may count less than P.

    ```mlir
    !plain = !twilight.cache<kv_heads = 8, head_dim = 128, page_size = 16, bf16, hnd>
    func.func @candidates(%pages: !twilight.selection<page>, %cache: !plain) -> tensor<?x8xi32> {
      %counts = twilight.count %pages, %cache : !twilight.selection<page>, !plain -> tensor<?x8xi32>
      return %counts : tensor<?x8xi32>
    }
    ```
  }];
  let arguments = (ins Twilight_SelectionType:$selection, Twilight_CacheType:$cache);
  let results = (outs Twilight_Buffer:$counts);
  let assemblyFormat = "$selection `,` $cache attr-dict `:` qualified(type($selection)) `,` qualified(type($cache)) `->` type($counts)";
  let hasVerifier = 1;
  let hasCanonicalizer = 1;
}

#endif
