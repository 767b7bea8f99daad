// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Code that builds arithmetic reads like the arithmetic.
//
// An Expr is an MLIR value together with the builder that continues at its place; operators make arith ops of the
// operands' type (integers, floats, index, vectors of them). Integers are signed; >> is logical. An int or double on
// one side of an operator becomes a constant of the other side's type.

#ifndef TWILIGHT_SUPPORT_EXPR_H
#define TWILIGHT_SUPPORT_EXPR_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace twilight {

class Emitter;

class Expr {
public:
  Expr() = default;
  Expr(Emitter &emitter, mlir::Value value) : emitter(&emitter), value(value) {}
  mlir::Value get() const { return value; }
  operator mlir::Value() const { return value; }
  mlir::Type getType() const { return value.getType(); }
  Emitter &getEmitter() const { return *emitter; }
  explicit operator bool() const { return static_cast<bool>(value); }

  /// Conversions: integers are extended with their sign unless stated otherwise.
  Expr to(mlir::Type type) const;
  Expr toUnsigned(mlir::Type type) const; ///< integer widening with zeros, unsigned integer to float, float to unsigned
  Expr bitcast(mlir::Type type) const;

private:
  Emitter *emitter = nullptr;
  mlir::Value value;
};

using Exprs = llvm::SmallVector<Expr, 8>;

/// A builder with a place and a location, that makes Exprs.
class Emitter : public mlir::ImplicitLocOpBuilder {
public:
  using ImplicitLocOpBuilder::ImplicitLocOpBuilder;

  Expr wrap(mlir::Value value) { return Expr(*this, value); }
  Exprs wrap(mlir::ValueRange values);
  Expr constant(mlir::Type type, double value);
  Expr constantInt(mlir::Type type, int64_t value);
  Expr i32(int64_t value) { return constantInt(getI32Type(), value); }
  Expr i64(int64_t value) { return constantInt(getI64Type(), value); }
  Expr index(int64_t value) { return constantInt(getIndexType(), value); }
  Expr f32(double value) { return constant(getF32Type(), value); }
  Expr boolean(bool value) { return constantInt(getI1Type(), value); }

  /// for (iv = lower; iv < upper; iv += step), carrying values. Bounds have one integer or index type.
  Exprs forRange(Expr lower, Expr upper, Expr step, llvm::ArrayRef<Expr> carried,
                 llvm::function_ref<Exprs(Expr iv, llvm::ArrayRef<Expr> carried)> body);
  void forRange(Expr lower, Expr upper, Expr step, llvm::function_ref<void(Expr iv)> body);
  void ifThen(Expr condition, llvm::function_ref<void()> body);
  Exprs ifElse(Expr condition, llvm::function_ref<Exprs()> thenBody, llvm::function_ref<Exprs()> elseBody);
  /// while (condition(carried)) carried = body(carried).
  Exprs whileLoop(llvm::ArrayRef<Expr> carried, llvm::function_ref<Expr(llvm::ArrayRef<Expr>)> condition,
                  llvm::function_ref<Exprs(llvm::ArrayRef<Expr>)> body);
};

Expr operator+(Expr a, Expr b);
Expr operator-(Expr a, Expr b);
Expr operator*(Expr a, Expr b);
Expr operator/(Expr a, Expr b); ///< signed, toward zero
Expr operator%(Expr a, Expr b); ///< signed remainder
Expr operator&(Expr a, Expr b);
Expr operator|(Expr a, Expr b);
Expr operator^(Expr a, Expr b);
Expr operator<<(Expr a, Expr b);
Expr operator>>(Expr a, Expr b); ///< logical
Expr operator!(Expr a);          ///< of an i1
Expr operator-(Expr a);
Expr operator==(Expr a, Expr b); ///< floats: ordered
Expr operator!=(Expr a, Expr b); ///< floats: unordered
Expr operator<(Expr a, Expr b);
Expr operator<=(Expr a, Expr b);
Expr operator>(Expr a, Expr b);
Expr operator>=(Expr a, Expr b);
Expr lessUnsigned(Expr a, Expr b);
Expr lessEqualUnsigned(Expr a, Expr b);
Expr select(Expr condition, Expr a, Expr b);
Expr min(Expr a, Expr b); ///< floats: the number where one is NaN
Expr max(Expr a, Expr b);
Expr minUnsigned(Expr a, Expr b);
Expr maxUnsigned(Expr a, Expr b);
Expr ceilDiv(Expr a, Expr b); ///< a >= 0, b > 0
/// a * b + c in one rounding where the target has it.
Expr fma(Expr a, Expr b, Expr c);

#define TWILIGHT_EXPR_MIXED(op)                                                                                        \
  Expr operator op(Expr a, double b);                                                                                  \
  Expr operator op(Expr a, int b);                                                                                     \
  Expr operator op(Expr a, int64_t b);                                                                                 \
  Expr operator op(int a, Expr b);                                                                                     \
  Expr operator op(double a, Expr b);
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
Expr min(Expr a, int64_t b);
Expr max(Expr a, int64_t b);
Expr ceilDiv(Expr a, int64_t b);

} // namespace twilight

#endif
