// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The CPU as an engine.
//
// A function f becomes _mlir_ciface_f(results *, argument...): memrefs come as pointers to descriptors
// {allocated, aligned, offset, sizes[rank], strides[rank]}, results as one struct of descriptors and scalars.

#include "twilight/Pipelines/CpuEngine.h"

#include "twilight/Dialect/Twilight.h"
#include "twilight/Pipelines/CpuPipeline.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/ExecutionEngine/ExecutionEngine.h"
#include "mlir/ExecutionEngine/OptUtils.h"
#include "mlir/InitAllDialects.h"
#include "mlir/InitAllExtensions.h"
#include "mlir/Target/LLVMIR/Dialect/All.h"

#include "llvm/ExecutionEngine/Orc/JITTargetMachineBuilder.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/TargetParser/Host.h"

#include <chrono>
#include <cstdlib>
#include <set>

using namespace mlir;
using namespace twilight;

void twilight::registerCpuEngineDialects(DialectRegistry &registry) {
  registerAllDialects(registry);
  registerAllExtensions(registry);
  registerAllToLLVMIRTranslations(registry);
  registry.insert<TwilightDialect>();
}

CpuEngine::CpuEngine() {
  llvm::InitializeNativeTarget();
  llvm::InitializeNativeTargetAsmPrinter();
}
CpuEngine::~CpuEngine() = default;

std::string CpuEngine::getDevice() const { return llvm::sys::getHostCPUName().str(); }

LogicalResult CpuEngine::compile(ModuleOp module) {
  context = module.getContext();
  Location loc = module.getLoc();
  auto fail = [&](StringRef what, llvm::Error error) {
    return emitError(loc) << what << ": " << llvm::toString(std::move(error));
  };
  functions.clear();
  for (auto function : module.getOps<func::FuncOp>())
    if (function.isPublic())
      functions[function.getName()] = function.getFunctionType();

  OwningOpRef<ModuleOp> lowered = module.clone();
  PassManager manager(context);
  CpuPipelineOptions pipeline;
  pipeline.fuse = false; // what is to be fused comes fused
  buildCpuPipeline(manager, pipeline);
  if (failed(manager.run(*lowered)))
    return failure();

  auto host = llvm::orc::JITTargetMachineBuilder::detectHost();
  if (!host)
    return fail("this machine's processor is unknown to LLVM", host.takeError());
  host->setCodeGenOptLevel(llvm::CodeGenOptLevel::Default);
  auto machine = host->createTargetMachine();
  if (!machine)
    return fail("no code generator for this machine's processor", machine.takeError());

  ExecutionEngineOptions options;
  auto optimize = makeOptimizingTransformer(/*optLevel=*/3, /*sizeLevel=*/0, machine->get());
  options.transformer = optimize;
  options.enableGDBNotificationListener = false;
  options.enablePerfNotificationListener = false;
  StringRef openmp[] = {TWILIGHT_OPENMP_LIBRARY};
  options.sharedLibPaths = openmp;
  auto engine = ExecutionEngine::create(*lowered, options, std::move(*machine));
  if (!engine)
    return fail("compiling for the CPU failed", engine.takeError());
  jit = std::move(*engine);
  for (const auto &function : functions) // code is generated on the first look-up: do it now
    if (auto entry = jit->lookupPacked(("_mlir_ciface_" + function.getKey()).str()); !entry)
      return fail("compiling for the CPU failed", entry.takeError());
  return success();
}

namespace {

/// One memref descriptor in words: allocated, aligned, offset, sizes, strides.
SmallVector<int64_t> describe(Tensor &tensor) {
  auto address = static_cast<int64_t>(reinterpret_cast<uintptr_t>(tensor.bytes.data()));
  SmallVector<int64_t> words = {address, address, 0};
  words.append(tensor.shape.begin(), tensor.shape.end());
  size_t strides = words.size();
  words.resize(strides + tensor.shape.size());
  int64_t stride = 1;
  for (size_t axis = tensor.shape.size(); axis-- > 0;) {
    words[strides + axis] = stride;
    stride *= tensor.shape[axis];
  }
  return words;
}

/// Where each result lies in the struct of results.
struct ResultSlot {
  DType dtype;
  bool isBuffer;
  int64_t rank;
  size_t offset;
};

FailureOr<SmallVector<ResultSlot>> layOut(TypeRange types, size_t &size) {
  SmallVector<ResultSlot> slots;
  size = 0;
  for (Type type : types) {
    auto shaped = dyn_cast<ShapedType>(type);
    std::optional<DType> dtype = getDType(shaped ? shaped.getElementType() : type);
    if (!dtype)
      return failure();
    size_t bytes = shaped ? (3 + 2 * shaped.getRank()) * sizeof(int64_t) : getByteSize(*dtype);
    size = llvm::alignTo(size, shaped ? sizeof(int64_t) : bytes);
    slots.push_back({*dtype, static_cast<bool>(shaped), shaped ? shaped.getRank() : 0, size});
    size += bytes;
  }
  return slots;
}

/// Copies one result out and notes what must be freed.
Tensor takeResult(const ResultSlot &slot, const char *base, std::set<void *> &owned) {
  if (!slot.isBuffer) {
    Tensor scalar = Tensor::zeros(slot.dtype, {});
    memcpy(scalar.bytes.data(), base + slot.offset, scalar.bytes.size());
    return scalar;
  }
  void *allocated = nullptr;
  const char *aligned = nullptr;
  SmallVector<int64_t> words(1 + slot.rank); // offset, sizes; results are row-major, so strides say nothing new
  memcpy(static_cast<void *>(&allocated), base + slot.offset, sizeof(allocated));
  memcpy(static_cast<void *>(&aligned), base + slot.offset + sizeof(allocated), sizeof(aligned));
  memcpy(words.data(), base + slot.offset + sizeof(allocated) + sizeof(aligned), words.size() * sizeof(int64_t));
  owned.insert(allocated);
  Tensor tensor = Tensor::zeros(slot.dtype, ArrayRef(words).drop_front());
  if (!tensor.bytes.empty())
    memcpy(tensor.bytes.data(), aligned + words[0] * getByteSize(slot.dtype), tensor.bytes.size());
  return tensor;
}

} // namespace

FailureOr<std::vector<Tensor>> CpuEngine::run(StringRef function, ArrayRef<Tensor *> arguments) {
  Location loc = UnknownLoc::get(context);
  auto type = functions.find(function);
  if (!jit || type == functions.end())
    return emitError(loc) << "no public function @" << function << " was compiled";
  size_t resultBytes = 0;
  FailureOr<SmallVector<ResultSlot>> slots = layOut(type->second.getResults(), resultBytes);
  if (failed(slots))
    return emitError(loc) << "@" << function << " has a result that is no tensor of numbers";

  // Every packed argument is a pointer to the argument, and a memref argument is itself a pointer to its descriptor.
  std::vector<SmallVector<int64_t>> descriptors(arguments.size());
  std::vector<void *> pointers(arguments.size());
  std::vector<char> results(std::max(resultBytes, sizeof(int64_t)));
  void *resultPointer = results.data();
  bool inStruct = slots->size() > 1 || (slots->size() == 1 && slots->front().isBuffer);
  SmallVector<void *> packed;
  if (inStruct)
    packed.push_back(static_cast<void *>(&resultPointer));
  for (auto [i, argument] : llvm::enumerate(arguments)) {
    if (!isa<ShapedType>(type->second.getInput(i))) {
      packed.push_back(argument->bytes.data());
      continue;
    }
    descriptors[i] = describe(*argument);
    pointers[i] = descriptors[i].data();
    packed.push_back(static_cast<void *>(&pointers[i]));
  }
  if (!inStruct && !slots->empty())
    packed.push_back(resultPointer);
  auto start = std::chrono::steady_clock::now();
  if (llvm::Error error = jit->invokePacked(("_mlir_ciface_" + function).str(), packed))
    return emitError(loc) << "calling @" << function << ": " << llvm::toString(std::move(error));
  lastSeconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();

  std::vector<Tensor> tensors;
  std::set<void *> owned;
  for (const ResultSlot &slot : *slots)
    tensors.push_back(takeResult(slot, results.data(), owned));
  for (void *buffer : owned)
    free(buffer);
  return tensors;
}
