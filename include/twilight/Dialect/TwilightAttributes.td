// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Attributes: selectors, page summaries, budgets, code formats.

#ifndef TWILIGHT_DIALECT_ATTRIBUTES_TD
#define TWILIGHT_DIALECT_ATTRIBUTES_TD

include "twilight/Dialect/TwilightBase.td"
include "twilight/Dialect/TwilightInterfaces.td"

class Twilight_Attr<string name, string attrMnemonic, list<Trait> traits = []> : AttrDef<Twilight_Dialect, name, traits> {
  let mnemonic = attrMnemonic;
}

//===-- Page summaries ---------------------------------------------------------------------------------------===//

class Twilight_SummaryAttr<string name, string attrMnemonic, list<string> more = []> : Twilight_Attr<name, attrMnemonic, [
    DeclareAttrInterfaceMethods<Twilight_SummaryAttrInterface, !listconcat(["init", "accumulate", "finish", "getNumRows"], more)>]> {
  let assemblyFormat = "`<` $elementType `>`";
  let genVerifyDecl = 1;
}

def Twilight_MinMaxAttr : Twilight_SummaryAttr<"MinMax", "min_max", ["roundsUp"]> {
  let parameters = (ins "::mlir::Type":$elementType);
  let summary = "bounds of a page's keys";
  let description = [{
    Two rows for each page and kv head: row 0 the minimum and row 1 the maximum of every channel over the page's
    tokens, stored as `elementType` (f16, bf16, f32, f8E5M2 or i8). What `#twilight.quest` reads.

    In f8E5M2, for half the bytes, minima are rounded down and maxima up, so that bounds stay bounds. Beyond 57344 a
    bound is infinite and reads as 65504, the largest f16 number, since 0 times it must be 0: keys of f16 are bounded
    whatever they are, those of bf16 and f32 up to there.

    In i8, each row has a scale and a zero, f32, and a bound is scale * code + zero, rounded once: code is 0 to 255,
    zero = min_d and scale = (max_d - min_d) / 255 over the row's D bounds, the quotient raised by 2^-22 of itself (0
    where they are all the same). A minimum's code is the largest that is not above it, a maximum's the least that is
    not below it, so that bounds stay bounds. A row with a bound that is not finite has scale NaN: its page ranks last.
    The part `summary` is then [pages, Hkv, 2 * D + 16] bytes: the codes of the minima, of the maxima, and scale and
    zero of each, so that a page's bounds are read as one piece.

    GPU kernels read all of them but f32.

    ```mlir
    #bounds = #twilight.min_max<bf16>
    #small = #twilight.min_max<f8E5M2>
    #coded = #twilight.min_max<i8>
    ```
  }];
}

def Twilight_MeanVarAttr : Twilight_SummaryAttr<"MeanVar", "mean_var"> {
  let parameters = (ins "::mlir::Type":$elementType);
  let summary = "mean and population variance of a page's keys";
  let description = [{
    Two rows for each page and kv head: row 0 the mean and row 1 the population variance of every channel over the
    page's tokens (Welford's recurrence in f32, tokens in order), stored as `elementType` (f16, bf16 or f32). What
    `#twilight.mean_std` reads.

    ```mlir
    #spread = #twilight.mean_var<f16>
    ```
  }];
}

//===-- Selectors --------------------------------------------------------------------------------------------===//

def Twilight_FullAttr : Twilight_Attr<"Full", "full",
    [DeclareAttrInterfaceMethods<Twilight_SelectorAttrInterface, ["getUnitRule", "verifySummary"]>]> {
  let summary = "every cached token is a candidate";
  let description = [{Reads no summary. The budget must be `#twilight.all`.}];
}

def Twilight_WindowAttr : Twilight_Attr<"Window", "window",
    [DeclareAttrInterfaceMethods<Twilight_SelectorAttrInterface, ["getUnitRule", "verifySummary"]>]> {
  let summary = "the first `sink` and the last `recent` tokens (StreamingLLM)";
  let description = [{
    Keeps exactly the pages that hold a token of the op's floors `sink` and `recent`. Reads no summary. The budget must
    be `#twilight.all`, and at least one of the floors must be set.
  }];
}

def Twilight_QuestAttr : Twilight_Attr<"Quest", "quest",
    [DeclareAttrInterfaceMethods<Twilight_SelectorAttrInterface,
      ["getUnitRule", "verifySummary", "getNumTerms", "transformQuery", "isTransformExact"]>]> {
  let summary = "an upper bound of the page's logits (Quest, arXiv 2406.10774)";
  let description = [{
    importance = sum_d max(q_d * min_d, q_d * max_d) over the page's key bounds, computed as one dot product:
    sum_d min_d * min(q_d, 0) + max_d * max(q_d, 0). Needs a cache with `summary = #twilight.min_max<...>`.
  }];
}

def Twilight_OneParameter : DefaultValuedParameter<"::mlir::FloatAttr", "::mlir::Builder($_ctxt).getF64FloatAttr(1.0)">;

def Twilight_MeanStdAttr : Twilight_Attr<"MeanStd", "mean_std",
    [DeclareAttrInterfaceMethods<Twilight_SelectorAttrInterface,
      ["getUnitRule", "verifySummary", "getNumTerms", "transformQuery", "isTransformExact", "combineTerms"]>]> {
  let summary = "mean logit of the page plus c standard deviations";
  let description = [{
    importance = q . mean + c * sqrt(sum_d q_d^2 * var_d); c is finite, 1.0 where it is not given. Needs a cache with
    `summary = #twilight.mean_var<...>`.

    ```mlir
    #selector = #twilight.mean_std<c = 1.5>
    ```
  }];
  let parameters = (ins Twilight_OneParameter:$c);
  let assemblyFormat = "(`<` `c` `=` custom<Decimal>($c)^ `>`)?";
  let genVerifyDecl = 1;
}

//===-- Budgets ----------------------------------------------------------------------------------------------===//

class Twilight_BudgetAttr<string name, string attrMnemonic, list<string> methods> : Twilight_Attr<name, attrMnemonic,
    [DeclareAttrInterfaceMethods<Twilight_BudgetAttrInterface, methods>]>;

def Twilight_FractionAttr : Twilight_BudgetAttr<"Fraction", "fraction", ["buildCount", "keepsAll", "verifyBudget"]> {
  let summary = "a fraction of the units";
  let description = [{
    k = max(1, ceil(f * units)). f is in (0, 1] and is taken in millionths (F = round(f * 10^6)), so that the ceiling
    is computed in integers and is the same everywhere: k = max(1, ceildiv(F * units, 10^6)).

    ```mlir
    #budget = #twilight.fraction<0.25>
    ```
  }];
  let parameters = (ins "::mlir::FloatAttr":$value);
  let assemblyFormat = "`<` custom<Decimal>($value) `>`";
  let extraClassDeclaration = [{
    /// The fraction in millionths.
    int64_t getMillionths() const;
  }];
}

def Twilight_TokensAttr : Twilight_BudgetAttr<"Tokens", "tokens", ["buildCount", "verifyBudget"]> {
  let summary = "a number of tokens";
  let description = [{k = ceil(tokens / P) pages.}];
  let parameters = (ins "int64_t":$value);
  let assemblyFormat = "`<` $value `>`";
}

def Twilight_AllAttr : Twilight_BudgetAttr<"All", "all", ["buildCount", "keepsAll"]> {
  let summary = "no limit";
  let description = [{k = units.}];
}

//===-- Quantised keys ---------------------------------------------------------------------------------------===//

def Twilight_CodesAttr : Twilight_Attr<"Codes", "codes"> {
  let summary = "format of a cache's quantised keys";
  let description = [{
    Asymmetric codes for each token and kv head: zero = min_d k and scale = (max_d k - min_d k) / (2^bits - 1), both
    stored as f16; code = clamp(round_half_even((k - zero) / scale), 0, 2^bits - 1), with the stored zero and scale.
    A constant row has scale 0 and code 0. `bits` is 2, 4 or 8.

    A row's codes lie in the order of the dims, the lower dim in the lower bits of a byte, so head_dim * bits must be a
    multiple of 8 (it is: head_dim is):

    | bits | codes a byte | byte j of a row |
    |---|---|---|
    | 2 | 4 | dims 4j, 4j + 1, 4j + 2, 4j + 3 in bits 0-1, 2-3, 4-5, 6-7 |
    | 4 | 2 | dims 2j, 2j + 1 in bits 0-3, 4-7 |
    | 8 | 1 | dim j |

    With `blocked`, scales and zeros lie behind the codes: `codes` has one row of bytes for each page and kv head, its P
    rows of codes, then P scales, then P zeros, and the parts `scale` and `zero` do not exist. What is read of a page
    then lies together (in arrays of their own, a page's scales are half of what the memory fetches for them). Blocked
    codes need pages of 4 tokens or more.

    With `planes`, a code's two high bits and its two low bits lie apart: code = 4 * high + low. A page of a kv head
    holds the high planes of its P tokens, D / 4 bytes each, then the low planes likewise; a plane's row has the order of
    codes of 2 bits. The buffer has the shape and size that it has without, only its bytes mean something else, and
    scales, zeros and `blocked` are as above. High planes alone are a coarser code, of half the bytes: see `fine` of
    `twilight.quantize_score`. Planes need `bits = 4`.

    ```mlir
    #format = #twilight.codes<bits = 4>
    #coarse = #twilight.codes<bits = 2>
    #together = #twilight.codes<bits = 4, blocked>
    #progressive = #twilight.codes<bits = 4, planes>
    #both = #twilight.codes<bits = 4, blocked, planes>
    ```
  }];
  let parameters = (ins "unsigned":$bits, DefaultValuedParameter<"bool", "false">:$blocked,
                        DefaultValuedParameter<"bool", "false">:$planes);
  let assemblyFormat = "`<` `bits` `=` custom<BitsAndLayout>($bits, $blocked, $planes) `>`";
  let genVerifyDecl = 1;
}

#endif
