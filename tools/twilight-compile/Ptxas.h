// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// What CUDA's assembler says of compiled kernels, where it is installed.

#ifndef TWILIGHT_TOOLS_TWILIGHT_COMPILE_PTXAS_H
#define TWILIGHT_TOOLS_TWILIGHT_COMPILE_PTXAS_H

#include "llvm/ADT/StringMap.h"
#include "llvm/Support/Error.h"

#include <optional>
#include <string>

namespace twilight {

struct KernelResources {
  int64_t registers = 0, spilledBytes = 0, sharedBytes = 0; ///< spills: stores; shared memory: static
};

/// ptxas on PATH, or where CUDA's packages put it; none where there is none.
std::optional<std::string> findPtxas();
/// Assembles a file and returns what each kernel needs; an error with ptxas's own words where it refuses.
llvm::Expected<llvm::StringMap<KernelResources>> assemble(llvm::StringRef ptxas, llvm::StringRef ptxFile,
                                                          llvm::StringRef chip);
/// The same from what `ptxas -v` printed.
llvm::StringMap<KernelResources> parsePtxasLog(llvm::StringRef log);

} // namespace twilight

#endif
