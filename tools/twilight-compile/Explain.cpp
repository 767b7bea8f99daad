// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// --explain.

#include "Explain.h"
#include "Ptxas.h"

#include "twilight/Schedule/Explain.h"
#include "twilight/Transforms/Fuse.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace twilight;
namespace json = llvm::json;

Explanation::Pipeline &Explanation::get(StringRef name) {
  for (Pipeline &pipeline : pipelines)
    if (pipeline.name == name)
      return pipeline;
  pipelines.emplace_back().name = name.str();
  return pipelines.back();
}

void Explanation::addChoices(ModuleOp module, const ChoiceInputs &inputs, bool fuse) {
  IRRewriter rewriter(module.getContext());
  for (auto func : module.getOps<func::FuncOp>()) {
    SmallVector<GatherAttendOp> apart;
    func.walk([&](Operation *op) {
      if (auto fused = dyn_cast<FusedOp>(op))
        get(func.getSymName()).choices.push_back(choose(fused, inputs));
      else if (op->getParentOfType<FusedOp>())
        return;
      else if (auto dense = dyn_cast<AttendOp>(op))
        get(func.getSymName()).dense.push_back(choose(dense, inputs));
      else if (auto attention = dyn_cast<GatherAttendOp>(op))
        apart.push_back(attention);
    });
    for (GatherAttendOp op : apart) {
      std::vector<std::string> &obstacles = get(func.getSymName()).obstacles;
      if (!fuse)
        obstacles.emplace_back("--fuse=false");
      else if (std::optional<FuseObstacle> obstacle = fusePipeline(rewriter, op, 0))
        obstacles.push_back(obstacle->message);
    }
  }
}

void Explanation::addKernels(const CompiledPipeline &compiled, StringRef ptxFile, StringRef chip) {
  Pipeline &pipeline = get(compiled.name);
  llvm::StringMap<KernelResources> resources;
  std::optional<std::string> ptxas = findPtxas();
  if (!ptxas)
    pipeline.noResources = "registers are not known: no ptxas on PATH";
  else if (auto assembled = assemble(*ptxas, ptxFile, chip))
    resources = std::move(*assembled);
  else
    pipeline.noResources = llvm::toString(assembled.takeError());
  for (const json::Value &value : *compiled.manifest.getAsObject()->getArray("kernels")) {
    const json::Object &object = *value.getAsObject();
    Kernel &kernel = pipeline.kernels.emplace_back();
    kernel.name = object.getString("name")->str();
    kernel.op = object.getString("op")->str();
    kernel.threads = (*object.getArray("block"))[0].getAsInteger();
    // Where it is an expression, it depends on the sizes of the call.
    kernel.sharedBytes = object.getInteger("shared_bytes");
    if (auto found = resources.find(kernel.name); found != resources.end()) {
      kernel.registers = found->second.registers;
      kernel.spilledBytes = found->second.spilledBytes;
      if (kernel.sharedBytes)
        *kernel.sharedBytes += found->second.sharedBytes;
    }
  }
}

void Explanation::printKernels(llvm::raw_ostream &out, const Pipeline &pipeline) const {
  auto number = [](std::optional<int64_t> value, StringRef otherwise) {
    return value ? std::to_string(*value) : otherwise.str();
  };
  out << llvm::formatv("  {0,-44}{1,8}{2,11}{3,9}{4,15}\n", "kernel", "threads", "registers", "spilled",
                       "shared bytes");
  for (const Kernel &kernel : pipeline.kernels)
    out << llvm::formatv("  {0,-44}{1,8}{2,11}{3,9}{4,15}\n", kernel.name, number(kernel.threads, "?"),
                         number(kernel.registers, "?"), number(kernel.spilledBytes, "?"),
                         number(kernel.sharedBytes, "of the sizes"));
  if (!pipeline.noResources.empty())
    out << "  " << pipeline.noResources << "\n";
}

json::Object Explanation::toJson(const Pipeline &pipeline) const {
  json::Array choices, dense, kernels;
  for (const Choice &choice : pipeline.choices)
    choices.push_back(explainAsJson(pipeline.name, choice));
  for (const DenseChoice &choice : pipeline.dense)
    dense.push_back(explainAsJson(choice));
  for (const Kernel &kernel : pipeline.kernels)
    kernels.push_back(json::Object{{"name", kernel.name},
                                   {"op", kernel.op},
                                   {"threads", kernel.threads},
                                   {"registers", kernel.registers},
                                   {"spilled_bytes", kernel.spilledBytes},
                                   {"shared_bytes", kernel.sharedBytes}});
  json::Object result{{"pipeline", pipeline.name}, {"fused", std::move(choices)}, {"kernels", std::move(kernels)}};
  if (!dense.empty())
    result["attend"] = std::move(dense);
  if (!pipeline.obstacles.empty())
    result["not_fused"] = json::Array(pipeline.obstacles);
  if (!pipeline.noResources.empty())
    result["no_registers"] = pipeline.noResources;
  return result;
}

void Explanation::print(llvm::raw_ostream &out, ExplainAs as) const {
  if (as == ExplainAs::Json) {
    json::Array all;
    for (const Pipeline &pipeline : pipelines)
      all.push_back(toJson(pipeline));
    out << llvm::formatv("{0:2}\n", json::Value(std::move(all)));
    return;
  }
  for (const Pipeline &pipeline : pipelines) {
    out << "\n";
    if (pipeline.choices.empty())
      out << pipeline.name << ": op by op\n";
    for (const std::string &obstacle : pipeline.obstacles)
      out << "  not fused: " << obstacle << "\n";
    for (const Choice &choice : pipeline.choices)
      explain(out, pipeline.name, choice);
    for (const DenseChoice &choice : pipeline.dense)
      explain(out, choice);
    printKernels(out, pipeline);
  }
}
