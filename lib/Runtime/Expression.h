// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The manifest's integer expressions over the symbols of argument shapes, such as ["ceildiv", ["*", "B", 8], 4].
#ifndef TWILIGHT_RUNTIME_EXPRESSION_H
#define TWILIGHT_RUNTIME_EXPRESSION_H

#include <nlohmann/json_fwd.hpp>

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace twilight::runtime {

// Symbols are numbered, so that evaluation looks nothing up.
class SymbolTable {
public:
  static constexpr int maximum = 64;
  int find(const std::string &name) const; // -1 where unknown
  int add(const std::string &name);        // the number of an old or new one; -1 where full
  const std::string &name(int index) const { return names[index]; }
  int size() const { return static_cast<int>(names.size()); }

private:
  std::vector<std::string> names;
};

// The value each symbol has in one call.
struct SymbolValues {
  std::array<int64_t, SymbolTable::maximum> value{};
  std::array<bool, SymbolTable::maximum> bound{};
};

class Expression {
public:
  enum class Outcome { Ok, Overflow, DivisionByZero, Unbound };

  // Throws std::string, what is wrong, where `json` is no expression over `symbols`.
  static Expression parse(const nlohmann::json &json, const SymbolTable &symbols);
  static Expression constant(int64_t value);
  static Expression symbol(int index);

  // In 64 bits; floordiv rounds down and ceildiv up, for negative numbers too.
  Outcome evaluate(const SymbolValues &symbols, int64_t &result) const;

  bool isConstant() const { return nodes.size() == 1 && nodes[0].op == Op::Constant; }
  bool isSymbol() const { return nodes.size() == 1 && nodes[0].op == Op::Symbol; }
  int64_t value() const { return nodes[0].value; } // of a constant
  int symbolIndex() const { return static_cast<int>(nodes[0].value); }
  std::string str(const SymbolTable &symbols) const; // as JSON, symbols bare: ["*", B, 8]
  // The symbols it reads and their values, "B = 3, N = 40", for messages; empty for a constant.
  std::string valuesText(const SymbolTable &symbols, const SymbolValues &values) const;

  static constexpr size_t maximumNodes = 1024;

private:
  enum class Op : uint8_t { Constant, Symbol, Add, Subtract, Multiply, FloorDivide, CeilDivide, Minimum, Maximum };
  struct Node {
    Op op;
    uint16_t left = 0, right = 0; // operands come before their node; the last node is the root
    int64_t value = 0;            // of a constant; the index of a symbol
  };
  void append(const nlohmann::json &json, const SymbolTable &symbols, int depth);
  std::string str(size_t node, const SymbolTable &symbols) const;
  static Outcome apply(Op op, int64_t left, int64_t right, int64_t &result);

  std::vector<Node> nodes;
};

} // namespace twilight::runtime

#endif
