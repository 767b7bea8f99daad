// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Ops of fusion: fused and its yield.

#ifndef TWILIGHT_DIALECT_FUSIONOPS_TD
#define TWILIGHT_DIALECT_FUSIONOPS_TD

include "twilight/Dialect/TwilightOpBase.td"
include "twilight/Dialect/TwilightScheduleAttr.td"
include "mlir/Interfaces/ControlFlowInterfaces.td"
include "mlir/IR/OpAsmInterface.td"

def Twilight_FusedOp : Twilight_Op<"fused", [
    Twilight_BufferEffects, IsolatedFromAbove, SingleBlock,
    DeclareOpInterfaceMethods<OpAsmOpInterface, ["getAsmBlockArgumentNames"]>]> {
  let summary = "a pipeline that is lowered as a whole";
  let description = [{
    Means what its region means: the ops inside, over the operands that the region's arguments stand for; the results
    are what `twilight.yield` names. `twilight-fuse` makes it. `schedule` says how it runs on a GPU; where there is
    none, and on the CPU, the ops inside are lowered one by one.

    `dense_below(N)`: a sequence of fewer than N cached tokens attends to all of them, as `twilight.attend` does, and
    its counts (of tokens read, and of any selection) are its length. The others run the pipeline. It is decided on the
    device, from each sequence's own length, so a batch may mix both.

    The region holds twilight ops that change nothing, among them one that attends (`gather_attend`, or the `attend`
    that a canonical form made of it), and `arith.constant`. With `dense_below` every selection comes from a `select`
    of the same cache in the region, and only results of attention and counts are yielded.

    Errors: another op in the region, none that attends, an argument whose type is not its operand's, yielded types
    that are not the results', `dense_below` that is not positive or whose selections come from elsewhere.

    ```mlir
    !cache = !twilight.cache<kv_heads = 8, head_dim = 128, page_size = 16, bf16, hnd, codes = <bits = 4>,
                             summary = #twilight.min_max<bf16>>
    func.func @fused(%query: tensor<?x32x128xbf16>, %kv: !cache, %mass: f32)
        -> (tensor<?x32x128xbf16>, tensor<?x8xi32>) {
      %out, %counts = twilight.fused (%q = %query : tensor<?x32x128xbf16>, %cache = %kv : !cache, %p = %mass : f32)
          schedule(<block, cluster = 2>) dense_below(2048) {
        %pages = twilight.select %q, %cache selector(#twilight.quest) budget(#twilight.fraction<0.25>)
            : tensor<?x32x128xbf16>, !cache -> !twilight.selection<page>
        %scores = twilight.quantize_score %q, %cache, %pages
            : tensor<?x32x128xbf16>, !cache, !twilight.selection<page> -> !twilight.scores
        %kept = twilight.top_p %scores, %p : !twilight.scores, f32 -> !twilight.selection<token>
        %o, %n = twilight.gather_attend %q, %cache, %kept
            : tensor<?x32x128xbf16>, !cache, !twilight.selection<token>
            -> tensor<?x32x128xbf16> counts tensor<?x8xi32>
        twilight.yield %o, %n : tensor<?x32x128xbf16>, tensor<?x8xi32>
      } : tensor<?x32x128xbf16>, tensor<?x8xi32>
      return %out, %counts : tensor<?x32x128xbf16>, tensor<?x8xi32>
    }
    ```
  }];
  let arguments = (ins Variadic<AnyType>:$inputs, OptionalAttr<Twilight_ScheduleAttr>:$schedule,
                       OptionalAttr<I64Attr>:$dense_below);
  let results = (outs Variadic<AnyType>:$outputs);
  let regions = (region SizedRegion<1>:$body);
  let hasCustomAssemblyFormat = 1;
  let hasRegionVerifier = 1;
  let hasCanonicalizer = 1;
  let extraClassDeclaration = [{
    YieldOp getYield();
    /// What a value of the region is outside of it: an argument's operand. Null for what is computed inside.
    ::mlir::Value getOutside(::mlir::Value inside);
  }];
}

def Twilight_YieldOp : Twilight_Op<"yield", [Pure, ReturnLike, Terminator, HasParent<"FusedOp">]> {
  let summary = "what a fused op gives";
  let description = [{Ends the region of `twilight.fused`; its operands are that op's results.}];
  let arguments = (ins Variadic<AnyType>:$values);
  let assemblyFormat = "($values^ `:` type($values))? attr-dict";
}

#endif
