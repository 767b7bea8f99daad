// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Checks a call's tensors against the manifest and finds the value of every symbol.
#ifndef TWILIGHT_RUNTIME_ARGUMENTS_H
#define TWILIGHT_RUNTIME_ARGUMENTS_H

#include "Manifest.h"

namespace twilight::runtime {

enum class Check {
  Shapes,     // dtypes and shapes; an output's entry may be all zero
  Everything, // also device, strides, pointers and alignment: what a launch needs
};

// Throws Failure{TWILIGHT_ERROR_BAD_ARGUMENT}.
SymbolValues checkArguments(const Manifest &manifest, int device, const twilight_tensor *tensors, int32_t count,
                            Check check);

std::string shapeText(const Manifest &manifest, const Argument &argument); // "[B, 32, 128]"

} // namespace twilight::runtime

#endif
