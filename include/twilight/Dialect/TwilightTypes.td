// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Types: a paged cache, a selection, scores.

#ifndef TWILIGHT_DIALECT_TYPES_TD
#define TWILIGHT_DIALECT_TYPES_TD

include "twilight/Dialect/TwilightAttributes.td"

def Twilight_ListsParameter : EnumParameter<Twilight_Lists> {
  let defaultValue = "::twilight::Lists::KvHead";
}

class Twilight_Type<string name, string typeMnemonic> : TypeDef<Twilight_Dialect, name> {
  let mnemonic = typeMnemonic;
}

def Twilight_CacheType : Twilight_Type<"Cache", "cache"> {
  let summary = "a paged KV cache of one layer";
  let description = [{
    One value that stands for all buffers of a cache; the parameters are their layout.

    | part | shape | element |
    |---|---|---|
    | `k_pages`, `v_pages` | `hnd`: [pages, Hkv, P, D], `nhd`: [pages, P, Hkv, D] | `elementType` |
    | `codes` (if `codes` is given) | [pages, Hkv, P, D * bits / 8] | i8 |
    | `scale`, `zero` (with `codes`) | [pages, Hkv, P] | f16 |
    | `codes` that are `blocked`, with scales and zeros | [pages, Hkv, P * (D * bits / 8 + 4)] | i8 |
    | `codes` in `planes` | as without: a page's bytes hold P rows of high planes, then P of low planes | i8 |
    | `summary` (if `summary` is given) | [pages, Hkv, R, D] | the summary's |
    | the same of element type i8 | [pages, Hkv, R * D + 8 * R, up to a multiple of 16] | i8 |
    | `page_table` | [B, max_pages], entry i = physical page of logical page i | i32 |
    | `seq_lens` | [B], tokens cached | i32 |

    Physical pages may be shared between sequences and lie in any order.

    ```mlir
    !cache = !twilight.cache<kv_heads = 8, head_dim = 128, page_size = 16, bf16, hnd, codes = <bits = 4>,
                             summary = #twilight.min_max<bf16>>
    ```
  }];
  let parameters = (ins "int64_t":$kvHeads, "int64_t":$headDim, "int64_t":$pageSize, "::mlir::Type":$elementType,
                        "::twilight::Layout":$layout, OptionalParameter<"::twilight::CodesAttr">:$codes,
                        OptionalParameter<"::mlir::Attribute">:$summary);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// Whether a cache of this type has the part.
    bool hasPart(CachePart part) const;
    /// The shape and element type of a part; dynamic where the size belongs to the pool or the batch.
    ::mlir::RankedTensorType getPartType(CachePart part) const;
    /// The parts a cache of this type has, in the order of the enumeration.
    ::llvm::SmallVector<CachePart> getParts() const;
    /// The summary through its interface; null where the cache has none.
    ::twilight::SummaryAttrInterface getSummaryInterface() const;
    /// Bytes of a token's codes for one kv head.
    int64_t getCodeRowBytes() const;
    /// Whether a page's summary is coded: rows of bytes, with their scales and zeros behind them.
    bool hasCodedSummary() const;
    /// Bytes of a page's summary for one kv head.
    int64_t getSummaryBytes() const;
    /// The same cache with codes and summary replaced.
    CacheType withDerived(CodesAttr codes, ::mlir::Attribute summary) const;
  }];
}

def Twilight_SelectionType : Twilight_Type<"Selection", "selection"> {
  let summary = "which pages or tokens take part, a list for each head";
  let description = [{
    For each sequence and kv head (or query head, with `query_head`) an ascending list of logical pages or token
    positions, and its length. The lists live in fixed worst-case buffers; entries past the length are unspecified.

    ```mlir
    !pages = !twilight.selection<page>
    !tokens_per_query_head = !twilight.selection<token, query_head>
    ```
  }];
  let parameters = (ins EnumParameter<Twilight_Unit>:$unit,
                        Twilight_ListsParameter:$lists);
  let assemblyFormat = "`<` $unit (`,` $lists^)? `>`";
}

def Twilight_ScoresType : Twilight_Type<"Scores", "scores"> {
  let summary = "estimated logits of the candidate tokens";
  let description = [{
    Logits of each query head for the tokens of a page selection, together with that selection. Tokens past the end of
    a sequence do not exist in it. Logits are f32, or f16 to halve the bytes between the ops that write and read them.

    ```mlir
    !plain = !twilight.scores
    !half = !twilight.scores<f16>
    !half_per_query_head = !twilight.scores<query_head, f16>
    ```
  }];
  let parameters = (ins Twilight_ListsParameter:$lists, "::mlir::Type":$elementType);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
}

#endif
