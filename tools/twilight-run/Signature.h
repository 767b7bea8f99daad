// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// What a function takes and gives, by the public names of its arguments and results.

#ifndef TWILIGHT_TOOLS_TWILIGHT_RUN_SIGNATURE_H
#define TWILIGHT_TOOLS_TWILIGHT_RUN_SIGNATURE_H

#include "twilight/Dialect/Twilight.h"
#include "twilight/Pipelines/Engine.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/Support/Error.h"

namespace twilight::tool {

/// One argument or result.
struct Port {
  std::string name;
  mlir::Type type;
  DType dtype;
  bool isBuffer;                          ///< a tensor or memref; otherwise a scalar
  bool isChanged;                         ///< a memref that the function may write to
  llvm::SmallVector<int64_t> shape;       ///< ShapedType::kDynamic where open
  llvm::SmallVector<std::string> symbols; ///< a name for each open size; the same name means the same size
};

struct Signature {
  mlir::func::FuncOp function;
  std::vector<Port> arguments, results;

  /// Index of the argument or result of a name, -1 where there is none.
  int findArgument(llvm::StringRef name) const;
  int findResult(llvm::StringRef name) const;
};

/// The function called `name`, or the module's only public one where `name` is empty.
llvm::Expected<mlir::func::FuncOp> findFunction(mlir::ModuleOp module, llvm::StringRef name);
llvm::Expected<Signature> readSignature(mlir::func::FuncOp function);

/// Index of the argument that a value is, -1 for any other value.
int getArgumentIndex(mlir::func::FuncOp function, mlir::Value value);

/// The text of a type.
std::string toText(mlir::Type type);

} // namespace twilight::tool

#endif
