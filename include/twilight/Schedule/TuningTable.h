// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Schedules that were measured: rows of a JSON file, written by a tuner and read before the cost model is asked.

#ifndef TWILIGHT_SCHEDULE_TUNINGTABLE_H
#define TWILIGHT_SCHEDULE_TUNINGTABLE_H

#include "twilight/Schedule/Problem.h"
#include "twilight/Schedule/Schedule.h"

#include "llvm/Support/Error.h"

namespace twilight {

/// One measurement. The fields' names in the file are in docs/rationale/schedules.md.
struct TuningRow {
  std::string chip, bounds; ///< bounds as in Problem
  int64_t batch, tokens, kvHeads, group, headDim, pageSize, codeBits;
  Schedule schedule;
  double timeUs, spreadUs;
  std::string device, driver, date, commit; ///< where the number comes from
};

/// A row holds for sizes up to this factor away, if none is nearer.
constexpr double kTuningReach = 2.0;

class TuningTable {
public:
  TuningTable() = default;
  explicit TuningTable(std::vector<TuningRow> rows) : rows(std::move(rows)) {}

  /// Reads the text of a file; `name` is the file in messages: "NAME: row 3: expected ...".
  static llvm::Expected<TuningTable> parse(llvm::StringRef text, llvm::StringRef name, mlir::MLIRContext *context);
  static llvm::Expected<TuningTable> load(llvm::StringRef path, mlir::MLIRContext *context);
  /// The rows that the compiler carries (lib/Schedule/tables).
  static llvm::Expected<TuningTable> builtin(mlir::MLIRContext *context);

  const std::vector<TuningRow> &getRows() const { return rows; }

  /// The row of a problem: of the same pipeline and chip, with the same batch and tokens or else the nearest within
  /// kTuningReach (by the product of both factors; of two as near the larger); the quickest of those. Null where there
  /// is none.
  const TuningRow *lookup(const Problem &problem) const;

private:
  std::vector<TuningRow> rows;
};

/// The tables to ask, in this order: that of a file (none where the path is empty), then the built-in one. An error at
/// no location says what is wrong with the file.
mlir::FailureOr<llvm::SmallVector<TuningTable, 2>> loadTables(llvm::StringRef path, mlir::MLIRContext *context);

} // namespace twilight

#endif
