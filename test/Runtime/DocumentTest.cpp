// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// docs/runtime.md quotes example.c and data/dense_attend.json to the letter, and names every status.
#include "twilight-runtime/twilight_runtime.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>

namespace {

std::string read(const std::string &path) {
  std::ifstream stream(std::string(TWILIGHT_SOURCE_DIR) + "/" + path);
  EXPECT_TRUE(stream.good()) << path;
  return {std::istreambuf_iterator<char>(stream), {}};
}

std::string quoted(const std::string &document, const std::string &language) {
  size_t begin = document.find("```" + language + "\n");
  if (begin == std::string::npos)
    return "";
  begin += language.size() + 4;
  return document.substr(begin, document.find("```", begin) - begin);
}

TEST(RuntimeDocument, QuotesTheExample) {
  EXPECT_EQ(quoted(read("docs/runtime.md"), "c"), read("test/Runtime/example.c"));
}

TEST(RuntimeDocument, QuotesTheManifest) {
  EXPECT_EQ(quoted(read("docs/runtime.md"), "json"), read("test/Runtime/data/dense_attend.json"));
}

TEST(RuntimeDocument, NamesEveryStatus) {
  std::string header = read("include/twilight-runtime/twilight_runtime.h"), document = read("docs/runtime.md");
  int statuses = 0;
  for (size_t at = header.find("  TWILIGHT_ERROR_"); at != std::string::npos;
       at = header.find("  TWILIGHT_ERROR_", at + 1)) {
    std::string name = header.substr(at + 17, header.find(' ', at + 2) - at - 17);
    EXPECT_NE(document.find("`" + name + "`"), std::string::npos) << name;
    ++statuses;
  }
  EXPECT_EQ(statuses, TWILIGHT_ERROR_INTERNAL);
}

} // namespace
