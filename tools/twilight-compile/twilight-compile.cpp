// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// twilight-compile: pipelines to PTX and manifests.

#include "Explain.h"

#include "twilight/Dialect/Twilight.h"
#include "twilight/Pipelines/Manifest.h"
#include "twilight/Pipelines/PtxPipeline.h"
#include "twilight/Target/TargetInfo.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/InitAllDialects.h"
#include "mlir/InitAllExtensions.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Transforms/Passes.h"

#include "llvm/Support/CommandLine.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
namespace cl = llvm::cl;

namespace {

constexpr StringLiteral kOverview =
    "Compiles every twilight pipeline of an MLIR file for a GPU.\n\n"
    "  A pipeline is a function with ops of the twilight dialect. For each, NAME.ptx (its kernels) and NAME.json (its\n"
    "  manifest: arguments, launches, workspace; see docs/runtime.md) are written to the output folder.\n\n"
    "  Example: twilight-compile examples/quest_twilight.mlir --chip=sm_90a --batch=8 --tokens=32768 -o build/demo\n";

LogicalResult fail(const llvm::Twine &message) {
  llvm::errs() << "twilight-compile: " << message << "\n";
  return failure();
}

/// The file appears whole or not at all.
LogicalResult writeFile(StringRef path, StringRef contents) {
  std::string temporary = (path + ".partial").str();
  auto cannot = [&](std::error_code error) { return fail("cannot write '" + path + "': " + error.message()); };
  std::error_code error;
  {
    llvm::raw_fd_ostream stream(temporary, error);
    if (error)
      return cannot(error);
    stream << contents;
    stream.close();
    error = stream.error();
    stream.clear_error();
  }
  if (!error)
    error = llvm::sys::fs::rename(temporary, path);
  if (error) {
    if (std::error_code left = llvm::sys::fs::remove(temporary))
      llvm::errs() << "twilight-compile: '" << temporary << "' is left behind: " << left.message() << "\n";
    return cannot(error);
  }
  return success();
}

struct Options {
  cl::OptionCategory category{"twilight-compile options"};
  std::string chips = "chip to compile for (" + twilight::targetNames() + "); default sm_90a";
  cl::opt<std::string> input{cl::Positional, cl::desc("FILE.mlir"), cl::Required, cl::cat(category)};
  cl::opt<std::string> chip{"chip", cl::desc(chips), cl::init("sm_90a"), cl::cat(category)};
  cl::opt<std::string> folder{"o", cl::desc("folder for the results, made if missing; default ."), cl::init("."),
                              cl::value_desc("DIR"), cl::cat(category)};
  cl::opt<int> optLevel{"opt-level", cl::desc("LLVM optimisation level, 0 to 3; default 3"), cl::init(3),
                        cl::cat(category)};
  cl::opt<bool> fuse{"fuse", cl::desc(twilight::kFuseHelp), cl::init(true), cl::cat(category)};
  cl::opt<int64_t> denseBelow{"dense-below", cl::desc(twilight::kDenseBelowHelp), cl::value_desc("TOKENS"), cl::init(0),
                              cl::cat(category)};
  cl::opt<int64_t> batch{"batch", cl::desc(twilight::kBatchHelp), cl::value_desc("N"), cl::init(0), cl::cat(category)};
  cl::opt<int64_t> tokens{"tokens", cl::desc(twilight::kTokensHelp), cl::value_desc("N"), cl::init(0),
                          cl::cat(category)};
  cl::opt<std::string> table{"tuning-table", cl::desc(twilight::kTableHelp), cl::value_desc("FILE"), cl::cat(category)};
  cl::opt<std::string> schedule{"schedule", cl::desc(twilight::kScheduleHelp), cl::value_desc("ATTRIBUTE"),
                                cl::cat(category)};
  cl::opt<twilight::ExplainAs> explain{
      "explain",
      cl::desc("print what was chosen for each fused pipeline, and why"),
      cl::ValueOptional,
      cl::values(clEnumValN(twilight::ExplainAs::Text, "", "as tables"),
                 clEnumValN(twilight::ExplainAs::Text, "text", "as tables"),
                 clEnumValN(twilight::ExplainAs::Json, "json", "as JSON, and nothing else on standard output")),
      cl::init(twilight::ExplainAs::Nothing),
      cl::cat(category)};
};

/// Fuses, and notes what will be chosen for the fused ops.
LogicalResult explainChoices(const Options &choice, ModuleOp module, twilight::Explanation &explanation) {
  MLIRContext *context = module.getContext();
  PassManager fusing(context);
  fusing.addPass(createCanonicalizerPass());
  twilight::addFusion(fusing, choice.fuse, choice.denseBelow);
  auto tables = twilight::loadTables(choice.table, context);
  if (failed(tables) || failed(fusing.run(module)))
    return failure();
  twilight::ChoiceInputs inputs{
      twilight::lookupTarget(choice.chip.getValue()), {choice.batch, choice.tokens}, *tables, {}};
  if (!choice.schedule.empty()) {
    inputs.forced = twilight::parseSchedule(choice.schedule, UnknownLoc::get(context));
    if (!inputs.forced)
      return failure();
  }
  explanation.addChoices(module, inputs, choice.fuse);
  return success();
}

LogicalResult compile(const Options &choice) {
  StringRef input = choice.input, chip = choice.chip, folder = choice.folder;
  if (!twilight::lookupTarget(std::string_view(chip.data(), chip.size())))
    return fail("unknown chip '" + chip + "'; expected one of " + twilight::targetNames());
  if (!choice.fuse && choice.denseBelow != 0)
    return fail(twilight::kDenseBelowFuses);
  if (input != "-" && !llvm::sys::fs::exists(input))
    return fail("no such file: '" + input + "'");
  DialectRegistry registry;
  registerAllDialects(registry);
  registerAllExtensions(registry);
  registry.insert<twilight::TwilightDialect>();
  MLIRContext context(registry);
  llvm::SourceMgr sources;
  SourceMgrDiagnosticHandler diagnostics(sources, &context);
  OwningOpRef<ModuleOp> module = parseSourceFile<ModuleOp>(input, sources, &context);
  if (!module)
    return failure();

  twilight::Explanation explanation;
  if (choice.explain != twilight::ExplainAs::Nothing && failed(explainChoices(choice, *module, explanation)))
    return failure();

  PassManager manager(&context);
  twilight::PtxPipelineOptions options;
  options.chip = chip.str();
  options.optLevel = choice.optLevel.getValue();
  options.fuse = choice.fuse.getValue();
  options.denseBelow = choice.denseBelow.getValue();
  options.batch = choice.batch.getValue();
  options.tokens = choice.tokens.getValue();
  options.table = choice.table.getValue();
  options.schedule = choice.schedule.getValue();
  twilight::buildPtxPipeline(manager, options);
  if (failed(manager.run(*module)))
    return failure();
  auto pipelines = twilight::describePipelines(*module, chip, TWILIGHT_VERSION);
  if (failed(pipelines))
    return failure();
  if (pipelines->empty())
    return fail("'" + input + "' holds no pipeline: expected a function with ops of the twilight dialect");

  if (std::error_code error = llvm::sys::fs::create_directories(folder))
    return fail("cannot make the folder '" + folder + "': " + error.message());
  for (const twilight::CompiledPipeline &pipeline : *pipelines) {
    llvm::SmallString<128> ptx(folder), manifest(folder);
    llvm::sys::path::append(ptx, pipeline.name + ".ptx");
    llvm::sys::path::append(manifest, pipeline.name + ".json");
    if (failed(writeFile(ptx, pipeline.ptx)) ||
        failed(writeFile(manifest, llvm::formatv("{0:2}\n", pipeline.manifest).str())))
      return failure();
    size_t kernels = pipeline.manifest.getAsObject()->getArray("kernels")->size();
    llvm::raw_ostream &out = choice.explain == twilight::ExplainAs::Json ? llvm::errs() : llvm::outs();
    out << pipeline.name << ": " << kernels << " kernels for " << chip << " in " << ptx << " and " << manifest << "\n";
    if (choice.explain != twilight::ExplainAs::Nothing)
      explanation.addKernels(pipeline, ptx, chip);
  }
  if (choice.explain != twilight::ExplainAs::Nothing)
    explanation.print(llvm::outs(), choice.explain);
  return success();
}

} // namespace

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  Options options;
  cl::HideUnrelatedOptions(options.category);
  cl::ParseCommandLineOptions(argc, argv, kOverview);
  return failed(compile(options)) ? 1 : 0;
}
