// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Which tensor each argument gets, and whether it fits.

#include "Bind.h"

#include <cstring>
#include <map>

using namespace mlir;
using namespace twilight;
using namespace twilight::tool;

static llvm::Error fail(const Twine &message) {
  return llvm::createStringError(llvm::inconvertibleErrorCode(), message);
}

static std::string describePort(const Port &port) {
  std::string text = getName(port.dtype).str() + " [";
  for (size_t axis = 0; axis < port.shape.size(); ++axis) {
    std::string symbol = port.symbols[axis].empty() ? "?" : port.symbols[axis];
    text += (axis ? ", " : "") + (ShapedType::isDynamic(port.shape[axis]) ? symbol : std::to_string(port.shape[axis]));
  }
  return text + "]";
}

static bool sameDType(DType a, DType b) { // signedness is not part of an i8
  auto isByte = [](DType dtype) { return dtype == DType::U8 || dtype == DType::I8; };
  return a == b || (isByte(a) && isByte(b));
}

llvm::Error tool::checkTensor(const Port &port, const Tensor &tensor) {
  bool fits = sameDType(port.dtype, tensor.dtype) && port.shape.size() == tensor.shape.size();
  for (size_t axis = 0; fits && axis < port.shape.size(); ++axis)
    fits = ShapedType::isDynamic(port.shape[axis]) || port.shape[axis] == tensor.shape[axis];
  if (fits)
    return llvm::Error::success();
  return fail("argument '" + port.name + "' of type " + toText(port.type) + ": expected " + describePort(port) +
              ", found " + describe(tensor));
}

static llvm::Expected<Tensor> parseLevel(const Port &port, StringRef level) {
  double value = 0;
  if (!level.getAsDouble(value) && !(value >= 0.0 && value <= 1.0))
    return fail("--p must lie in [0, 1], found --p=" + level);
  if (level.getAsDouble(value) || port.dtype != DType::F32 || port.shape.size() > 1 ||
      llvm::any_of(port.shape, ShapedType::isDynamic))
    return fail("--p gives one f32 number for an argument 'p' of type f32 or tensor<Nxf32>, found --p=" + level +
                " and type " + toText(port.type));
  Tensor tensor = Tensor::zeros(DType::F32, port.shape);
  std::fill_n(tensor.data<float>(), tensor.numElements(), static_cast<float>(value));
  return tensor;
}

/// One number stands for a scalar, and for every entry of a vector of levels.
static Tensor spread(const Port &port, const Tensor &tensor) {
  bool isOne = tensor.numElements() == 1 && tensor.shape.size() <= 1 && tensor.dtype == port.dtype;
  bool isLevels = port.name == "p" && port.shape.size() == 1 && !ShapedType::isDynamic(port.shape[0]);
  if (!isOne || (port.isBuffer && !isLevels))
    return tensor;
  Tensor result = Tensor::zeros(port.dtype, port.shape);
  for (size_t at = 0; at < result.bytes.size(); at += tensor.bytes.size())
    memcpy(result.bytes.data() + at, tensor.bytes.data(), tensor.bytes.size());
  return result;
}

/// Sizes of one name must agree.
static llvm::Error checkSizes(const Signature &signature, const std::vector<Tensor> &arguments) {
  std::map<std::string, std::pair<int64_t, std::string>> sizes;
  for (auto [port, tensor] : llvm::zip(signature.arguments, arguments))
    for (size_t axis = 0; axis < tensor.shape.size(); ++axis) {
      if (port.symbols[axis].empty())
        continue;
      auto [known, isNew] = sizes.try_emplace(port.symbols[axis], tensor.shape[axis], port.name);
      if (!isNew && known->second.first != tensor.shape[axis])
        return fail("argument '" + port.name + "' has " + port.symbols[axis] + " = " + Twine(tensor.shape[axis]) +
                    " (dimension " + Twine(axis) + "), but '" + known->second.second + "' has " +
                    Twine(known->second.first) + ": they must agree");
    }
  return llvm::Error::success();
}

llvm::Expected<std::vector<Tensor>> tool::bindArguments(const Signature &signature, const TensorFile &file,
                                                        StringRef level) {
  func::FuncOp function = signature.function;
  if (!level.empty() && signature.findArgument("p") < 0)
    return fail("--p was given, but @" + function.getName() + " has no argument named 'p'");
  std::vector<Tensor> arguments;
  for (const Port &port : signature.arguments) {
    if (port.name == "p" && !level.empty()) {
      auto tensor = parseLevel(port, level);
      if (!tensor)
        return tensor.takeError();
      arguments.push_back(std::move(*tensor));
      continue;
    }
    const Tensor *tensor = file.find(port.name);
    if (!tensor)
      return fail("argument '" + port.name + "' of type " + toText(port.type) +
                  ": expected a tensor of that name in '" + file.path + "'" + (port.name == "p" ? ", or --p" : "") +
                  "; found " + file.listTensors());
    arguments.push_back(spread(port, *tensor));
    if (llvm::Error error = checkTensor(port, arguments.back()))
      return std::move(error);
  }
  if (llvm::Error error = checkSizes(signature, arguments))
    return std::move(error);
  if (llvm::Error error = checkContents(signature, arguments))
    return std::move(error);
  return arguments;
}
