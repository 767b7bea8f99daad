// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// What the dialect's values become when a pipeline is lowered, on every target.
//
//   tensor<...>          memref<...>, row-major
//   !twilight.cache      one memref for each part the type has, in the order of CachePart
//   !twilight.selection  indices memref<?x?x?xi32> [B, lists, capacity], counts memref<?x?xi32> [B, lists]
//   !twilight.scores     logits memref<?x?x?xf32> (or f16) [B, Hq, capacity], then the page selection it scores, then
//                        seq_lens

#ifndef TWILIGHT_CONVERSION_LOWEREDTYPES_H
#define TWILIGHT_CONVERSION_LOWEREDTYPES_H

#include "twilight/Dialect/Twilight.h"

#include "mlir/Transforms/DialectConversion.h"

namespace twilight {

/// Adds the conversions above.
void populateLoweredTypeConversions(mlir::TypeConverter &converter);

/// The buffers of a cache.
struct CacheBuffers {
  CacheBuffers(CacheType type, mlir::ValueRange values);
  CacheType type;
  mlir::Value kPages, vPages, codes, scale, zero, summary, pageTable, seqLens; ///< null where the cache lacks the part
  mlir::Value get(CachePart part) const;
  /// Codes, scale and zero, as far as the type has them.
  llvm::SmallVector<mlir::Value> getQuantizedKeys() const;
};

/// The buffers of a selection.
struct SelectionBuffers {
  explicit SelectionBuffers(mlir::ValueRange values) : indices(values[0]), counts(values[1]) {}
  mlir::Value indices, counts;
};

/// The buffers of scores.
struct ScoresBuffers {
  explicit ScoresBuffers(mlir::ValueRange values) : logits(values[0]), pages(values.slice(1, 2)), seqLens(values[3]) {}
  mlir::Value logits;
  SelectionBuffers pages;
  mlir::Value seqLens;
};

} // namespace twilight

#endif
