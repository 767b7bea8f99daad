// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Arguments.h"

#include <algorithm>

namespace twilight::runtime {

namespace {

constexpr int64_t alignmentBytes = 16; // the widest load of a kernel

std::string shapeText(const twilight_tensor &tensor) {
  std::string result = "[";
  for (int32_t i = 0; i < tensor.rank; ++i)
    result += (i ? ", " : "") + std::to_string(tensor.shape[i]);
  return result + "]";
}

class ArgumentChecker {
public:
  ArgumentChecker(const Manifest &manifest, const Argument &argument, const twilight_tensor &tensor)
      : manifest(manifest), argument(argument), tensor(tensor) {}

  void checkDtypeAndRank() const {
    if (tensor.dtype != argument.dtype)
      bad("dtype ", twilight_dtype_name(argument.dtype), ", found ",
          twilight_dtype_name(static_cast<twilight_dtype>(tensor.dtype)), " (", tensor.dtype,
          "); convert it, or compile the pipeline for that dtype");
    if (tensor.rank < 0 || tensor.rank > TWILIGHT_MAX_RANK)
      bad("a rank of 0 to ", TWILIGHT_MAX_RANK, ", found ", tensor.rank, "; fill in the tensor's rank");
    if (tensor.rank > 0 && !tensor.shape)
      bad("a shape of ", tensor.rank, " sizes, found NULL; fill in the tensor's shape");
    for (int32_t i = 0; i < tensor.rank; ++i)
      if (tensor.shape[i] < 0)
        bad("sizes of 0 or more, found ", shapeText(tensor), "; fill in the tensor's shape");
    if (tensor.rank != rank() && !isScalar())
      bad("rank ", rank(), " (shape ", runtime::shapeText(manifest, argument), "), found rank ", tensor.rank,
          " (shape ", shapeText(tensor), "); reshape it");
  }

  void bindSymbols(SymbolValues &symbols) const {
    for (int32_t i = 0; i < rank(); ++i) {
      if (!argument.shape[i].isSymbol())
        continue;
      int symbol = argument.shape[i].symbolIndex();
      if (!symbols.bound[symbol]) {
        symbols.bound[symbol] = true;
        symbols.value[symbol] = size(i);
      } else if (symbols.value[symbol] != size(i)) {
        bad(manifest.symbols.name(symbol), " = ", symbols.value[symbol], " (as in argument '", firstWith(symbol),
            "') for dimension ", i, " of shape ", runtime::shapeText(manifest, argument), ", found ", size(i),
            " (shape ", shapeText(tensor), "); give both the same size");
      }
    }
  }

  void checkSizes(const SymbolValues &symbols) const {
    for (int32_t i = 0; i < rank(); ++i) {
      if (argument.shape[i].isSymbol())
        continue;
      int64_t expected = evaluate(manifest, argument.shape[i], symbols, "a size of argument ", argument.name);
      if (expected != size(i))
        bad(expected, " for dimension ", i, " of shape ", runtime::shapeText(manifest, argument), ", found ", size(i),
            " (shape ", shapeText(tensor), "); pass a tensor of that size, or compile the pipeline for this one");
    }
  }

  void checkStorage(int device) const {
    int64_t bytes = static_cast<int64_t>(twilight_dtype_bytes(argument.dtype));
    for (int32_t i = 0; i < tensor.rank; ++i)
      if (__builtin_mul_overflow(bytes, tensor.shape[i], &bytes))
        bad("a tensor of less than 2^63 bytes, found shape ", shapeText(tensor), "; fill in the tensor's shape");
    if (tensor.device != device)
      bad("device ", device, " (where the artifact is loaded), found device ", tensor.device,
          "; copy it there, or load the artifact on that device");
    if (bytes == 0)
      return;
    checkStrides();
    if (!tensor.data)
      bad("a device pointer to ", bytes, " bytes, found NULL; allocate it");
    // A tensor below 16 bytes, such as a scalar in the middle of another, is never read by wide loads.
    int64_t alignment = alignmentBytes;
    while (alignment > bytes)
      alignment /= 2;
    if (reinterpret_cast<uintptr_t>(tensor.data) % alignment)
      bad("a pointer aligned to ", alignment, " bytes, found ", tensor.data, "; pass a copy, not a view");
  }

private:
  template <typename... Parts>
  [[noreturn]] void bad(const Parts &...parts) const {
    fail(TWILIGHT_ERROR_BAD_ARGUMENT, "argument '", argument.name, "' of ", manifest.pipeline, ": expected ", parts...);
  }

  void checkStrides() const {
    if (!tensor.strides)
      return;
    int64_t expected = 1;
    for (int32_t i = tensor.rank - 1; i >= 0; --i) {
      if (tensor.shape[i] != 1 && tensor.strides[i] != expected)
        bad("a row-major contiguous tensor: stride ", expected, " for dimension ", i, ", found ", tensor.strides[i],
            " (shape ", shapeText(tensor), "); make it contiguous first");
      expected *= tensor.shape[i];
    }
  }

  // [] and [1] stand for one another.
  bool isScalar() const {
    bool manifestIs = rank() == 0 || (rank() == 1 && argument.shape[0].isConstant() && argument.shape[0].value() == 1);
    return manifestIs && (tensor.rank == 0 || (tensor.rank == 1 && tensor.shape[0] == 1));
  }
  int32_t rank() const { return static_cast<int32_t>(argument.shape.size()); }
  int64_t size(int32_t i) const { return i < tensor.rank ? tensor.shape[i] : 1; }

  const std::string &firstWith(int symbol) const {
    for (twilight_kind kind : {TWILIGHT_INPUT, TWILIGHT_OUTPUT}) // the order of binding, below
      for (const Argument &other : manifest.arguments)
        if ((other.kind == TWILIGHT_OUTPUT) == (kind == TWILIGHT_OUTPUT))
          for (const Expression &dimension : other.shape)
            if (dimension.isSymbol() && dimension.symbolIndex() == symbol)
              return other.name;
    return argument.name;
  }

  const Manifest &manifest;
  const Argument &argument;
  const twilight_tensor &tensor;
};

bool isAllZero(const twilight_tensor &tensor) {
  return !tensor.data && !tensor.dtype && !tensor.rank && !tensor.shape && !tensor.strides && !tensor.device;
}

} // namespace

std::string shapeText(const Manifest &manifest, const Argument &argument) {
  std::string result = "[";
  for (size_t i = 0; i < argument.shape.size(); ++i)
    result += (i ? ", " : "") + argument.shape[i].str(manifest.symbols);
  return result + "]";
}

SymbolValues checkArguments(const Manifest &manifest, int device, const twilight_tensor *tensors, int32_t count,
                            Check check) {
  size_t expected = manifest.arguments.size();
  if (count < 0 || static_cast<size_t>(count) != expected)
    fail(TWILIGHT_ERROR_BAD_ARGUMENT, manifest.pipeline, " takes ", expected, " arguments, outputs included, found ",
         count, "; pass one tensor for each argument of the manifest, in its order");
  if (expected > 0)
    requireNotNull(tensors, "tensors");

  SymbolValues symbols;
  auto absent = [&](size_t i) {
    return check == Check::Shapes && manifest.arguments[i].kind == TWILIGHT_OUTPUT && isAllZero(tensors[i]);
  };
  // Inputs say how large a problem is; outputs then have to fit.
  for (bool outputs : {false, true})
    for (size_t i = 0; i < expected; ++i) {
      if ((manifest.arguments[i].kind == TWILIGHT_OUTPUT) != outputs || absent(i))
        continue;
      ArgumentChecker checker(manifest, manifest.arguments[i], tensors[i]);
      checker.checkDtypeAndRank();
      checker.bindSymbols(symbols);
    }
  for (size_t i = 0; i < expected; ++i) {
    if (absent(i))
      continue;
    ArgumentChecker checker(manifest, manifest.arguments[i], tensors[i]);
    checker.checkSizes(symbols);
    if (check == Check::Everything)
      checker.checkStorage(device);
  }
  return symbols;
}

} // namespace twilight::runtime
