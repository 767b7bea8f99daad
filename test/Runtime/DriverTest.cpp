// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "RuntimeTest.h"

namespace {

TEST_F(RuntimeTest, MissingDriver) {
  EXPECT_EQ(twilight_driver_open("/nowhere/libcuda.so.1", &driver, &error), TWILIGHT_ERROR_NO_DRIVER);
  EXPECT_EQ(error.status, TWILIGHT_ERROR_NO_DRIVER);
  EXPECT_MESSAGE("cannot open the CUDA driver '/nowhere/libcuda.so.1'");
  EXPECT_MESSAGE("install the NVIDIA driver");
  EXPECT_EQ(driver, nullptr);
}

TEST_F(RuntimeTest, SomeOtherLibrary) {
  EXPECT_EQ(twilight_driver_open("libm.so.6", &driver, &error), TWILIGHT_ERROR_NO_DRIVER);
  EXPECT_MESSAGE("is no CUDA driver");
}

TEST_F(RuntimeTest, StubLibrary) {
  fake->initResult = 34;
  EXPECT_EQ(twilight_driver_open(FAKE_CUDA_PATH, &driver, &error), TWILIGHT_ERROR_NO_DRIVER);
  EXPECT_MESSAGE("stub");
}

TEST_F(RuntimeTest, DriverWithoutTheFunctions) {
  EXPECT_EQ(twilight_driver_open(FAKE_CUDA_ANCIENT_PATH, &driver, &error), TWILIGHT_ERROR_DRIVER_TOO_OLD);
  EXPECT_MESSAGE("has no cuGetErrorName");
  EXPECT_MESSAGE("CUDA 11.0 or later");
}

TEST_F(RuntimeTest, NoDevice) {
  fake->initResult = 100;
  EXPECT_EQ(twilight_driver_open(FAKE_CUDA_PATH, &driver, &error), TWILIGHT_ERROR_NO_DEVICE);
  EXPECT_MESSAGE("sees no device");
  fake->initResult = 0;
  fake->deviceCount = 0;
  EXPECT_EQ(twilight_driver_open(FAKE_CUDA_PATH, &driver, &error), TWILIGHT_ERROR_NO_DEVICE);
}

TEST_F(RuntimeTest, InitFailure) {
  fake->initResult = 803;
  EXPECT_EQ(twilight_driver_open(FAKE_CUDA_PATH, &driver, &error), TWILIGHT_ERROR_CUDA);
  EXPECT_MESSAGE("cuInit failed with CUDA_ERROR_OF_THE_FAKE (803): what the fake was told to say");
}

TEST_F(RuntimeTest, NullArguments) {
  EXPECT_EQ(twilight_driver_open(FAKE_CUDA_PATH, nullptr, &error), TWILIGHT_ERROR_BAD_ARGUMENT);
  EXPECT_MESSAGE("'driver' is NULL");
  EXPECT_EQ(twilight_device_count(nullptr, nullptr, nullptr), TWILIGHT_ERROR_BAD_ARGUMENT); // no error struct: fine
  twilight_driver_close(nullptr);
  twilight_artifact_free(nullptr);
  EXPECT_EQ(twilight_driver_version(nullptr), 0);
  EXPECT_EQ(twilight_artifact_argument_count(nullptr), 0);
  EXPECT_EQ(twilight_artifact_manifest(nullptr), nullptr);
}

TEST_F(RuntimeTest, Devices) {
  openDriver();
  EXPECT_EQ(twilight_driver_version(driver), 13000);
  int32_t count = 0;
  EXPECT_OK(twilight_device_count(driver, &count, &error));
  EXPECT_EQ(count, 2);
  twilight_device_info info;
  EXPECT_OK(twilight_device_get_info(driver, 1, &info, &error));
  EXPECT_STREQ(info.name, "Fake GPU");
  EXPECT_EQ(info.compute_major, 9);
  EXPECT_EQ(info.multiprocessors, 132);
  EXPECT_EQ(info.memory_bytes, uint64_t(80) << 30);
  EXPECT_EQ(info.shared_bytes_per_block, 232448);
  EXPECT_EQ(twilight_device_get_info(driver, 2, &info, &error), TWILIGHT_ERROR_NO_DEVICE);
  EXPECT_MESSAGE("there is no device 2: the driver sees 2 devices");
  EXPECT_EQ(twilight_device_get_info(driver, -1, &info, &error), TWILIGHT_ERROR_NO_DEVICE);
}

TEST(Status, NamesAndVersion) {
  EXPECT_STREQ(twilight_runtime_version(), "0.1.0");
  for (int status = TWILIGHT_OK; status <= TWILIGHT_ERROR_INTERNAL; ++status)
    EXPECT_STRNE(twilight_status_name(static_cast<twilight_status>(status)), "unknown status");
  EXPECT_STREQ(twilight_status_name(static_cast<twilight_status>(99)), "unknown status");
  EXPECT_STREQ(twilight_dtype_name(TWILIGHT_BF16), "bf16");
  EXPECT_EQ(twilight_dtype_bytes(TWILIGHT_BF16), 2u);
  EXPECT_EQ(twilight_dtype_bytes(static_cast<twilight_dtype>(0)), 0u);
}

} // namespace
