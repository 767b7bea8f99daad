// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "fake_cuda.h"

#include "../../lib/Runtime/CudaTypes.h"

#include <cstdio>
#include <cstdlib>

using namespace twilight::runtime;
using cuda::Result;

#define FAKE extern "C" __attribute__((visibility("default")))

// Handles are small numbers, device pointers are integers: as in the real driver.
// NOLINTBEGIN(performance-no-int-to-ptr)

namespace {

FakeCuda &state() {
  static FakeCuda instance = [] {
    FakeCuda initial;
    if (const char *capability = std::getenv("FAKE_CUDA_CAPABILITY")) {
      char *dot = nullptr;
      initial.computeMajor = static_cast<int>(std::strtol(capability, &dot, 10));
      initial.computeMinor = static_cast<int>(std::strtol(dot + (*dot == '.'), nullptr, 10));
    }
    return initial;
  }();
  return instance;
}

Result done(const char *call, int result = 0) {
  state().calls.push_back(call);
  return static_cast<Result>(result);
}

size_t typeBytes(const std::string &type) {
  return type == ".u64" || type == ".b64" || type == ".s64" || type == ".f64" ? 8 : 4;
}

// ".entry name(.param .u64 a, .param .f32 b)": what the tests' PTX looks like.
[[maybe_unused]] void parseKernels(const std::string &ptx) {
  for (size_t at = ptx.find(".entry "); at != std::string::npos; at = ptx.find(".entry ", at + 1)) {
    size_t open = ptx.find('(', at), close = ptx.find(')', at);
    FakeKernel kernel;
    kernel.name = ptx.substr(at + 7, open - at - 7);
    std::string parameters = ptx.substr(open, close - open);
    for (size_t p = parameters.find(".param "); p != std::string::npos; p = parameters.find(".param ", p + 1))
      kernel.parameters.push_back(typeBytes(parameters.substr(p + 7, 4)));
    state().kernels.push_back(kernel);
  }
}

FakeKernel &kernelOf(cuda::Function function) { return state().kernels[reinterpret_cast<uintptr_t>(function) - 1]; }

void *current() { return state().contextStack.empty() ? nullptr : state().contextStack.back(); }

void log(const FakeLaunch &launch) {
  const char *path = std::getenv("FAKE_CUDA_LOG");
  FILE *file = path ? std::fopen(path, "a") : nullptr;
  if (!file)
    return;
  std::fprintf(file, "%s grid %ux%ux%u block %ux%ux%u shared %u arguments %zu\n", launch.kernel.c_str(), launch.grid[0],
               launch.grid[1], launch.grid[2], launch.block[0], launch.block[1], launch.block[2], launch.sharedBytes,
               launch.arguments.size());
  std::fclose(file);
}

[[maybe_unused]] Result record(FakeLaunch launch, cuda::Function function, void **arguments) {
  FakeKernel &kernel = kernelOf(function);
  launch.kernel = kernel.name;
  launch.context = current();
  for (size_t i = 0; i < kernel.parameters.size(); ++i) {
    auto *bytes = static_cast<uint8_t *>(arguments[i]);
    launch.arguments.emplace_back(bytes, bytes + kernel.parameters[i]);
  }
  int index = static_cast<int>(state().launches.size());
  if (state().launchResult && index == state().failingLaunch)
    return done("cuLaunchKernel", state().launchResult);
  if (static_cast<int>(launch.sharedBytes) > kernel.dynamicSharedLimit)
    return done("cuLaunchKernel", cuda::InvalidValue);
  log(launch);
  state().launches.push_back(launch);
  return done("cuLaunchKernel");
}

} // namespace

FAKE FakeCuda *fake_cuda_state() { return &state(); }

FAKE Result cuInit(unsigned) { return static_cast<Result>(state().initResult); }
FAKE Result cuDriverGetVersion(int *version) {
  *version = state().driverVersion;
  return cuda::Success;
}

#ifndef FAKE_CUDA_ANCIENT // the ancient one has nothing more

FAKE Result cuGetErrorName(Result result, const char **name) {
  *name = result == cuda::UnsupportedPtxVersion ? "CUDA_ERROR_UNSUPPORTED_PTX_VERSION" : "CUDA_ERROR_OF_THE_FAKE";
  return cuda::Success;
}
FAKE Result cuGetErrorString(Result, const char **text) {
  *text = "what the fake was told to say";
  return cuda::Success;
}
FAKE Result cuDeviceGetCount(int *count) {
  *count = state().deviceCount;
  return cuda::Success;
}
FAKE Result cuDeviceGet(int *device, int ordinal) {
  *device = ordinal;
  return ordinal < state().deviceCount ? cuda::Success : cuda::InvalidDevice;
}
FAKE Result cuDeviceGetName(char *name, int size, int) {
  std::strncpy(name, "Fake GPU", size);
  return cuda::Success;
}
FAKE Result cuDeviceGetAttribute(int *value, cuda::DeviceAttribute attribute, int) {
  switch (attribute) {
  case cuda::MaxGridDimX:
    *value = 2147483647;
    break;
  case cuda::MaxGridDimY:
  case cuda::MaxGridDimZ:
    *value = 65535;
    break;
  case cuda::MultiprocessorCount:
    *value = 132;
    break;
  case cuda::L2CacheSize:
    *value = 50 << 20;
    break;
  case cuda::ComputeCapabilityMajor:
    *value = state().computeMajor;
    break;
  case cuda::ComputeCapabilityMinor:
    *value = state().computeMinor;
    break;
  case cuda::CooperativeLaunchSupported:
    *value = state().cooperativeLaunch;
    break;
  case cuda::MaxSharedMemoryPerBlockOptin:
    *value = state().maximumSharedBytes;
    break;
  }
  return cuda::Success;
}
FAKE Result cuDeviceTotalMem_v2(size_t *bytes, int) {
  *bytes = size_t(80) << 30;
  return cuda::Success;
}
FAKE Result cuDevicePrimaryCtxRetain(void **context, int device) {
  *context = fakePrimaryContext(device);
  ++state().primaryRetained;
  return cuda::Success;
}
FAKE Result cuDevicePrimaryCtxRelease_v2(int) {
  --state().primaryRetained;
  return cuda::Success;
}
FAKE Result cuCtxGetCurrent(void **context) {
  *context = current();
  return cuda::Success;
}
FAKE Result cuCtxPushCurrent_v2(void *context) {
  state().contextStack.push_back(context);
  return cuda::Success;
}
FAKE Result cuCtxPopCurrent_v2(void **context) {
  *context = current();
  state().contextStack.pop_back();
  return cuda::Success;
}
FAKE Result cuCtxGetDevice(int *device) {
  *device = current() == fakePrimaryContext(1) ? 1 : 0;
  return cuda::Success;
}
FAKE Result cuModuleLoadDataEx(void **module, const void *image, unsigned count, cuda::JitOption *options,
                               void **values) {
  const std::string &log = state().jitLog;
  if (count == 2 && options[0] == cuda::JitErrorLogBuffer && options[1] == cuda::JitErrorLogBufferSizeBytes)
    std::strncpy(static_cast<char *>(values[0]), log.c_str(), reinterpret_cast<size_t>(values[1]));
  if (state().moduleLoadResult)
    return done("cuModuleLoadDataEx", state().moduleLoadResult);
  parseKernels(static_cast<const char *>(image));
  *module = reinterpret_cast<void *>(0x3000);
  ++state().modulesLoaded;
  return done("cuModuleLoadDataEx");
}
FAKE Result cuModuleUnload(void *) {
  --state().modulesLoaded;
  return done("cuModuleUnload");
}
FAKE Result cuModuleGetFunction(void **function, void *, const char *name) {
  for (size_t i = state().kernels.size(); i-- > 0;)
    if (state().kernels[i].name == name) {
      *function = reinterpret_cast<void *>(i + 1);
      return cuda::Success;
    }
  return cuda::NotFound;
}
FAKE Result cuFuncGetAttribute(int *value, cuda::FunctionAttribute attribute, cuda::Function function) {
  *value = attribute == cuda::NumRegs                     ? 40
           : attribute == cuda::MaxThreadsPerBlock        ? state().maximumThreads
           : attribute == cuda::SharedSizeBytes           ? state().staticSharedBytes
           : attribute == cuda::MaxDynamicSharedSizeBytes ? kernelOf(function).dynamicSharedLimit
                                                          : 0;
  return cuda::Success;
}
FAKE Result cuFuncSetAttribute(cuda::Function function, cuda::FunctionAttribute attribute, int value) {
  if (attribute == cuda::MaxDynamicSharedSizeBytes)
    kernelOf(function).dynamicSharedLimit = value;
  return done("cuFuncSetAttribute");
}
#ifndef FAKE_CUDA_11 // what came after CUDA 11.0
FAKE Result cuFuncGetParamInfo(cuda::Function function, size_t index, size_t *offset, size_t *size) {
  const FakeKernel &kernel = kernelOf(function);
  if (index >= kernel.parameters.size())
    return cuda::InvalidValue;
  *offset = 8 * index;
  *size = kernel.parameters[index];
  return cuda::Success;
}
FAKE Result cuLaunchKernelEx(const cuda::LaunchConfig *config, cuda::Function function, void **arguments, void **) {
  FakeLaunch launch;
  launch.extended = true;
  for (int i = 0; i < 3; ++i) {
    launch.grid[i] = config->gridDim[i];
    launch.block[i] = config->blockDim[i];
  }
  launch.sharedBytes = config->sharedMemBytes;
  launch.stream = config->stream;
  for (unsigned a = 0; a < config->attributeCount; ++a) {
    const cuda::LaunchAttribute &attribute = config->attributes[a];
    if (attribute.id == cuda::LaunchClusterDimension)
      std::memcpy(launch.cluster.data(), attribute.value.clusterDim, sizeof(attribute.value.clusterDim));
    if (attribute.id == cuda::LaunchCooperative)
      launch.cooperative = attribute.value.cooperative == 1;
    if (attribute.id == cuda::LaunchProgrammaticStreamSerialization)
      launch.dependent = attribute.value.programmaticStreamSerializationAllowed == 1;
  }
  return record(launch, function, arguments);
}
FAKE Result cuGraphInstantiateWithFlags(void **exec, void *, unsigned long long) {
  *exec = reinterpret_cast<void *>(0x6000);
  return done("cuGraphInstantiate");
}
#endif
FAKE Result cuLaunchKernel(cuda::Function function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by,
                           unsigned bz, unsigned shared, void *stream, void **arguments, void **) {
  FakeLaunch launch;
  launch.grid = {gx, gy, gz};
  launch.block = {bx, by, bz};
  launch.sharedBytes = shared;
  launch.stream = stream;
  return record(launch, function, arguments);
}
FAKE Result cuMemAlloc_v2(cuda::DevicePointer *pointer, size_t bytes) {
  if (state().memAllocResult)
    return done("cuMemAlloc", state().memAllocResult);
  void *memory = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
  std::memset(memory, 0, bytes);
  *pointer = reinterpret_cast<uintptr_t>(memory);
  ++state().livePointers;
  return done("cuMemAlloc");
}
FAKE Result cuMemFree_v2(cuda::DevicePointer pointer) {
  std::free(reinterpret_cast<void *>(pointer));
  --state().livePointers;
  return done("cuMemFree");
}
FAKE Result cuMemcpyHtoDAsync_v2(cuda::DevicePointer to, const void *from, size_t bytes, void *) {
  std::memcpy(reinterpret_cast<void *>(to), from, bytes);
  return done("cuMemcpyHtoDAsync");
}
FAKE Result cuMemcpyDtoHAsync_v2(void *to, cuda::DevicePointer from, size_t bytes, void *) {
  std::memcpy(to, reinterpret_cast<void *>(from), bytes);
  return done("cuMemcpyDtoHAsync");
}
FAKE Result cuMemsetD8Async(cuda::DevicePointer to, unsigned char value, size_t bytes, void *) {
  std::memset(reinterpret_cast<void *>(to), value, bytes);
  return done("cuMemsetD8Async");
}
FAKE Result cuStreamCreate(void **stream, unsigned flags) {
  *stream = reinterpret_cast<void *>(0x4000);
  return done("cuStreamCreate", flags == cuda::StreamNonBlocking ? cuda::Success : cuda::InvalidValue);
}
FAKE Result cuStreamDestroy_v2(void *) { return done("cuStreamDestroy"); }
FAKE Result cuStreamSynchronize(void *) { return done("cuStreamSynchronize", state().synchronizeResult); }
FAKE Result cuEventCreate(void **event, unsigned) {
  *event = reinterpret_cast<void *>(0x5000);
  return done("cuEventCreate");
}
FAKE Result cuEventDestroy_v2(void *) { return done("cuEventDestroy"); }
FAKE Result cuEventSynchronize(void *) { return done("cuEventSynchronize"); }
FAKE Result cuEventRecord(void *, void *) { return done("cuEventRecord"); }
FAKE Result cuEventElapsedTime(float *milliseconds, void *, void *) {
  *milliseconds = 1.5f;
  return done("cuEventElapsedTime");
}
FAKE Result cuStreamBeginCapture_v2(void *, int) {
  state().capturing = true;
  return done("cuStreamBeginCapture");
}
FAKE Result cuStreamEndCapture(void *, void **graph) {
  *graph = reinterpret_cast<void *>(0x5800);
  bool was = state().capturing;
  state().capturing = false;
  return done("cuStreamEndCapture", was ? cuda::Success : cuda::InvalidValue);
}
FAKE Result cuGraphLaunch(void *, void *) { return done("cuGraphLaunch"); }
FAKE Result cuGraphExecDestroy(void *) { return done("cuGraphExecDestroy"); }
FAKE Result cuGraphDestroy(void *) { return done("cuGraphDestroy"); }

#endif

// NOLINTEND(performance-no-int-to-ptr)
