// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// One call on a GPU: its device memory, stream and events, all given back at the end.

#include "CudaSession.h"

#include "mlir/IR/Diagnostics.h"

using namespace mlir;
using namespace twilight;
using namespace twilight::tool;

int32_t tool::toRuntime(DType dtype) {
  switch (dtype) {
  case DType::F16:
    return TWILIGHT_F16;
  case DType::BF16:
    return TWILIGHT_BF16;
  case DType::F32:
    return TWILIGHT_F32;
  case DType::I32:
    return TWILIGHT_I32;
  case DType::F8E5M2:
    return TWILIGHT_F8E5M2;
  default:
    return TWILIGHT_I8; // the manifest knows no i64: the launch says which argument is wrong
  }
}

std::optional<DType> tool::fromRuntime(int32_t dtype) {
  for (DType candidate : {DType::F16, DType::BF16, DType::F32, DType::I32, DType::U8, DType::F8E5M2})
    if (toRuntime(candidate) == dtype)
      return candidate;
  return std::nullopt;
}

CudaSession::~CudaSession() {
  for (void *buffer : buffers)
    twilight_memory_free(driver, kCudaDevice, buffer, nullptr);
  for (void *event : events)
    if (event)
      twilight_event_destroy(driver, kCudaDevice, event, nullptr);
  if (stream)
    twilight_stream_destroy(driver, kCudaDevice, stream, nullptr);
}

LogicalResult CudaSession::check(twilight_status status) {
  return status == TWILIGHT_OK ? success() : LogicalResult(emitError(loc) << error.message);
}

LogicalResult CudaSession::open() {
  if (failed(check(twilight_stream_create(driver, kCudaDevice, &stream, &error))))
    return failure();
  for (void *&event : events)
    if (failed(check(twilight_event_create(driver, kCudaDevice, &event, &error))))
      return failure();
  return success();
}

FailureOr<void *> CudaSession::allocate(size_t bytes) {
  void *data = nullptr;
  if (failed(check(twilight_memory_alloc(driver, kCudaDevice, bytes, &data, &error))))
    return failure();
  buffers.push_back(data);
  return data;
}

FailureOr<twilight_tensor> CudaSession::upload(const Tensor &tensor) {
  FailureOr<void *> data = allocate(tensor.bytes.size());
  if (failed(data) || failed(check(twilight_memory_write(driver, kCudaDevice, *data, tensor.bytes.data(),
                                                         tensor.bytes.size(), stream, &error))))
    return failure();
  return describe(tensor, *data);
}

LogicalResult CudaSession::download(Tensor &tensor, const void *data) {
  return check(
      twilight_memory_read(driver, kCudaDevice, tensor.bytes.data(), data, tensor.bytes.size(), stream, &error));
}

twilight_tensor CudaSession::describe(const Tensor &tensor, void *data) {
  auto rank = static_cast<int32_t>(tensor.shape.size());
  return {data, toRuntime(tensor.dtype), rank, tensor.shape.data(), nullptr, kCudaDevice};
}

FailureOr<double> CudaSession::launch(twilight_artifact *artifact, const std::vector<twilight_tensor> &tensors) {
  auto count = static_cast<int32_t>(tensors.size());
  size_t bytes = 0;
  if (failed(check(twilight_artifact_workspace_bytes(artifact, tensors.data(), count, &bytes, &error))))
    return failure();
  FailureOr<void *> workspace = allocate(bytes);
  if (failed(workspace) ||
      failed(check(twilight_memory_fill(driver, kCudaDevice, *workspace, 0,
                                        twilight_artifact_workspace_zeroed_bytes(artifact), stream, &error))) ||
      failed(check(twilight_artifact_check_values(artifact, tensors.data(), count, stream, &error))) ||
      failed(check(twilight_event_record(driver, kCudaDevice, events[0], stream, &error))) ||
      failed(check(twilight_artifact_launch(artifact, tensors.data(), count, *workspace, bytes, stream, &error))) ||
      failed(check(twilight_event_record(driver, kCudaDevice, events[1], stream, &error))) ||
      failed(check(twilight_stream_synchronize(driver, kCudaDevice, stream, &error))))
    return failure();
  float milliseconds = 0;
  if (failed(check(twilight_event_elapsed(driver, kCudaDevice, events[0], events[1], &milliseconds, &error))))
    return failure();
  return milliseconds / 1e3;
}
