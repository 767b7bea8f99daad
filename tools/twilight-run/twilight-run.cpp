// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Runs a function of the dialect on tensors from a file, and says what it kept and how far it is from dense attention.

#include "Bind.h"
#include "CudaEngine.h"
#include "Dense.h"
#include "Paging.h"
#include "Report.h"

#include "twilight/Pipelines/CpuEngine.h"
#include "twilight/Pipelines/Fusion.h"

#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/SourceMgr.h"

#include <chrono>

using namespace mlir;
using namespace twilight;
using namespace twilight::tool;
namespace cl = llvm::cl;

namespace {

constexpr const char *kOverview =
    "twilight-run: runs a function of the twilight dialect\n\n"
    "  twilight-run examples/quest_twilight.mlir --inputs=test/data/smollm2_trace.safetensors --p=0.85\n\n"
    "Each argument is bound to the tensor of its twilight.name. Parts of a paged cache that the file lacks are made\n"
    "from k, v [B, N, Hkv, D] and seq_lens [B] with twilight.append, pages in random order. Where the function "
    "returns\n"
    "out, lse and counts, the report has a line for each sequence and kv head: tokens cached, candidates and kept, "
    "the\n"
    "exact attention mass kept, and the error against dense attention. With --json the same as an object: function,\n"
    "target, device, compile_seconds, run_seconds, entries (entry, layer, kv_head, cached, candidates, kept, mass, "
    "least_mass,\n"
    "relative_error) and results (name, dtype, shape, not_finite, least, mean, largest).\n";

struct Options {
  cl::OptionCategory category{"twilight-run"};
  cl::opt<std::string> file{cl::Positional, cl::Required, cl::desc("FILE.mlir"), cl::cat(category)};
  cl::opt<std::string> inputs{"inputs", cl::Required, cl::value_desc("FILE.safetensors"),
                              cl::desc("tensors to bind the arguments to"), cl::cat(category)};
  cl::opt<std::string> function{"function", cl::value_desc("NAME"),
                                cl::desc("which function (default: the only public one)"), cl::cat(category)};
  cl::opt<std::string> target{"target", cl::init("cpu"), cl::value_desc("cpu|cuda"),
                              cl::desc("where it runs (default: cpu)"), cl::cat(category)};
  cl::opt<std::string> level{"p", cl::value_desc("MASS"), cl::desc("attention mass to keep: the argument 'p'"),
                             cl::cat(category)};
  cl::opt<std::string> outputs{"outputs", cl::value_desc("FILE.safetensors"),
                               cl::desc("where results and changed arguments go"), cl::cat(category)};
  cl::opt<uint64_t> pageSeed{"page-seed", cl::init(0), cl::value_desc("N"),
                             cl::desc("which random order pages lie in, where they are made from k and v (default: 0)"),
                             cl::cat(category)};
  cl::opt<std::string> chip{"chip", cl::value_desc("CHIP"), cl::desc("GPU to compile for (default: the one present)"),
                            cl::cat(category)};
  cl::opt<std::string> driver{"driver", cl::value_desc("PATH"),
                              cl::desc("CUDA driver to load (default: libcuda.so.1 of the system)"), cl::cat(category)};
  cl::opt<bool> fuse{"fuse", cl::desc(kFuseHelp), cl::init(true), cl::cat(category)};
  cl::opt<int64_t> denseBelow{"dense-below", cl::init(0), cl::value_desc("TOKENS"), cl::desc(kDenseBelowHelp),
                              cl::cat(category)};
  cl::opt<bool> json{"json", cl::desc("report as JSON"), cl::cat(category)};
};

int fail(const Twine &message) {
  llvm::errs() << "twilight-run: error: " << message << "\n";
  return 1;
}
int fail(llvm::Error error) { return fail(llvm::toString(std::move(error))); }

double secondsSince(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

llvm::Expected<std::unique_ptr<Engine>> makeEngine(const Options &options) {
  const std::string &target = options.target, &chip = options.chip, &driver = options.driver;
  if (target == "cuda")
    return CudaEngine::create(chip, driver);
  auto error = [](const Twine &message) { return llvm::createStringError(llvm::inconvertibleErrorCode(), message); };
  if (target != "cpu")
    return error("expected --target=cpu or --target=cuda, found --target=" + target);
  if (!chip.empty() || !driver.empty())
    return error(chip.empty() ? "--driver names a CUDA driver: it goes with --target=cuda"
                              : "--chip names a GPU: it goes with --target=cuda");
  return std::make_unique<CpuEngine>();
}

SmallVector<Tensor *> pointersTo(std::vector<Tensor> &tensors) {
  SmallVector<Tensor *> pointers;
  for (Tensor &tensor : tensors)
    pointers.push_back(&tensor);
  return pointers;
}

/// Results under their names, and the arguments that the function may have changed.
TensorFile collectOutputs(StringRef path, const Signature &signature, const std::vector<Tensor> &results,
                          const std::vector<Tensor> &arguments) {
  TensorFile file{path.str(), {}, {}, {}};
  for (auto [port, tensor] : llvm::zip(signature.arguments, arguments))
    if (port.isChanged)
      file.tensors[port.name] = tensor;
  for (auto [port, tensor] : llvm::zip(signature.results, results))
    file.tensors[port.name] = tensor;
  return file;
}

/// Leaves the function and what it calls: another function of the file need not suit the target. Then fuses it.
LogicalResult prepare(ModuleOp module, func::FuncOp function, const Options &options) {
  for (auto other : module.getOps<func::FuncOp>())
    if (other != function)
      other.setPrivate();
  PassManager manager(module.getContext());
  manager.addPass(createSymbolDCEPass());
  addFusion(manager, options.fuse, options.denseBelow);
  return manager.run(module);
}

int run(const Options &options) {
  if (!options.fuse && options.denseBelow != 0)
    return fail(kDenseBelowFuses);
  auto made = makeEngine(options);
  if (!made)
    return fail(made.takeError());
  std::unique_ptr<Engine> engine = std::move(*made);
  DialectRegistry registry;
  registerCpuEngineDialects(registry);
  MLIRContext context(registry);
  llvm::SourceMgr sources;
  SourceMgrDiagnosticHandler diagnostics(sources, &context);
  OwningOpRef<ModuleOp> module = parseSourceFile<ModuleOp>(options.file, sources, &context);
  if (!module)
    return fail("'" + options.file + "' could not be read: see above");
  auto function = findFunction(*module, options.function);
  if (!function)
    return fail(function.takeError());
  if (failed(prepare(*module, *function, options)))
    return fail("'" + options.file + "' could not be prepared: see above");
  auto signature = readSignature(*function);
  if (!signature)
    return fail(signature.takeError());
  auto file = readTensors(options.inputs);
  if (!file)
    return fail(file.takeError());

  auto start = std::chrono::steady_clock::now();
  if (needsPaging(*signature, *file))
    if (llvm::Error error = addPagedCache(*signature, *file, options.pageSeed, *engine))
      return fail(std::move(error));
  auto arguments = bindArguments(*signature, *file, options.level);
  if (!arguments)
    return fail(arguments.takeError());

  std::vector<Tensor> dense;
  if (OwningOpRef<ModuleOp> reference = makeDense(*signature)) {
    std::vector<Tensor> copies = *arguments;
    if (failed(engine->compile(*reference)))
      return fail("the dense reference could not be compiled: see above");
    FailureOr<std::vector<Tensor>> results = engine->run(kDenseName, pointersTo(copies));
    if (failed(results))
      return fail("the dense reference could not be run: see above");
    dense = std::move(*results);
  }
  if (failed(engine->compile(*module)))
    return fail("'" + options.file + "' could not be compiled for " + options.target + ": see above");
  double compileSeconds = secondsSince(start);
  FailureOr<std::vector<Tensor>> results = engine->run(function->getName(), pointersTo(*arguments));
  if (failed(results))
    return fail("@" + function->getName() + " could not be run: see above");
  RunRecord record{*signature,
                   *file,
                   *arguments,
                   *results,
                   dense,
                   options.target,
                   engine->getDevice(),
                   compileSeconds,
                   engine->getLastSeconds()};
  if (options.json)
    printJson(record, llvm::outs());
  else
    printText(record, llvm::outs());
  if (!options.outputs.empty())
    if (llvm::Error error = writeTensors(collectOutputs(options.outputs, *signature, *results, *arguments)))
      return fail(std::move(error));
  return 0;
}

} // namespace

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  Options options;
  cl::SetVersionPrinter([](llvm::raw_ostream &out) { out << "twilight-run " TWILIGHT_VERSION "\n"; });
  cl::HideUnrelatedOptions(options.category);
  cl::ParseCommandLineOptions(argc, argv, kOverview);
  return run(options);
}
