// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Checks the contents of integer arguments against the bounds of the manifest.
#include "Arguments.h"
#include "Artifact.h"

#include <algorithm>

using namespace twilight::runtime;

namespace {

std::vector<int32_t> readBack(const Driver &driver, const twilight_tensor &tensor, cuda::Stream stream) {
  size_t count = 1;
  for (int32_t i = 0; i < tensor.rank; ++i)
    count *= static_cast<size_t>(tensor.shape[i]);
  std::vector<int32_t> result(count);
  if (count == 0)
    return result;
  const DriverFunctions &cu = driver.functions();
  driver.check(
      cu.memcpyDtoHAsync(result.data(), reinterpret_cast<uintptr_t>(tensor.data), count * sizeof(int32_t), stream),
      "cuMemcpyDtoHAsync");
  driver.check(cu.streamSynchronize(stream), "cuStreamSynchronize");
  return result;
}

class ValueChecker {
public:
  ValueChecker(const Artifact &artifact, const twilight_tensor *tensors, const SymbolValues &symbols,
               cuda::Stream stream)
      : artifact(artifact), tensors(tensors), symbols(symbols), stream(stream) {}

  void check(size_t index) const {
    const Manifest &manifest = artifact.manifest();
    const Argument &argument = manifest.arguments[index];
    const ValueBounds &bounds = *argument.values;
    int64_t minimum = evaluate(manifest, bounds.minimum, symbols, "the least value of argument ", argument.name);
    int64_t maximum = evaluate(manifest, bounds.maximum, symbols, "the greatest value of argument ", argument.name);

    std::vector<int32_t> values = readBack(artifact.driver(), tensors[index], stream);
    int64_t rowSize = tensors[index].rank ? tensors[index].shape[tensors[index].rank - 1] : 1;
    std::vector<int32_t> lengths;
    if (bounds.lengths >= 0)
      lengths = readBack(artifact.driver(), tensors[bounds.lengths], stream);
    for (size_t row = 0; rowSize > 0 && row < values.size() / rowSize; ++row) {
      int64_t used = rowSize;
      if (bounds.lengths >= 0)
        used = std::min(rowSize, row < lengths.size() ? usedEntries(lengths[row], bounds.per) : 0);
      for (int64_t i = 0; i < used; ++i) {
        int32_t value = values[row * rowSize + i];
        if (value < minimum || value > maximum)
          fail(TWILIGHT_ERROR_BAD_ARGUMENT, "argument '", argument.name, "' of ", manifest.pipeline, ": expected ",
               minimum, " to ", maximum, " (", bounds.minimum.str(manifest.symbols), " to ",
               bounds.maximum.str(manifest.symbols), "), found ", value, " at [",
               tensors[index].rank > 1 ? std::to_string(row) + ", " : "", i, "]; correct it before the launch");
      }
    }
  }

private:
  // A length out of bounds is reported by its own argument's check.
  static int64_t usedEntries(int32_t length, int64_t per) { return length <= 0 ? 0 : (int64_t(length) - 1) / per + 1; }

  const Artifact &artifact;
  const twilight_tensor *tensors;
  const SymbolValues &symbols;
  cuda::Stream stream;
};

} // namespace

twilight_status twilight_artifact_check_values(const twilight_artifact *artifact, const twilight_tensor *tensors,
                                               int32_t count, void *stream, twilight_error *error) {
  return guarded(error, [&] {
    requireNotNull(artifact, "artifact");
    const Artifact &impl = artifact->impl;
    const Manifest &manifest = impl.manifest();
    SymbolValues symbols = checkArguments(manifest, impl.device(), tensors, count, Check::Everything);
    ScopedContext scope(impl.driver(), impl.context());
    ValueChecker checker(impl, tensors, symbols, static_cast<cuda::Stream>(stream));
    for (size_t i = 0; i < manifest.arguments.size(); ++i)
      if (manifest.arguments[i].values)
        checker.check(i);
  });
}
