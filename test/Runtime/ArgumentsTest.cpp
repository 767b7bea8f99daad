// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "RuntimeTest.h"

namespace {

using nlohmann::json;

class ArgumentsTest : public RuntimeTest {
protected:
  void SetUp() override {
    RuntimeTest::SetUp();
    loadExample();
    exampleTensors(2, 4);
  }
  void expectBad(const std::string &message) {
    EXPECT_EQ(launch(workspace, sizeof(workspace)), TWILIGHT_ERROR_BAD_ARGUMENT);
    EXPECT_MESSAGE(message);
    EXPECT_TRUE(fake->launches.empty()); // nothing was launched
  }
};

TEST_F(ArgumentsTest, Count) {
  tensors.pop_back();
  expectBad("demo takes 5 arguments, outputs included, found 4");
  EXPECT_EQ(twilight_artifact_launch(artifact, nullptr, 5, workspace, 1, nullptr, &error), TWILIGHT_ERROR_BAD_ARGUMENT);
  EXPECT_MESSAGE("'tensors' is NULL");
}

TEST_F(ArgumentsTest, Dtype) {
  tensors[0].dtype = TWILIGHT_BF16;
  expectBad("argument 'q' of demo: expected dtype f16, found bf16");
  tensors[0].dtype = 77;
  expectBad("found unknown (77)");
}

TEST_F(ArgumentsTest, Rank) {
  tensors[0].rank = 2;
  expectBad("argument 'q' of demo: expected rank 3 (shape [B, 4, 64]), found rank 2 (shape [2, 4])");
  tensors[0].rank = -1;
  expectBad("expected a rank of 0 to 8, found -1");
  tensors[0].rank = 9;
  expectBad("expected a rank of 0 to 8, found 9");
  tensors[0].rank = 3;
  tensors[0].shape = nullptr;
  expectBad("expected a shape of 3 sizes, found NULL");
}

TEST_F(ArgumentsTest, ScalarsOfRankZeroOrOne) {
  tensors[2].rank = 0;
  tensors[2].shape = nullptr;
  EXPECT_OK(launch(workspace, sizeof(workspace)));
  fake->launches.clear();
  json manifest = exampleManifest();
  manifest["arguments"][2]["shape"] = json::array();
  ASSERT_OK(load(manifest));
  EXPECT_OK(launch(workspace, sizeof(workspace)));
  exampleTensors(2, 4);
  EXPECT_OK(launch(workspace, sizeof(workspace)));
  fake->launches.clear();
  shapes[2][0] = 4;
  expectBad("argument 'p' of demo: expected rank 0");
}

TEST_F(ArgumentsTest, Sizes) {
  shapes[0][2] = 32;
  expectBad("argument 'q' of demo: expected 64 for dimension 2 of shape [B, 4, 64], found 32 (shape [2, 4, 32])");
  shapes[0][2] = -64;
  expectBad("expected sizes of 0 or more, found [2, 4, -64]");
}

TEST_F(ArgumentsTest, Symbols) {
  shapes[1][0] = 3;
  expectBad(
      "argument 'table' of demo: expected B = 2 (as in argument 'q') for dimension 0 of shape [B, pages], found 3");
  shapes[1][0] = 2;
  shapes[4][0] = 1;
  expectBad("argument 'counts' of demo: expected B = 2 (as in argument 'q')");
}

TEST_F(ArgumentsTest, Device) {
  tensors[3].device = 1;
  expectBad("argument 'out' of demo: expected device 0 (where the artifact is loaded), found device 1");
}

TEST_F(ArgumentsTest, Strides) {
  int64_t good[] = {256, 64, 1}, bad[] = {256, 1, 4};
  tensors[0].strides = good;
  EXPECT_OK(launch(workspace, sizeof(workspace)));
  fake->launches.clear();
  tensors[0].strides = bad;
  expectBad("expected a row-major contiguous tensor: stride 1 for dimension 2, found 4");
  exampleTensors(1, 4); // the stride of a dimension of size 1 means nothing
  int64_t odd[] = {7, 64, 1};
  tensors[0].strides = odd;
  EXPECT_OK(launch(workspace, sizeof(workspace)));
}

TEST_F(ArgumentsTest, Pointers) {
  tensors[0].data = nullptr;
  expectBad("argument 'q' of demo: expected a device pointer to 1024 bytes, found NULL");
  tensors[0].data = storage[0] + 8;
  expectBad("argument 'q' of demo: expected a pointer aligned to 16 bytes");
  exampleTensors(2, 4);
  tensors[2].data = storage[2] + 4; // a scalar in the middle of a tensor
  EXPECT_OK(launch(workspace, sizeof(workspace)));
  fake->launches.clear();
  tensors[2].data = storage[2] + 2;
  expectBad("argument 'p' of demo: expected a pointer aligned to 4 bytes");
}

TEST_F(ArgumentsTest, EmptyTensorsNeedNoPointer) {
  exampleTensors(0, 4);
  for (size_t i : {0, 1, 3, 4})
    tensors[i].data = nullptr;
  EXPECT_OK(launch(nullptr, 0));
  EXPECT_TRUE(fake->launches.empty()); // empty grids
}

TEST_F(ArgumentsTest, HugeShapes) {
  exampleTensors(int64_t(1) << 60, 4);
  EXPECT_EQ(launch(workspace, sizeof(workspace)), TWILIGHT_ERROR_BAD_ARGUMENT);
  EXPECT_MESSAGE("less than 2^63 bytes");
  size_t bytes = 0;
  exampleTensors(int64_t(1) << 62, 4);
  EXPECT_EQ(twilight_artifact_workspace_bytes(artifact, tensors.data(), 5, &bytes, &error),
            TWILIGHT_ERROR_BAD_ARGUMENT);
  EXPECT_MESSAGE("the workspace of demo = [\"*\", B, [\"*\", pages, 64]] does not fit 64 bits with B = "
                 "4611686018427387904, pages = 4");
}

TEST_F(ArgumentsTest, WorkspaceBytesFromInputsAlone) {
  size_t bytes = 0;
  for (twilight_tensor &tensor : tensors)
    tensor.data = nullptr;
  tensors[3] = tensors[4] = twilight_tensor{};
  EXPECT_OK(twilight_artifact_workspace_bytes(artifact, tensors.data(), 5, &bytes, &error));
  EXPECT_EQ(bytes, 2u * 4 * 64);
  tensors[1] = twilight_tensor{}; // an input is always needed
  EXPECT_EQ(twilight_artifact_workspace_bytes(artifact, tensors.data(), 5, &bytes, &error),
            TWILIGHT_ERROR_BAD_ARGUMENT);
}

TEST_F(ArgumentsTest, OutputShapes) {
  json manifest = exampleManifest();
  manifest["arguments"][4]["shape"] = {"B", {"ceildiv", "pages", 3}};
  ASSERT_OK(load(manifest));
  tensors[3] = tensors[4] = twilight_tensor{};
  int64_t shape[TWILIGHT_MAX_RANK];
  int32_t rank = 0;
  ASSERT_OK(twilight_artifact_output_shape(artifact, tensors.data(), 5, 4, shape, &rank, &error));
  EXPECT_EQ(rank, 2);
  EXPECT_EQ(shape[0], 2);
  EXPECT_EQ(shape[1], 2);
  EXPECT_EQ(twilight_artifact_output_shape(artifact, tensors.data(), 5, 9, shape, &rank, &error),
            TWILIGHT_ERROR_BAD_ARGUMENT);
  exampleTensors(2, 4);
  expectBad("argument 'counts' of demo: expected rank 2");
}

TEST_F(ArgumentsTest, SymbolThatOnlyAnOutputHas) {
  json manifest = exampleManifest();
  manifest["arguments"][4]["shape"] = {"room"};
  manifest["workspace"]["bytes"] = "room";
  manifest["kernels"][0]["arguments"][2] = {{"workspace", 0}};
  ASSERT_OK(load(manifest));
  size_t bytes = 0;
  EXPECT_OK(twilight_artifact_workspace_bytes(artifact, tensors.data(), 5, &bytes, &error));
  EXPECT_EQ(bytes, 2u);
  tensors[4] = twilight_tensor{};
  EXPECT_EQ(twilight_artifact_workspace_bytes(artifact, tensors.data(), 5, &bytes, &error),
            TWILIGHT_ERROR_BAD_ARGUMENT);
  EXPECT_MESSAGE("needs a size that no given argument has (room unknown)");
}

} // namespace
