// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "RuntimeTest.h"

namespace {

using nlohmann::json;

using Dim = std::array<unsigned, 3>;

TEST_F(RuntimeTest, LaunchesWhatTheManifestSays) {
  loadExample();
  exampleTensors(3, 10);
  void *stream = &tensors;
  ASSERT_OK(launch(workspace, sizeof(workspace), stream));
  ASSERT_EQ(fake->launches.size(), 2u);

  const FakeLaunch &score = fake->launches[0];
  EXPECT_EQ(score.kernel, "demo_score");
  EXPECT_EQ(score.grid, (Dim{3, 3, 1}));
  EXPECT_EQ(score.block, (Dim{128, 1, 1}));
  EXPECT_EQ(score.sharedBytes, 10240u);
  EXPECT_EQ(score.stream, stream);
  EXPECT_FALSE(score.extended);
  EXPECT_EQ(score.argument<void *>(0), storage[0]);
  EXPECT_EQ(score.argument<void *>(1), storage[1]);
  EXPECT_EQ(score.argument<void *>(2), workspace + 3 * 64);
  EXPECT_EQ(score.argument<int32_t>(3), 10);
  EXPECT_EQ(score.argument<float>(4), 0.125f);
  EXPECT_EQ(score.context, fakePrimaryContext(0));

  const FakeLaunch &attend = fake->launches[1];
  EXPECT_EQ(attend.kernel, "demo_attend");
  EXPECT_EQ(attend.grid, (Dim{3, 4, 1}));
  EXPECT_EQ(attend.block, (Dim{64, 2, 1}));
  EXPECT_EQ(attend.sharedBytes, 65536u);
  EXPECT_EQ(attend.argument<void *>(2), workspace);
  EXPECT_EQ(attend.argument<int64_t>(3), 2);
  EXPECT_EQ(attend.argument<void *>(5), storage[4]);
}

TEST_F(RuntimeTest, LaunchNeitherAllocatesNorWaits) {
  loadExample();
  exampleTensors(3, 10);
  fake->calls.clear();
  ASSERT_OK(launch(workspace, sizeof(workspace)));
  EXPECT_EQ(fake->calls, (std::vector<std::string>{"cuLaunchKernel", "cuLaunchKernel"}));
}

TEST_F(RuntimeTest, SharedMemoryIsAskedForOnlyWhenItGrows) {
  loadExample();
  EXPECT_EQ(fake->count("cuFuncSetAttribute"), 1); // the 64 KB of demo_attend, at load
  for (int64_t pages : {10, 48, 60, 50, 60, 61}) {
    exampleTensors(1, pages);
    ASSERT_OK(launch(workspace, sizeof(workspace)));
  }
  EXPECT_EQ(fake->count("cuFuncSetAttribute"), 3); // 60 KB, 61 KB
  fake->launches.clear();
  exampleTensors(1, 228);
  EXPECT_EQ(launch(workspace, sizeof(workspace)), TWILIGHT_ERROR_BAD_ARGUMENT);
  EXPECT_MESSAGE("kernel 'demo_score' asks for 233472 bytes of dynamic shared memory beside 0 static ones, expected 0 "
                 "to 232448");
  EXPECT_TRUE(fake->launches.empty());
}

TEST_F(RuntimeTest, Workspace) {
  loadExample();
  exampleTensors(3, 10);
  EXPECT_EQ(launch(workspace, 1919), TWILIGHT_ERROR_WORKSPACE_TOO_SMALL);
  EXPECT_MESSAGE("demo needs a workspace of 1920 bytes for these shapes, found 1919");
  EXPECT_EQ(launch(nullptr, 1920), TWILIGHT_ERROR_BAD_ARGUMENT);
  EXPECT_MESSAGE("found NULL");
  EXPECT_EQ(launch(workspace + 128, 1920), TWILIGHT_ERROR_BAD_ARGUMENT);
  EXPECT_MESSAGE("expected a workspace aligned to 256 bytes");
  EXPECT_TRUE(fake->launches.empty());
  EXPECT_OK(launch(workspace, 1920));
}

TEST_F(RuntimeTest, WorkspaceOffsetOutside) {
  json manifest = exampleManifest();
  manifest["kernels"][1]["arguments"][2] = {{"workspace", 100000}};
  ASSERT_OK(load(manifest));
  exampleTensors(3, 10);
  EXPECT_EQ(launch(workspace, sizeof(workspace)), TWILIGHT_ERROR_BAD_MANIFEST);
  EXPECT_MESSAGE("asks for offset 100000 of the workspace, expected 0 to 1920");
  EXPECT_TRUE(fake->launches.empty()); // not the first kernel either
}

TEST_F(RuntimeTest, Ranges) {
  loadExample();
  exampleTensors(3, 10);
  auto range = [&](int32_t first, int32_t count) {
    fake->launches.clear();
    return twilight_artifact_launch_range(artifact, tensors.data(), 5, workspace, sizeof(workspace), nullptr, first,
                                          count, &error);
  };
  ASSERT_OK(range(1, 1));
  ASSERT_EQ(fake->launches.size(), 1u);
  EXPECT_EQ(fake->launches[0].kernel, "demo_attend");
  EXPECT_OK(range(2, 0));
  EXPECT_EQ(range(1, 2), TWILIGHT_ERROR_BAD_ARGUMENT);
  EXPECT_MESSAGE("expected a range of kernels within 0 to 2, found 2 from 1");
  EXPECT_EQ(range(-1, 1), TWILIGHT_ERROR_BAD_ARGUMENT);
  EXPECT_EQ(range(1, 2147483647), TWILIGHT_ERROR_BAD_ARGUMENT);
}

TEST_F(RuntimeTest, EmptyGridsAreSkipped) {
  loadExample();
  exampleTensors(2, 0); // demo_score: [2, 0, 1]
  ASSERT_OK(launch(nullptr, 0));
  ASSERT_EQ(fake->launches.size(), 1u);
  EXPECT_EQ(fake->launches[0].kernel, "demo_attend");
}

TEST_F(RuntimeTest, GridsOutOfRange) {
  json manifest = exampleManifest();
  manifest["kernels"][1]["grid"] = {1, "pages", 1};
  manifest["kernels"][0]["shared_bytes"] = 0;
  manifest["workspace"]["bytes"] = 1024;
  ASSERT_OK(load(manifest));
  exampleTensors(1, 65536);
  EXPECT_EQ(launch(workspace, sizeof(workspace)), TWILIGHT_ERROR_BAD_ARGUMENT);
  EXPECT_MESSAGE("kernel 'demo_attend' would need 65536 blocks in grid dimension 1, expected 0 to 65535");
  manifest["kernels"][1]["grid"] = {{"-", "B", 2}, 1, 1};
  ASSERT_OK(load(manifest));
  EXPECT_EQ(launch(workspace, sizeof(workspace)), TWILIGHT_ERROR_BAD_ARGUMENT);
  EXPECT_MESSAGE("would need -1 blocks");
  EXPECT_TRUE(fake->launches.empty());
}

TEST_F(RuntimeTest, NarrowArguments) {
  json manifest = exampleManifest();
  manifest["kernels"][0]["arguments"][3] = {{"i32", {"-", 0, {"*", "B", 2147483648}}}};
  ASSERT_OK(load(manifest));
  exampleTensors(1, 4);
  ASSERT_OK(launch(workspace, sizeof(workspace)));
  EXPECT_EQ(fake->launches[0].argument<int32_t>(3), -2147483647 - 1);
  exampleTensors(2, 4);
  EXPECT_EQ(launch(workspace, sizeof(workspace)), TWILIGHT_ERROR_BAD_ARGUMENT);
  EXPECT_MESSAGE("as 32 bits, found -4294967296");
}

TEST_F(RuntimeTest, DivisionByZero) {
  json manifest = exampleManifest();
  manifest["kernels"][1]["arguments"][3] = {{"i64", {"floordiv", 7, {"-", "B", 2}}}};
  ASSERT_OK(load(manifest));
  exampleTensors(2, 4);
  EXPECT_EQ(launch(workspace, sizeof(workspace)), TWILIGHT_ERROR_BAD_ARGUMENT);
  EXPECT_MESSAGE("an argument of kernel demo_attend = [\"floordiv\", 7, [\"-\", B, 2]] divides by zero with B = 2");
}

TEST_F(RuntimeTest, ClustersAndDependentLaunches) {
  json manifest = exampleManifest();
  manifest["kernels"][0]["cluster"] = {1, 2, 1};
  manifest["kernels"][1]["dependent_launch"] = true;
  ASSERT_OK(load(manifest));
  exampleTensors(3, 8);
  ASSERT_OK(launch(workspace, sizeof(workspace), storage));
  ASSERT_EQ(fake->launches.size(), 2u);
  EXPECT_TRUE(fake->launches[0].extended);
  EXPECT_EQ(fake->launches[0].cluster, (Dim{1, 2, 1}));
  EXPECT_FALSE(fake->launches[0].dependent);
  EXPECT_TRUE(fake->launches[1].dependent);
  EXPECT_EQ(fake->launches[1].cluster, (Dim{1, 1, 1}));
  EXPECT_EQ(fake->launches[1].grid, (Dim{3, 4, 1}));
  EXPECT_EQ(fake->launches[1].block, (Dim{64, 2, 1}));
  EXPECT_EQ(fake->launches[1].sharedBytes, 65536u);
  EXPECT_EQ(fake->launches[1].stream, storage);
  fake->launches.clear();
  exampleTensors(3, 9); // three blocks in a dimension of clusters of two
  EXPECT_EQ(launch(workspace, sizeof(workspace)), TWILIGHT_ERROR_BAD_ARGUMENT);
  EXPECT_MESSAGE("would need 3 blocks in grid dimension 1, expected a multiple of its cluster's 2");
}

TEST_F(RuntimeTest, CooperativeLaunches) {
  json manifest = exampleManifest();
  manifest["kernels"][1]["cooperative"] = true;
  ASSERT_OK(load(manifest));
  exampleTensors(3, 8);
  ASSERT_OK(launch(workspace, sizeof(workspace)));
  ASSERT_EQ(fake->launches.size(), 2u);
  EXPECT_FALSE(fake->launches[0].cooperative);
  EXPECT_TRUE(fake->launches[1].extended && fake->launches[1].cooperative);
  EXPECT_FALSE(fake->launches[1].dependent);
  fake->launches.clear();
  fake->launchResult = 720;
  fake->failingLaunch = 1;
  EXPECT_EQ(launch(workspace, sizeof(workspace)), TWILIGHT_ERROR_BAD_ARGUMENT);
  EXPECT_MESSAGE("kernel 'demo_attend' needs all of its 12 blocks on device 0 at once, which has no room for them");
  EXPECT_MESSAGE("or with spread = 1 in its schedule");
}

TEST_F(RuntimeTest, TheWorkspaceHoldsWhatMustBeZero) {
  json manifest = exampleManifest();
  ASSERT_OK(load(manifest));
  EXPECT_EQ(twilight_artifact_workspace_zeroed_bytes(artifact), 0u);
  twilight_artifact_free(artifact);
  artifact = nullptr;
  manifest["workspace"]["zeroed_bytes"] = 1 << 16;
  ASSERT_OK(load(manifest));
  EXPECT_EQ(twilight_artifact_workspace_zeroed_bytes(artifact), 65536u);
  EXPECT_EQ(twilight_artifact_workspace_zeroed_bytes(nullptr), 0u);
  exampleTensors(1, 1); // which need less
  size_t bytes = 0;
  ASSERT_OK(twilight_artifact_workspace_bytes(artifact, tensors.data(), static_cast<int32_t>(tensors.size()), &bytes,
                                              &error));
  EXPECT_EQ(bytes, 65536u);
  EXPECT_EQ(launch(workspace, sizeof(workspace) - 1), TWILIGHT_ERROR_WORKSPACE_TOO_SMALL);
  EXPECT_OK(launch(workspace, sizeof(workspace)));
}

TEST_F(RuntimeTest, BeforeHopperADependentLaunchIsAPlainOne) {
  fake->computeMajor = 8;
  json manifest = exampleManifest();
  manifest["chip"] = "sm_80";
  manifest["kernels"][1]["dependent_launch"] = true;
  std::string ptx = examplePtx();
  ptx.replace(ptx.find("sm_90a"), 6, "sm_80");
  ASSERT_OK(load(manifest, ptx));
  exampleTensors(1, 4);
  ASSERT_OK(launch(workspace, sizeof(workspace)));
  EXPECT_FALSE(fake->launches[1].extended);
}

TEST_F(RuntimeTest, LaunchFailure) {
  loadExample();
  exampleTensors(3, 10);
  fake->launchResult = 701;
  fake->failingLaunch = 1;
  EXPECT_EQ(launch(workspace, sizeof(workspace)), TWILIGHT_ERROR_CUDA);
  EXPECT_MESSAGE("kernel 'demo_attend' (1) was not launched: CUDA_ERROR_OF_THE_FAKE (701)");
  EXPECT_MESSAGE("grid [3, 4, 1], block [64, 2, 1], 65536 bytes of dynamic shared memory");
  EXPECT_EQ(fake->launches.size(), 1u);
  EXPECT_TRUE(fake->contextStack.empty());
}

} // namespace
