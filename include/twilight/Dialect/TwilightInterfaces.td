// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Attribute interfaces: what a third party implements to add a selector, a page summary or a budget.

#ifndef TWILIGHT_DIALECT_INTERFACES_TD
#define TWILIGHT_DIALECT_INTERFACES_TD

include "mlir/IR/OpBase.td"

def Twilight_SummaryAttrInterface : AttrInterface<"SummaryAttrInterface"> {
  let cppNamespace = "::twilight";
  let description = [{
    What is stored for each page and kv head so that a selector can rank the page without reading its keys: R rows of
    D numbers, each a reduction over the page's tokens, channel by channel. The reduction is given as scalar code
    (`init`, `accumulate` for one key element, `finish`), so that `append` can be lowered to any target from it.
    All values are f32.

    Rows of element type i8 are coded: number = scale * code + zero, with a scale and a zero (f32) for each row, which
    lie behind the rows: R * D codes, then R pairs of scale and zero, then nothing up to a multiple of 16 bytes.
  }];
  let methods = [
    InterfaceMethod<"Rows stored for a page.", "unsigned", "getNumRows">,
    InterfaceMethod<"Element type of the stored rows.", "::mlir::Type", "getElementType">,
    InterfaceMethod<"Whether codes of a row (of element type i8) are rounded up, else down.", "bool", "roundsUp",
      (ins "unsigned":$row), "", "return false;">,
    InterfaceMethod<"Accumulators before the first token.", "::llvm::SmallVector<::mlir::Value>", "init",
      (ins "::mlir::OpBuilder &":$builder, "::mlir::Location":$loc)>,
    InterfaceMethod<"Accumulators after one more key element `x`.", "::llvm::SmallVector<::mlir::Value>",
      "accumulate",
      (ins "::mlir::OpBuilder &":$builder, "::mlir::Location":$loc, "::mlir::ValueRange":$accumulators,
           "::mlir::Value":$x)>,
    InterfaceMethod<"The R rows' values from the accumulators.", "::llvm::SmallVector<::mlir::Value>", "finish",
      (ins "::mlir::OpBuilder &":$builder, "::mlir::Location":$loc, "::mlir::ValueRange":$accumulators)>
  ];
}

def Twilight_SelectorAttrInterface : AttrInterface<"SelectorAttrInterface"> {
  let cppNamespace = "::twilight";
  let description = [{
    How a page gets its importance for one query head. A selector is a small number of *terms*; each term is a dot
    product of the page's summary rows with the query, transformed element by element:

      term_t = sum_r sum_d summary[r, d] * transform_query(q[d], t, r);  importance = combine_terms(term_0, ...)

    Both hooks are scalar f32 code. Every lowering follows from them: loops on the CPU, tensor-core products on a GPU.
    A third party adds a selector by implementing this interface; no pass knows selectors by name.
  }];
  let methods = [
    InterfaceMethod<"Whether importances come from the summary, or every unit or only the floors are taken.",
      "::twilight::UnitRule", "getUnitRule">,
    InterfaceMethod<[{Checks that the cache's summary (may be null) is one this selector can read.}],
      "::llvm::LogicalResult", "verifySummary",
      (ins "::llvm::function_ref<::mlir::InFlightDiagnostic()>":$emitError, "::mlir::Attribute":$summary)>,
    InterfaceMethod<"Checks that pages of this many tokens are what the selector can rank.",
      "::llvm::LogicalResult", "verifyPageSize",
      (ins "::llvm::function_ref<::mlir::InFlightDiagnostic()>":$emitError, "int64_t":$pageSize), "",
      "return ::mlir::success();">,
    InterfaceMethod<"Number of dot-product terms.", "unsigned", "getNumTerms", (ins), "", "return 0;">,
    InterfaceMethod<[{The coefficient of summary row `row` in term `term` for one query element `q` (f32). A null
      value says that the row does not take part in the term.}],
      "::mlir::Value", "transformQuery",
      (ins "::mlir::OpBuilder &":$builder, "::mlir::Location":$loc, "::mlir::Value":$q, "unsigned":$term,
           "unsigned":$row), "", "return {};">,
    InterfaceMethod<[{Whether `transform_query` gives only values that q's own type holds exactly. Where it does
      not, a 16-bit lowering splits the coefficient into two parts.}],
      "bool", "isTransformExact", (ins "unsigned":$term, "unsigned":$row), "", "return false;">,
    InterfaceMethod<"The importance (f32) from the terms' values (f32).", "::mlir::Value", "combineTerms",
      (ins "::mlir::OpBuilder &":$builder, "::mlir::Location":$loc, "::mlir::ValueRange":$terms), "",
      "return terms.front();">
  ];
}

def Twilight_BudgetAttrInterface : AttrInterface<"BudgetAttrInterface"> {
  let cppNamespace = "::twilight";
  let description = [{
    How many units a selection keeps. Given as code over i32 values, so that the number is computed on the device
    from the sequence's own length.
  }];
  let methods = [
    InterfaceMethod<"Whether every unit is kept whatever their number.", "bool", "keepsAll", (ins), "",
      "return false;">,
    InterfaceMethod<"Checks the budget's own numbers.", "::llvm::LogicalResult", "verifyBudget",
      (ins "::llvm::function_ref<::mlir::InFlightDiagnostic()>":$emitError), "", "return ::mlir::success();">,
    InterfaceMethod<[{The number of units kept of `units` (i32 or index, the result has the same type; may exceed
      `units`, never 0 for units > 0).}],
      "::mlir::Value", "buildCount",
      (ins "::mlir::OpBuilder &":$builder, "::mlir::Location":$loc, "::mlir::Value":$units,
           "int64_t":$pageSize)>
  ];
}

#endif
