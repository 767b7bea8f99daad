// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Expression.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>

namespace twilight::runtime {

namespace {

constexpr const char *spellings[] = {"constant", "symbol", "+", "-", "*", "floordiv", "ceildiv", "min", "max"};
constexpr int maximumDepth = 256;

} // namespace

int SymbolTable::find(const std::string &name) const {
  auto it = std::find(names.begin(), names.end(), name);
  return it == names.end() ? -1 : static_cast<int>(it - names.begin());
}

int SymbolTable::add(const std::string &name) {
  int index = find(name);
  if (index >= 0)
    return index;
  if (size() == maximum)
    return -1;
  names.push_back(name);
  return size() - 1;
}

Expression Expression::constant(int64_t value) {
  Expression result;
  result.nodes.push_back({Op::Constant, 0, 0, value});
  return result;
}

Expression Expression::symbol(int index) {
  Expression result;
  result.nodes.push_back({Op::Symbol, 0, 0, index});
  return result;
}

Expression Expression::parse(const nlohmann::json &json, const SymbolTable &symbols) {
  Expression result;
  result.append(json, symbols, 0);
  return result;
}

void Expression::append(const nlohmann::json &json, const SymbolTable &symbols, int depth) {
  if (depth > maximumDepth || nodes.size() >= maximumNodes)
    throw std::string("an expression too large to be read");
  if (json.is_number_integer()) {
    if (json.is_number_unsigned() && json.get<uint64_t>() > uint64_t(std::numeric_limits<int64_t>::max()))
      throw "the integer " + json.dump() + ", which does not fit 64 bits";
    nodes.push_back({Op::Constant, 0, 0, json.get<int64_t>()});
    return;
  }
  if (json.is_string()) {
    int index = symbols.find(json.get<std::string>());
    if (index < 0)
      throw "the symbol " + json.dump() + ", which is in no argument's shape";
    nodes.push_back({Op::Symbol, 0, 0, index});
    return;
  }
  if (!json.is_array() || json.size() != 3 || !json[0].is_string())
    throw json.dump().substr(0, 60);
  auto spelling = std::find(std::begin(spellings) + 2, std::end(spellings), json[0].get<std::string>());
  if (spelling == std::end(spellings))
    throw "the operator " + json[0].dump();
  append(json[1], symbols, depth + 1);
  uint16_t left = static_cast<uint16_t>(nodes.size() - 1);
  append(json[2], symbols, depth + 1);
  uint16_t right = static_cast<uint16_t>(nodes.size() - 1);
  if (nodes.size() >= maximumNodes)
    throw std::string("an expression too large to be read");
  nodes.push_back({static_cast<Op>(spelling - std::begin(spellings)), left, right, 0});
}

Expression::Outcome Expression::apply(Op op, int64_t left, int64_t right, int64_t &result) {
  switch (op) {
  case Op::Add:
    return __builtin_add_overflow(left, right, &result) ? Outcome::Overflow : Outcome::Ok;
  case Op::Subtract:
    return __builtin_sub_overflow(left, right, &result) ? Outcome::Overflow : Outcome::Ok;
  case Op::Multiply:
    return __builtin_mul_overflow(left, right, &result) ? Outcome::Overflow : Outcome::Ok;
  case Op::FloorDivide:
  case Op::CeilDivide: {
    if (right == 0)
      return Outcome::DivisionByZero;
    if (right == -1 && left == std::numeric_limits<int64_t>::min())
      return Outcome::Overflow;
    int64_t quotient = left / right;
    bool exact = left % right == 0, negative = (left < 0) != (right < 0);
    if (!exact && op == Op::FloorDivide && negative)
      --quotient;
    if (!exact && op == Op::CeilDivide && !negative)
      ++quotient;
    result = quotient;
    return Outcome::Ok;
  }
  case Op::Minimum:
    result = std::min(left, right);
    return Outcome::Ok;
  default:
    result = std::max(left, right);
    return Outcome::Ok;
  }
}

Expression::Outcome Expression::evaluate(const SymbolValues &symbols, int64_t &result) const {
  if (isConstant()) {
    result = nodes[0].value;
    return Outcome::Ok;
  }
  int64_t values[maximumNodes];
  for (size_t i = 0; i < nodes.size(); ++i) {
    const Node &node = nodes[i];
    if (node.op == Op::Constant) {
      values[i] = node.value;
    } else if (node.op == Op::Symbol) {
      if (!symbols.bound[node.value])
        return Outcome::Unbound;
      values[i] = symbols.value[node.value];
    } else {
      Outcome outcome = apply(node.op, values[node.left], values[node.right], values[i]);
      if (outcome != Outcome::Ok)
        return outcome;
    }
  }
  result = values[nodes.size() - 1];
  return Outcome::Ok;
}

std::string Expression::str(size_t index, const SymbolTable &symbols) const {
  const Node &node = nodes[index];
  if (node.op == Op::Constant)
    return std::to_string(node.value);
  if (node.op == Op::Symbol)
    return symbols.name(static_cast<int>(node.value));
  return std::string("[\"") + spellings[static_cast<int>(node.op)] + "\", " + str(node.left, symbols) + ", " +
         str(node.right, symbols) + "]";
}

std::string Expression::str(const SymbolTable &symbols) const { return str(nodes.size() - 1, symbols); }

std::string Expression::valuesText(const SymbolTable &symbols, const SymbolValues &values) const {
  std::string result;
  for (int symbol = 0; symbol < symbols.size(); ++symbol) {
    auto reads = [&](const Node &node) { return node.op == Op::Symbol && node.value == symbol; };
    if (std::none_of(nodes.begin(), nodes.end(), reads))
      continue;
    result += (result.empty() ? "" : ", ") + symbols.name(symbol) +
              (values.bound[symbol] ? " = " + std::to_string(values.value[symbol]) : " unknown");
  }
  return result;
}

} // namespace twilight::runtime
