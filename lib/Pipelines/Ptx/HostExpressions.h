// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Index arithmetic of a launching function as the expressions of a manifest.

#ifndef TWILIGHT_LIB_PIPELINES_PTX_HOSTEXPRESSIONS_H
#define TWILIGHT_LIB_PIPELINES_PTX_HOSTEXPRESSIONS_H

#include "mlir/Dialect/Func/IR/FuncOps.h"

#include "llvm/Support/JSON.h"

namespace twilight {

class HostExpressions {
public:
  explicit HostExpressions(mlir::func::FuncOp func);

  /// Public name of an argument.
  llvm::StringRef nameOf(unsigned argument) const { return names[argument]; }
  /// A dimension of an argument: a number or a symbol.
  llvm::json::Value dimOf(unsigned argument, int64_t dimension);
  /// An integer value as an expression; an error at its op where it has none.
  mlir::FailureOr<llvm::json::Value> express(mlir::Value value);
  /// A pointer: {"pointer": name}, or {"workspace": expression} into the last argument.
  mlir::FailureOr<llvm::json::Value> pointer(mlir::Value value);

private:
  mlir::func::FuncOp func;
  llvm::SmallVector<std::string> names;
  llvm::DenseMap<mlir::Value, llvm::json::Value> known;
};

} // namespace twilight

#endif
