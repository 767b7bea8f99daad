// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ManifestKernels.h"

#include <cmath>

namespace twilight::runtime {

namespace {

// CUDA C Programming Guide, "Technical Specifications per Compute Capability": the same for every chip so far.
constexpr int64_t maximumThreads = 1024;
constexpr int64_t maximumBlock[3] = {1024, 1024, 64};
constexpr int64_t maximumClusterBlocks = 16;
// PTX ISA, "Kernel Function Parameters": 4096 bytes of 8-byte parameters on every version.
constexpr size_t maximumArguments = 512;

KernelArgument parseKernelArgument(const JsonReader &json, const Manifest &manifest) {
  constexpr const char *expected = "an object with exactly one of pointer, workspace, i32, i64, f32";
  json.object(expected);
  if (json.size() != 1)
    json.bad(expected);
  KernelArgument argument;
  if (json.has("pointer")) {
    argument.kind = KernelArgument::Kind::Pointer;
    JsonReader name = json.field("pointer", "an argument's name");
    argument.pointer = manifest.findArgument(name.string("an argument's name"));
    if (argument.pointer < 0)
      name.bad("the name of one of the manifest's arguments");
  } else if (json.has("workspace")) {
    argument.kind = KernelArgument::Kind::Workspace;
    argument.expression = json.field("workspace", "an expression").expression(manifest.symbols);
  } else if (json.has("i32")) {
    argument.kind = KernelArgument::Kind::I32;
    argument.expression = json.field("i32", "an expression").expression(manifest.symbols);
  } else if (json.has("i64")) {
    argument.kind = KernelArgument::Kind::I64;
    argument.expression = json.field("i64", "an expression").expression(manifest.symbols);
  } else if (json.has("f32")) {
    argument.kind = KernelArgument::Kind::F32;
    JsonReader number = json.field("f32", "a number");
    if (!number.value().is_number())
      number.bad("a number");
    argument.f32 = static_cast<float>(number.value().get<double>());
    if (!std::isfinite(argument.f32))
      number.bad("a number within f32's range");
  } else {
    json.bad(expected);
  }
  return argument;
}

void parseBlock(const JsonReader &json, Kernel &kernel) {
  constexpr const char *expected = "three integers, at least 1 and at most 1024, 1024 and 64";
  json.array(expected, 3);
  int64_t threads = 1;
  for (size_t i = 0; i < 3; ++i) {
    kernel.block[i] = static_cast<unsigned>(json.element(i).integer(expected, 1, maximumBlock[i]));
    threads *= kernel.block[i];
  }
  if (threads > maximumThreads)
    json.bad("at most 1024 threads in a block", std::to_string(threads));
}

void parseCluster(const JsonReader &json, const Manifest &manifest, Kernel &kernel) {
  constexpr const char *expected = "three integers of at least 1, whose product is at most 16";
  json.array(expected, 3);
  int64_t blocks = 1;
  for (size_t i = 0; i < 3; ++i) {
    kernel.cluster[i] = static_cast<unsigned>(json.element(i).integer(expected, 1, maximumClusterBlocks));
    blocks *= kernel.cluster[i];
  }
  if (blocks > maximumClusterBlocks)
    json.bad(expected);
  if (blocks > 1 && manifest.chip.major < 9)
    json.bad("no cluster for a chip before sm_90", "one for " + manifest.chipName);
}

bool parseFlag(const JsonReader &kernel, const char *name) {
  if (!kernel.has(name))
    return false;
  JsonReader flag = kernel.field(name, "true or false");
  if (!flag.value().is_boolean())
    flag.bad("true or false");
  return flag.value().get<bool>();
}

Kernel parseKernel(const JsonReader &json, const Manifest &manifest) {
  json.object("an object with name, grid, block, shared_bytes and arguments");
  Kernel kernel;
  kernel.name = json.field("name", "the kernel's name in the PTX").string("the kernel's name in the PTX");
  if (json.has("op"))
    kernel.op = json.field("op", "the op's name").string("the op's name");

  JsonReader grid = json.field("grid", "three expressions");
  grid.array("three expressions", 3);
  for (size_t i = 0; i < 3; ++i)
    kernel.grid[i] = grid.element(i).expression(manifest.symbols);
  parseBlock(json.field("block", "three integers"), kernel);
  kernel.cluster = {1, 1, 1};
  if (json.has("cluster"))
    parseCluster(json.field("cluster", "three integers"), manifest, kernel);
  kernel.sharedBytes = json.field("shared_bytes", "an expression").expression(manifest.symbols);
  kernel.dependentLaunch = parseFlag(json, "dependent_launch");
  kernel.cooperative = parseFlag(json, "cooperative");
  if (kernel.cooperative && kernel.dependentLaunch)
    json.field("cooperative", "true or false").bad("no cooperative kernel with a dependent launch", "both");

  JsonReader arguments = json.field("arguments", "a list of kernel arguments");
  arguments.array("a list of kernel arguments");
  if (arguments.size() > maximumArguments)
    arguments.bad("at most 512 kernel arguments", std::to_string(arguments.size()));
  for (size_t i = 0; i < arguments.size(); ++i)
    kernel.arguments.push_back(parseKernelArgument(arguments.element(i), manifest));
  return kernel;
}

} // namespace

void parseKernels(const JsonReader &json, Manifest &manifest) {
  json.array("a list of kernels");
  if (json.size() == 0)
    json.bad("at least one kernel", "none");
  for (size_t i = 0; i < json.size(); ++i)
    manifest.kernels.push_back(parseKernel(json.element(i), manifest));
}

} // namespace twilight::runtime
