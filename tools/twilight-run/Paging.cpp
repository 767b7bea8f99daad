// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Making a paged cache out of plain keys and values.
//
// k, v [B, N, Hkv, D] and seq_lens [B] become the parts of the cache type that the function assembles: a pool of pages
// in random order, the page table, and whatever twilight.append derives. The function that does it is text, compiled by
// the engine that will run the pipeline.

#include "Paging.h"

#include "mlir/Parser/Parser.h"

#include <cstring>
#include <numeric>
#include <random>

using namespace mlir;
using namespace twilight;
using namespace twilight::tool;

static llvm::Error fail(const Twine &message) {
  return llvm::createStringError(llvm::inconvertibleErrorCode(), message);
}

/// The function's assemble_cache with a part that is an argument and not in the file.
static AssembleCacheOp findMissing(const Signature &signature, const TensorFile &file) {
  AssembleCacheOp found;
  func::FuncOp function = signature.function;
  function.walk([&](AssembleCacheOp op) {
    for (CachePart part : op.getCache().getType().getParts()) {
      int index = getArgumentIndex(function, op.getPartOperand(part));
      if (index >= 0 && !file.find(signature.arguments[index].name))
        found = op;
    }
  });
  return found;
}

bool tool::needsPaging(const Signature &signature, const TensorFile &file) {
  bool takesTokens = signature.findArgument("k") >= 0 || signature.findArgument("v") >= 0;
  return !takesTokens && file.find("k") && file.find("v") && file.find("seq_lens") && findMissing(signature, file);
}

/// k and v must be what the cache type holds.
static llvm::Error checkTrace(CacheType type, const TensorFile &file) {
  const Tensor &k = *file.find("k"), &v = *file.find("v"), &lens = *file.find("seq_lens");
  DType dtype = *getDType(type.getElementType());
  auto fits = [&](const Tensor &tensor) {
    return tensor.dtype == dtype && tensor.shape.size() == 4 && tensor.shape[2] == type.getKvHeads() &&
           tensor.shape[3] == type.getHeadDim();
  };
  std::string expected = getName(dtype).str() + " [B, N, " + std::to_string(type.getKvHeads()) + ", " +
                         std::to_string(type.getHeadDim()) + "]";
  if (!fits(k) || !fits(v) || k.shape != v.shape)
    return fail("to make the cache, 'k' and 'v' must both be " + expected +
                " as the function's cache type says, found " + describe(k) + " and " + describe(v));
  if (lens.dtype != DType::I32 || lens.shape.size() != 1 || lens.shape[0] != k.shape[0])
    return fail("to make the cache, 'seq_lens' must be I32 [" + Twine(k.shape[0]) + "] as 'k' says, found " +
                describe(lens));
  for (int64_t b = 0; b < lens.shape[0]; ++b)
    if (int64_t length = lens.data<int32_t>()[b]; length < 0 || length > k.shape[1])
      return fail("seq_lens[" + Twine(b) + "] = " + Twine(length) + ": expected 0 to " + Twine(k.shape[1]) +
                  ", the tokens in 'k'");
  return llvm::Error::success();
}

/// Every sequence's pages, at random places of the pool. Returns the number of pages.
static int64_t drawPages(const Tensor &lens, int64_t pageSize, uint64_t seed, Tensor &table) {
  int64_t total = 0, longest = 1;
  for (int64_t b = 0; b < lens.shape[0]; ++b) {
    int64_t pages = llvm::divideCeil(lens.data<int32_t>()[b], pageSize);
    total += pages;
    longest = std::max(longest, pages);
  }
  std::vector<int32_t> places(total);
  std::iota(places.begin(), places.end(), 0);
  std::mt19937_64 random(seed);
  for (int64_t i = total - 1; i > 0; --i) // std::shuffle's draws differ between standard libraries
    std::swap(places[i], places[random() % (i + 1)]);
  table = Tensor::zeros(DType::I32, {lens.shape[0], longest});
  for (int64_t b = 0, next = 0; b < lens.shape[0]; ++b)
    for (int64_t page = 0; page * pageSize < lens.data<int32_t>()[b]; ++page)
      table.data<int32_t>()[b * longest + page] = places[next++];
  return total;
}

/// A function that appends k and v to a cache of this type, whose parts are its first arguments.
static std::string writeFunction(CacheType type) {
  std::string text, parts;
  llvm::raw_string_ostream out(text), list(parts);
  out << "func.func @page_cache(";
  for (CachePart part : type.getParts()) {
    RankedTensorType tensor = type.getPartType(part);
    MemRefType memref = MemRefType::get(tensor.getShape(), tensor.getElementType());
    StringRef name = stringifyCachePart(part);
    out << "%" << name << ": " << memref << ", ";
    list << " " << name << "(%" << name << " : " << memref << ")";
  }
  std::string rows;
  llvm::raw_string_ostream(rows) << "memref<?x?x" << type.getKvHeads() << "x" << type.getHeadDim() << "x"
                                 << type.getElementType() << ">";
  out << "%k: " << rows << ", %v: " << rows << ", %new_lens: memref<?xi32>) {\n  %cache = twilight.assemble_cache"
      << parts << " -> " << type
      << "\n  %next = twilight.append %cache, %k, %v new_lens(%new_lens : memref<?xi32>) : " << type << ", " << rows
      << ", " << rows << "\n  return\n}\n";
  return text;
}

llvm::Error tool::addPagedCache(const Signature &signature, TensorFile &file, uint64_t seed, Engine &engine) {
  AssembleCacheOp op = findMissing(signature, file);
  CacheType type = op.getCache().getType();
  if (llvm::Error error = checkTrace(type, file))
    return error;
  Tensor lens = *file.find("seq_lens"), table;
  int64_t pages = drawPages(lens, type.getPageSize(), seed, table);

  std::vector<Tensor> parts;
  for (CachePart part : type.getParts()) {
    RankedTensorType tensor = type.getPartType(part);
    SmallVector<int64_t> shape(tensor.getShape());
    shape[0] = part == CachePart::SeqLens ? lens.shape[0] : pages; // append starts from empty sequences
    parts.push_back(part == CachePart::PageTable ? table : Tensor::zeros(*getDType(tensor.getElementType()), shape));
  }
  Tensor k = *file.find("k"), v = *file.find("v");
  SmallVector<Tensor *> arguments;
  for (Tensor &part : parts)
    arguments.push_back(&part);
  arguments.append({&k, &v, &lens});

  OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(writeFunction(type), op.getContext());
  if (!module || failed(engine.compile(*module)) || failed(engine.run("page_cache", arguments)))
    return fail("making the paged cache from 'k' and 'v' failed");
  for (auto [part, tensor] : llvm::zip(type.getParts(), parts)) {
    int index = getArgumentIndex(signature.function, op.getPartOperand(part));
    if (index < 0)
      continue;
    const std::string &name = signature.arguments[index].name;
    if (!file.find(name))
      file.made.insert(name);
    file.tensors[name] = std::move(tensor);
  }
  return llvm::Error::success();
}
