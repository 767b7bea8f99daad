// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Ops that treat short and long sequences of a batch differently: split_by_length, add_lengths.

#ifndef TWILIGHT_DIALECT_LENGTHOPS_TD
#define TWILIGHT_DIALECT_LENGTHOPS_TD

include "twilight/Dialect/TwilightOpBase.td"

def Twilight_SplitByLengthOp : Twilight_Op<"split_by_length", [
    Pure, AllTypesMatch<["cache", "shorter", "longer"]>]> {
  let summary = "the short and the long sequences of a cache";
  let description = [{
    Two caches that share every buffer but seq_lens, which is masked:

      shorter.seq_lens[b] = N_b < below ? N_b : 0;  longer.seq_lens[b] = N_b < below ? 0 : N_b

    So each sequence is whole in one of them and empty in the other, and `twilight.merge` of what two ways of attending
    give over one each is, bit for bit, what the right way gives. It is decided on the device; the batch may mix both.
    Both are for reading: append to the cache itself, before.

    Errors: `below` not positive; an append to a result.

    ```mlir
    !plain = !twilight.cache<kv_heads = 8, head_dim = 128, page_size = 16, bf16, hnd>
    func.func @split(%cache: !plain) -> (!plain, !plain) {
      %shorter, %longer = twilight.split_by_length %cache below(2048) : !plain
      return %shorter, %longer : !plain, !plain
    }
    ```
  }];
  let arguments = (ins Twilight_CacheType:$cache, I64Attr:$below);
  let results = (outs Twilight_CacheType:$shorter, Twilight_CacheType:$longer);
  let assemblyFormat = "$cache `below` `(` $below `)` attr-dict `:` qualified(type($cache))";
  let hasVerifier = 1;
}

def Twilight_AddLengthsOp : Twilight_Op<"add_lengths", [
    Twilight_BufferEffects, AllTypesMatch<["counts", "result"]>]> {
  let summary = "counts, with the lengths of a cache's sequences added";
  let description = [{
    result[b, list] = counts[b, list] + N_b. With counts over the longer sequences of a batch and the cache of the
    shorter ones (`twilight.split_by_length`): counts where the shorter attend to every token.

    ```mlir
    // given %counts: tensor<?x8xi32>, %cache: !plain
    !plain = !twilight.cache<kv_heads = 8, head_dim = 128, page_size = 16, bf16, hnd>
    %all = twilight.add_lengths %counts, %cache : tensor<?x8xi32>, !plain
    ```
  }];
  let arguments = (ins Twilight_Buffer:$counts, Twilight_CacheType:$cache);
  let results = (outs Twilight_Buffer:$result);
  let assemblyFormat = "$counts `,` $cache attr-dict `:` type($counts) `,` qualified(type($cache))";
  let hasVerifier = 1;
}

#endif
