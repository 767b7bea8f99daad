// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The schedule attribute: its fields, their text, their ranges.

#include "twilight/Dialect/Twilight.h"

#include "mlir/IR/DialectImplementation.h"

using namespace mlir;
using namespace twilight;

namespace {
/// Everything of a schedule but shape and origin, in the order of the attribute's parameters.
struct Numbers {
  int64_t cluster = ScheduleAttr::kCluster, spread = ScheduleAttr::kSpread, warps = ScheduleAttr::kWarps,
          selectWarps = ScheduleAttr::kSelectWarps, resident = ScheduleAttr::kResident,
          gatherSplits = ScheduleAttr::kGatherSplits, denseSplits = ScheduleAttr::kDenseSplits;
};
struct Field {
  StringLiteral name;
  ScheduleShape shape;
  int64_t Numbers::*number;
  int64_t least, most;
  bool onlyIfSet = false; ///< printed where it is not the default
};
// 32 warps are the most a thread block can have; the kernel that combines splits holds a part of each in registers.
constexpr Field kFields[] = {
    {"cluster", ScheduleShape::Block, &Numbers::cluster, 1, 16},
    {"spread", ScheduleShape::Block, &Numbers::spread, 1, ScheduleAttr::kMostSpread, /*onlyIfSet=*/true},
    {"warps", ScheduleShape::Block, &Numbers::warps, 4, 32},
    {"select_warps", ScheduleShape::Block, &Numbers::selectWarps, 0, 28},
    {"resident", ScheduleShape::Block, &Numbers::resident, 1, 4, /*onlyIfSet=*/true},
    {"gather_splits", ScheduleShape::Grid, &Numbers::gatherSplits, 1, ScheduleAttr::kMostSplits},
    {"dense_splits", ScheduleShape::Grid, &Numbers::denseSplits, 1, ScheduleAttr::kMostSplits},
};
constexpr int64_t kMostWarps = 32, kMostResidentWarps = 64;
} // namespace

static std::string describeFields(ScheduleShape shape) {
  std::string text;
  for (const Field &field : kFields)
    if (field.shape == shape)
      text += field.name.str() + ", ";
  return text + "origin";
}

template <typename Enum>
static std::optional<Enum> parseEnum(AsmParser &parser, StringRef what, StringRef expected) {
  StringRef keyword;
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseKeyword(&keyword))
    return {};
  std::optional<Enum> value = symbolizeEnum<Enum>(keyword);
  if (!value)
    parser.emitError(loc) << "expected the " << what << " " << expected << ", found '" << keyword << "'";
  return value;
}

Attribute ScheduleAttr::parse(AsmParser &parser, Type) {
  if (parser.parseLess())
    return {};
  auto shape = parseEnum<ScheduleShape>(parser, "shape", "block or grid");
  if (!shape)
    return {};
  Numbers numbers;
  std::optional<ScheduleOrigin> origin;
  llvm::SmallDenseSet<StringRef> seen;
  while (succeeded(parser.parseOptionalComma())) {
    StringRef keyword;
    SMLoc loc = parser.getCurrentLocation();
    if (parser.parseKeyword(&keyword) || parser.parseEqual())
      return {};
    if (!seen.insert(keyword).second) {
      parser.emitError(loc) << "'" << keyword << "' is given twice";
      return {};
    }
    if (keyword == "origin") {
      origin = parseEnum<ScheduleOrigin>(parser, "origin", "user, table, model or default");
      if (!origin)
        return {};
      continue;
    }
    const auto *field =
        llvm::find_if(kFields, [&](const Field &field) { return field.name == keyword && field.shape == *shape; });
    if (field == std::end(kFields)) {
      parser.emitError(loc) << "a schedule of shape " << stringifyScheduleShape(*shape) << " has "
                            << describeFields(*shape) << "; found '" << keyword << "'";
      return {};
    }
    if (parser.parseInteger(numbers.*(field->number)))
      return {};
  }
  if (parser.parseGreater())
    return {};
  return parser.getChecked<ScheduleAttr>(parser.getContext(), *shape, numbers.cluster, numbers.spread, numbers.warps,
                                         numbers.selectWarps, numbers.resident, numbers.gatherSplits,
                                         numbers.denseSplits, origin.value_or(ScheduleOrigin::User));
}

void ScheduleAttr::print(AsmPrinter &printer) const {
  const Numbers unset, numbers{getCluster(),  getSpread(),       getWarps(),      getSelectWarps(),
                               getResident(), getGatherSplits(), getDenseSplits()};
  printer << "<" << stringifyScheduleShape(getShape());
  for (const Field &field : kFields)
    if (field.shape == getShape() && !(field.onlyIfSet && numbers.*(field.number) == unset.*(field.number)))
      printer << ", " << field.name << " = " << numbers.*(field.number);
  printer << ", origin = " << stringifyScheduleOrigin(getOrigin()) << ">";
}

LogicalResult ScheduleAttr::verify(function_ref<InFlightDiagnostic()> emitError, ScheduleShape shape, int64_t cluster,
                                   int64_t spread, int64_t warps, int64_t selectWarps, int64_t resident,
                                   int64_t gatherSplits, int64_t denseSplits, ScheduleOrigin) {
  Numbers numbers{cluster, spread, warps, selectWarps, resident, gatherSplits, denseSplits};
  for (const Field &field : kFields) {
    int64_t value = numbers.*(field.number), unset = Numbers().*(field.number);
    if (field.shape != shape && value != unset)
      return emitError() << field.name << " belongs to shape " << stringifyScheduleShape(field.shape)
                         << ": expected its default " << unset << ", found " << value;
    if (value < field.least || value > field.most)
      return emitError() << field.name << " must lie in " << field.least << " to " << field.most << ", found " << value;
  }
  if (!llvm::isPowerOf2_64(cluster))
    return emitError() << "cluster must be 1, 2, 4, 8 or 16 thread blocks, found " << cluster;
  if (spread != 1 && cluster != 1)
    return emitError() << "the blocks that share an item are a cluster or spread over the chip: expected cluster = 1 "
                       << "beside spread = " << spread << ", found " << cluster << "; set one of them to 1";
  if (selectWarps != 0 && spread != 1)
    return emitError() << "select_warps work one item ahead in a block of its own: expected spread = 1, found "
                       << spread << "; set select_warps to 0 or spread to 1";
  if (selectWarps != 0 && cluster != 1)
    return emitError() << "select_warps work one item ahead in a block of its own: expected cluster = 1, found "
                       << cluster << "; set select_warps to 0 or cluster to 1";
  if (warps + selectWarps > kMostWarps)
    return emitError() << "a thread block has at most " << kMostWarps << " warps, found " << warps << " warps and "
                       << selectWarps << " select_warps; lower one of them";
  if ((warps + selectWarps) * resident > kMostResidentWarps)
    return emitError() << "a multiprocessor has at most " << kMostResidentWarps << " warps, found " << resident
                       << " resident thread blocks of " << warps + selectWarps << " warps; lower one of them";
  return success();
}
