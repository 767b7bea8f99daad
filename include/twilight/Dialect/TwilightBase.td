// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The dialect itself and its enumerations.

#ifndef TWILIGHT_DIALECT_BASE_TD
#define TWILIGHT_DIALECT_BASE_TD

include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/BuiltinAttributeInterfaces.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/OpBase.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def Twilight_Dialect : Dialect {
  let name = "twilight";
  let cppNamespace = "::twilight";
  let summary = "Adaptive sparse attention over a paged KV cache";
  let description = [{
    A decode step of attention as a pipeline: `select` keeps a generous set of candidate pages, `quantize_score`
    estimates their logits from quantised keys, `top_p` keeps the smallest set of tokens whose estimated mass reaches
    p, and `gather_attend` is exact attention over what was kept (Twilight, arXiv 2502.02770).

    Symbols: B sequences; Hq query heads, Hkv key/value heads, G = Hq / Hkv; D head dimension; P tokens a page;
    N_b tokens cached for sequence b (ragged; may be 0).
  }];
  let useDefaultAttributePrinterParser = 1;
  let useDefaultTypePrinterParser = 1;
  let extraClassDeclaration = [{
    void registerTypes();
  }];
  let hasOperationAttrVerify = 1;
  let hasRegionArgAttrVerify = 1;
  let hasRegionResultAttrVerify = 1;
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::math::MathDialect"];
}

class Twilight_Enum<string name, string summary, list<I32EnumAttrCase> cases> : I32EnumAttr<name, summary, cases> {
  let cppNamespace = "::twilight";
  let genSpecializedAttr = 0;
}

def Twilight_Layout : Twilight_Enum<"Layout", "order of a page's axes", [
  I32EnumAttrCase<"HND", 0, "hnd">, I32EnumAttrCase<"NHD", 1, "nhd">]>;
def Twilight_Unit : Twilight_Enum<"Unit", "what the entries of a selection are", [
  I32EnumAttrCase<"Page", 0, "page">, I32EnumAttrCase<"Token", 1, "token">]>;
def Twilight_Lists : Twilight_Enum<"Lists", "what has a list of its own", [
  I32EnumAttrCase<"KvHead", 0, "kv_head">, I32EnumAttrCase<"QueryHead", 1, "query_head">]>;
def Twilight_SelectGroup : Twilight_Enum<"SelectGroup", "how a group's importances become one list", [
  I32EnumAttrCase<"Max", 0, "max">, I32EnumAttrCase<"Mean", 1, "mean">, I32EnumAttrCase<"PerHead", 2, "per_head">]>;
def Twilight_KeepGroup : Twilight_Enum<"KeepGroup", "how a group's kept sets become lists", [
  I32EnumAttrCase<"Union", 0, "union">, I32EnumAttrCase<"PerHead", 1, "per_head">]>;
def Twilight_KeepRule : Twilight_Enum<"KeepRule", "what the operand of top_p means", [
  I32EnumAttrCase<"Mass", 0, "mass">, I32EnumAttrCase<"Threshold", 1, "threshold">]>;
def Twilight_CachePart : Twilight_Enum<"CachePart", "one buffer of a cache", [
  I32EnumAttrCase<"KPages", 0, "k_pages">, I32EnumAttrCase<"VPages", 1, "v_pages">,
  I32EnumAttrCase<"Codes", 2, "codes">, I32EnumAttrCase<"Scale", 3, "scale">, I32EnumAttrCase<"Zero", 4, "zero">,
  I32EnumAttrCase<"Summary", 5, "summary">, I32EnumAttrCase<"PageTable", 6, "page_table">,
  I32EnumAttrCase<"SeqLens", 7, "seq_lens">]>;
// What an unscored unit is worth: a selector may look at keys, take everything, or take only the floors.
def Twilight_UnitRule : Twilight_Enum<"UnitRule", "where a selector's importances come from", [
  I32EnumAttrCase<"Scored", 0, "scored">, I32EnumAttrCase<"All", 1, "all">, I32EnumAttrCase<"Floors", 2, "floors">]>;

def Twilight_SelectGroupAttr : EnumAttr<Twilight_Dialect, Twilight_SelectGroup, "select_group">;
def Twilight_KeepGroupAttr : EnumAttr<Twilight_Dialect, Twilight_KeepGroup, "keep_group">;
def Twilight_KeepRuleAttr : EnumAttr<Twilight_Dialect, Twilight_KeepRule, "keep_rule">;
def Twilight_CachePartAttr : EnumAttr<Twilight_Dialect, Twilight_CachePart, "part">;

#endif
