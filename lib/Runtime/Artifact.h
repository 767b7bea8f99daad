// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// A manifest and its kernels, loaded on one device.
#ifndef TWILIGHT_RUNTIME_ARTIFACT_H
#define TWILIGHT_RUNTIME_ARTIFACT_H

#include "Driver.h"
#include "Manifest.h"

#include <atomic>
#include <deque>
#include <memory>

namespace twilight::runtime {

struct LoadedKernel {
  cuda::Function function = nullptr;
  int registers = 0, spillBytes = 0, staticSharedBytes = 0;
  std::atomic<int64_t> dynamicSharedLimit{0}; // what the driver allows it now; only ever raised
};

class Artifact {
public:
  Artifact(std::shared_ptr<Driver> driver, Manifest manifest, const char *ptx, int device, const std::string &source);
  ~Artifact();
  Artifact(const Artifact &) = delete;

  const Manifest &manifest() const { return contents; }
  const Driver &driver() const { return *cudaDriver; }
  cuda::Context context() const { return cudaContext; }
  int device() const { return ordinal; }
  const std::array<int64_t, 3> &gridLimits() const { return maximumGrid; }
  bool hasDependentLaunch() const { return dependentLaunch; }
  const LoadedKernel &kernel(size_t index) const { return kernels[index]; }
  const std::string &argumentShape(size_t index) const { return shapeTexts[index]; }

  // Lets kernel `index` use this much dynamic shared memory; asks the driver only when it grows.
  void allowSharedBytes(size_t index, int64_t bytes, twilight_status statusIfTooMuch);

private:
  void checkDevice(const std::string &source);
  void checkPtx(const char *ptx, const std::string &source) const;
  void loadModule(const char *ptx, const std::string &source);
  void loadKernel(size_t index, const std::string &source);
  void checkParameters(size_t index, const std::string &source) const;

  std::shared_ptr<Driver> cudaDriver;
  Manifest contents;
  int ordinal;
  cuda::Context cudaContext = nullptr;
  cuda::Module module = nullptr;
  std::deque<LoadedKernel> kernels; // not moved: they hold atomics
  std::vector<std::string> shapeTexts;
  std::array<int64_t, 3> maximumGrid{};
  int64_t maximumSharedBytes = 0;
  bool dependentLaunch = false;
  std::mutex sharedMutex;
};

} // namespace twilight::runtime

struct twilight_artifact {
  twilight::runtime::Artifact impl;
};

#endif
