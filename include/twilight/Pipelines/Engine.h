// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Running compiled functions: tensors in host memory in, tensors in host memory out, whatever the target.

#ifndef TWILIGHT_PIPELINES_ENGINE_H
#define TWILIGHT_PIPELINES_ENGINE_H

#include "mlir/IR/BuiltinOps.h"

#include <memory>
#include <vector>

namespace twilight {

/// Element types that cross the border of a function; U8 and I8 are both i8 inside.
enum class DType { F16, BF16, F32, I32, I64, U8, I8, F8E5M2 };

size_t getByteSize(DType dtype);
llvm::StringRef getName(DType dtype); ///< "F16", as safetensors files spell it
std::optional<DType> parseDType(llvm::StringRef name);
std::optional<DType> getDType(mlir::Type element); ///< i8 is U8
mlir::Type getElementType(DType dtype, mlir::MLIRContext *context);

/// A dense, row-major tensor in host memory. Rank 0 is a scalar.
struct Tensor {
  DType dtype = DType::F32;
  llvm::SmallVector<int64_t> shape;
  std::vector<char> bytes;

  static Tensor zeros(DType dtype, llvm::ArrayRef<int64_t> shape);
  int64_t numElements() const;
  /// One element as a double, by its place in row-major order.
  double at(int64_t index) const;
  template <typename T>
  T *data() {
    return reinterpret_cast<T *>(bytes.data());
  }
  template <typename T>
  const T *data() const {
    return reinterpret_cast<const T *>(bytes.data());
  }
};

/// What runs a module's functions on one target.
class Engine {
public:
  virtual ~Engine() = default;

  /// Compiles the public functions of a module of the dialect; the module is left as it is. Their arguments and results
  /// are tensors, memrefs and scalars. Errors go to the context's diagnostics.
  virtual mlir::LogicalResult compile(mlir::ModuleOp module) = 0;

  /// Calls a function: one tensor for each argument, of its element type and static sizes (the caller has checked), of
  /// rank 0 for a scalar. Arguments that the function changes in place are changed. Errors go to the diagnostics.
  virtual mlir::FailureOr<std::vector<Tensor>> run(llvm::StringRef function, llvm::ArrayRef<Tensor *> arguments) = 0;

  /// What the functions run on, for people: "NVIDIA H100 80GB HBM3 (sm_90a)".
  virtual std::string getDevice() const = 0;

  /// Seconds that the last call's own code took, without copies to and from a device.
  double getLastSeconds() const { return lastSeconds; }

protected:
  double lastSeconds = 0;
};

} // namespace twilight

#endif
