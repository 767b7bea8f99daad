// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// What we use of the CUDA driver's ABI, declared here so that building needs no CUDA. Values and layouts are those of
// cuda.h (13.0); test/Runtime/CudaLayoutTest.cpp compares them with the real header where there is one.
#ifndef TWILIGHT_RUNTIME_CUDATYPES_H
#define TWILIGHT_RUNTIME_CUDATYPES_H

#include <cstddef>
#include <cstdint>

namespace twilight::runtime::cuda {

using Device = int;
using DevicePointer = unsigned long long;
using Context = struct ContextObject *;
using Module = struct ModuleObject *;
using Function = struct FunctionObject *;
using Stream = struct StreamObject *;
using Event = struct EventObject *;
using Graph = struct GraphObject *;
using GraphExec = struct GraphExecObject *;

enum Result : int {
  Success = 0,
  InvalidValue = 1,
  OutOfMemory = 2,
  StubLibrary = 34,
  NoDevice = 100,
  InvalidDevice = 101,
  InvalidImage = 200,
  NoBinaryForGpu = 209,
  InvalidPtx = 218,
  JitCompilerNotFound = 221,
  UnsupportedPtxVersion = 222,
  InvalidSource = 300,
  NotFound = 500,
  CooperativeLaunchTooLarge = 720,
};

enum DeviceAttribute : int {
  MaxGridDimX = 5,
  MaxGridDimY = 6,
  MaxGridDimZ = 7,
  MultiprocessorCount = 16,
  L2CacheSize = 38,
  ComputeCapabilityMajor = 75,
  ComputeCapabilityMinor = 76,
  CooperativeLaunchSupported = 95,
  MaxSharedMemoryPerBlockOptin = 97,
};

enum FunctionAttribute : int {
  MaxThreadsPerBlock = 0,
  SharedSizeBytes = 1,
  LocalSizeBytes = 3,
  NumRegs = 4,
  MaxDynamicSharedSizeBytes = 8,
  NonPortableClusterSizeAllowed = 14,
};

enum JitOption : int { JitErrorLogBuffer = 5, JitErrorLogBufferSizeBytes = 6 };

enum LaunchAttributeId : int {
  LaunchIgnore = 0,
  LaunchCooperative = 2,
  LaunchClusterDimension = 4,
  LaunchProgrammaticStreamSerialization = 6,
};

struct LaunchAttribute {
  LaunchAttributeId id;
  char pad[4];
  union alignas(8) {
    char bytes[64];
    int cooperative;
    unsigned clusterDim[3];
    int programmaticStreamSerializationAllowed;
  } value;
};
static_assert(sizeof(LaunchAttribute) == 72 && offsetof(LaunchAttribute, value) == 8);

struct LaunchConfig {
  unsigned gridDim[3];
  unsigned blockDim[3];
  unsigned sharedMemBytes;
  Stream stream;
  LaunchAttribute *attributes;
  unsigned attributeCount;
};
static_assert(sizeof(LaunchConfig) == 56 && offsetof(LaunchConfig, stream) == 32);

constexpr unsigned StreamNonBlocking = 1;
constexpr int CaptureModeThreadLocal = 1;

// Dynamic shared memory a kernel may use without being asked for: CUDA C Programming Guide, "Shared Memory" of 7.x+.
constexpr int64_t DefaultDynamicSharedBytes = 48 * 1024;

} // namespace twilight::runtime::cuda

#endif
