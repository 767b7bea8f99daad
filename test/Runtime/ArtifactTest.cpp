// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "RuntimeTest.h"

namespace {

using nlohmann::json;

TEST_F(RuntimeTest, Introspection) {
  loadExample();
  EXPECT_STREQ(twilight_artifact_pipeline(artifact), "demo");
  EXPECT_STREQ(twilight_artifact_chip(artifact), "sm_90a");
  EXPECT_EQ(twilight_artifact_device(artifact), 0);
  ASSERT_EQ(twilight_artifact_argument_count(artifact), 5);
  twilight_argument_info info;
  ASSERT_OK(twilight_artifact_argument(artifact, 0, &info, &error));
  EXPECT_STREQ(info.name, "q");
  EXPECT_STREQ(info.shape, "[B, 4, 64]");
  EXPECT_EQ(info.kind, TWILIGHT_INPUT);
  EXPECT_EQ(info.dtype, TWILIGHT_F16);
  EXPECT_EQ(info.rank, 3);
  EXPECT_EQ(info.dims[0], -1);
  EXPECT_EQ(info.dims[2], 64);
  EXPECT_EQ(twilight_artifact_argument(artifact, 5, &info, &error), TWILIGHT_ERROR_BAD_ARGUMENT);
  EXPECT_MESSAGE("there is no argument 5, expected 0 to 4");
  ASSERT_EQ(twilight_artifact_kernel_count(artifact), 2);
  twilight_kernel_info kernel;
  ASSERT_OK(twilight_artifact_kernel(artifact, 1, &kernel, &error));
  EXPECT_STREQ(kernel.name, "demo_attend");
  EXPECT_STREQ(kernel.op, "twilight.gather_attend");
  EXPECT_EQ(kernel.registers, 40);
  EXPECT_EQ(twilight_artifact_kernel(artifact, -1, &kernel, &error), TWILIGHT_ERROR_BAD_ARGUMENT);
}

TEST_F(RuntimeTest, WrongChip) {
  fake->computeMajor = 8;
  EXPECT_EQ(load(exampleManifest()), TWILIGHT_ERROR_WRONG_CHIP);
  EXPECT_MESSAGE("compiled for sm_90a, expected compute capability 9.0 exactly, found device 0 (Fake GPU) with compute "
                 "capability 8.0");
  fake->computeMajor = 10;
  EXPECT_EQ(load(exampleManifest()), TWILIGHT_ERROR_WRONG_CHIP);
}

TEST_F(RuntimeTest, DriverTooOldForThePtx) {
  fake->driverVersion = 11080;
  EXPECT_EQ(load(exampleManifest()), TWILIGHT_ERROR_DRIVER_TOO_OLD);
  EXPECT_MESSAGE("holds PTX 8.0, expected a driver of CUDA 12.0 or later, found one of CUDA 11.8");
  EXPECT_EQ(fake->count("cuModuleLoadDataEx"), 0);
}

// A version the runtime does not know is left to the driver.
TEST_F(RuntimeTest, DriverSaysThePtxIsTooNew) {
  fake->moduleLoadResult = 222;
  fake->jitLog = "ptxas fatal : Unsupported .version 9.9";
  json manifest = exampleManifest();
  manifest["ptx_version"] = "9.9";
  std::string ptx = examplePtx();
  ptx.replace(ptx.find("8.0"), 3, "9.9");
  EXPECT_EQ(load(manifest, ptx), TWILIGHT_ERROR_DRIVER_TOO_OLD);
  EXPECT_MESSAGE("holds PTX 9.9, which needs a driver newer than this one, found one of CUDA 13.0");
  EXPECT_MESSAGE("Unsupported .version 9.9");
}

TEST_F(RuntimeTest, PtxThatDoesNotLoad) {
  fake->moduleLoadResult = 218;
  fake->jitLog = "ptxas application ptx input, line 12; error : Unknown symbol 'x'";
  EXPECT_EQ(load(exampleManifest()), TWILIGHT_ERROR_BAD_ARTIFACT);
  EXPECT_MESSAGE("does not load");
  EXPECT_MESSAGE("line 12; error : Unknown symbol 'x'");
  fake->moduleLoadResult = 2;
  EXPECT_EQ(load(exampleManifest()), TWILIGHT_ERROR_OUT_OF_MEMORY);
  fake->moduleLoadResult = 221;
  EXPECT_EQ(load(exampleManifest()), TWILIGHT_ERROR_CUDA);
  EXPECT_MESSAGE("libnvidia-ptxjitcompiler.so");
}

TEST_F(RuntimeTest, LongLogsAreCut) {
  fake->moduleLoadResult = 218;
  fake->jitLog = std::string(5000, 'x');
  EXPECT_EQ(load(exampleManifest()), TWILIGHT_ERROR_BAD_ARTIFACT);
  EXPECT_EQ(std::string(error.message).size(), sizeof(error.message) - 1);
  EXPECT_EQ(std::string(error.message).substr(sizeof(error.message) - 4), "...");
}

TEST_F(RuntimeTest, PtxAndManifestDisagree) {
  json manifest = exampleManifest();
  EXPECT_EQ(load(manifest, "no PTX at all"), TWILIGHT_ERROR_BAD_ARTIFACT);
  EXPECT_MESSAGE("no PTX or is cut");
  std::string ptx = examplePtx();
  EXPECT_EQ(load(manifest, ptx.replace(ptx.find("sm_90a"), 6, "sm_80")), TWILIGHT_ERROR_BAD_ARTIFACT);
  EXPECT_MESSAGE("expected version 8.0 for sm_90a as its manifest says, found version 8.0 for sm_80");

  manifest["kernels"][1]["name"] = "absent";
  EXPECT_EQ(load(manifest), TWILIGHT_ERROR_BAD_ARTIFACT);
  EXPECT_MESSAGE("expected a kernel 'absent'");
  EXPECT_EQ(fake->modulesLoaded, 0);
}

TEST_F(RuntimeTest, KernelParametersDisagree) {
  json manifest = exampleManifest();
  manifest["kernels"][0]["arguments"].push_back({{"i32", 1}});
  EXPECT_EQ(load(manifest), TWILIGHT_ERROR_BAD_ARTIFACT);
  EXPECT_MESSAGE("expected 0 bytes for argument 5 as in the PTX, found 4");
  manifest["kernels"][0]["arguments"].erase(4);
  manifest["kernels"][0]["arguments"].erase(4);
  EXPECT_EQ(load(manifest), TWILIGHT_ERROR_BAD_ARTIFACT);
  EXPECT_MESSAGE("expected 4 bytes for argument 4 as in the PTX, found 0");
  manifest = exampleManifest();
  manifest["kernels"][0]["arguments"][3] = {{"i64", "pages"}};
  EXPECT_EQ(load(manifest), TWILIGHT_ERROR_BAD_ARTIFACT);
  EXPECT_MESSAGE("expected 4 bytes for argument 3 as in the PTX, found 8");
}

TEST_F(RuntimeTest, KernelTooLargeForTheDevice) {
  fake->maximumThreads = 64;
  EXPECT_EQ(load(exampleManifest()), TWILIGHT_ERROR_BAD_ARTIFACT);
  EXPECT_MESSAGE("expected a block of at most 64 threads");
  fake->maximumThreads = 1024;
  fake->maximumSharedBytes = 50000;
  EXPECT_EQ(load(exampleManifest()), TWILIGHT_ERROR_BAD_ARTIFACT);
  EXPECT_MESSAGE("asks for 65536 bytes of dynamic shared memory");
  EXPECT_MESSAGE("expected 0 to 50000");
}

TEST_F(RuntimeTest, OwnOrForeignContext) {
  openDriver();
  ASSERT_OK(load(exampleManifest(), examplePtx(), -1)); // no current context: the primary one of device 0
  EXPECT_EQ(fake->primaryRetained, 1);
  EXPECT_TRUE(fake->contextStack.empty());
  twilight_artifact_free(artifact);
  artifact = nullptr;
  twilight_driver_close(driver);
  driver = nullptr;
  EXPECT_EQ(fake->primaryRetained, 0);

  fake->contextStack.push_back(fakeOtherContext());
  loadExample();
  EXPECT_EQ(fake->primaryRetained, 0); // the caller's was taken
  exampleTensors(2, 4);
  EXPECT_OK(launch(workspace, sizeof(workspace)));
  EXPECT_EQ(fake->launches[0].context, fakeOtherContext());
  EXPECT_EQ(fake->contextStack.size(), 1u);
  ASSERT_OK(load(exampleManifest(), examplePtx(), 1)); // on another device
  EXPECT_EQ(fake->primaryRetained, 1);
  fake->contextStack.push_back(fakePrimaryContext(1));
  ASSERT_OK(load(exampleManifest(), examplePtx(), -1)); // the current device
  EXPECT_EQ(twilight_artifact_device(artifact), 1);
  EXPECT_EQ(load(exampleManifest(), examplePtx(), 2), TWILIGHT_ERROR_NO_DEVICE);
}

TEST_F(RuntimeTest, ArtifactOutlivesItsDriverHandle) {
  loadExample();
  twilight_driver_close(driver);
  driver = nullptr;
  exampleTensors(1, 1);
  EXPECT_OK(launch(workspace, sizeof(workspace)));
}

TEST_F(RuntimeTest, DeviceWithoutCooperativeLaunches) {
  openDriver();
  fake->cooperativeLaunch = 0;
  json manifest = exampleManifest();
  EXPECT_OK(load(manifest));
  manifest["kernels"][0]["cooperative"] = true;
  EXPECT_EQ(load(manifest), TWILIGHT_ERROR_WRONG_CHIP);
  EXPECT_MESSAGE("kernel 'demo_score' of 'demo' is launched cooperatively, which device 0 (Fake GPU) cannot do");
}

TEST_F(RuntimeTest, OlderDriverWithoutExtendedLaunches) {
  ASSERT_OK(twilight_driver_open(FAKE_CUDA_11_PATH, &driver, &error));
  json manifest = exampleManifest();
  EXPECT_OK(load(manifest));
  manifest["kernels"][1]["dependent_launch"] = true;
  EXPECT_EQ(load(manifest), TWILIGHT_ERROR_DRIVER_TOO_OLD);
  EXPECT_MESSAGE("a cluster, a cooperative or a dependent launch, expected a driver of CUDA 11.8 or later");
}

} // namespace
