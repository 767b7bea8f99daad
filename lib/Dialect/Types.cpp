// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The cache type: its text, its checks, and the shapes of its parts. The scores' type: its text and checks.

#include "twilight/Dialect/Twilight.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace twilight;

#define GET_TYPEDEF_CLASSES
#include "twilight/Dialect/TwilightTypes.cpp.inc"

void TwilightDialect::registerTypes() {
  addTypes<
#define GET_TYPEDEF_LIST
#include "twilight/Dialect/TwilightTypes.cpp.inc"
      >();
}

bool twilight::isKvElementType(Type type) { return type.isF16() || type.isBF16() || type.isF32(); }

bool twilight::isScoreElementType(Type type) { return type.isF16() || type.isF32(); }

Type CacheType::parse(AsmParser &parser) {
  int64_t kvHeads = 0, headDim = 0, pageSize = 0;
  Type elementType;
  CodesAttr codes;
  Attribute summary;
  auto parseNumber = [&](StringRef keyword, int64_t &value) {
    return parser.parseKeyword(keyword) || parser.parseEqual() || parser.parseInteger(value) || parser.parseComma();
  };
  if (parser.parseLess() || parseNumber("kv_heads", kvHeads) || parseNumber("head_dim", headDim) ||
      parseNumber("page_size", pageSize) || parser.parseType(elementType) || parser.parseComma())
    return {};
  StringRef keyword;
  SMLoc layoutLoc = parser.getCurrentLocation();
  if (parser.parseKeyword(&keyword))
    return {};
  std::optional<Layout> layout = symbolizeLayout(keyword);
  if (!layout) {
    parser.emitError(layoutLoc) << "expected the layout 'hnd' or 'nhd', found '" << keyword << "'";
    return {};
  }
  while (succeeded(parser.parseOptionalComma())) {
    SMLoc loc = parser.getCurrentLocation();
    if (parser.parseKeyword(&keyword) || parser.parseEqual())
      return {};
    if (keyword == "codes" && !codes) {
      codes = dyn_cast_or_null<CodesAttr>(CodesAttr::parse(parser, {}));
      if (!codes)
        return {};
    } else if (keyword == "summary" && !summary) {
      if (parser.parseAttribute(summary))
        return {};
    } else {
      parser.emitError(loc) << "expected 'codes' or 'summary', each once, found '" << keyword << "'";
      return {};
    }
  }
  if (parser.parseGreater())
    return {};
  return parser.getChecked<CacheType>(parser.getContext(), kvHeads, headDim, pageSize, elementType, *layout, codes,
                                      summary);
}

void CacheType::print(AsmPrinter &printer) const {
  printer << "<kv_heads = " << getKvHeads() << ", head_dim = " << getHeadDim() << ", page_size = " << getPageSize()
          << ", " << getElementType() << ", " << stringifyLayout(getLayout());
  if (getCodes()) {
    printer << ", codes = ";
    getCodes().print(printer);
  }
  if (getSummary())
    printer << ", summary = " << getSummary();
  printer << ">";
}

LogicalResult CacheType::verify(function_ref<InFlightDiagnostic()> emitError, int64_t kvHeads, int64_t headDim,
                                int64_t pageSize, Type elementType, Layout layout, CodesAttr codes, Attribute summary) {
  if (kvHeads <= 0)
    return emitError() << "kv_heads must be positive, found " << kvHeads;
  if (headDim <= 0 || headDim % 8 != 0)
    return emitError() << "head_dim must be a positive multiple of 8, found " << headDim;
  if (pageSize <= 0 || (pageSize & (pageSize - 1)) != 0)
    return emitError() << "page_size must be a power of two, found " << pageSize;
  if (!isKvElementType(elementType))
    return emitError() << "keys and values must be f16, bf16 or f32, found " << elementType;
  if (codes && codes.getBlocked() && pageSize < 4)
    return emitError() << "blocked codes need pages of 4 tokens or more, found page_size = " << pageSize
                       << ": drop 'blocked'";
  if (summary && !isa<SummaryAttrInterface>(summary))
    return emitError() << "summary must be a page summary such as #twilight.min_max<bf16>, found " << summary;
  return success();
}

bool CacheType::hasPart(CachePart part) const {
  switch (part) {
  case CachePart::Codes:
    return static_cast<bool>(getCodes());
  case CachePart::Scale:
  case CachePart::Zero:
    return getCodes() && !getCodes().getBlocked();
  case CachePart::Summary:
    return static_cast<bool>(getSummary());
  default:
    return true;
  }
}

SmallVector<CachePart> CacheType::getParts() const {
  SmallVector<CachePart> parts;
  for (uint32_t i = 0; i <= getMaxEnumValForCachePart(); ++i)
    if (hasPart(static_cast<CachePart>(i)))
      parts.push_back(static_cast<CachePart>(i));
  return parts;
}

SummaryAttrInterface CacheType::getSummaryInterface() const {
  return dyn_cast_or_null<SummaryAttrInterface>(getSummary());
}

int64_t CacheType::getCodeRowBytes() const { return getHeadDim() * getCodes().getBits() / 8; }

bool CacheType::hasCodedSummary() const {
  SummaryAttrInterface summary = getSummaryInterface();
  return summary && summary.getElementType().isInteger(8);
}

int64_t CacheType::getSummaryBytes() const {
  SummaryAttrInterface summary = getSummaryInterface();
  int64_t rows = summary.getNumRows(), width = summary.getElementType().getIntOrFloatBitWidth() / 8;
  int64_t bytes = rows * getHeadDim() * width;
  return hasCodedSummary() ? llvm::alignTo(bytes + rows * 8, 16) : bytes;
}

CacheType CacheType::withDerived(CodesAttr codes, Attribute summary) const {
  return CacheType::get(getContext(), getKvHeads(), getHeadDim(), getPageSize(), getElementType(), getLayout(), codes,
                        summary);
}

RankedTensorType CacheType::getPartType(CachePart part) const {
  Builder b(getContext());
  const int64_t dyn = ShapedType::kDynamic, heads = getKvHeads(), tokens = getPageSize(), dim = getHeadDim();
  switch (part) {
  case CachePart::KPages:
  case CachePart::VPages:
    if (getLayout() == Layout::NHD)
      return RankedTensorType::get({dyn, tokens, heads, dim}, getElementType());
    return RankedTensorType::get({dyn, heads, tokens, dim}, getElementType());
  case CachePart::Codes:
    if (getCodes().getBlocked())
      return RankedTensorType::get({dyn, heads, tokens * (getCodeRowBytes() + 4)}, b.getI8Type());
    return RankedTensorType::get({dyn, heads, tokens, getCodeRowBytes()}, b.getI8Type());
  case CachePart::Scale:
  case CachePart::Zero:
    return RankedTensorType::get({dyn, heads, tokens}, b.getF16Type());
  case CachePart::Summary:
    if (hasCodedSummary())
      return RankedTensorType::get({dyn, heads, getSummaryBytes()}, b.getI8Type());
    return RankedTensorType::get({dyn, heads, static_cast<int64_t>(getSummaryInterface().getNumRows()), dim},
                                 getSummaryInterface().getElementType());
  case CachePart::PageTable:
    return RankedTensorType::get({dyn, dyn}, b.getI32Type());
  case CachePart::SeqLens:
    return RankedTensorType::get({dyn}, b.getI32Type());
  }
  llvm_unreachable("every part has a type");
}

Type ScoresType::parse(AsmParser &parser) {
  Builder b(parser.getContext());
  Lists lists = Lists::KvHead;
  Type elementType = b.getF32Type();
  if (succeeded(parser.parseOptionalLess())) {
    StringRef keyword;
    bool needsType = true, hasLists = false;
    if (succeeded(parser.parseOptionalKeyword(&keyword, {"kv_head", "query_head"}))) {
      lists = *symbolizeLists(keyword);
      hasLists = true;
      needsType = succeeded(parser.parseOptionalComma());
    }
    SMLoc loc = parser.getCurrentLocation();
    if (needsType) {
      OptionalParseResult parsed = parser.parseOptionalType(elementType);
      if (!parsed.has_value())
        parser.emitError(loc) << "expected " << (hasLists ? "" : "the lists 'kv_head' or 'query_head', or ")
                              << "the element type f32 or f16";
      if (!parsed.has_value() || failed(*parsed))
        return {};
    }
    if (parser.parseGreater())
      return {};
  }
  return parser.getChecked<ScoresType>(parser.getContext(), lists, elementType);
}

void ScoresType::print(AsmPrinter &printer) const {
  bool printsLists = getLists() != Lists::KvHead, printsType = !getElementType().isF32();
  if (!printsLists && !printsType)
    return;
  printer << "<";
  if (printsLists)
    printer << stringifyLists(getLists()) << (printsType ? ", " : "");
  if (printsType)
    printer << getElementType();
  printer << ">";
}

LogicalResult ScoresType::verify(function_ref<InFlightDiagnostic()> emitError, Lists, Type elementType) {
  if (!isScoreElementType(elementType))
    return emitError() << "scores must be f32 or f16, found " << elementType;
  return success();
}
