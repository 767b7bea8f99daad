// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Reads fields of the manifest; every error names the field, what was expected and what was found.
#ifndef TWILIGHT_RUNTIME_JSONREADER_H
#define TWILIGHT_RUNTIME_JSONREADER_H

#include "Expression.h"
#include "Failure.h"

#include <nlohmann/json.hpp>

#include <limits>
#include <string>

namespace twilight::runtime {

// One JSON value and the path that leads to it, "kernels[2].grid[0]".
class JsonReader {
public:
  JsonReader(const nlohmann::json &json, std::string path, const std::string &source)
      : json(json), path(std::move(path)), source(source) {}

  const nlohmann::json &value() const { return json; }

  [[noreturn]] void bad(const std::string &expected, const std::string &found) const;
  [[noreturn]] void bad(const std::string &expected) const; // found: the value itself

  bool has(const char *key) const { return json.is_object() && json.contains(key); }
  JsonReader field(const char *key, const char *expected) const; // must be there
  JsonReader element(size_t index) const;

  const JsonReader &object(const char *expected) const;
  const JsonReader &array(const char *expected) const;
  const JsonReader &array(const char *expected, size_t size) const;
  std::string string(const char *expected) const; // not empty, no NUL inside
  int64_t integer(const char *expected, int64_t minimum, int64_t maximum = std::numeric_limits<int64_t>::max()) const;
  Expression expression(const SymbolTable &symbols) const;

  size_t size() const { return json.size(); }

private:
  const nlohmann::json &json;
  std::string path;
  const std::string &source;
};

} // namespace twilight::runtime

#endif
