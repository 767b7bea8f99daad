// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// What a run did, as a table or as JSON.

#include "Report.h"

#include "llvm/Support/Format.h"
#include "llvm/Support/JSON.h"

#include <cmath>
#include <limits>

using namespace mlir;
using namespace twilight;
using namespace twilight::tool;

namespace {

struct Summary {
  double least = std::numeric_limits<double>::infinity(), most = -std::numeric_limits<double>::infinity(), mean = 0;
  int64_t notFinite = 0;
};

Summary summarise(const Tensor &tensor) {
  Summary summary;
  int64_t finite = 0;
  for (int64_t i = 0, count = tensor.numElements(); i < count; ++i) {
    double value = tensor.at(i);
    if (!std::isfinite(value)) {
      ++summary.notFinite;
      continue;
    }
    summary.least = std::min(summary.least, value);
    summary.most = std::max(summary.most, value);
    summary.mean += (value - summary.mean) / static_cast<double>(++finite);
  }
  return summary;
}

void printResults(const RunRecord &record, llvm::raw_ostream &out) {
  for (auto [port, tensor] : llvm::zip(record.signature.results, record.results)) {
    Summary summary = summarise(tensor);
    out << "  " << port.name << ": " << describe(tensor);
    if (summary.least <= summary.most)
      out << llvm::format(", least %g, mean %g, largest %g", summary.least, summary.mean, summary.most);
    if (summary.notFinite)
      out << ", " << summary.notFinite << " not finite";
    out << "\n";
  }
  for (auto [port, tensor] : llvm::zip(record.signature.arguments, record.arguments))
    if (port.isChanged)
      out << "  " << port.name << ": " << describe(tensor) << ", an argument that the function may change\n";
}

std::string integer(const std::optional<int64_t> &value) { return value ? std::to_string(*value) : "-"; }

std::string decimal(const std::optional<double> &value, const char *format) {
  std::string text;
  if (!value)
    return "-";
  llvm::raw_string_ostream(text) << llvm::format(format, *value);
  return text;
}

} // namespace

void tool::printText(const RunRecord &record, llvm::raw_ostream &out) {
  func::FuncOp function = record.signature.function;
  out << "@" << function.getName() << " on " << record.target << ", " << record.device << ": "
      << llvm::format("compiled in %.2f s, ran in %.4f s", record.compileSeconds, record.runSeconds) << "\n";
  std::vector<Row> rows = makeRows(record);
  if (rows.empty())
    return printResults(record, out);
  bool hasLayers = rows.front().layer.has_value();
  auto line = [&](ArrayRef<std::string> cells) {
    for (const std::string &cell : cells)
      out << llvm::right_justify(cell, 12);
    out << "\n";
  };
  line({hasLayers ? "layer" : "sequence", "kv head", "cached", "candidates", "kept", "mass kept", "least",
        "rel. error"});
  for (const Row &row : rows)
    line({std::to_string(hasLayers ? *row.layer : row.entry), std::to_string(row.kvHead), std::to_string(row.cached),
          integer(row.candidates), integer(row.kept), decimal(row.mass, "%.4f"), decimal(row.leastMass, "%.4f"),
          decimal(row.relativeError, "%.4f")});
  out << "kept: tokens read from the full-precision cache; mass kept: their exact share of all attention, mean and "
         "least\n"
         "over the head's query heads (p is a share of the candidates' estimated attention); rel. error: of the "
         "output,\n"
         "against dense attention\n";
}

void tool::printJson(const RunRecord &record, llvm::raw_ostream &out) {
  llvm::json::OStream json(out, /*IndentSize=*/1);
  func::FuncOp function = record.signature.function;
  auto number = [&](StringRef key, const auto &value) {
    if (value)
      json.attribute(key, *value);
    else
      json.attribute(key, nullptr);
  };
  json.object([&] {
    json.attribute("function", function.getName());
    json.attribute("target", record.target);
    json.attribute("device", record.device);
    json.attribute("compile_seconds", record.compileSeconds);
    json.attribute("run_seconds", record.runSeconds);
    json.attributeArray("entries", [&] {
      for (const Row &row : makeRows(record))
        json.object([&] {
          json.attribute("entry", row.entry);
          number("layer", row.layer);
          json.attribute("kv_head", row.kvHead);
          json.attribute("cached", row.cached);
          number("candidates", row.candidates);
          number("kept", row.kept);
          number("mass", row.mass);
          number("least_mass", row.leastMass);
          number("relative_error", row.relativeError);
        });
    });
    json.attributeArray("results", [&] {
      for (size_t i = 0; i < record.results.size(); ++i) {
        const Tensor &tensor = record.results[i];
        Summary summary = summarise(tensor);
        json.object([&] {
          json.attribute("name", record.signature.results[i].name);
          json.attribute("dtype", getName(tensor.dtype));
          json.attributeArray("shape", [&] {
            for (int64_t size : tensor.shape)
              json.value(size);
          });
          json.attribute("not_finite", summary.notFinite);
          bool any = summary.least <= summary.most;
          number("least", any ? std::optional<double>(summary.least) : std::nullopt);
          number("mean", any ? std::optional<double>(summary.mean) : std::nullopt);
          number("largest", any ? std::optional<double>(summary.most) : std::nullopt);
        });
      }
    });
  });
  out << "\n";
}
