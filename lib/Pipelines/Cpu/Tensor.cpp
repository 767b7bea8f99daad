// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Tensors in host memory.

#include "twilight/Pipelines/Engine.h"

#include "mlir/IR/BuiltinTypes.h"
#include "llvm/ADT/APFloat.h"
#include "llvm/ADT/STLExtras.h"

using namespace mlir;
using namespace twilight;

namespace {
struct DTypeRow {
  DType dtype;
  StringRef name;
  size_t bytes;
};
constexpr DTypeRow kRows[] = {{DType::F16, "F16", 2}, {DType::BF16, "BF16", 2},     {DType::F32, "F32", 4},
                              {DType::I32, "I32", 4}, {DType::I64, "I64", 8},       {DType::U8, "U8", 1},
                              {DType::I8, "I8", 1},   {DType::F8E5M2, "F8_E5M2", 1}};
} // namespace

size_t twilight::getByteSize(DType dtype) { return kRows[static_cast<size_t>(dtype)].bytes; }
StringRef twilight::getName(DType dtype) { return kRows[static_cast<size_t>(dtype)].name; }

std::optional<DType> twilight::parseDType(StringRef name) {
  for (const DTypeRow &row : kRows)
    if (row.name == name)
      return row.dtype;
  return std::nullopt;
}

std::optional<DType> twilight::getDType(Type element) {
  if (element.isF16())
    return DType::F16;
  if (element.isBF16())
    return DType::BF16;
  if (element.isF32())
    return DType::F32;
  if (isa<Float8E5M2Type>(element))
    return DType::F8E5M2;
  if (element.isInteger(32))
    return DType::I32;
  if (element.isInteger(64))
    return DType::I64;
  if (element.isInteger(8))
    return DType::U8;
  return std::nullopt;
}

Type twilight::getElementType(DType dtype, MLIRContext *context) {
  switch (dtype) {
  case DType::F16:
    return Float16Type::get(context);
  case DType::BF16:
    return BFloat16Type::get(context);
  case DType::F32:
    return Float32Type::get(context);
  case DType::F8E5M2:
    return Float8E5M2Type::get(context);
  default:
    return IntegerType::get(context, getByteSize(dtype) * 8);
  }
}

Tensor Tensor::zeros(DType dtype, ArrayRef<int64_t> shape) {
  Tensor tensor{dtype, SmallVector<int64_t>(shape), {}};
  tensor.bytes.resize(tensor.numElements() * getByteSize(dtype));
  return tensor;
}

int64_t Tensor::numElements() const {
  int64_t count = 1;
  for (int64_t size : shape)
    count *= size;
  return count;
}

static double fromBits(const llvm::fltSemantics &semantics, uint16_t bits) {
  return llvm::APFloat(semantics, llvm::APInt(llvm::APFloat::getSizeInBits(semantics), bits)).convertToDouble();
}

double Tensor::at(int64_t index) const {
  switch (dtype) {
  case DType::F16:
    return fromBits(llvm::APFloat::IEEEhalf(), data<uint16_t>()[index]);
  case DType::BF16:
    return fromBits(llvm::APFloat::BFloat(), data<uint16_t>()[index]);
  case DType::F32:
    return data<float>()[index];
  case DType::I32:
    return data<int32_t>()[index];
  case DType::I64:
    return static_cast<double>(data<int64_t>()[index]);
  case DType::U8:
    return data<uint8_t>()[index];
  case DType::I8:
    return data<int8_t>()[index];
  case DType::F8E5M2:
    return fromBits(llvm::APFloat::Float8E5M2(), data<uint8_t>()[index]);
  }
  llvm_unreachable("every element type is a number");
}
