// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Code that builds arithmetic reads like the arithmetic.

#include "twilight/Support/Expr.h"

#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;

namespace twilight {

static bool isFloat(Type type) { return isa<FloatType>(getElementTypeOrSelf(type)); }
static unsigned widthOf(Type type) { return getElementTypeOrSelf(type).getIntOrFloatBitWidth(); }

//===-- Emitter ----------------------------------------------------------------------------------------------===//

Exprs Emitter::wrap(ValueRange values) {
  Exprs exprs;
  for (Value value : values)
    exprs.push_back(wrap(value));
  return exprs;
}

Expr Emitter::constant(Type type, double value) {
  Type element = getElementTypeOrSelf(type);
  if (!isa<FloatType>(element))
    return constantInt(type, static_cast<int64_t>(value));
  TypedAttr attribute = getFloatAttr(element, value);
  if (auto vector = dyn_cast<VectorType>(type))
    attribute = DenseElementsAttr::get(vector, cast<FloatAttr>(attribute).getValue());
  return wrap(arith::ConstantOp::create(*this, attribute));
}

Expr Emitter::constantInt(Type type, int64_t value) {
  Type element = getElementTypeOrSelf(type);
  if (isa<FloatType>(element))
    return constant(type, static_cast<double>(value));
  if (auto vector = dyn_cast<VectorType>(type)) {
    APInt bits(element.getIntOrFloatBitWidth(), static_cast<uint64_t>(value), /*isSigned=*/true,
               /*implicitTrunc=*/true);
    return wrap(arith::ConstantOp::create(*this, DenseElementsAttr::get(vector, bits)));
  }
  if (element.isIndex())
    return wrap(arith::ConstantIndexOp::create(*this, value));
  APInt bits(element.getIntOrFloatBitWidth(), static_cast<uint64_t>(value), /*isSigned=*/true, /*implicitTrunc=*/true);
  return wrap(arith::ConstantOp::create(*this, IntegerAttr::get(element, bits)));
}

Exprs Emitter::forRange(Expr lower, Expr upper, Expr step, ArrayRef<Expr> carried,
                        function_ref<Exprs(Expr, ArrayRef<Expr>)> body) {
  SmallVector<Value> inits(carried.begin(), carried.end());
  auto loop = scf::ForOp::create(*this, lower, upper, step, inits);
  {
    InsertionGuard guard(*this);
    setInsertionPointToStart(loop.getBody());
    Exprs results = body(wrap(loop.getInductionVar()), wrap(loop.getRegionIterArgs()));
    SmallVector<Value> yielded(results.begin(), results.end());
    if (!inits.empty()) {
      scf::YieldOp::create(*this, yielded);
    }
  }
  return wrap(loop.getResults());
}

void Emitter::forRange(Expr lower, Expr upper, Expr step, function_ref<void(Expr)> body) {
  forRange(lower, upper, step, {}, [&](Expr iv, ArrayRef<Expr>) {
    body(iv);
    return Exprs();
  });
}

void Emitter::ifThen(Expr condition, function_ref<void()> body) {
  auto op = scf::IfOp::create(*this, condition, /*withElseRegion=*/false);
  InsertionGuard guard(*this);
  setInsertionPointToStart(op.thenBlock());
  body();
}

Exprs Emitter::ifElse(Expr condition, function_ref<Exprs()> thenBody, function_ref<Exprs()> elseBody) {
  // The result types are known only once a branch is built: scf.if takes them from what the branches yield.
  auto yield = [&](function_ref<Exprs()> body) {
    Exprs results = body();
    SmallVector<Value> values(results.begin(), results.end());
    scf::YieldOp::create(*this, values);
  };
  auto op = scf::IfOp::create(
      *this, condition, [&](OpBuilder &, Location) { yield(thenBody); },
      [&](OpBuilder &, Location) { yield(elseBody); });
  return wrap(op.getResults());
}

Exprs Emitter::whileLoop(ArrayRef<Expr> carried, function_ref<Expr(ArrayRef<Expr>)> condition,
                         function_ref<Exprs(ArrayRef<Expr>)> body) {
  SmallVector<Value> inits(carried.begin(), carried.end());
  SmallVector<Type> types;
  SmallVector<Location> locs;
  for (Value init : inits) {
    types.push_back(init.getType());
    locs.push_back(getLoc());
  }
  auto loop = scf::WhileOp::create(*this, types, inits);
  {
    InsertionGuard guard(*this);
    Block *before = createBlock(&loop.getBefore(), {}, types, locs);
    Expr go = condition(wrap(before->getArguments()));
    scf::ConditionOp::create(*this, go, before->getArguments());
    Block *after = createBlock(&loop.getAfter(), {}, types, locs);
    Exprs results = body(wrap(after->getArguments()));
    SmallVector<Value> yielded(results.begin(), results.end());
    scf::YieldOp::create(*this, yielded);
  }
  setInsertionPointAfter(loop);
  return wrap(loop.getResults());
}

//===-- Conversions ------------------------------------------------------------------------------------------===//

static Expr convert(Expr value, Type type, bool isSigned) {
  Type from = value.getType();
  if (from == type)
    return value;
  Emitter &e = value.getEmitter();
  auto make = [&](auto op) { return e.wrap(op->getResult(0)); };
  Type fromElement = getElementTypeOrSelf(from), toElement = getElementTypeOrSelf(type);
  if (fromElement.isIndex() || toElement.isIndex())
    return isSigned ? make(arith::IndexCastOp::create(e, type, value))
                    : make(arith::IndexCastUIOp::create(e, type, value));
  if (isFloat(from) && isFloat(type))
    return widthOf(from) < widthOf(type) ? make(arith::ExtFOp::create(e, type, value.get(), arith::FastMathFlagsAttr()))
                                         : make(arith::TruncFOp::create(e, type, value));
  if (isFloat(from))
    return isSigned ? make(arith::FPToSIOp::create(e, type, value)) : make(arith::FPToUIOp::create(e, type, value));
  if (isFloat(type))
    return isSigned ? make(arith::SIToFPOp::create(e, type, value)) : make(arith::UIToFPOp::create(e, type, value));
  if (widthOf(from) > widthOf(type))
    return make(arith::TruncIOp::create(e, type, value));
  return isSigned ? make(arith::ExtSIOp::create(e, type, value)) : make(arith::ExtUIOp::create(e, type, value));
}

Expr Expr::to(Type type) const { return convert(*this, type, /*isSigned=*/true); }
Expr Expr::toUnsigned(Type type) const { return convert(*this, type, /*isSigned=*/false); }
Expr Expr::bitcast(Type type) const {
  return type == getType() ? *this : emitter->wrap(arith::BitcastOp::create(*emitter, type, value));
}

//===-- Operators --------------------------------------------------------------------------------------------===//

template <typename IntOp, typename FloatOp>
static Expr binary(Expr a, Expr b) {
  Emitter &e = a.getEmitter();
  if (isFloat(a.getType()))
    return e.wrap(FloatOp::create(e, a.get(), b.get())->getResult(0));
  return e.wrap(IntOp::create(e, a.get(), b.get())->getResult(0));
}

template <typename IntOp>
static Expr integer(Expr a, Expr b) {
  Emitter &e = a.getEmitter();
  return e.wrap(IntOp::create(e, a.get(), b.get())->getResult(0));
}

static Expr compare(arith::CmpIPredicate ip, arith::CmpFPredicate fp, Expr a, Expr b) {
  Emitter &e = a.getEmitter();
  if (isFloat(a.getType()))
    return e.wrap(arith::CmpFOp::create(e, fp, a.get(), b.get()));
  return e.wrap(arith::CmpIOp::create(e, ip, a.get(), b.get()));
}

Expr operator+(Expr a, Expr b) { return binary<arith::AddIOp, arith::AddFOp>(a, b); }
Expr operator-(Expr a, Expr b) { return binary<arith::SubIOp, arith::SubFOp>(a, b); }
Expr operator*(Expr a, Expr b) { return binary<arith::MulIOp, arith::MulFOp>(a, b); }
Expr operator/(Expr a, Expr b) { return binary<arith::DivSIOp, arith::DivFOp>(a, b); }
Expr operator%(Expr a, Expr b) { return integer<arith::RemSIOp>(a, b); }
Expr operator&(Expr a, Expr b) { return integer<arith::AndIOp>(a, b); }
Expr operator|(Expr a, Expr b) { return integer<arith::OrIOp>(a, b); }
Expr operator^(Expr a, Expr b) { return integer<arith::XOrIOp>(a, b); }
Expr operator<<(Expr a, Expr b) { return integer<arith::ShLIOp>(a, b); }
Expr operator>>(Expr a, Expr b) { return integer<arith::ShRUIOp>(a, b); }
Expr operator!(Expr a) { return a ^ a.getEmitter().boolean(true); }
Expr operator-(Expr a) {
  if (isFloat(a.getType()))
    return a.getEmitter().wrap(arith::NegFOp::create(a.getEmitter(), a.get()));
  return a.getEmitter().constantInt(a.getType(), 0) - a;
}
Expr operator==(Expr a, Expr b) { return compare(arith::CmpIPredicate::eq, arith::CmpFPredicate::OEQ, a, b); }
Expr operator!=(Expr a, Expr b) { return compare(arith::CmpIPredicate::ne, arith::CmpFPredicate::UNE, a, b); }
Expr operator<(Expr a, Expr b) { return compare(arith::CmpIPredicate::slt, arith::CmpFPredicate::OLT, a, b); }
Expr operator<=(Expr a, Expr b) { return compare(arith::CmpIPredicate::sle, arith::CmpFPredicate::OLE, a, b); }
Expr operator>(Expr a, Expr b) { return compare(arith::CmpIPredicate::sgt, arith::CmpFPredicate::OGT, a, b); }
Expr operator>=(Expr a, Expr b) { return compare(arith::CmpIPredicate::sge, arith::CmpFPredicate::OGE, a, b); }
Expr lessUnsigned(Expr a, Expr b) { return compare(arith::CmpIPredicate::ult, arith::CmpFPredicate::ULT, a, b); }
Expr lessEqualUnsigned(Expr a, Expr b) { return compare(arith::CmpIPredicate::ule, arith::CmpFPredicate::ULE, a, b); }

Expr minUnsigned(Expr a, Expr b) {
  return a.getEmitter().wrap(arith::MinUIOp::create(a.getEmitter(), a.get(), b.get()));
}

Expr maxUnsigned(Expr a, Expr b) {
  return a.getEmitter().wrap(arith::MaxUIOp::create(a.getEmitter(), a.get(), b.get()));
}

Expr select(Expr condition, Expr a, Expr b) {
  Emitter &e = a.getEmitter();
  return e.wrap(arith::SelectOp::create(e, condition.get(), a.get(), b.get()));
}

Expr min(Expr a, Expr b) { return binary<arith::MinSIOp, arith::MinNumFOp>(a, b); }
Expr max(Expr a, Expr b) { return binary<arith::MaxSIOp, arith::MaxNumFOp>(a, b); }
Expr ceilDiv(Expr a, Expr b) { return (a + b - 1) / b; }

Expr fma(Expr a, Expr b, Expr c) {
  Emitter &e = a.getEmitter();
  return e.wrap(math::FmaOp::create(e, a.get(), b.get(), c.get()));
}

static Expr like(Expr a, double b) { return a.getEmitter().constant(a.getType(), b); }
static Expr likeInt(Expr a, int64_t b) { return a.getEmitter().constantInt(a.getType(), b); }

#define TWILIGHT_EXPR_MIXED(op)                                                                                        \
  Expr operator op(Expr a, double b) { return a op like(a, b); }                                                       \
  Expr operator op(Expr a, int b) { return a op likeInt(a, b); }                                                       \
  Expr operator op(Expr a, int64_t b) { return a op likeInt(a, b); }                                                   \
  Expr operator op(int a, Expr b) { return likeInt(b, a) op b; }                                                       \
  Expr operator op(double a, Expr b) { return like(b, a) op b; }
TWILIGHT_EXPR_MIXED(+)
TWILIGHT_EXPR_MIXED(-)
TWILIGHT_EXPR_MIXED(*)
TWILIGHT_EXPR_MIXED(/)
TWILIGHT_EXPR_MIXED(%)
TWILIGHT_EXPR_MIXED(&)
TWILIGHT_EXPR_MIXED(|)
TWILIGHT_EXPR_MIXED(^)
TWILIGHT_EXPR_MIXED(<<)
TWILIGHT_EXPR_MIXED(>>)
TWILIGHT_EXPR_MIXED(==)
TWILIGHT_EXPR_MIXED(!=)
TWILIGHT_EXPR_MIXED(<)
TWILIGHT_EXPR_MIXED(<=)
TWILIGHT_EXPR_MIXED(>)
TWILIGHT_EXPR_MIXED(>=)
#undef TWILIGHT_EXPR_MIXED
Expr min(Expr a, int64_t b) { return min(a, likeInt(a, b)); }
Expr max(Expr a, int64_t b) { return max(a, likeInt(a, b)); }
Expr ceilDiv(Expr a, int64_t b) { return ceilDiv(a, likeInt(a, b)); }

} // namespace twilight
