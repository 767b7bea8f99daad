// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// A stand-in for libcuda: device memory is host memory, kernels do not run, and everything asked of it is recorded.
// The tests open the library as the runtime does and reach its state through fake_cuda_state(). Other processes ask for
// a device with FAKE_CUDA_CAPABILITY ("8.6") and for a line a launch with FAKE_CUDA_LOG (a file to append to).
#ifndef TWILIGHT_TEST_FAKE_CUDA_H
#define TWILIGHT_TEST_FAKE_CUDA_H

#include <array>
#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <vector>

struct FakeLaunch {
  std::string kernel;
  std::array<unsigned, 3> grid, block, cluster{1, 1, 1};
  unsigned sharedBytes = 0;
  void *stream = nullptr;
  bool extended = false, dependent = false; // through cuLaunchKernelEx; with programmatic serialisation
  bool cooperative = false;
  std::vector<std::vector<uint8_t>> arguments;
  void *context = nullptr; // that was current

  template <typename T>
  T argument(size_t index) const {
    T value{};
    if (index < arguments.size() && arguments[index].size() == sizeof(T))
      std::memcpy(&value, arguments[index].data(), sizeof(T));
    return value;
  }
};

struct FakeKernel {
  std::string name;
  std::vector<size_t> parameters; // sizes, from the PTX text
  int dynamicSharedLimit = 48 * 1024;
};

struct FakeCuda {
  // What the driver is like.
  int driverVersion = 13000;
  int deviceCount = 2;
  int computeMajor = 9, computeMinor = 0;
  int maximumSharedBytes = 232448; // H100: 227 KB
  int staticSharedBytes = 0;
  int maximumThreads = 1024;
  int cooperativeLaunch = 1; // whether the device can
  // What fails, and with which CUresult.
  int initResult = 0, moduleLoadResult = 0, launchResult = 0, memAllocResult = 0, synchronizeResult = 0;
  int failingLaunch = 0; // the launch that gives launchResult, counted from 0
  std::string jitLog;
  // What happened.
  std::vector<FakeLaunch> launches;
  std::vector<FakeKernel> kernels;
  std::vector<std::string> calls; // driver functions, in order, but for queries
  std::vector<void *> contextStack;
  int primaryRetained = 0, modulesLoaded = 0, livePointers = 0;
  bool capturing = false;

  int count(const std::string &call) const {
    int result = 0;
    for (const std::string &other : calls)
      result += other == call;
    return result;
  }
};

// Contexts: the primary one of device n, and one of a caller's own on device 0.
inline void *fakePrimaryContext(int device) { return reinterpret_cast<void *>(0x1000 + 0x10 * device); }
inline void *fakeOtherContext() { return reinterpret_cast<void *>(0x2000); }

extern "C" FakeCuda *fake_cuda_state();

#endif
