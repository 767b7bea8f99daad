// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Ops that attend: gather_attend, attend, merge.

#ifndef TWILIGHT_DIALECT_ATTENDOPS_TD
#define TWILIGHT_DIALECT_ATTENDOPS_TD

include "twilight/Dialect/TwilightOpBase.td"

def Twilight_GatherAttendOp : Twilight_Op<"gather_attend", [Twilight_BufferEffects, AttrSizedResultSegments]> {
  let summary = "exact attention over a selection";
  let description = [{
    out[b, h] = sum_n softmax_n(s * q[b, h] . k_n) v_n over the tokens of h's list, from the full-precision keys and
    values, accumulated in f32. s is `softmax_scale`, 1 / sqrt(D) where it is not given.
    lse[b, h] = log sum_n exp(s * q . k_n), natural logarithm. counts[b, list] = tokens read.
    An empty list gives out = 0, lse = -inf, count 0. Keys and values outside the selection are never read into the
    result: NaN there does not matter.

    ```mlir
    !plain = !twilight.cache<kv_heads = 8, head_dim = 128, page_size = 16, bf16, hnd>
    func.func @attend_to(%q: tensor<?x32x128xbf16>, %cache: !plain, %kept: !twilight.selection<token>)
        -> (tensor<?x32x128xbf16>, tensor<?x32xf32>) {
      %out, %lse = twilight.gather_attend %q, %cache, %kept
          : tensor<?x32x128xbf16>, !plain, !twilight.selection<token> -> tensor<?x32x128xbf16> lse tensor<?x32xf32>
      return %out, %lse : tensor<?x32x128xbf16>, tensor<?x32xf32>
    }
    ```
  }];
  let arguments = (ins Twilight_Buffer:$q, Twilight_CacheType:$cache, Twilight_SelectionType:$selection,
                       OptionalAttr<F64Attr>:$softmax_scale);
  let results = (outs Twilight_Buffer:$out, Optional<Twilight_Buffer>:$lse, Optional<Twilight_Buffer>:$counts);
  let assemblyFormat = [{
    $q `,` $cache `,` $selection attr-dict `:` type($q) `,` qualified(type($cache)) `,` qualified(type($selection))
    `->` type($out) (`lse` type($lse)^)? (`counts` type($counts)^)?
  }];
  let hasVerifier = 1;
  let hasCanonicalizer = 1;
}

def Twilight_AttendOp : Twilight_Op<"attend", [Twilight_BufferEffects, AttrSizedResultSegments]> {
  let summary = "dense decode attention over the whole cache";
  let description = [{
    What `gather_attend` gives over every cached token; the baseline and the fall-back, and what
    `twilight-sparsify` starts from. `counts` is i32 [B, Hkv].

    On a GPU up to 32 thread blocks share one list; `twilight.splits = 8 : i64`, from 1 to 64, says another number.
    `twilight-choose-schedule` adds it where sizes are known.

    ```mlir
    !plain = !twilight.cache<kv_heads = 8, head_dim = 128, page_size = 16, bf16, hnd>
    func.func @dense(%q: tensor<?x32x128xbf16>, %cache: !plain) -> tensor<?x32x128xbf16> {
      %out = twilight.attend %q, %cache : tensor<?x32x128xbf16>, !plain -> tensor<?x32x128xbf16>
      return %out : tensor<?x32x128xbf16>
    }
    ```
  }];
  let arguments = (ins Twilight_Buffer:$q, Twilight_CacheType:$cache, OptionalAttr<F64Attr>:$softmax_scale);
  let results = (outs Twilight_Buffer:$out, Optional<Twilight_Buffer>:$lse, Optional<Twilight_Buffer>:$counts);
  let assemblyFormat = [{
    $q `,` $cache attr-dict `:` type($q) `,` qualified(type($cache))
    `->` type($out) (`lse` type($lse)^)? (`counts` type($counts)^)?
  }];
  let hasVerifier = 1;
  let hasCanonicalizer = 1;
}

def Twilight_MergeOp : Twilight_Op<"merge", [Twilight_BufferEffects, AllTypesMatch<["out_a", "out_b", "out"]>, AllTypesMatch<["lse_a", "lse_b", "lse"]>]> {
  let summary = "combine attention over two disjoint selections";
  let description = [{
    With m = max(lse_a, lse_b): lse = m + log(exp(lse_a - m) + exp(lse_b - m)) and
    out = exp(lse_a - lse) out_a + exp(lse_b - lse) out_b. Where one is empty (lse = -inf) the result is the other;
    where both are: out = 0, lse = -inf.

    ```mlir
    func.func @combine(%a: tensor<?x32x128xf32>, %la: tensor<?x32xf32>, %b: tensor<?x32x128xf32>, %lb: tensor<?x32xf32>)
        -> (tensor<?x32x128xf32>, tensor<?x32xf32>) {
      %out, %lse = twilight.merge %a, %la, %b, %lb : tensor<?x32x128xf32>, tensor<?x32xf32>
      return %out, %lse : tensor<?x32x128xf32>, tensor<?x32xf32>
    }
    ```
  }];
  let arguments = (ins Twilight_Buffer:$out_a, Twilight_Buffer:$lse_a, Twilight_Buffer:$out_b, Twilight_Buffer:$lse_b);
  let results = (outs Twilight_Buffer:$out, Twilight_Buffer:$lse);
  let assemblyFormat = "$out_a `,` $lse_a `,` $out_b `,` $lse_b attr-dict `:` type($out) `,` type($lse)";
  let hasVerifier = 1;
}

#endif
