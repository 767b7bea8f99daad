// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Artifact.h"

#include "Arguments.h"

#include <cstring>
#include <string_view>

namespace twilight::runtime {

namespace {

// The word after a directive such as ".version" at the start of a line; empty where there is none.
std::string_view directive(std::string_view ptx, std::string_view name) {
  for (size_t line = 0; line < ptx.size();) {
    std::string_view rest = ptx.substr(line);
    if (rest.substr(0, name.size()) == name) {
      rest.remove_prefix(name.size());
      size_t begin = rest.find_first_not_of(" \t");
      size_t end = rest.find_first_of(" \t\r\n,", begin);
      return begin == std::string_view::npos ? std::string_view() : rest.substr(begin, end - begin);
    }
    size_t next = ptx.find('\n', line);
    line = next == std::string_view::npos ? ptx.size() : next + 1;
  }
  return {};
}

} // namespace

Artifact::Artifact(std::shared_ptr<Driver> driver, Manifest manifest, const char *ptx, int device,
                   const std::string &source)
    : cudaDriver(std::move(driver)), contents(std::move(manifest)), ordinal(device) {
  if (ordinal == -1)
    ordinal = cudaDriver->currentDevice();
  cudaDriver->checkOrdinal(ordinal);
  checkDevice(source);
  checkPtx(ptx, source);
  cudaContext = cudaDriver->contextFor(ordinal);
  ScopedContext scope(*cudaDriver, cudaContext);
  loadModule(ptx, source);
  try {
    for (size_t i = 0; i < contents.kernels.size(); ++i)
      loadKernel(i, source);
  } catch (...) {
    cudaDriver->functions().moduleUnload(module);
    throw;
  }
  for (const Argument &argument : contents.arguments)
    shapeTexts.push_back(shapeText(contents, argument));
}

Artifact::~Artifact() {
  guarded(nullptr, [&] {
    ScopedContext scope(*cudaDriver, cudaContext);
    cudaDriver->functions().moduleUnload(module);
  });
}

void Artifact::checkDevice(const std::string &source) {
  int major = cudaDriver->attribute(cuda::ComputeCapabilityMajor, ordinal);
  int minor = cudaDriver->attribute(cuda::ComputeCapabilityMinor, ordinal);
  if (!contents.chip.runsOn(major, minor))
    fail(TWILIGHT_ERROR_WRONG_CHIP, "artifact ", source, " is compiled for ", contents.chipName, ", expected ",
         contents.chip.requirement(), ", found device ", ordinal, " (", cudaDriver->deviceName(ordinal),
         ") with compute capability ", major, ".", minor, "; compile the pipeline for that chip");
  int required = requiredDriverVersion(contents.ptxVersion);
  if (cudaDriver->version() < required)
    fail(TWILIGHT_ERROR_DRIVER_TOO_OLD, "artifact ", source, " holds PTX ", contents.ptxVersion.major, ".",
         contents.ptxVersion.minor, ", expected a driver of CUDA ", driverVersionText(required),
         " or later, found one of CUDA ", driverVersionText(cudaDriver->version()),
         "; update the NVIDIA driver, or compile for an older PTX version");

  maximumGrid = {cudaDriver->attribute(cuda::MaxGridDimX, ordinal), cudaDriver->attribute(cuda::MaxGridDimY, ordinal),
                 cudaDriver->attribute(cuda::MaxGridDimZ, ordinal)};
  maximumSharedBytes = cudaDriver->attribute(cuda::MaxSharedMemoryPerBlockOptin, ordinal);
  dependentLaunch = major >= 9; // before Hopper the attribute does nothing

  bool needsLaunchEx = false;
  for (const Kernel &kernel : contents.kernels)
    needsLaunchEx |= kernel.clusterBlocks() > 1 || kernel.cooperative || (kernel.dependentLaunch && dependentLaunch);
  if (needsLaunchEx && !cudaDriver->functions().launchKernelEx)
    fail(TWILIGHT_ERROR_DRIVER_TOO_OLD, "artifact ", source,
         " has a kernel with a cluster, a cooperative or a dependent launch, expected a driver of CUDA 11.8 or later, "
         "found one of CUDA ",
         driverVersionText(cudaDriver->version()), "; update the NVIDIA driver");
  for (const Kernel &kernel : contents.kernels)
    if (kernel.cooperative && !cudaDriver->attribute(cuda::CooperativeLaunchSupported, ordinal))
      fail(TWILIGHT_ERROR_WRONG_CHIP, "kernel '", kernel.name, "' of ", source,
           " is launched cooperatively, which device ", ordinal, " (", cudaDriver->deviceName(ordinal),
           ") cannot do; compile the pipeline with spread = 1 in its schedule");
}

void Artifact::checkPtx(const char *ptx, const std::string &source) const {
  std::string_view version = directive(ptx, ".version"), target = directive(ptx, ".target");
  if (version.empty() || target.empty())
    fail(TWILIGHT_ERROR_BAD_ARTIFACT, "the PTX of ", source,
         ": expected .version and .target, found neither or one; the file is no PTX or is cut: compile again");
  std::string expected = text(contents.ptxVersion.major, ".", contents.ptxVersion.minor);
  if (version != expected || target != contents.chipName)
    fail(TWILIGHT_ERROR_BAD_ARTIFACT, "the PTX of ", source, ": expected version ", expected, " for ",
         contents.chipName, " as its manifest says, found version ", version, " for ", target,
         "; the two files are not of the same compilation: compile again");
}

void Artifact::loadModule(const char *ptx, const std::string &source) {
  char log[8192] = {};
  cuda::JitOption options[] = {cuda::JitErrorLogBuffer, cuda::JitErrorLogBufferSizeBytes};
  // The driver takes a size in the place of a pointer.
  void *values[] = {log, reinterpret_cast<void *>(sizeof(log) - 1)}; // NOLINT(performance-no-int-to-ptr)
  cuda::Result result = cudaDriver->functions().moduleLoadDataEx(&module, ptx, 2, options, values);
  const char *separator = log[0] ? "; the driver's log: " : "";
  switch (result) {
  case cuda::UnsupportedPtxVersion: {
    int required = requiredDriverVersion(contents.ptxVersion);
    fail(TWILIGHT_ERROR_DRIVER_TOO_OLD, "artifact ", source, " holds PTX ", contents.ptxVersion.major, ".",
         contents.ptxVersion.minor, ", which needs a driver ",
         required ? "of CUDA " + driverVersionText(required) + " or later" : "newer than this one",
         ", found one of CUDA ", driverVersionText(cudaDriver->version()),
         "; update the NVIDIA driver, or compile for an older PTX version", separator, log);
  }
  case cuda::NoBinaryForGpu:
  case cuda::InvalidImage:
  case cuda::InvalidPtx:
  case cuda::InvalidSource:
    fail(TWILIGHT_ERROR_BAD_ARTIFACT, "the PTX of ", source, " does not load: ", cudaDriver->describe(result),
         separator, log, separator, *separator ? "compile again" : "; compile again");
  case cuda::JitCompilerNotFound:
    cudaDriver->check(result, "cuModuleLoadDataEx",
                      "the driver's PTX compiler, libnvidia-ptxjitcompiler.so, is missing: install it");
    break;
  default:
    cudaDriver->check(result, "cuModuleLoadDataEx", log);
  }
}

void Artifact::loadKernel(size_t index, const std::string &source) {
  const Kernel &kernel = contents.kernels[index];
  const DriverFunctions &cu = cudaDriver->functions();
  LoadedKernel &loaded = kernels.emplace_back();
  cuda::Result result = cu.moduleGetFunction(&loaded.function, module, kernel.name.c_str());
  if (result == cuda::NotFound)
    fail(TWILIGHT_ERROR_BAD_ARTIFACT, "the PTX of ", source, ": expected a kernel '", kernel.name,
         "' as the manifest says, found none; the two files are not of the same compilation: compile again");
  cudaDriver->check(result, "cuModuleGetFunction");

  auto attribute = [&](cuda::FunctionAttribute which) {
    int value = 0;
    cudaDriver->check(cu.funcGetAttribute(&value, which, loaded.function), "cuFuncGetAttribute");
    return value;
  };
  loaded.registers = attribute(cuda::NumRegs);
  loaded.spillBytes = attribute(cuda::LocalSizeBytes);
  loaded.staticSharedBytes = attribute(cuda::SharedSizeBytes);
  loaded.dynamicSharedLimit = attribute(cuda::MaxDynamicSharedSizeBytes);
  int threads = attribute(cuda::MaxThreadsPerBlock);
  if (kernel.threads() > static_cast<unsigned>(threads))
    fail(TWILIGHT_ERROR_BAD_ARTIFACT, "kernel '", kernel.name, "' of ", source, ": expected a block of at most ",
         threads, " threads (its registers or its PTX allow no more), found ", kernel.threads(),
         "; lower the threads of its schedule, or compile again");
  checkParameters(index, source);
  if (kernel.sharedBytes.isConstant())
    allowSharedBytes(index, kernel.sharedBytes.value(), TWILIGHT_ERROR_BAD_ARTIFACT);
  if (kernel.clusterBlocks() > 8) // what every chip with clusters has; more is a matter of asking
    cudaDriver->check(cu.funcSetAttribute(loaded.function, cuda::NonPortableClusterSizeAllowed, 1),
                      "cuFuncSetAttribute", "this device has no clusters of that size: lower it in the schedule");
}

// Else a manifest with too few arguments would have the driver read past ours.
void Artifact::checkParameters(size_t index, const std::string &source) const {
  const Kernel &kernel = contents.kernels[index];
  auto getParamInfo = cudaDriver->functions().funcGetParamInfo;
  if (!getParamInfo)
    return;
  for (size_t i = 0; i <= kernel.arguments.size(); ++i) {
    size_t offset = 0, size = 0;
    cuda::Result result = getParamInfo(kernels[index].function, i, &offset, &size);
    size_t expected = result == cuda::Success ? size : 0;
    if (result != cuda::Success && result != cuda::InvalidValue)
      return;
    size_t found = i < kernel.arguments.size() ? kernel.arguments[i].bytes() : 0;
    if (expected != found)
      fail(TWILIGHT_ERROR_BAD_ARTIFACT, "kernel '", kernel.name, "' of ", source, ": expected ", expected,
           " bytes for argument ", i, " as in the PTX, found ", found, " in the manifest (0: there is none)",
           "; the two files are not of the same compilation: compile again");
  }
}

void Artifact::allowSharedBytes(size_t index, int64_t bytes, twilight_status statusIfTooMuch) {
  LoadedKernel &loaded = kernels[index];
  if (bytes >= 0 && bytes <= loaded.dynamicSharedLimit.load(std::memory_order_relaxed))
    return;
  const std::string &name = contents.kernels[index].name;
  if (bytes < 0 || bytes > maximumSharedBytes - loaded.staticSharedBytes)
    fail(statusIfTooMuch, "kernel '", name, "' asks for ", bytes, " bytes of dynamic shared memory beside ",
         loaded.staticSharedBytes, " static ones, expected 0 to ", maximumSharedBytes - loaded.staticSharedBytes,
         " on device ", ordinal, "; lower the tiles of its schedule, or pass smaller shapes");
  std::lock_guard<std::mutex> lock(sharedMutex);
  if (bytes <= loaded.dynamicSharedLimit)
    return;
  cudaDriver->check(cudaDriver->functions().funcSetAttribute(loaded.function, cuda::MaxDynamicSharedSizeBytes,
                                                             static_cast<int>(bytes)),
                    "cuFuncSetAttribute");
  loaded.dynamicSharedLimit = bytes;
}

} // namespace twilight::runtime
