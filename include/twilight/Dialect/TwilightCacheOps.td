// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Ops that make, change and read a cache.

#ifndef TWILIGHT_DIALECT_CACHEOPS_TD
#define TWILIGHT_DIALECT_CACHEOPS_TD

include "twilight/Dialect/TwilightOpBase.td"

def Twilight_AssembleCacheOp : Twilight_Op<"assemble_cache", [Twilight_BufferEffects, AttrSizedOperandSegments]> {
  let summary = "make a cache value from its buffers";
  let description = [{
    Names the buffers of a paged cache; nothing is copied. Memrefs that something else than `append` writes must be
    assembled anew afterwards. Which buffers there must be, their shapes and element types
    follow from the cache type (see `!twilight.cache`); a size that belongs to the pool or to the batch may be dynamic.

    Errors: a missing or superfluous part, a wrong shape or element type; the message names the part.

    ```mlir
    func.func @assemble(%k: tensor<?x8x16x128xbf16>, %v: tensor<?x8x16x128xbf16>, %table: tensor<?x?xi32>,
                        %lens: tensor<?xi32>) {
      %cache = twilight.assemble_cache k_pages(%k : tensor<?x8x16x128xbf16>) v_pages(%v : tensor<?x8x16x128xbf16>)
          page_table(%table : tensor<?x?xi32>) seq_lens(%lens : tensor<?xi32>)
          -> !twilight.cache<kv_heads = 8, head_dim = 128, page_size = 16, bf16, hnd>
      return
    }
    ```
  }];
  let arguments = (ins Twilight_Buffer:$k_pages, Twilight_Buffer:$v_pages, Optional<Twilight_Buffer>:$codes,
                       Optional<Twilight_Buffer>:$scale, Optional<Twilight_Buffer>:$zero,
                       Optional<Twilight_Buffer>:$summary, Twilight_Buffer:$page_table, Twilight_Buffer:$seq_lens);
  let results = (outs Twilight_CacheType:$cache);
  let assemblyFormat = [{
    `k_pages` `(` $k_pages `:` type($k_pages) `)` `v_pages` `(` $v_pages `:` type($v_pages) `)`
    (`codes` `(` $codes^ `:` type($codes) `)`)? (`scale` `(` $scale^ `:` type($scale) `)`)?
    (`zero` `(` $zero^ `:` type($zero) `)`)? (`summary` `(` $summary^ `:` type($summary) `)`)?
    `page_table` `(` $page_table `:` type($page_table) `)` `seq_lens` `(` $seq_lens `:` type($seq_lens) `)`
    attr-dict `->` qualified(type($cache))
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// The operand that holds a part; null where the cache lacks it.
    ::mlir::Value getPartOperand(CachePart part);
  }];
}

def Twilight_CachePartOp : Twilight_Op<"cache_part", [Pure]> {
  let summary = "read one buffer of a cache";
  let description = [{
    The reverse of `assemble_cache` for one part. After `append` it gives the changed buffer.

    Errors: the cache has no such part, or the result's type is not the part's.

    ```mlir
    func.func @lengths(%cache: !twilight.cache<kv_heads = 8, head_dim = 128, page_size = 16, bf16, hnd>)
        -> tensor<?xi32> {
      %lens = twilight.cache_part seq_lens of %cache
          : !twilight.cache<kv_heads = 8, head_dim = 128, page_size = 16, bf16, hnd> -> tensor<?xi32>
      return %lens : tensor<?xi32>
    }
    ```
  }];
  let arguments = (ins Twilight_CachePartAttr:$part, Twilight_CacheType:$cache);
  let results = (outs Twilight_Buffer:$buffer);
  let assemblyFormat = "$part `of` $cache attr-dict `:` qualified(type($cache)) `->` type($buffer)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def Twilight_AppendOp : Twilight_Op<"append", [AllTypesMatch<["cache", "result"]>]> {
  let summary = "write new tokens into a cache";
  let description = [{
    Writes the keys and values of T new tokens of each sequence at positions N_b, N_b + 1, ..., brings codes, scale,
    zero and summary of the touched pages up to date in the same pass, and raises seq_lens. The buffers are changed in
    place; the result is the cache with its new contents, and reads must go through it. `new_lens` (i32 [B]) says how
    many of the T rows count for each sequence (default: all). The page table must already hold pages for the new
    positions, and a page that is written must not be shared with another sequence.

    Appending one token at a time gives, bit for bit, what appending them all at once gives.

    ```mlir
    !plain = !twilight.cache<kv_heads = 8, head_dim = 128, page_size = 16, bf16, hnd>
    func.func @append(%cache: !plain, %k: tensor<?x1x8x128xbf16>, %v: tensor<?x1x8x128xbf16>) -> !plain {
      %next = twilight.append %cache, %k, %v : !plain, tensor<?x1x8x128xbf16>, tensor<?x1x8x128xbf16>
      return %next : !plain
    }
    ```
  }];
  let arguments = (ins Arg<Twilight_CacheType, "changed in place", [MemRead, MemWrite]>:$cache, Twilight_Buffer:$k,
                       Twilight_Buffer:$v, Optional<Twilight_Buffer>:$new_lens);
  let results = (outs Twilight_CacheType:$result);
  let assemblyFormat = [{
    $cache `,` $k `,` $v (`new_lens` `(` $new_lens^ `:` type($new_lens) `)`)? attr-dict
    `:` qualified(type($cache)) `,` type($k) `,` type($v)
  }];
  let hasVerifier = 1;
}

#endif
