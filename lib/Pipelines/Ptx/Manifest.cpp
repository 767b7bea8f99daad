// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// What a compiled pipeline needs from its host.

#include "twilight/Pipelines/Manifest.h"

#include "HostExpressions.h"
#include "twilight/Dialect/Twilight.h"
#include "twilight/Target/TargetInfo.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"

using namespace mlir;
using namespace twilight;
namespace json = llvm::json;

namespace {

constexpr int64_t kFormat = 1;
constexpr int64_t kWorkspaceAlignment = 256;

FailureOr<json::Value> describeArgument(func::FuncOp func, HostExpressions &host, unsigned i, unsigned inputs) {
  auto type = cast<MemRefType>(func.getArgument(i).getType());
  Type element = type.getElementType();
  StringRef dtype = element.isF16()                ? "f16"
                    : element.isBF16()             ? "bf16"
                    : element.isF32()              ? "f32"
                    : element.isInteger(32)        ? "i32"
                    : element.isInteger(8)         ? "i8"
                    : isa<Float8E5M2Type>(element) ? "f8E5M2"
                                                   : "";
  if (dtype.empty())
    return func.emitError() << "argument '" << host.nameOf(i)
                            << "' has an element type that no manifest knows: " << element;
  json::Array shape;
  for (int64_t d = 0; d < type.getRank(); ++d)
    shape.push_back(host.dimOf(i, d));
  StringRef kind = i >= inputs ? "output" : func.getArgAttr(i, kWrittenAttr) ? "inout" : "input";
  json::Object argument{
      {"name", host.nameOf(i).str()}, {"kind", kind.str()}, {"dtype", dtype.str()}, {"shape", std::move(shape)}};
  return json::Value(std::move(argument));
}

/// Bounds of page tables and lengths: what a runtime can check before it trusts them.
json::Value describeBounds(func::FuncOp func, HostExpressions &host, unsigned i, int64_t pageSize) {
  auto rank = [&](unsigned k) { return cast<MemRefType>(func.getArgument(k).getType()).getRank(); };
  auto isPaged = [&](unsigned k) { return func.getArgAttrOfType<IntegerAttr>(k, kPageSizeAttr) != nullptr; };
  std::optional<unsigned> table, lengths;
  for (unsigned k = 0; k < func.getNumArguments(); ++k)
    if (isPaged(k))
      (rank(k) == 2 ? table : lengths) = k;
  if (rank(i) == 1)
    return table ? json::Object{{"min", 0}, {"max", json::Array{"*", host.dimOf(*table, 1), pageSize}}}
                 : json::Object{{"min", 0}};
  json::Object bounds{{"min", 0}, {"max", json::Array{"-", "pages", 1}}};
  if (lengths)
    bounds["lengths"] = json::Object{{"argument", host.nameOf(*lengths).str()}, {"per", pageSize}};
  return bounds;
}

FailureOr<json::Value> describeLaunch(gpu::LaunchFuncOp launch, HostExpressions &host) {
  auto expressAll = [&](ArrayRef<Value> values) -> FailureOr<json::Value> {
    json::Array all;
    for (Value value : values) {
      FailureOr<json::Value> expression = host.express(value);
      if (failed(expression))
        return failure();
      all.push_back(std::move(*expression));
    }
    return json::Value(std::move(all));
  };
  gpu::KernelDim3 blocks = launch.getGridSizeOperandValues(), threads = launch.getBlockSizeOperandValues();
  FailureOr<json::Value> grid = expressAll({blocks.x, blocks.y, blocks.z});
  FailureOr<json::Value> block = expressAll({threads.x, threads.y, threads.z});
  FailureOr<json::Value> shared = host.express(launch.getDynamicSharedMemorySize());
  if (failed(grid) || failed(block) || failed(shared))
    return failure();
  json::Array arguments;
  for (Value operand : launch.getKernelOperands()) {
    bool isPointer = isa<LLVM::LLVMPointerType>(operand.getType());
    FailureOr<json::Value> argument = isPointer ? host.pointer(operand) : host.express(operand);
    if (failed(argument))
      return failure();
    if (isPointer)
      arguments.push_back(std::move(*argument));
    else
      arguments.push_back(json::Object{{operand.getType().isInteger(64) ? "i64" : "i32", std::move(*argument)}});
  }
  auto op = launch->getAttrOfType<StringAttr>(kOpAttr);
  json::Object kernel{{"name", launch.getKernelName().getValue().str()},
                      {"op", op ? op.getValue().str() : ""},
                      {"grid", std::move(*grid)},
                      {"block", std::move(*block)},
                      {"shared_bytes", std::move(*shared)},
                      {"arguments", std::move(arguments)}};
  if (auto cluster = launch->getAttrOfType<IntegerAttr>(kClusterAttr))
    kernel["cluster"] = json::Array{cluster.getInt(), 1, 1};
  if (launch->hasAttr(kDependentLaunchAttr))
    kernel["dependent_launch"] = true;
  if (launch->hasAttr(kCooperativeAttr))
    kernel["cooperative"] = true;
  return json::Value(std::move(kernel));
}

FailureOr<json::Value> describeFunction(func::FuncOp func, StringRef chip, StringRef version) {
  HostExpressions host(func);
  auto ret = cast<func::ReturnOp>(func.getBody().front().getTerminator());
  auto outputs = func->getAttrOfType<IntegerAttr>(kOutputsAttr);
  if (ret.getNumOperands() == 0 || !outputs)
    return func.emitError() << "launches kernels but has no planned workspace; run twilight-plan-workspace";
  unsigned count = func.getNumArguments() - 1, inputs = count - outputs.getInt();
  json::Array arguments, kernels;
  for (unsigned i = 0; i < count; ++i) {
    FailureOr<json::Value> argument = describeArgument(func, host, i, inputs);
    if (failed(argument))
      return failure();
    if (auto pageSize = func.getArgAttrOfType<IntegerAttr>(i, kPageSizeAttr))
      (*argument->getAsObject())["values"] = describeBounds(func, host, i, pageSize.getInt());
    arguments.push_back(std::move(*argument));
  }
  for (auto launch : func.getOps<gpu::LaunchFuncOp>()) {
    FailureOr<json::Value> kernel = describeLaunch(launch, host);
    if (failed(kernel))
      return failure();
    kernels.push_back(std::move(*kernel));
  }
  FailureOr<json::Value> bytes = host.express(ret.getOperand(0));
  if (failed(bytes))
    return failure();
  json::Object workspace{{"bytes", std::move(*bytes)}, {"alignment", kWorkspaceAlignment}};
  if (auto zeroed = func->getAttrOfType<IntegerAttr>(kZeroedBytesAttr))
    workspace["zeroed_bytes"] = zeroed.getInt();
  std::string name = func.getSymName().str();
  const TargetInfo *target = lookupTarget(std::string_view(chip.data(), chip.size()));
  return json::Value(json::Object{{"twilight_manifest", kFormat},
                                  {"twilight_version", version.str()},
                                  {"pipeline", name},
                                  {"chip", chip.str()},
                                  {"ptx", name + ".ptx"},
                                  {"ptx_version", target ? target->ptxVersionString() : ""},
                                  {"arguments", std::move(arguments)},
                                  {"workspace", std::move(workspace)},
                                  {"kernels", std::move(kernels)}});
}

} // namespace

FailureOr<std::vector<CompiledPipeline>> twilight::describePipelines(ModuleOp module, StringRef chip,
                                                                     StringRef version) {
  std::vector<CompiledPipeline> pipelines;
  for (auto func : module.getOps<func::FuncOp>()) {
    if (func.isExternal() || func.getOps<gpu::LaunchFuncOp>().empty())
      continue;
    auto launch = *func.getOps<gpu::LaunchFuncOp>().begin();
    auto binary = module.lookupSymbol<gpu::BinaryOp>(launch.getKernelModuleName());
    if (!binary)
      return launch.emitError() << "the kernels' module '" << launch.getKernelModuleName()
                                << "' is no gpu.binary; run twilight-to-ptx";
    FailureOr<json::Value> manifest = describeFunction(func, chip, version);
    if (failed(manifest))
      return failure();
    auto object = cast<gpu::ObjectAttr>(binary.getObjects()[0]);
    pipelines.push_back({func.getSymName().str(), object.getObject().str(), std::move(*manifest)});
  }
  return pipelines;
}
