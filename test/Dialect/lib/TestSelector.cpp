// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// What a third party writes to add a selector: an attribute of a dialect of its own, and nothing in twilight. This one
// keeps one row a page, the largest magnitude of every channel, and ranks a page by the bound sum_d |q_d| * abs_max_d.

#include "twilight/Dialect/Twilight.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/DialectImplementation.h"

using namespace mlir;

namespace {

/// #test_selector.abs_max: the summary, stored as f16.
struct AbsMaxAttr
    : Attribute::AttrBase<AbsMaxAttr, Attribute, AttributeStorage, twilight::SummaryAttrInterface::Trait> {
  using Base::Base;
  static constexpr StringLiteral name = "test_selector.abs_max";

  unsigned getNumRows() const { return 1; }
  Type getElementType() const { return Float16Type::get(getContext()); }
  SmallVector<Value> init(OpBuilder &builder, Location loc) const {
    return {arith::ConstantOp::create(builder, loc, builder.getF32FloatAttr(0.0f))};
  }
  SmallVector<Value> accumulate(OpBuilder &builder, Location loc, ValueRange accumulators, Value x) const {
    Value magnitude = math::AbsFOp::create(builder, loc, x);
    return {arith::MaximumFOp::create(builder, loc, accumulators[0], magnitude)};
  }
  SmallVector<Value> finish(OpBuilder &, Location, ValueRange accumulators) const { return {accumulators[0]}; }
};

// The interface's defaults are overridden by hiding them, as everywhere in MLIR.
// NOLINTBEGIN(bugprone-derived-method-shadowing-base-method)
/// #test_selector.bound: the selector.
struct BoundAttr : Attribute::AttrBase<BoundAttr, Attribute, AttributeStorage, twilight::SelectorAttrInterface::Trait> {
  using Base::Base;
  static constexpr StringLiteral name = "test_selector.bound";

  twilight::UnitRule getUnitRule() const { return twilight::UnitRule::Scored; }
  LogicalResult verifySummary(function_ref<InFlightDiagnostic()> emitError, Attribute summary) const {
    if (isa_and_nonnull<AbsMaxAttr>(summary))
      return success();
    return emitError() << "#test_selector.bound reads #test_selector.abs_max";
  }
  LogicalResult verifyPageSize(function_ref<InFlightDiagnostic()> emitError, int64_t pageSize) const {
    if (pageSize >= 16)
      return success();
    return emitError() << "#test_selector.bound ranks pages of at least 16 tokens, found page_size = " << pageSize;
  }
  unsigned getNumTerms() const { return 1; }
  Value transformQuery(OpBuilder &builder, Location loc, Value q, unsigned, unsigned) const {
    return math::AbsFOp::create(builder, loc, q);
  }
  bool isTransformExact(unsigned, unsigned) const { return true; }
};
// NOLINTEND(bugprone-derived-method-shadowing-base-method)

class TestSelectorDialect : public Dialect {
public:
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(TestSelectorDialect)
  static StringRef getDialectNamespace() { return "test_selector"; }

  explicit TestSelectorDialect(MLIRContext *context)
      : Dialect(getDialectNamespace(), context, TypeID::get<TestSelectorDialect>()) {
    context->loadDialect<arith::ArithDialect, math::MathDialect>();
    addAttributes<AbsMaxAttr, BoundAttr>();
  }

  Attribute parseAttribute(DialectAsmParser &parser, Type) const override {
    StringRef keyword;
    if (parser.parseKeyword(&keyword))
      return {};
    if (keyword == "abs_max")
      return AbsMaxAttr::get(getContext());
    if (keyword == "bound")
      return BoundAttr::get(getContext());
    parser.emitError(parser.getNameLoc()) << "expected abs_max or bound, found '" << keyword << "'";
    return {};
  }

  void printAttribute(Attribute attribute, DialectAsmPrinter &printer) const override {
    printer << (isa<AbsMaxAttr>(attribute) ? "abs_max" : "bound");
  }
};

} // namespace

namespace twilight::test {
// Declared in twilight-opt.cpp, which is built with it as twilight-test-opt.
void registerTestSelector(DialectRegistry &registry);
void registerTestSelector(DialectRegistry &registry) { registry.insert<TestSelectorDialect>(); }
} // namespace twilight::test
