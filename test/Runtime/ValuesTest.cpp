// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "RuntimeTest.h"

namespace {

using nlohmann::json;

// The example with bounds as twilight-compile writes them: pages of 16 tokens, a pool of 9.
class ValuesTest : public RuntimeTest {
protected:
  void SetUp() override {
    RuntimeTest::SetUp();
    json manifest = exampleManifest();
    manifest["arguments"][4]["kind"] = "input"; // plays seq_lens
    manifest["arguments"][4]["values"] = {{"min", 0}, {"max", {"*", "pages", 16}}};
    manifest["arguments"][1]["values"] = {{"min", 0}, {"max", 8}, {"lengths", {{"argument", "counts"}, {"per", 16}}}};
    ASSERT_OK(load(manifest));
    exampleTensors(2, 3);
    set(table(), {0, 8, -1, 4, -1, -1});
    set(lengths(), {17, 16});
  }
  int32_t *table() { return reinterpret_cast<int32_t *>(storage[1]); }
  int32_t *lengths() { return reinterpret_cast<int32_t *>(storage[4]); }
  void set(int32_t *to, std::vector<int32_t> values) { std::copy(values.begin(), values.end(), to); }
  twilight_status check() { return twilight_artifact_check_values(artifact, tensors.data(), 5, nullptr, &error); }
};

TEST_F(ValuesTest, GoodOnes) {
  EXPECT_OK(check()); // entries past a sequence's length may be anything
  set(lengths(), {0, 0});
  set(table(), {-1, -1, -1, -1, -1, -1});
  EXPECT_OK(check());
  EXPECT_TRUE(fake->launches.empty());
}

TEST_F(ValuesTest, EntryOutsideThePool) {
  table()[1] = 9;
  EXPECT_EQ(check(), TWILIGHT_ERROR_BAD_ARGUMENT);
  EXPECT_MESSAGE("argument 'table' of demo: expected 0 to 8 (0 to 8), found 9 at [0, 1]");
  table()[1] = 8;
  table()[3] = -1;
  EXPECT_EQ(check(), TWILIGHT_ERROR_BAD_ARGUMENT);
  EXPECT_MESSAGE("found -1 at [1, 0]");
}

TEST_F(ValuesTest, LengthBeyondTheTable) {
  set(table(), {0, 0, 0, 0, 0, 0});
  lengths()[1] = 49;
  EXPECT_EQ(check(), TWILIGHT_ERROR_BAD_ARGUMENT);
  EXPECT_MESSAGE("argument 'counts' of demo: expected 0 to 48 (0 to [\"*\", pages, 16]), found 49 at [1]");
  lengths()[1] = -1;
  EXPECT_EQ(check(), TWILIGHT_ERROR_BAD_ARGUMENT);
  EXPECT_MESSAGE("found -1 at [1]");
}

TEST_F(ValuesTest, BadShapesAndEmptyBatches) {
  tensors[0].dtype = TWILIGHT_F32;
  EXPECT_EQ(check(), TWILIGHT_ERROR_BAD_ARGUMENT);
  exampleTensors(0, 3);
  EXPECT_OK(check());
  exampleTensors(2, 0);
  set(lengths(), {0, 0});
  EXPECT_OK(check());
}

} // namespace
