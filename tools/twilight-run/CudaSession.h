// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// One call on a GPU: its device memory, stream and events, all given back at the end.

#ifndef TWILIGHT_TOOLS_TWILIGHT_RUN_CUDASESSION_H
#define TWILIGHT_TOOLS_TWILIGHT_RUN_CUDASESSION_H

#include "twilight/Pipelines/Engine.h"

#include "mlir/IR/Location.h"
#include "twilight-runtime/twilight_runtime.h"

namespace twilight::tool {

constexpr int32_t kCudaDevice = 0; ///< CUDA_VISIBLE_DEVICES says which one that is

int32_t toRuntime(DType dtype);
std::optional<DType> fromRuntime(int32_t dtype);

class CudaSession {
public:
  CudaSession(twilight_driver *driver, mlir::Location loc) : driver(driver), loc(loc) {}
  CudaSession(const CudaSession &) = delete;
  CudaSession &operator=(const CudaSession &) = delete;
  ~CudaSession();

  mlir::LogicalResult open();
  /// Turns a status of the runtime, with its message in `error`, into a diagnostic.
  mlir::LogicalResult check(twilight_status status);
  mlir::FailureOr<void *> allocate(size_t bytes);
  /// The tensor on the device; the description points to the host tensor's shape.
  mlir::FailureOr<twilight_tensor> upload(const Tensor &tensor);
  mlir::LogicalResult download(Tensor &tensor, const void *data);
  static twilight_tensor describe(const Tensor &tensor, void *data);
  /// Checks the values of page tables and lengths, launches, waits. Returns the seconds between first and last kernel.
  mlir::FailureOr<double> launch(twilight_artifact *artifact, const std::vector<twilight_tensor> &tensors);

  twilight_error error{};

private:
  twilight_driver *driver;
  mlir::Location loc;
  void *stream = nullptr;
  void *events[2] = {nullptr, nullptr};
  std::vector<void *> buffers;
};

} // namespace twilight::tool

#endif
