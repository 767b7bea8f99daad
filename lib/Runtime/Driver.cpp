// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Driver.h"

#include "Chip.h"

#include <dlfcn.h>

namespace twilight::runtime {

namespace {

template <typename Function>
bool loadOptional(Function &function, void *library, const char *symbol) {
  function = reinterpret_cast<Function>(dlsym(library, symbol));
  return function != nullptr;
}

} // namespace

void Driver::loadFunctions(void *library, const std::string &name) {
  // Both are in every CUDA driver there ever was: without them this is some other library.
  if (!loadOptional(table.init, library, "cuInit") ||
      !loadOptional(table.driverGetVersion, library, "cuDriverGetVersion"))
    fail(TWILIGHT_ERROR_NO_DRIVER, "'", name,
         "' is no CUDA driver: it has no cuInit or no cuDriverGetVersion; pass the path of libcuda.so.1, or NULL");
  table.driverGetVersion(&driverVersion);

  auto load = [&](auto &function, const char *symbol, const char *newer = nullptr) {
    if (!loadOptional(function, library, symbol) && (!newer || !loadOptional(function, library, newer)))
      fail(TWILIGHT_ERROR_DRIVER_TOO_OLD, "the CUDA driver '", name, "' (CUDA ", driverVersionText(driverVersion),
           ") has no ", symbol, "; twilight needs a driver of CUDA 11.0 or later: update the NVIDIA driver");
  };
  load(table.getErrorName, "cuGetErrorName");
  load(table.getErrorString, "cuGetErrorString");
  load(table.deviceGetCount, "cuDeviceGetCount");
  load(table.deviceGet, "cuDeviceGet");
  load(table.deviceGetName, "cuDeviceGetName");
  load(table.deviceGetAttribute, "cuDeviceGetAttribute");
  load(table.deviceTotalMem, "cuDeviceTotalMem_v2");
  load(table.devicePrimaryCtxRetain, "cuDevicePrimaryCtxRetain");
  load(table.devicePrimaryCtxRelease, "cuDevicePrimaryCtxRelease_v2");
  load(table.ctxGetCurrent, "cuCtxGetCurrent");
  load(table.ctxPopCurrent, "cuCtxPopCurrent_v2");
  load(table.ctxPushCurrent, "cuCtxPushCurrent_v2");
  load(table.ctxGetDevice, "cuCtxGetDevice");
  load(table.moduleLoadDataEx, "cuModuleLoadDataEx");
  load(table.moduleUnload, "cuModuleUnload");
  load(table.moduleGetFunction, "cuModuleGetFunction");
  load(table.funcGetAttribute, "cuFuncGetAttribute");
  load(table.funcSetAttribute, "cuFuncSetAttribute");
  loadOptional(table.funcGetParamInfo, library, "cuFuncGetParamInfo");
  load(table.launchKernel, "cuLaunchKernel");
  loadOptional(table.launchKernelEx, library, "cuLaunchKernelEx");
  load(table.memAlloc, "cuMemAlloc_v2");
  load(table.memFree, "cuMemFree_v2");
  load(table.memcpyHtoDAsync, "cuMemcpyHtoDAsync_v2");
  load(table.memcpyDtoHAsync, "cuMemcpyDtoHAsync_v2");
  load(table.memsetD8Async, "cuMemsetD8Async");
  load(table.streamCreate, "cuStreamCreate");
  load(table.streamDestroy, "cuStreamDestroy_v2");
  load(table.streamSynchronize, "cuStreamSynchronize");
  load(table.eventCreate, "cuEventCreate");
  load(table.eventDestroy, "cuEventDestroy_v2");
  load(table.eventSynchronize, "cuEventSynchronize");
  load(table.eventRecord, "cuEventRecord");
  load(table.eventElapsedTime, "cuEventElapsedTime", "cuEventElapsedTime_v2");
  load(table.streamBeginCapture, "cuStreamBeginCapture_v2");
  load(table.streamEndCapture, "cuStreamEndCapture");
  loadOptional(table.graphInstantiateWithFlags, library, "cuGraphInstantiateWithFlags");
  load(table.graphLaunch, "cuGraphLaunch");
  load(table.graphExecDestroy, "cuGraphExecDestroy");
  load(table.graphDestroy, "cuGraphDestroy");
}

std::shared_ptr<Driver> Driver::open(const char *path) {
  std::string name = path ? path : "libcuda.so.1";
  // Never closed again: the driver has threads and exit handlers of its own.
  void *library = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    const char *reason = dlerror();
    fail(TWILIGHT_ERROR_NO_DRIVER, "cannot open the CUDA driver '", name, "': ", reason ? reason : "unknown reason",
         "; install the NVIDIA driver (in a container: start it with GPU access)");
  }
  std::shared_ptr<Driver> driver(new Driver);
  driver->loadFunctions(library, name);

  cuda::Result result = driver->table.init(0);
  if (result == cuda::StubLibrary)
    fail(TWILIGHT_ERROR_NO_DRIVER, "'", name,
         "' is the stub for linking, not a driver; take the toolkit's 'stubs' folder off LD_LIBRARY_PATH");
  if (result != cuda::NoDevice) {
    driver->check(result, "cuInit", "check the NVIDIA driver with nvidia-smi");
    driver->check(driver->table.deviceGetCount(&driver->devices), "cuDeviceGetCount");
  }
  if (driver->devices == 0)
    fail(TWILIGHT_ERROR_NO_DEVICE, "the CUDA driver '", name, "' (CUDA ", driverVersionText(driver->driverVersion),
         ") sees no device; check nvidia-smi and that CUDA_VISIBLE_DEVICES hides none");
  driver->primaryContexts.resize(driver->devices);
  return driver;
}

Driver::~Driver() {
  for (size_t device = 0; device < primaryContexts.size(); ++device)
    if (primaryContexts[device])
      table.devicePrimaryCtxRelease(static_cast<int>(device));
}

std::string Driver::describe(cuda::Result result) const {
  const char *name = nullptr, *explanation = nullptr;
  if (table.getErrorName)
    table.getErrorName(result, &name);
  if (table.getErrorString)
    table.getErrorString(result, &explanation);
  return text(name ? name : "CUDA error", " (", static_cast<int>(result), ")", explanation ? ": " : "",
              explanation ? explanation : "");
}

void Driver::check(cuda::Result result, const char *call, const char *hint) const {
  if (result == cuda::Success)
    return;
  fail(result == cuda::OutOfMemory ? TWILIGHT_ERROR_OUT_OF_MEMORY : TWILIGHT_ERROR_CUDA, call, " failed with ",
       describe(result), *hint ? "; " : "", hint);
}

void Driver::checkOrdinal(int device) const {
  if (device < 0 || device >= devices)
    fail(TWILIGHT_ERROR_NO_DEVICE, "there is no device ", device, ": the driver sees ", devices,
         devices == 1 ? " device (0)" : " devices, counted from 0", "; pass one of them");
}

int Driver::attribute(cuda::DeviceAttribute attribute, int device) const {
  cuda::Device handle = 0;
  check(table.deviceGet(&handle, device), "cuDeviceGet");
  int value = 0;
  check(table.deviceGetAttribute(&value, attribute, handle), "cuDeviceGetAttribute");
  return value;
}

std::string Driver::deviceName(int device) const {
  cuda::Device handle = 0;
  check(table.deviceGet(&handle, device), "cuDeviceGet");
  char name[256] = {};
  check(table.deviceGetName(name, sizeof(name) - 1, handle), "cuDeviceGetName");
  return name;
}

cuda::Context Driver::contextFor(int device) {
  checkOrdinal(device);
  cuda::Context current = nullptr;
  check(table.ctxGetCurrent(&current), "cuCtxGetCurrent");
  if (current) {
    cuda::Device its = -1;
    check(table.ctxGetDevice(&its), "cuCtxGetDevice");
    if (its == device)
      return current;
  }
  std::lock_guard<std::mutex> lock(mutex);
  cuda::Context &primary = primaryContexts[device];
  if (!primary) {
    cuda::Device handle = 0;
    check(table.deviceGet(&handle, device), "cuDeviceGet");
    check(table.devicePrimaryCtxRetain(&primary, handle), "cuDevicePrimaryCtxRetain",
          "is the device in use exclusively by another process, or out of memory?");
  }
  return primary;
}

int Driver::currentDevice() const {
  cuda::Context current = nullptr;
  check(table.ctxGetCurrent(&current), "cuCtxGetCurrent");
  cuda::Device device = 0;
  if (current)
    check(table.ctxGetDevice(&device), "cuCtxGetDevice");
  return device;
}

ScopedContext::ScopedContext(const Driver &driver, cuda::Context context) : driver(driver) {
  cuda::Context current = nullptr;
  driver.check(driver.functions().ctxGetCurrent(&current), "cuCtxGetCurrent");
  if (current == context)
    return;
  driver.check(driver.functions().ctxPushCurrent(context), "cuCtxPushCurrent");
  pushed = true;
}

ScopedContext::~ScopedContext() {
  cuda::Context popped = nullptr;
  if (pushed)
    driver.functions().ctxPopCurrent(&popped);
}

} // namespace twilight::runtime
