// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The "kernels" part of a manifest.
#ifndef TWILIGHT_RUNTIME_MANIFESTKERNELS_H
#define TWILIGHT_RUNTIME_MANIFESTKERNELS_H

#include "JsonReader.h"
#include "Manifest.h"

namespace twilight::runtime {

// Fills manifest.kernels; the arguments and symbols must be there already.
void parseKernels(const JsonReader &json, Manifest &manifest);

} // namespace twilight::runtime

#endif
