// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// An NVIDIA GPU as an engine.
//
// A function's manifest lists its arguments in order, then its results. A run copies every argument to the device,
// launches, and copies back the results and whatever is written in place.

#include "CudaEngine.h"
#include "CudaSession.h"

#include "twilight/Pipelines/Manifest.h"
#include "twilight/Pipelines/PtxPipeline.h"
#include "twilight/Target/TargetInfo.h"

#include "mlir/IR/Diagnostics.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace twilight;
using namespace twilight::tool;

/// The chip to compile for: the one that the device is, else the newest whose PTX later devices run too.
static StringRef chooseChip(int computeCapability) {
  StringRef chip;
  int newest = 0;
  for (const TargetInfo &target : allTargets()) {
    if (target.computeCapability == computeCapability)
      return target.chip;
    bool runsOnLater = std::isdigit(static_cast<unsigned char>(target.chip.back()));
    if (runsOnLater && newest < target.computeCapability && target.computeCapability < computeCapability) {
      newest = target.computeCapability;
      chip = target.chip;
    }
  }
  return chip;
}

llvm::Expected<std::unique_ptr<Engine>> CudaEngine::create(StringRef chip, const std::string &driverPath) {
  auto fail = [](const Twine &message) { return llvm::createStringError(llvm::inconvertibleErrorCode(), message); };
  std::unique_ptr<CudaEngine> engine(new CudaEngine());
  twilight_error error{};
  twilight_device_info info{};
  if (twilight_driver_open(driverPath.empty() ? nullptr : driverPath.c_str(), &engine->driver, &error) != TWILIGHT_OK ||
      twilight_device_get_info(engine->driver, kCudaDevice, &info, &error) != TWILIGHT_OK)
    return fail("--target=cuda: " + Twine(error.message));
  engine->chip = (chip.empty() ? chooseChip(10 * info.compute_major + info.compute_minor) : chip).str();
  if (engine->chip.empty())
    return fail("--target=cuda: the device '" + Twine(info.name) + "' of compute capability " +
                Twine(info.compute_major) + "." + Twine(info.compute_minor) +
                " is older than every chip that this compiler knows: " + targetNames());
  engine->device = std::string(info.name) + " (" + engine->chip + ")";
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
  options.fuse = false; // what is to be fused comes fused
  buildPtxPipeline(manager, options);
  if (failed(manager.run(*lowered)))
    return failure();
  auto pipelines = describePipelines(*lowered, chip, TWILIGHT_VERSION);
  if (failed(pipelines))
    return failure();
  for (const CompiledPipeline &pipeline : *pipelines) {
    std::string manifest = llvm::formatv("{0}", pipeline.manifest).str();
    twilight_error error{};
    if (twilight_artifact_load_text(driver, manifest.c_str(), pipeline.ptx.c_str(), kCudaDevice,
                                    &artifacts[pipeline.name], &error) != TWILIGHT_OK)
      return emitError(module.getLoc()) << "loading @" << pipeline.name << ": " << error.message;
  }
  return success();
}

/// Adds a slot for each result, of the shape that the arguments give it, with memory on the device. `results` points to
/// none of its own memory but through `tensors`: neither is resized afterwards.
static LogicalResult addResults(CudaSession &session, const twilight_artifact *artifact,
                                std::vector<twilight_tensor> &tensors, std::vector<Tensor> &results) {
  size_t first = tensors.size();
  tensors.resize(std::max<size_t>(first, twilight_artifact_argument_count(artifact)));
  results.resize(tensors.size() - first);
  for (size_t i = first; i < tensors.size(); ++i) {
    auto index = static_cast<int32_t>(i), count = static_cast<int32_t>(tensors.size());
    twilight_argument_info info{};
    int64_t shape[TWILIGHT_MAX_RANK];
    int32_t rank = 0;
    if (failed(session.check(twilight_artifact_argument(artifact, index, &info, &session.error))) ||
        failed(session.check(
            twilight_artifact_output_shape(artifact, tensors.data(), count, index, shape, &rank, &session.error))))
      return failure();
    Tensor &result = results[i - first];
    result = Tensor::zeros(*fromRuntime(info.dtype), ArrayRef(shape, rank));
    FailureOr<void *> data = session.allocate(result.bytes.size());
    if (failed(data))
      return failure();
    tensors[i] = CudaSession::describe(result, *data);
  }
  return success();
}

FailureOr<std::vector<Tensor>> CudaEngine::run(StringRef function, ArrayRef<Tensor *> arguments) {
  Location loc = UnknownLoc::get(context);
  twilight_artifact *artifact = artifacts.lookup(function);
  if (!artifact)
    return emitError(loc) << "@" << function
                          << " has no kernels: expected a function with ops of the dialect to compute";
  CudaSession session(driver, loc);
  if (failed(session.open()))
    return failure();

  std::vector<twilight_tensor> tensors;
  std::vector<Tensor> results;
  for (Tensor *argument : arguments) {
    FailureOr<twilight_tensor> tensor = session.upload(*argument);
    if (failed(tensor))
      return failure();
    tensors.push_back(*tensor);
  }
  if (failed(addResults(session, artifact, tensors, results)))
    return failure();
  FailureOr<double> seconds = session.launch(artifact, tensors);
  if (failed(seconds))
    return failure();
  lastSeconds = *seconds;

  for (size_t i = 0; i < tensors.size(); ++i) {
    bool isResult = i >= arguments.size();
    twilight_argument_info info{};
    if (failed(session.check(twilight_artifact_argument(artifact, static_cast<int32_t>(i), &info, &session.error))))
      return failure();
    if (!isResult && info.kind != TWILIGHT_INOUT)
      continue;
    if (failed(session.download(isResult ? results[i - arguments.size()] : *arguments[i], tensors[i].data)))
      return failure();
  }
  return results;
}
