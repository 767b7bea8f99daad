// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Rows of a tuning table: reading them, and finding the one for a problem.

#include "twilight/Schedule/TuningTable.h"

#include "mlir/IR/Diagnostics.h"

#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"

#include <cmath>
#include <tuple>

using namespace mlir;
using namespace twilight;
namespace json = llvm::json;

/// The files of lib/Schedule/tables.
static const struct {
  StringLiteral name, text;
} kBuiltinTables[] = {
#include "BuiltinTables.inc"
};
static constexpr int64_t kFormat = 1;

namespace {

llvm::Error makeError(const llvm::Twine &message) { return llvm::createStringError(message.str()); }

/// Reads the fields of one row, and remembers the first thing that is wrong with it.
class RowReader {
public:
  RowReader(const json::Object &row) : row(row) {}

  std::string text(StringRef field) {
    std::optional<StringRef> value = row.getString(field);
    if (!value || value->empty())
      expect(field, "a text that is not empty");
    return value ? value->str() : "";
  }
  int64_t size(StringRef field) {
    std::optional<int64_t> value = row.getInteger(field);
    if (!value || *value <= 0)
      expect(field, "a positive integer");
    return value.value_or(1);
  }
  double time(StringRef field, bool mayBeZero) {
    std::optional<double> value = row.getNumber(field);
    if (!value || !(mayBeZero ? *value >= 0 : *value > 0))
      expect(field, mayBeZero ? "microseconds, not negative" : "microseconds, more than 0");
    return value.value_or(1);
  }
  Schedule schedule(StringRef field, MLIRContext *context) {
    std::optional<StringRef> text = row.getString(field);
    if (!text)
      return expect(field, "the text of a schedule"), Schedule();
    std::string reason;
    ScopedDiagnosticHandler keep(context, [&](Diagnostic &diagnostic) {
      reason = diagnostic.str();
      return success();
    });
    if (ScheduleAttr attribute = parseSchedule(*text, UnknownLoc::get(context)))
      return Schedule::of(attribute).withOrigin(ScheduleOrigin::Table);
    if (error.empty())
      error = reason;
    return Schedule();
  }
  void expect(StringRef field, const llvm::Twine &what) {
    if (!error.empty())
      return;
    const json::Value *found = row.get(field);
    error = ("expected '" + field + "' to be " + what + ", found " +
             (found ? llvm::formatv("{0}", *found).str() : "nothing"))
                .str();
  }

  const json::Object &row;
  std::string error;
};

constexpr StringLiteral kFields[] = {"chip",      "batch",      "tokens", "kv_heads", "group",   "head_dim",
                                     "page_size", "codes_bits", "bounds", "schedule", "time_us", "spread_us",
                                     "device",    "driver",     "date",   "commit"};

llvm::Expected<TuningRow> readRow(const json::Object &object, MLIRContext *context) {
  for (const auto &entry : object)
    if (!llvm::is_contained(kFields, StringRef(entry.first)))
      return makeError("unknown field '" + StringRef(entry.first) + "'; a row has " +
                       llvm::join(ArrayRef(kFields), ", "));
  RowReader reader(object);
  TuningRow row;
  row.chip = reader.text("chip");
  if (!lookupTarget(row.chip))
    reader.expect("chip", "one of " + targetNames());
  row.batch = reader.size("batch");
  row.tokens = reader.size("tokens");
  row.kvHeads = reader.size("kv_heads");
  row.group = reader.size("group");
  row.headDim = reader.size("head_dim");
  row.pageSize = reader.size("page_size");
  row.codeBits = reader.size("codes_bits");
  row.bounds = reader.text("bounds");
  row.schedule = reader.schedule("schedule", context);
  row.timeUs = reader.time("time_us", /*mayBeZero=*/false);
  row.spreadUs = reader.time("spread_us", /*mayBeZero=*/true);
  row.device = reader.text("device");
  row.driver = reader.text("driver");
  row.date = reader.text("date");
  row.commit = reader.text("commit");
  if (!reader.error.empty())
    return makeError(reader.error);
  return row;
}

/// How far apart two sizes are, as a factor of at least 1.
double factor(int64_t a, int64_t b) { return double(std::max(a, b)) / double(std::min(a, b)); }

} // namespace

llvm::Expected<TuningTable> TuningTable::parse(StringRef text, StringRef name, MLIRContext *context) {
  context->loadDialect<TwilightDialect>();
  llvm::Expected<json::Value> value = json::parse(text);
  if (!value)
    return makeError(name + ": " + llvm::toString(value.takeError()));
  const json::Object *file = value->getAsObject();
  const json::Array *array = file ? file->getArray("rows") : nullptr;
  if (!array || file->getInteger("twilight_tuning_table") != kFormat)
    return makeError(name + ": expected a tuning table, {\"twilight_tuning_table\": " + llvm::Twine(kFormat) +
                     ", \"rows\": [...]}");
  std::vector<TuningRow> rows;
  for (const auto &[index, element] : llvm::enumerate(*array)) {
    const json::Object *object = element.getAsObject();
    if (!object)
      return makeError(name + ": row " + llvm::Twine(index + 1) + ": expected an object, found " +
                       llvm::formatv("{0}", element).str());
    llvm::Expected<TuningRow> row = readRow(*object, context);
    if (!row)
      return makeError(name + ": row " + llvm::Twine(index + 1) + ": " + llvm::toString(row.takeError()));
    rows.push_back(std::move(*row));
  }
  return TuningTable(std::move(rows));
}

llvm::Expected<TuningTable> TuningTable::load(StringRef path, MLIRContext *context) {
  auto buffer = llvm::MemoryBuffer::getFile(path, /*IsText=*/true);
  if (!buffer)
    return makeError("cannot read the tuning table '" + path + "': " + buffer.getError().message());
  return parse((*buffer)->getBuffer(), path, context);
}

llvm::Expected<TuningTable> TuningTable::builtin(MLIRContext *context) {
  std::vector<TuningRow> rows;
  for (const auto &[name, text] : kBuiltinTables) {
    llvm::Expected<TuningTable> table = parse(text, name, context);
    if (!table)
      return table.takeError();
    llvm::append_range(rows, table->getRows());
  }
  return TuningTable(std::move(rows));
}

FailureOr<SmallVector<TuningTable, 2>> twilight::loadTables(StringRef path, MLIRContext *context) {
  SmallVector<TuningTable, 2> tables;
  for (bool builtin : {false, true}) {
    if (!builtin && path.empty())
      continue;
    llvm::Expected<TuningTable> table = builtin ? TuningTable::builtin(context) : TuningTable::load(path, context);
    if (!table)
      return emitError(UnknownLoc::get(context)) << llvm::toString(table.takeError()), failure();
    tables.push_back(std::move(*table));
  }
  return tables;
}

const TuningRow *TuningTable::lookup(const Problem &problem) const {
  if (!problem.hasSizes() || problem.candidatesPerHead || problem.keptPerHead)
    return nullptr;
  const TuningRow *best = nullptr;
  double bestDistance = 0;
  for (const TuningRow &row : rows) {
    if (row.chip != problem.target->chip || row.bounds != problem.bounds || row.kvHeads != problem.kvHeads ||
        row.group != problem.group || row.headDim != problem.headDim || row.pageSize != problem.pageSize ||
        row.codeBits != problem.codeBits)
      continue;
    double batch = factor(row.batch, problem.batch), tokens = factor(row.tokens, problem.tokens);
    if (std::max(batch, tokens) > kTuningReach)
      continue;
    double distance = std::log2(batch) + std::log2(tokens);
    // Of two as near, the larger one: what fits into shared memory there fits here. Then the quickest of the same size.
    auto rank = [&](const TuningRow &row, double distance) {
      return std::make_tuple(distance, -row.batch * row.tokens, row.timeUs);
    };
    if (!best || rank(row, distance) < rank(*best, bestDistance)) {
      best = &row;
      bestDistance = distance;
    }
  }
  return best;
}
