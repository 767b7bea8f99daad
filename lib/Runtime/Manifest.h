// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The manifest of an artifact: what a pipeline takes and how its kernels are launched. docs/runtime.md has the format.
#ifndef TWILIGHT_RUNTIME_MANIFEST_H
#define TWILIGHT_RUNTIME_MANIFEST_H

#include "Chip.h"
#include "Expression.h"
#include "Failure.h"

#include <array>
#include <optional>
#include <string>
#include <vector>

namespace twilight::runtime {

// Bounds, inclusive, on the contents of an i32 argument; with `lengths`, only the first ceildiv(lengths[b], per)
// entries of row b count.
struct ValueBounds {
  Expression minimum, maximum;
  int lengths = -1; // an argument's index
  int64_t per = 1;
};

struct Argument {
  std::string name;
  twilight_kind kind;
  twilight_dtype dtype;
  std::vector<Expression> shape;
  std::optional<ValueBounds> values;
};

struct KernelArgument {
  enum class Kind { Pointer, Workspace, I32, I64, F32 };
  Kind kind;
  int pointer = -1;      // Pointer: an argument's index
  Expression expression; // Workspace (offset in bytes), I32, I64
  float f32 = 0;

  size_t bytes() const { return kind == Kind::I32 || kind == Kind::F32 ? 4 : 8; }
};

struct Kernel {
  std::string name, op;
  std::array<Expression, 3> grid;
  std::array<unsigned, 3> block;
  std::array<unsigned, 3> cluster; // all 1 without clusters
  Expression sharedBytes;
  bool dependentLaunch = false;
  bool cooperative = false; // all blocks on the device at once
  std::vector<KernelArgument> arguments;

  unsigned threads() const { return block[0] * block[1] * block[2]; }
  unsigned clusterBlocks() const { return cluster[0] * cluster[1] * cluster[2]; }
};

struct Manifest {
  std::string text; // as it was read
  std::string pipeline, chipName, ptxFile;
  Chip chip;
  PtxVersion ptxVersion;
  std::vector<Argument> arguments;
  SymbolTable symbols;
  Expression workspaceBytes;
  int64_t workspaceAlignment = 256;
  int64_t workspaceZeroedBytes = 0; // at its start; zero before and after every launch
  std::vector<Kernel> kernels;

  int findArgument(const std::string &name) const; // -1 where unknown
};

// Parses and validates. `source` names the manifest in messages. Throws Failure{TWILIGHT_ERROR_BAD_MANIFEST}.
Manifest parseManifest(std::string text, const std::string &source);

// Evaluates an expression for one call; throws Failure{TWILIGHT_ERROR_BAD_ARGUMENT} saying for what it failed.
int64_t evaluate(const Manifest &manifest, const Expression &expression, const SymbolValues &symbols, const char *what,
                 const std::string &ofWhat);
// Bytes of the workspace for one call, what is to be zeroed included: 0 or more.
int64_t evaluateWorkspace(const Manifest &manifest, const SymbolValues &symbols);

} // namespace twilight::runtime

#endif
