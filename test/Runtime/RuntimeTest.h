// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The fixture of the runtime's tests: a fresh fake driver, and a small artifact written to a folder of its own.
#ifndef TWILIGHT_TEST_RUNTIMETEST_H
#define TWILIGHT_TEST_RUNTIMETEST_H

#include "fake_cuda.h"
#include "twilight-runtime/twilight_runtime.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <dlfcn.h>
#include <string>
#include <vector>

#define EXPECT_OK(call) EXPECT_EQ(call, TWILIGHT_OK) << error.message
#define ASSERT_OK(call) ASSERT_EQ(call, TWILIGHT_OK) << error.message
#define EXPECT_MESSAGE(part) EXPECT_NE(std::string(error.message).find(part), std::string::npos) << error.message

// Two kernels over q [B, 4, 64] f16, table [B, pages] i32 and p [1] f32, with outputs out [B, 4, 64] and counts [B].
nlohmann::json exampleManifest();
std::string examplePtx();

class RuntimeTest : public ::testing::Test {
protected:
  void SetUp() override;
  void TearDown() override;

  void openDriver() { ASSERT_OK(twilight_driver_open(FAKE_CUDA_PATH, &driver, &error)); }
  twilight_status load(const nlohmann::json &manifest, const std::string &ptx = examplePtx(), int device = 0);
  void loadExample() { ASSERT_OK(load(exampleManifest())); }

  // Tensors for `batch` sequences and `pages` table columns, in the manifest's order, over aligned host memory.
  std::vector<twilight_tensor> &exampleTensors(int64_t batch, int64_t pages);
  twilight_status launch(void *workspace, size_t bytes, void *stream = nullptr);

  FakeCuda *fake = nullptr;
  twilight_driver *driver = nullptr;
  twilight_artifact *artifact = nullptr;
  twilight_error error{};
  std::vector<twilight_tensor> tensors;
  std::vector<std::vector<int64_t>> shapes;
  alignas(256) char storage[5][4096];
  alignas(256) char workspace[1 << 16];
};

#endif
