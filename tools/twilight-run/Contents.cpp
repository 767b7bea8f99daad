// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Checks of the numbers that loops index with, before anything runs.

#include "Bind.h"

using namespace mlir;
using namespace twilight;
using namespace twilight::tool;

static llvm::Error fail(const Twine &message) {
  return llvm::createStringError(llvm::inconvertibleErrorCode(), message);
}

namespace {

class Checker {
public:
  Checker(const Signature &signature, const std::vector<Tensor> &arguments)
      : signature(signature), arguments(arguments) {}

  /// The tensor that a value is bound to; null for a value that the function computes.
  const Tensor *bound(Value value) const {
    int index = getArgumentIndex(signature.function, value);
    return index < 0 ? nullptr : &arguments[index];
  }

  llvm::Error checkCache(AssembleCacheOp op) const {
    const Tensor *lens = bound(op.getSeqLens()), *table = bound(op.getPageTable()), *pool = bound(op.getKPages());
    if (!lens || !table || !pool)
      return llvm::Error::success();
    int64_t pageSize = op.getCache().getType().getPageSize(), maxPages = table->shape[1], pages = pool->shape[0];
    for (int64_t b = 0; b < lens->shape[0]; ++b) {
      int64_t length = lens->data<int32_t>()[b], appended = countAppended(op.getCache(), b);
      if (length < 0 || length + appended > maxPages * pageSize)
        return fail("seq_lens[" + Twine(b) + "] = " + Twine(length) +
                    (appended ? " and " + Twine(appended) + " appended tokens" : Twine()) +
                    ": expected 0 to max_pages * page_size = " + Twine(maxPages) + " * " + Twine(pageSize) + " = " +
                    Twine(maxPages * pageSize) + "; give the page table more columns");
      for (int64_t page = 0; page * pageSize < length + appended; ++page) {
        int64_t entry = table->data<int32_t>()[b * maxPages + page];
        if (entry < 0 || entry >= pages)
          return fail("page_table[" + Twine(b) + ", " + Twine(page) + "] = " + Twine(entry) +
                      ": expected a physical page from 0 to " + Twine(pages - 1) + " (k_pages holds " + Twine(pages) +
                      " pages)");
      }
    }
    return llvm::Error::success();
  }

  /// Lists made outside must stay within the sequences they are attended over.
  llvm::Error checkLists(GatherAttendOp op) const {
    auto assemble = op.getSelection().getDefiningOp<AssembleSelectionOp>();
    auto cache = op.getCache().getDefiningOp<AssembleCacheOp>();
    if (!assemble || !cache)
      return llvm::Error::success();
    const Tensor *indices = bound(assemble.getIndices()), *counts = bound(assemble.getCounts());
    const Tensor *lens = bound(cache.getSeqLens());
    if (!indices || !counts || !lens)
      return llvm::Error::success();
    bool isPage = assemble.getSelection().getType().getUnit() == Unit::Page;
    int64_t pageSize = isPage ? cache.getCache().getType().getPageSize() : 1;
    int64_t lists = counts->shape[1], capacity = indices->shape[2];
    for (int64_t row = 0; row < counts->numElements(); ++row) {
      int64_t b = row / lists, count = counts->data<int32_t>()[row], length = lens->data<int32_t>()[b];
      auto where = [&] { return "list " + Twine(row % lists).str() + " of sequence " + Twine(b).str(); };
      if (count < 0 || count > capacity)
        return fail(where() + " has count " + Twine(count) + ": expected 0 to " + Twine(capacity) +
                    ", the size of its indices");
      for (int64_t i = 0, last = -1; i < count; ++i) {
        int64_t entry = indices->data<int32_t>()[row * capacity + i];
        if (entry <= last || entry * pageSize >= length)
          return fail(where() + ", entry " + Twine(i) + " = " + Twine(entry) + ": expected ascending " +
                      (isPage ? "pages" : "tokens") + " of a sequence of " + Twine(length) + " tokens");
        last = entry;
      }
    }
    return llvm::Error::success();
  }

private:
  /// Tokens that the function's appends add to sequence b of a cache, by the sizes of their arguments.
  int64_t countAppended(Value cache, int64_t b) const {
    int64_t total = 0;
    for (Operation *user : cache.getUsers())
      if (auto append = dyn_cast<AppendOp>(user)) {
        const Tensor *rows = bound(append.getK()), *lens = bound(append.getNewLens());
        int64_t added = rows ? rows->shape[1] : 0;
        if (lens)
          added = std::min<int64_t>(added, std::max(0, lens->data<int32_t>()[b]));
        total += added + countAppended(append.getResult(), b);
      }
    return total;
  }

  const Signature &signature;
  const std::vector<Tensor> &arguments;
};

} // namespace

llvm::Error tool::checkContents(const Signature &signature, const std::vector<Tensor> &arguments) {
  Checker checker(signature, arguments);
  llvm::Error result = llvm::Error::success();
  func::FuncOp function = signature.function;
  function.walk([&](Operation *op) {
    if (auto assemble = dyn_cast<AssembleCacheOp>(op))
      result = llvm::joinErrors(std::move(result), checker.checkCache(assemble));
    else if (auto gather = dyn_cast<GatherAttendOp>(op))
      result = llvm::joinErrors(std::move(result), checker.checkLists(gather));
  });
  return result;
}
