// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Verifiers of the ops that choose.

#include "Verify.h"

#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace twilight;

static InFlightDiagnostic expectType(Operation *op, StringRef what, Type expected, Type found) {
  return op->emitOpError() << what << " must be " << expected << ", found " << found;
}

LogicalResult SelectOp::verify() {
  CacheType cache = getCache().getType();
  auto emit = [&] { return emitOpError(); };
  if (failed(verifyQuery(*this, getQ(), cache)) || failed(getBudget().verifyBudget(emit)) ||
      failed(getSelector().verifySummary(emit, cache.getSummary())) ||
      failed(getSelector().verifyPageSize(emit, cache.getPageSize())) ||
      failed(verifyTokenCount(*this, "sink", getSink())) || failed(verifyTokenCount(*this, "recent", getRecent())))
    return failure();
  UnitRule rule = getSelector().getUnitRule();
  if (rule != UnitRule::Scored && !getBudget().keepsAll())
    return emitOpError() << getSelector() << " ranks nothing: its budget must be #twilight.all, found " << getBudget();
  if (rule == UnitRule::Floors && getSink() == 0 && getRecent() == 0)
    return emitOpError() << getSelector() << " keeps only the floors: expected sink or recent to be positive";
  Lists lists = getGroup() == SelectGroup::PerHead ? Lists::QueryHead : Lists::KvHead;
  auto expected = SelectionType::get(getContext(), Unit::Page, lists);
  if (getSelection().getType() != expected)
    return expectType(*this, "with this group the result", expected, getSelection().getType());
  return success();
}

/// Pages to score from all bits: lists like the candidates', over codes that have planes.
static LogicalResult verifyFine(QuantizeScoreOp op, HeadCounts heads) {
  if (!op.getCache().getType().getCodes().getPlanes())
    return op.emitOpError()
           << "scores pages that are not in 'fine' from the high planes of their codes, which the cache "
              "lacks: declare codes = <bits = 4, planes> in the cache type or drop 'fine'";
  if (op.getFine().getType() != op.getSelection().getType())
    return expectType(op, "'fine', like the candidates,", op.getSelection().getType(), op.getFine().getType());
  return verifyListCount(op, op.getFine(), heads.query, heads.kv);
}

LogicalResult QuantizeScoreOp::verify() {
  CacheType cache = getCache().getType();
  if (failed(verifyQuery(*this, getQ(), cache)) || failed(verifySoftmaxScale(*this, getSoftmaxScale())))
    return failure();
  if (!cache.getCodes())
    return emitOpError() << "reads part 'codes', which the cache lacks: declare codes = <bits = 4> in the cache type "
                            "and fill it with twilight.append";
  if (getSelection().getType().getUnit() != Unit::Page)
    return emitOpError() << "scores the tokens of pages: expected !twilight.selection<page>, found "
                         << getSelection().getType();
  HeadCounts heads = getHeadCounts(getQ(), cache);
  if (failed(verifyListCount(*this, getSelection(), heads.query, heads.kv)) ||
      (getFine() && failed(verifyFine(*this, heads))))
    return failure();
  auto expected =
      ScoresType::get(getContext(), getSelection().getType().getLists(), getScores().getType().getElementType());
  if (getScores().getType() != expected)
    return expectType(*this, "the result", expected, getScores().getType());
  return success();
}

/// p has one number, or one for each query head where their number is known; constants lie in [0, 1].
static LogicalResult verifyLevel(TopPOp op) {
  StringRef name = op.getRule() == KeepRule::Mass ? "p" : "lambda";
  auto shaped = dyn_cast<ShapedType>(op.getP().getType());
  if (auto score = op.getScores().getDefiningOp<QuantizeScoreOp>(); score && shaped) {
    int64_t heads = getHeadCounts(score.getQ(), score.getCache().getType()).query;
    if (shaped.getDimSize(0) != heads)
      return op.emitOpError() << name << " must be one f32, or one for each of the " << heads << " query heads, found "
                              << shaped;
  }
  auto verifyNumber = [&](double value) -> LogicalResult {
    if (value >= 0.0 && value <= 1.0)
      return success();
    return op.emitOpError() << name << " must lie in [0, 1], found the constant " << value;
  };
  Attribute constant;
  if (!matchPattern(op.getP(), m_Constant(&constant)))
    return success();
  if (auto number = dyn_cast<FloatAttr>(constant))
    return verifyNumber(number.getValueAsDouble());
  if (auto numbers = dyn_cast<DenseFPElementsAttr>(constant))
    for (const APFloat &number : numbers)
      if (failed(verifyNumber(number.convertToDouble())))
        return failure();
  return success();
}

LogicalResult TopPOp::verify() {
  for (auto [name, value] : {std::pair<StringRef, int64_t>{"min_tokens", getMinTokens()},
                             {"max_tokens", getMaxTokens()},
                             {"sink", getSink()},
                             {"recent", getRecent()}})
    if (failed(verifyTokenCount(*this, name, value)))
      return failure();
  if (getMaxTokens() != 0 && getMaxTokens() < getMinTokens())
    return emitOpError() << "max_tokens (" << getMaxTokens() << ") must be 0 or at least min_tokens (" << getMinTokens()
                         << ")";
  if (failed(verifyLevel(*this)))
    return failure();
  bool perHead = getGroup() == KeepGroup::PerHead || getScores().getType().getLists() == Lists::QueryHead;
  auto expected = SelectionType::get(getContext(), Unit::Token, perHead ? Lists::QueryHead : Lists::KvHead);
  if (getSelection().getType() != expected)
    return expectType(*this, "with this group and these scores the result", expected, getSelection().getType());
  return success();
}

static LogicalResult verifyLists(Operation *op, Value indices, Value counts) {
  const int64_t dyn = ShapedType::kDynamic;
  Type i32 = IntegerType::get(op->getContext(), 32);
  if (failed(verifyBuffer(op, indices, "indices", {dyn, dyn, dyn}, i32)) ||
      failed(verifyBuffer(op, counts, "counts", {dyn, dyn}, i32)))
    return failure();
  auto indicesType = cast<ShapedType>(indices.getType()), countsType = cast<ShapedType>(counts.getType());
  if (indicesType.isDynamicDim(1) || indicesType.getDimSize(1) != countsType.getDimSize(1))
    return op->emitOpError() << "indices and counts must have the same static number of lists, found " << indicesType
                             << " and " << countsType;
  return success();
}

LogicalResult AssembleSelectionOp::verify() { return verifyLists(*this, getIndices(), getCounts()); }
LogicalResult SelectionPartsOp::verify() { return verifyLists(*this, getIndices(), getCounts()); }

LogicalResult LogitsOp::verify() {
  const int64_t dyn = ShapedType::kDynamic;
  if (failed(verifyBuffer(*this, getLogits(), "logits", {dyn, dyn, dyn}, getScores().getType().getElementType())))
    return failure();
  auto type = cast<ShapedType>(getLogits().getType());
  if (type.isDynamicDim(1))
    return emitOpError() << "logits must have a static number of query heads, found " << type;
  auto score = getScores().getDefiningOp<QuantizeScoreOp>();
  int64_t heads = score ? getHeadCounts(score.getQ(), score.getCache().getType()).query : type.getDimSize(1);
  if (type.getDimSize(1) != heads)
    return emitOpError() << "logits must have a row for each of the " << heads << " query heads, found " << type;
  return success();
}

LogicalResult CountOp::verify() {
  const int64_t dyn = ShapedType::kDynamic;
  if (failed(verifyBuffer(*this, getCounts(), "counts", {dyn, dyn}, IntegerType::get(getContext(), 32))))
    return failure();
  int64_t lists = cast<ShapedType>(getCounts().getType()).getDimSize(1), kvHeads = getCache().getType().getKvHeads();
  bool perHead = getSelection().getType().getLists() == Lists::QueryHead;
  if (ShapedType::isDynamic(lists) || (perHead ? lists % kvHeads != 0 : lists != kvHeads))
    return emitOpError() << "counts must have one column for each list (" << (perHead ? "a multiple of " : "")
                         << kvHeads << "), found " << getCounts().getType();
  return verifyListCount(*this, getSelection(), lists, kvHeads);
}
