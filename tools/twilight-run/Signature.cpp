// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// What a function takes and gives.

#include "Signature.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace twilight;
using namespace twilight::tool;

static llvm::Error fail(const Twine &message) {
  return llvm::createStringError(llvm::inconvertibleErrorCode(), message);
}

std::string tool::toText(Type type) {
  std::string text;
  llvm::raw_string_ostream(text) << type;
  return text;
}

static int findPort(const std::vector<Port> &ports, StringRef name) {
  for (size_t i = 0; i < ports.size(); ++i)
    if (ports[i].name == name)
      return static_cast<int>(i);
  return -1;
}
int Signature::findArgument(StringRef name) const { return findPort(arguments, name); }
int Signature::findResult(StringRef name) const { return findPort(results, name); }

int tool::getArgumentIndex(func::FuncOp function, Value value) {
  auto argument = dyn_cast_or_null<BlockArgument>(value);
  bool ours = argument && !function.isExternal() && argument.getOwner() == &function.getBody().front();
  return ours ? static_cast<int>(argument.getArgNumber()) : -1;
}

llvm::Expected<func::FuncOp> tool::findFunction(ModuleOp module, StringRef name) {
  SmallVector<func::FuncOp> functions;
  std::string names;
  for (auto function : module.getOps<func::FuncOp>()) {
    if (!function.isPublic() || function.isExternal())
      continue;
    functions.push_back(function);
    names += (names.empty() ? "@" : ", @") + function.getName().str();
    if (function.getName() == name)
      return function;
  }
  if (!name.empty())
    return fail("no public function @" + name + "; the file has " + (names.empty() ? "none" : names));
  if (functions.size() != 1)
    return fail("expected one public function, found " + Twine(functions.size()) +
                (names.empty() ? Twine() : " (" + names + "): name one with --function"));
  return functions.front();
}

/// Where a part of the dialect's ops is an argument, its open sizes get the dialect's names for them.
static void nameSizes(Signature &signature) {
  auto note = [&](Value value, std::initializer_list<StringRef> names) {
    int index = getArgumentIndex(signature.function, lookThroughFused(value));
    if (index < 0)
      return;
    Port &port = signature.arguments[index];
    for (auto [axis, name] : llvm::enumerate(names))
      if (axis < port.shape.size() && ShapedType::isDynamic(port.shape[axis]) && port.symbols[axis].empty())
        port.symbols[axis] = name.str();
  };
  int pools = 0, appends = 0;
  signature.function.walk([&](Operation *op) {
    llvm::TypeSwitch<Operation *>(op)
        .Case([&](AssembleCacheOp assemble) {
          std::string pages = ++pools == 1 ? "pages" : "pages" + std::to_string(pools);
          std::string maxPages = pools == 1 ? "max_pages" : "max_pages" + std::to_string(pools);
          for (Value part : {assemble.getKPages(), assemble.getVPages(), assemble.getCodes(), assemble.getScale(),
                             assemble.getZero(), assemble.getSummary()})
            note(part, {pages});
          note(assemble.getPageTable(), {"B", maxPages});
          note(assemble.getSeqLens(), {"B"});
        })
        .Case([&](AppendOp append) {
          std::string tokens = ++appends == 1 ? "T" : "T" + std::to_string(appends);
          note(append.getK(), {"B", tokens});
          note(append.getV(), {"B", tokens});
          note(append.getNewLens(), {"B"});
        })
        .Case<SelectOp, QuantizeScoreOp, GatherAttendOp, AttendOp>(
            [&](auto attending) { note(attending.getQ(), {"B"}); })
        .Case([&](AssembleSelectionOp assemble) {
          note(assemble.getIndices(), {"B"});
          note(assemble.getCounts(), {"B"});
        });
  });
}

static llvm::Expected<Port> readPort(const Twine &what, Type type, DictionaryAttr attributes, StringRef fallback) {
  Port port{fallback.str(), type, DType::F32, isa<ShapedType>(type), isa<MemRefType>(type), {}, {}};
  auto name = attributes ? attributes.getAs<StringAttr>(kNameAttr) : StringAttr();
  if (name)
    port.name = name.getValue().str();
  else if (fallback.empty())
    return fail(what + " of type " + toText(type) +
                " has no name: give it {twilight.name = \"...\"} so that a tensor "
                "can be bound to it");
  auto shaped = dyn_cast<ShapedType>(type);
  std::optional<DType> dtype = getDType(shaped ? shaped.getElementType() : type);
  if (!dtype || (shaped && !shaped.hasRank()))
    return fail(what + " ('" + port.name + "') has type " + toText(type) +
                "; expected a tensor, a memref or a scalar of f16, bf16, f32, i8, i32 or i64: use "
                "twilight.assemble_cache on buffers, and return the parts of a selection or scores");
  port.dtype = *dtype;
  if (shaped)
    port.shape.assign(shaped.getShape().begin(), shaped.getShape().end());
  port.symbols.resize(port.shape.size());
  if (auto dims = attributes ? attributes.getAs<ArrayAttr>(kDimsAttr) : ArrayAttr())
    for (size_t axis = 0; axis < std::min(dims.size(), port.shape.size()); ++axis)
      port.symbols[axis] = cast<StringAttr>(dims[axis]).getValue().str();
  return port;
}

llvm::Expected<Signature> tool::readSignature(func::FuncOp function) {
  Signature signature{function, {}, {}};
  for (unsigned i = 0; i < function.getNumArguments(); ++i) {
    auto port = readPort("argument " + Twine(i), function.getArgumentTypes()[i], function.getArgAttrDict(i), "");
    if (!port)
      return port.takeError();
    if (signature.findArgument(port->name) >= 0)
      return fail("two arguments are named '" + port->name + "': names must differ");
    signature.arguments.push_back(std::move(*port));
  }
  for (unsigned i = 0; i < function.getNumResults(); ++i) {
    auto port = readPort("result " + Twine(i), function.getResultTypes()[i], function.getResultAttrDict(i),
                         "result" + std::to_string(i));
    if (!port)
      return port.takeError();
    port->isChanged = false;
    signature.results.push_back(std::move(*port));
  }
  nameSizes(signature);
  return signature;
}
