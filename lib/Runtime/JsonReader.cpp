// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "JsonReader.h"

namespace twilight::runtime {

void JsonReader::bad(const std::string &expected, const std::string &found) const {
  fail(TWILIGHT_ERROR_BAD_MANIFEST, "manifest ", source, ": ", path.empty() ? "the whole" : "'" + path + "'",
       ": expected ", expected, ", found ", found, "; compile the pipeline again with this version of twilight");
}

void JsonReader::bad(const std::string &expected) const {
  // Replace, not throw, where the file holds broken UTF-8.
  std::string found = json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  bad(expected, found.size() > 80 ? found.substr(0, 77) + "..." : found);
}

JsonReader JsonReader::field(const char *key, const char *expected) const {
  std::string inner = path.empty() ? key : path + "." + key;
  if (!has(key))
    JsonReader(json, inner, source).bad(expected, "no such field");
  return JsonReader(json.at(key), std::move(inner), source);
}

JsonReader JsonReader::element(size_t index) const {
  return JsonReader(json.at(index), path + "[" + std::to_string(index) + "]", source);
}

const JsonReader &JsonReader::object(const char *expected) const {
  if (!json.is_object())
    bad(expected);
  return *this;
}

const JsonReader &JsonReader::array(const char *expected) const {
  if (!json.is_array())
    bad(expected);
  return *this;
}

const JsonReader &JsonReader::array(const char *expected, size_t size) const {
  if (!json.is_array() || json.size() != size)
    bad(expected);
  return *this;
}

std::string JsonReader::string(const char *expected) const {
  if (!json.is_string())
    bad(expected);
  std::string result = json.get<std::string>();
  if (result.empty() || result.find('\0') != std::string::npos)
    bad(expected);
  return result;
}

int64_t JsonReader::integer(const char *expected, int64_t minimum, int64_t maximum) const {
  if (!json.is_number_integer())
    bad(expected);
  if (json.is_number_unsigned() && json.get<uint64_t>() > uint64_t(std::numeric_limits<int64_t>::max()))
    bad(expected);
  int64_t result = json.get<int64_t>();
  if (result < minimum || result > maximum)
    bad(expected);
  return result;
}

Expression JsonReader::expression(const SymbolTable &symbols) const {
  try {
    return Expression::parse(json, symbols);
  } catch (const std::string &found) {
    bad("an integer, a symbol of an argument's shape, or [\"+\" | \"-\" | \"*\" | \"floordiv\" | \"ceildiv\" | \"min\" "
        "| \"max\", expression, expression]",
        found);
  }
}

} // namespace twilight::runtime
