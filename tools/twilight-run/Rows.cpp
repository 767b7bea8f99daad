// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The numbers of a report.
//
//   mass of a query head      = exp(lse - lse of dense attention): the kept tokens' share of all attention
//   relative error of a group = |out - dense| / |dense| over its query heads

#include "Report.h"

#include <cmath>

using namespace mlir;
using namespace twilight;
using namespace twilight::tool;

namespace {

/// [5, 15, 25] -> 5, 15, 25
std::vector<int64_t> readLayers(const TensorFile &file) {
  auto found = file.metadata.find("layers");
  std::vector<int64_t> layers;
  if (found == file.metadata.end())
    return layers;
  SmallVector<StringRef> items;
  StringRef(found->second).trim("[] ").split(items, ',');
  for (StringRef item : items) {
    int64_t layer = 0;
    if (item.trim().getAsInteger(10, layer))
      return {};
    layers.push_back(layer);
  }
  return layers;
}

/// Largest entry of counts [B, lists] among the lists of one kv head.
std::optional<int64_t> largestCount(const Tensor *counts, int64_t b, int64_t g, int64_t kvHeads) {
  if (!counts || counts->shape.size() != 2 || counts->shape[1] % kvHeads != 0)
    return std::nullopt;
  int64_t perHead = counts->shape[1] / kvHeads, largest = 0;
  for (int64_t i = 0; i < perHead; ++i)
    largest = std::max(largest, static_cast<int64_t>(counts->at(b * counts->shape[1] + g * perHead + i)));
  return largest;
}

/// mass and error of one kv head's group of query heads.
void compareGroup(Row &row, const Tensor &out, const Tensor &lse, const std::vector<Tensor> &dense, int64_t kvHeads) {
  int64_t heads = lse.shape[1], group = heads / kvHeads, dim = out.shape[2];
  double error = 0, norm = 0, mass = 0, least = 1;
  for (int64_t i = 0; i < group; ++i) {
    int64_t head = row.entry * heads + row.kvHead * group + i;
    double share = std::exp(lse.at(head) - dense[1].at(head));
    mass += share / static_cast<double>(group);
    least = std::min(least, share);
    for (int64_t d = 0; d < dim; ++d) {
      double exact = dense[0].at(head * dim + d), difference = out.at(head * dim + d) - exact;
      error += difference * difference;
      norm += exact * exact;
    }
  }
  if (row.cached == 0)
    return; // nothing to attend to, nothing to miss
  row.mass = mass;
  row.leastMass = least;
  row.relativeError = norm > 0 ? std::sqrt(error / norm) : 0.0;
}

} // namespace

std::vector<Row> tool::makeRows(const RunRecord &record) {
  auto result = [&](StringRef name) -> const Tensor * {
    int index = record.signature.findResult(name);
    return index < 0 ? nullptr : &record.results[index];
  };
  const Tensor *out = result("out"), *lse = result("lse"), *counts = result("counts");
  int lens = record.signature.findArgument("seq_lens");
  CacheType cache;
  func::FuncOp function = record.signature.function;
  function.walk([&](AssembleCacheOp op) { cache = op.getCache().getType(); });
  if (!out || !lse || !counts || lens < 0 || !cache || out->shape.size() != 3 || lse->shape.size() != 2)
    return {};
  std::vector<int64_t> layers = readLayers(record.file);
  std::vector<Row> rows;
  int64_t batch = out->shape[0], kvHeads = cache.getKvHeads();
  for (int64_t b = 0; b < batch; ++b)
    for (int64_t g = 0; g < kvHeads; ++g) {
      Row row{};
      row.entry = b;
      row.kvHead = g;
      if (static_cast<int64_t>(layers.size()) == batch)
        row.layer = layers[b];
      row.cached = static_cast<int64_t>(record.arguments[lens].at(b));
      row.candidates = largestCount(result("candidates"), b, g, kvHeads);
      row.kept = largestCount(counts, b, g, kvHeads);
      if (!record.dense.empty())
        compareGroup(row, *out, *lse, record.dense, kvHeads);
      rows.push_back(row);
    }
  return rows;
}
