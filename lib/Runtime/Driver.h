// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The CUDA driver, opened at run time: its functions, its errors, its contexts.
#ifndef TWILIGHT_RUNTIME_DRIVER_H
#define TWILIGHT_RUNTIME_DRIVER_H

#include "CudaTypes.h"
#include "Failure.h"

#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace twilight::runtime {

// The driver's functions under the names of cuda.h without "cu". Those marked optional may be null.
struct DriverFunctions {
  template <typename... Args>
  using Fn = cuda::Result (*)(Args...);

  Fn<unsigned> init;
  Fn<int *> driverGetVersion;
  Fn<cuda::Result, const char **> getErrorName, getErrorString;
  Fn<int *> deviceGetCount;
  Fn<cuda::Device *, int> deviceGet;
  Fn<char *, int, cuda::Device> deviceGetName;
  Fn<int *, cuda::DeviceAttribute, cuda::Device> deviceGetAttribute;
  Fn<size_t *, cuda::Device> deviceTotalMem;
  Fn<cuda::Context *, cuda::Device> devicePrimaryCtxRetain;
  Fn<cuda::Device> devicePrimaryCtxRelease;
  Fn<cuda::Context *> ctxGetCurrent, ctxPopCurrent;
  Fn<cuda::Context> ctxPushCurrent;
  Fn<cuda::Device *> ctxGetDevice;
  Fn<cuda::Module *, const void *, unsigned, cuda::JitOption *, void **> moduleLoadDataEx;
  Fn<cuda::Module> moduleUnload;
  Fn<cuda::Function *, cuda::Module, const char *> moduleGetFunction;
  Fn<int *, cuda::FunctionAttribute, cuda::Function> funcGetAttribute;
  Fn<cuda::Function, cuda::FunctionAttribute, int> funcSetAttribute;
  Fn<cuda::Function, size_t, size_t *, size_t *> funcGetParamInfo; // optional: CUDA 12.4
  Fn<cuda::Function, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, cuda::Stream, void **,
     void **>
      launchKernel;
  Fn<const cuda::LaunchConfig *, cuda::Function, void **, void **> launchKernelEx; // optional: CUDA 11.8
  Fn<cuda::DevicePointer *, size_t> memAlloc;
  Fn<cuda::DevicePointer> memFree;
  Fn<cuda::DevicePointer, const void *, size_t, cuda::Stream> memcpyHtoDAsync;
  Fn<void *, cuda::DevicePointer, size_t, cuda::Stream> memcpyDtoHAsync;
  Fn<cuda::DevicePointer, unsigned char, size_t, cuda::Stream> memsetD8Async;
  Fn<cuda::Stream *, unsigned> streamCreate;
  Fn<cuda::Stream> streamDestroy, streamSynchronize;
  Fn<cuda::Event *, unsigned> eventCreate;
  Fn<cuda::Event> eventDestroy, eventSynchronize;
  Fn<cuda::Event, cuda::Stream> eventRecord;
  Fn<float *, cuda::Event, cuda::Event> eventElapsedTime;
  Fn<cuda::Stream, int> streamBeginCapture;
  Fn<cuda::Stream, cuda::Graph *> streamEndCapture;
  Fn<cuda::GraphExec *, cuda::Graph, unsigned long long> graphInstantiateWithFlags; // optional: CUDA 11.4
  Fn<cuda::GraphExec, cuda::Stream> graphLaunch;
  Fn<cuda::GraphExec> graphExecDestroy;
  Fn<cuda::Graph> graphDestroy;
};

class Driver {
public:
  // Opens and initialises the library at `path` (null: the system's). Throws Failure.
  static std::shared_ptr<Driver> open(const char *path);
  ~Driver();
  Driver(const Driver &) = delete;

  const DriverFunctions &functions() const { return table; }
  int version() const { return driverVersion; }
  int deviceCount() const { return devices; }

  // Throws unless `result` is success. `call` is the driver's function, `hint` what to do about a failure.
  void check(cuda::Result result, const char *call, const char *hint = "") const;
  std::string describe(cuda::Result result) const; // "CUDA_ERROR_INVALID_VALUE (1): invalid argument"

  void checkOrdinal(int device) const;
  int attribute(cuda::DeviceAttribute attribute, int device) const;
  std::string deviceName(int device) const;

  // The calling thread's context if it is on `device`, else the primary one (kept until the driver goes).
  cuda::Context contextFor(int device);
  // The device of the current context, or 0 without one.
  int currentDevice() const;

private:
  Driver() = default;
  void loadFunctions(void *library, const std::string &name);

  DriverFunctions table{};
  int driverVersion = 0;
  int devices = 0;
  std::mutex mutex;
  std::vector<cuda::Context> primaryContexts;
};

// Makes a context current for a scope; nothing to do where it is already.
class ScopedContext {
public:
  ScopedContext(const Driver &driver, cuda::Context context);
  ~ScopedContext();
  ScopedContext(const ScopedContext &) = delete;

private:
  const Driver &driver;
  bool pushed = false;
};

} // namespace twilight::runtime

struct twilight_driver {
  std::shared_ptr<twilight::runtime::Driver> impl;
};

#endif
