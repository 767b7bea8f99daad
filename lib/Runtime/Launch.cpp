// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Launching, in two rounds: evaluate and check everything, then hand the kernels to the driver.
#include "Arguments.h"
#include "Artifact.h"

#include <cstring>
#include <limits>

namespace twilight::runtime {

namespace {

struct PreparedKernel {
  size_t index;
  unsigned grid[3];
  unsigned sharedBytes;
  size_t firstValue; // into Launcher::values
};

class Launcher {
public:
  Launcher(Artifact &artifact, const twilight_tensor *tensors, int32_t count, void *workspace, size_t workspaceBytes)
      : artifact(artifact), manifest(artifact.manifest()), tensors(tensors),
        symbols(checkArguments(manifest, artifact.device(), tensors, count, Check::Everything)) {
    checkWorkspace(workspace, workspaceBytes);
  }

  void prepare(size_t index) {
    const Kernel &kernel = manifest.kernels[index];
    PreparedKernel prepared{index, {}, 0, values.size()};
    if (!evaluateGrid(kernel, prepared))
      return;
    int64_t shared = evaluate(manifest, kernel.sharedBytes, symbols, "shared_bytes of kernel ", kernel.name);
    artifact.allowSharedBytes(index, shared, TWILIGHT_ERROR_BAD_ARGUMENT);
    prepared.sharedBytes = static_cast<unsigned>(shared);
    for (const KernelArgument &argument : kernel.arguments)
      values.push_back(evaluateArgument(kernel, argument));
    kernels.push_back(prepared);
  }

  void launch(cuda::Stream stream) {
    std::vector<void *> pointers(values.size());
    for (size_t i = 0; i < values.size(); ++i)
      pointers[i] = &values[i];
    for (const PreparedKernel &prepared : kernels)
      launch(prepared, pointers.data() + prepared.firstValue, stream);
  }

private:
  void checkWorkspace(void *workspace, size_t bytes) {
    workspaceNeeded = evaluateWorkspace(manifest, symbols);
    const bool needed = workspaceNeeded > 0;
    if (needed && bytes < static_cast<size_t>(workspaceNeeded))
      fail(TWILIGHT_ERROR_WORKSPACE_TOO_SMALL, manifest.pipeline, " needs a workspace of ", workspaceNeeded,
           " bytes for these shapes, found ", bytes, "; allocate what twilight_artifact_workspace_bytes says");
    if (needed && !workspace)
      fail(TWILIGHT_ERROR_BAD_ARGUMENT, manifest.pipeline, " needs a workspace of ", workspaceNeeded,
           " bytes for these shapes, found NULL; allocate it on device ", artifact.device());
    if (needed && reinterpret_cast<uintptr_t>(workspace) % manifest.workspaceAlignment)
      fail(TWILIGHT_ERROR_BAD_ARGUMENT, "expected a workspace aligned to ", manifest.workspaceAlignment,
           " bytes, found ", workspace, "; pass the start of an allocation");
    workspaceBase = reinterpret_cast<uintptr_t>(workspace);
  }

  // False for an empty grid, which is not launched.
  bool evaluateGrid(const Kernel &kernel, PreparedKernel &prepared) const {
    bool empty = false;
    for (int i = 0; i < 3; ++i) {
      int64_t size = evaluate(manifest, kernel.grid[i], symbols, "the grid of kernel ", kernel.name);
      int64_t limit = artifact.gridLimits()[i];
      if (size < 0 || size > limit)
        fail(TWILIGHT_ERROR_BAD_ARGUMENT, "kernel '", kernel.name, "' would need ", size, " blocks in grid dimension ",
             i, ", expected 0 to ", limit, "; pass smaller shapes, such as a smaller batch");
      if (size % kernel.cluster[i])
        fail(TWILIGHT_ERROR_BAD_ARGUMENT, "kernel '", kernel.name, "' would need ", size, " blocks in grid dimension ",
             i, ", expected a multiple of its cluster's ", kernel.cluster[i],
             "; pass shapes that divide, or compile with another schedule");
      empty |= size == 0;
      prepared.grid[i] = static_cast<unsigned>(size);
    }
    return !empty;
  }

  uint64_t evaluateArgument(const Kernel &kernel, const KernelArgument &argument) const {
    uint64_t bits = 0;
    switch (argument.kind) {
    case KernelArgument::Kind::Pointer:
      return reinterpret_cast<uintptr_t>(tensors[argument.pointer].data);
    case KernelArgument::Kind::F32:
      std::memcpy(&bits, &argument.f32, sizeof(float));
      return bits;
    default:
      break;
    }
    int64_t value = evaluate(manifest, argument.expression, symbols, "an argument of kernel ", kernel.name);
    if (argument.kind == KernelArgument::Kind::I64)
      return static_cast<uint64_t>(value);
    if (argument.kind == KernelArgument::Kind::Workspace) {
      if (value < 0 || value > workspaceNeeded)
        fail(TWILIGHT_ERROR_BAD_MANIFEST, "kernel '", kernel.name, "' asks for offset ", value,
             " of the workspace, expected 0 to ", workspaceNeeded, " (its size); compile the pipeline again");
      return workspaceBase + static_cast<uint64_t>(value);
    }
    if (value < std::numeric_limits<int32_t>::min() || value > std::numeric_limits<int32_t>::max())
      fail(TWILIGHT_ERROR_BAD_ARGUMENT, "kernel '", kernel.name, "' takes ", argument.expression.str(manifest.symbols),
           " as 32 bits, found ", value, ", which does not fit; pass smaller shapes");
    int32_t narrow = static_cast<int32_t>(value);
    std::memcpy(&bits, &narrow, sizeof(narrow));
    return bits;
  }

  void launch(const PreparedKernel &prepared, void **arguments, cuda::Stream stream) const {
    const Kernel &kernel = manifest.kernels[prepared.index];
    const DriverFunctions &cu = artifact.driver().functions();
    cuda::Function function = artifact.kernel(prepared.index).function;
    cuda::LaunchAttribute attributes[3] = {};
    unsigned attributeCount = 0;
    if (kernel.clusterBlocks() > 1) {
      cuda::LaunchAttribute &cluster = attributes[attributeCount++];
      cluster.id = cuda::LaunchClusterDimension;
      for (int i = 0; i < 3; ++i)
        cluster.value.clusterDim[i] = kernel.cluster[i];
    }
    if (kernel.cooperative) {
      cuda::LaunchAttribute &cooperative = attributes[attributeCount++];
      cooperative.id = cuda::LaunchCooperative;
      cooperative.value.cooperative = 1;
    }
    if (kernel.dependentLaunch && artifact.hasDependentLaunch()) {
      cuda::LaunchAttribute &dependent = attributes[attributeCount++];
      dependent.id = cuda::LaunchProgrammaticStreamSerialization;
      dependent.value.programmaticStreamSerializationAllowed = 1;
    }
    const unsigned *grid = prepared.grid;
    const std::array<unsigned, 3> &block = kernel.block;
    cuda::Result result;
    if (attributeCount == 0) {
      result = cu.launchKernel(function, grid[0], grid[1], grid[2], block[0], block[1], block[2], prepared.sharedBytes,
                               stream, arguments, nullptr);
    } else {
      cuda::LaunchConfig config{{grid[0], grid[1], grid[2]},
                                {block[0], block[1], block[2]},
                                prepared.sharedBytes,
                                stream,
                                attributes,
                                attributeCount};
      result = cu.launchKernelEx(&config, function, arguments, nullptr);
    }
    if (result == cuda::CooperativeLaunchTooLarge)
      fail(TWILIGHT_ERROR_BAD_ARGUMENT, "kernel '", kernel.name, "' needs all of its ",
           int64_t(grid[0]) * grid[1] * grid[2], " blocks on device ", artifact.device(),
           " at once, which has no room for them: ", artifact.driver().describe(result),
           "; compile the pipeline with a lower resident, or with spread = 1 in its schedule");
    if (result != cuda::Success)
      fail(result == cuda::OutOfMemory ? TWILIGHT_ERROR_OUT_OF_MEMORY : TWILIGHT_ERROR_CUDA, "kernel '", kernel.name,
           "' (", prepared.index, ") was not launched: ", artifact.driver().describe(result), "; grid [", grid[0], ", ",
           grid[1], ", ", grid[2], "], block [", block[0], ", ", block[1], ", ", block[2], "], ", prepared.sharedBytes,
           " bytes of dynamic shared memory; kernels before it are on the stream; the cause may be earlier work on "
           "this device: synchronise before the launch to tell");
  }

  Artifact &artifact;
  const Manifest &manifest;
  const twilight_tensor *tensors;
  SymbolValues symbols;
  uintptr_t workspaceBase = 0;
  int64_t workspaceNeeded = 0;
  std::vector<PreparedKernel> kernels;
  std::vector<uint64_t> values; // one for each argument; a narrow one in the low bytes (the hosts of CUDA are
                                // little-endian)
};

} // namespace
} // namespace twilight::runtime

using namespace twilight::runtime;

twilight_status twilight_artifact_launch_range(twilight_artifact *artifact, const twilight_tensor *tensors,
                                               int32_t count, void *workspace, size_t workspace_bytes, void *stream,
                                               int32_t first_kernel, int32_t kernel_count, twilight_error *error) {
  return guarded(error, [&] {
    requireNotNull(artifact, "artifact");
    Artifact &impl = artifact->impl;
    int64_t kernels = static_cast<int64_t>(impl.manifest().kernels.size());
    if (first_kernel < 0 || kernel_count < 0 || int64_t(first_kernel) + kernel_count > kernels)
      fail(TWILIGHT_ERROR_BAD_ARGUMENT, "expected a range of kernels within 0 to ", kernels, ", found ", kernel_count,
           " from ", first_kernel, "; ask twilight_artifact_kernel_count");
    ScopedContext scope(impl.driver(), impl.context());
    Launcher launcher(impl, tensors, count, workspace, workspace_bytes);
    for (size_t i = 0, first = static_cast<size_t>(first_kernel); i < static_cast<size_t>(kernel_count); ++i)
      launcher.prepare(first + i);
    launcher.launch(static_cast<cuda::Stream>(stream));
  });
}

twilight_status twilight_artifact_launch(twilight_artifact *artifact, const twilight_tensor *tensors, int32_t count,
                                         void *workspace, size_t workspace_bytes, void *stream, twilight_error *error) {
  return twilight_artifact_launch_range(artifact, tensors, count, workspace, workspace_bytes, stream, 0,
                                        twilight_artifact_kernel_count(artifact), error);
}
