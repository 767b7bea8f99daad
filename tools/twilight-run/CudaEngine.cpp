// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// An NVIDIA GPU as an engine.
//
// A function's manifest lists its arguments in order, then its results. A run copies every argument to the device,
// launches, and copies back the results and whatever is written in place.

#include "CudaEngine.h"

#include "twilight/Pipelines/Manifest.h"
#include "twilight/Pipelines/PtxPipeline.h"
#include "twilight/Target/TargetInfo.h"

#include "mlir/IR/Diagnostics.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace twilight;
using namespace twilight::tool;

namespace {

constexpr int32_t kDevice = 0;

int32_t toRuntime(DType dtype) {
  switch (dtype) {
  case DType::F16:
    return TWILIGHT_F16;
  case DType::BF16:
    return TWILIGHT_BF16;
  case DType::F32:
    return TWILIGHT_F32;
  case DType::I32:
    return TWILIGHT_I32;
  default:
    return TWILIGHT_I8; // the manifest knows no i64: the launch says which argument is wrong
  }
}

std::optional<DType> fromRuntime(int32_t dtype) {
  for (DType candidate : {DType::F16, DType::BF16, DType::F32, DType::I32, DType::U8})
    if (toRuntime(candidate) == dtype)
      return candidate;
  return std::nullopt;
}

/// Memory, a stream and two events on the device, for one call.
class Session {
public:
  Session(twilight_driver *driver, Location loc) : driver(driver), loc(loc) {}
  ~Session() {
    for (void *buffer : buffers)
      twilight_memory_free(driver, kDevice, buffer, nullptr);
    for (void *event : events)
      if (event)
        twilight_event_destroy(driver, kDevice, event, nullptr);
    if (stream)
      twilight_stream_destroy(driver, kDevice, stream, nullptr);
  }

  LogicalResult check(twilight_status status) {
    return status == TWILIGHT_OK ? success() : LogicalResult(emitError(loc) << error.message);
  }
  LogicalResult open() {
    if (failed(check(twilight_stream_create(driver, kDevice, &stream, &error))))
      return failure();
    for (void *&event : events)
      if (failed(check(twilight_event_create(driver, kDevice, &event, &error))))
        return failure();
    return success();
  }
  FailureOr<void *> allocate(size_t bytes) {
    void *data = nullptr;
    if (failed(check(twilight_memory_alloc(driver, kDevice, bytes, &data, &error))))
      return failure();
    buffers.push_back(data);
    return data;
  }
  /// The tensor on the device; its shape stays the host tensor's.
  FailureOr<twilight_tensor> upload(const Tensor &tensor) {
    FailureOr<void *> data = allocate(tensor.bytes.size());
    if (failed(data) || failed(check(twilight_memory_write(driver, kDevice, *data, tensor.bytes.data(),
                                                           tensor.bytes.size(), stream, &error))))
      return failure();
    return describe(tensor, *data);
  }
  LogicalResult download(Tensor &tensor, const void *data) {
    return check(twilight_memory_read(driver, kDevice, tensor.bytes.data(), data, tensor.bytes.size(), stream, &error));
  }
  static twilight_tensor describe(const Tensor &tensor, void *data) {
    return {data,   toRuntime(tensor.dtype), static_cast<int32_t>(tensor.shape.size()), tensor.shape.data(), nullptr,
            kDevice};
  }

  twilight_driver *driver;
  Location loc;
  void *stream = nullptr;
  void *events[2] = {nullptr, nullptr};
  std::vector<void *> buffers;
  twilight_error error{};
};

} // namespace

llvm::Expected<std::unique_ptr<Engine>> CudaEngine::create(StringRef chip) {
  auto fail = [](const Twine &message) { return llvm::createStringError(llvm::inconvertibleErrorCode(), message); };
  std::unique_ptr<CudaEngine> engine(new CudaEngine());
  twilight_error error{};
  twilight_device_info info{};
  if (twilight_driver_open(nullptr, &engine->driver, &error) != TWILIGHT_OK ||
      twilight_device_get_info(engine->driver, kDevice, &info, &error) != TWILIGHT_OK)
    return fail("--target=cuda: " + Twine(error.message));
  engine->chip = chip.str();
  for (const TargetInfo &target : allTargets())
    if (chip.empty() && target.computeCapability == 10 * info.compute_major + info.compute_minor)
      engine->chip = std::string(target.chip);
  if (engine->chip.empty())
    return fail("--target=cuda: the device '" + Twine(info.name) + "' of compute capability " +
                Twine(info.compute_major) + "." + Twine(info.compute_minor) +
                " is none that this compiler knows; name one of " + targetNames() + " with --chip");
  return engine;
}

CudaEngine::~CudaEngine() {
  freeArtifacts();
  twilight_driver_close(driver);
}

void CudaEngine::freeArtifacts() {
  for (auto &artifact : artifacts)
    twilight_artifact_free(artifact.getValue());
  artifacts.clear();
}

LogicalResult CudaEngine::compile(ModuleOp module) {
  context = module.getContext();
  freeArtifacts();
  OwningOpRef<ModuleOp> lowered = module.clone();
  PassManager manager(context);
  PtxPipelineOptions options;
  options.chip = chip;
  buildPtxPipeline(manager, options);
  if (failed(manager.run(*lowered)))
    return failure();
  auto pipelines = describePipelines(*lowered, chip, TWILIGHT_VERSION);
  if (failed(pipelines))
    return failure();
  for (const CompiledPipeline &pipeline : *pipelines) {
    std::string manifest = llvm::formatv("{0}", pipeline.manifest).str();
    twilight_error error{};
    if (twilight_artifact_load_text(driver, manifest.c_str(), pipeline.ptx.c_str(), kDevice, &artifacts[pipeline.name],
                                    &error) != TWILIGHT_OK)
      return emitError(module.getLoc()) << "loading @" << pipeline.name << ": " << error.message;
  }
  return success();
}

FailureOr<std::vector<Tensor>> CudaEngine::run(StringRef function, ArrayRef<Tensor *> arguments) {
  Location loc = UnknownLoc::get(context);
  twilight_artifact *artifact = artifacts.lookup(function);
  if (!artifact)
    return emitError(loc) << "@" << function
                          << " has no kernels: expected a function with ops of the dialect to compute";
  Session session(driver, loc);
  if (failed(session.open()))
    return failure();

  // Arguments first, then one slot for each result.
  std::vector<twilight_tensor> tensors;
  for (Tensor *argument : arguments) {
    FailureOr<twilight_tensor> tensor = session.upload(*argument);
    if (failed(tensor))
      return failure();
    tensors.push_back(*tensor);
  }
  tensors.resize(std::max<size_t>(tensors.size(), twilight_artifact_argument_count(artifact)));
  auto count = static_cast<int32_t>(tensors.size());
  std::vector<Tensor> results(tensors.size() - arguments.size()); // not resized below: tensors point into it
  for (size_t i = arguments.size(); i < tensors.size(); ++i) {
    twilight_argument_info info{};
    int64_t shape[TWILIGHT_MAX_RANK];
    int32_t rank = 0;
    if (failed(session.check(twilight_artifact_argument(artifact, i, &info, &session.error))) ||
        failed(session.check(
            twilight_artifact_output_shape(artifact, tensors.data(), count, i, shape, &rank, &session.error))))
      return failure();
    Tensor &result = results[i - arguments.size()] = Tensor::zeros(*fromRuntime(info.dtype), ArrayRef(shape, rank));
    FailureOr<void *> data = session.allocate(result.bytes.size());
    if (failed(data))
      return failure();
    tensors[i] = Session::describe(result, *data);
  }

  size_t bytes = 0;
  if (failed(session.check(twilight_artifact_workspace_bytes(artifact, tensors.data(), count, &bytes, &session.error))))
    return failure();
  FailureOr<void *> workspace = session.allocate(bytes);
  float milliseconds = 0;
  if (failed(workspace) ||
      failed(
          session.check(twilight_event_record(driver, kDevice, session.events[0], session.stream, &session.error))) ||
      failed(session.check(twilight_artifact_launch(artifact, tensors.data(), count, *workspace, bytes, session.stream,
                                                    &session.error))) ||
      failed(
          session.check(twilight_event_record(driver, kDevice, session.events[1], session.stream, &session.error))) ||
      failed(session.check(twilight_stream_synchronize(driver, kDevice, session.stream, &session.error))) ||
      failed(session.check(twilight_event_elapsed(driver, kDevice, session.events[0], session.events[1], &milliseconds,
                                                  &session.error))))
    return failure();
  lastSeconds = milliseconds / 1e3;

  for (size_t i = 0; i < tensors.size(); ++i) {
    twilight_argument_info info{};
    twilight_artifact_argument(artifact, i, &info, nullptr);
    bool isResult = i >= arguments.size();
    if (!isResult && info.kind != TWILIGHT_INOUT)
      continue;
    if (failed(session.download(isResult ? results[i - arguments.size()] : *arguments[i], tensors[i].data)))
      return failure();
  }
  return results;
}
