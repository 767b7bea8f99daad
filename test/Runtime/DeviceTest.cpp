// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The real driver, where there is one: skips with the runtime's own reason elsewhere.
#include "twilight-runtime/twilight_runtime.h"

#include <chrono>
#include <gtest/gtest.h>
#include <iostream>
#include <string>
#include <vector>

namespace {

// y = x * factor on one stage, then y += shift on the next, which starts early and waits (griddepcontrol).
std::string manifestFor(const std::string &chip) {
  std::string dependent = chip == "sm_90" ? R"("dependent_launch": true, "cluster": [2, 1, 1],)" : "";
  return R"({"twilight_manifest": 1, "pipeline": "affine", "chip": ")" + chip + R"(", "ptx": "affine.ptx",
    "ptx_version": "7.8",
    "arguments": [{"name": "x", "kind": "input", "dtype": "f32", "shape": ["N"]},
                  {"name": "shift", "kind": "input", "dtype": "f32", "shape": [1]},
                  {"name": "y", "kind": "output", "dtype": "f32", "shape": ["N"]}],
    "workspace": {"bytes": ["*", "N", 4], "alignment": 256},
    "kernels": [
      {"name": "scale", "grid": [["*", 2, ["ceildiv", "N", 128]], 1, 1], "block": [64, 1, 1], "shared_bytes": 65536,
       "arguments": [{"pointer": "x"}, {"workspace": 0}, {"i32": "N"}, {"f32": 2.5}]},
      {"name": "shift", "grid": [["*", 2, ["ceildiv", "N", 128]], 1, 1], "block": [64, 1, 1], "shared_bytes": 0,)" +
         dependent + R"(
       "arguments": [{"workspace": 0}, {"pointer": "shift"}, {"pointer": "y"}, {"i64": "N"}]}]})";
}

std::string ptxFor(const std::string &chip) {
  std::string index = "mov.u32 %r1, %ctaid.x; mov.u32 %r2, %tid.x; mad.lo.s32 %r3, %r1, 64, %r2;\n";
  std::string registers = ") { .reg .b32 %r<8>; .reg .b64 %d<8>; .reg .f32 %f<8>; .reg .pred %p;\n";
  return ".version 7.8\n.target " + chip + "\n.address_size 64\n.extern .shared .align 16 .b8 dynamic[];\n" +
         ".visible .entry scale(.param .u64 a, .param .u64 b, .param .u32 n, .param .f32 f" + registers + index +
         "ld.param.u32 %r4, [n]; setp.ge.s32 %p, %r3, %r4; @%p ret;\n"
         "ld.param.u64 %d1, [a]; ld.param.u64 %d2, [b]; ld.param.f32 %f1, [f];\n"
         "mul.wide.s32 %d3, %r3, 4; add.s64 %d1, %d1, %d3; add.s64 %d2, %d2, %d3;\n"
         "ld.global.f32 %f2, [%d1]; mul.f32 %f2, %f2, %f1;\n"
         // Through the last bytes of the dynamic shared memory, so that its size matters.
         "mov.u32 %r5, dynamic; shl.b32 %r6, %r2, 2; add.s32 %r5, %r5, %r6; st.shared.f32 [%r5+65280], %f2;\n"
         "ld.shared.f32 %f3, [%r5+65280]; st.global.f32 [%d2], %f3; ret; }\n" +
         ".visible .entry shift(.param .u64 a, .param .u64 s, .param .u64 b, .param .u64 n" + registers + index +
         (chip == "sm_90" ? "griddepcontrol.wait;\n" : "") +
         "ld.param.u64 %d4, [n]; cvt.s64.s32 %d5, %r3; setp.ge.s64 %p, %d5, %d4; @%p ret;\n"
         "ld.param.u64 %d1, [a]; ld.param.u64 %d2, [b]; ld.param.u64 %d6, [s];\n"
         "mul.wide.s32 %d3, %r3, 4; add.s64 %d1, %d1, %d3; add.s64 %d2, %d2, %d3;\n"
         "ld.global.f32 %f1, [%d6]; ld.global.f32 %f2, [%d1]; add.f32 %f2, %f2, %f1; st.global.f32 [%d2], %f2; ret; "
         "}\n";
}

class DeviceTest : public ::testing::Test {
protected:
  void SetUp() override {
    if (twilight_driver_open(nullptr, &driver, &error) != TWILIGHT_OK)
      GTEST_SKIP() << "no GPU to test on: " << error.message;
    twilight_device_info info;
    ASSERT_EQ(twilight_device_get_info(driver, 0, &info, &error), TWILIGHT_OK) << error.message;
    chip = info.compute_major >= 9 ? "sm_90" : "sm_80";
    ASSERT_EQ(
        twilight_artifact_load_text(driver, manifestFor(chip).c_str(), ptxFor(chip).c_str(), 0, &artifact, &error),
        TWILIGHT_OK)
        << error.message;
    for (void **memory : {&x, &shift, &y, &workspace})
      ASSERT_EQ(twilight_memory_alloc(driver, 0, 4 * count, memory, &error), TWILIGHT_OK) << error.message;
    ASSERT_EQ(twilight_stream_create(driver, 0, &stream, &error), TWILIGHT_OK) << error.message;
    for (int64_t i = 0; i < count; ++i)
      input.push_back(static_cast<float>(i));
    write(x, input.data(), count);
    setShift(1);
    tensors = {{x, TWILIGHT_F32, 1, &count, nullptr, 0},
               {shift, TWILIGHT_F32, 0, nullptr, nullptr, 0},
               {y, TWILIGHT_F32, 1, &count, nullptr, 0}};
  }
  void TearDown() override {
    if (!driver)
      return;
    twilight_stream_destroy(driver, 0, stream, nullptr);
    for (void *memory : {x, shift, y, workspace})
      twilight_memory_free(driver, 0, memory, nullptr);
    twilight_artifact_free(artifact);
    twilight_driver_close(driver);
  }

  void write(void *to, const float *from, size_t values) {
    ASSERT_EQ(twilight_memory_write(driver, 0, to, from, 4 * values, stream, &error), TWILIGHT_OK) << error.message;
  }
  void setShift(float value) { write(shift, &value, 1); }
  twilight_status launch() {
    return twilight_artifact_launch(artifact, tensors.data(), 3, workspace, 4 * count, stream, &error);
  }
  void expectOutput(float shiftedBy) {
    std::vector<float> output(count);
    ASSERT_EQ(twilight_memory_read(driver, 0, output.data(), y, 4 * count, stream, &error), TWILIGHT_OK)
        << error.message;
    for (int64_t i = 0; i < count; ++i)
      ASSERT_EQ(output[i], 2.5f * static_cast<float>(i) + shiftedBy) << "at " << i;
  }

  twilight_error error{};
  twilight_driver *driver = nullptr;
  twilight_artifact *artifact = nullptr;
  std::string chip;
  int64_t count = 1000;
  void *x = nullptr, *shift = nullptr, *y = nullptr, *workspace = nullptr, *stream = nullptr;
  std::vector<float> input;
  std::vector<twilight_tensor> tensors;
};

TEST_F(DeviceTest, Launches) {
  ASSERT_EQ(launch(), TWILIGHT_OK) << error.message;
  expectOutput(1);
}

TEST_F(DeviceTest, ReplaysAsAGraphWithAnotherScalar) {
  void *graph = nullptr;
  ASSERT_EQ(twilight_graph_begin_capture(driver, 0, stream, &error), TWILIGHT_OK) << error.message;
  ASSERT_EQ(launch(), TWILIGHT_OK) << error.message;
  ASSERT_EQ(twilight_graph_end_capture(driver, 0, stream, &graph, &error), TWILIGHT_OK) << error.message;
  for (float value : {3.0f, -4.0f}) {
    setShift(value);
    ASSERT_EQ(twilight_graph_launch(driver, 0, graph, stream, &error), TWILIGHT_OK) << error.message;
    expectOutput(value);
  }
  EXPECT_EQ(twilight_graph_destroy(driver, 0, graph, &error), TWILIGHT_OK) << error.message;
}

TEST_F(DeviceTest, TimesAStage) {
  void *start = nullptr, *end = nullptr;
  ASSERT_EQ(twilight_event_create(driver, 0, &start, &error), TWILIGHT_OK);
  ASSERT_EQ(twilight_event_create(driver, 0, &end, &error), TWILIGHT_OK);
  twilight_event_record(driver, 0, start, stream, &error);
  ASSERT_EQ(twilight_artifact_launch_range(artifact, tensors.data(), 3, workspace, 4 * count, stream, 0, 1, &error),
            TWILIGHT_OK)
      << error.message;
  twilight_event_record(driver, 0, end, stream, &error);
  float milliseconds = -1;
  ASSERT_EQ(twilight_event_elapsed(driver, 0, start, end, &milliseconds, &error), TWILIGHT_OK) << error.message;
  EXPECT_GT(milliseconds, 0);
  twilight_event_destroy(driver, 0, start, nullptr);
  twilight_event_destroy(driver, 0, end, nullptr);
}

TEST_F(DeviceTest, ReportsWhatTheDriverSaysOfBadPtx) {
  std::string ptx = ptxFor(chip);
  ptx.insert(ptx.find("mov.u32 %r1"), "no.such.instruction;\n");
  twilight_artifact *bad = nullptr;
  EXPECT_EQ(twilight_artifact_load_text(driver, manifestFor(chip).c_str(), ptx.c_str(), 0, &bad, &error),
            TWILIGHT_ERROR_BAD_ARTIFACT);
  EXPECT_NE(std::string(error.message).find("line"), std::string::npos) << error.message;
  std::string manifest = manifestFor(chip);
  manifest.replace(manifest.find("7.8"), 3, "9.9");
  ptx = ptxFor(chip);
  ptx.replace(ptx.find("7.8"), 3, "9.9");
  EXPECT_EQ(twilight_artifact_load_text(driver, manifest.c_str(), ptx.c_str(), 0, &bad, &error),
            TWILIGHT_ERROR_DRIVER_TOO_OLD)
      << error.message;
  manifest = manifestFor(chip);
  manifest.replace(manifest.find("{\"i32\": \"N\"}, "), 14, ""); // checked where the driver tells (CUDA 12.4)
  if (twilight_driver_version(driver) >= 12040)
    EXPECT_EQ(twilight_artifact_load_text(driver, manifest.c_str(), ptxFor(chip).c_str(), 0, &bad, &error),
              TWILIGHT_ERROR_BAD_ARTIFACT)
        << error.message;
}

// Prints the host's time for two kernels; few enough launches that the queue never fills.
TEST_F(DeviceTest, HostCostOfALaunch) {
  constexpr int launches = 200;
  ASSERT_EQ(launch(), TWILIGHT_OK) << error.message;
  ASSERT_EQ(twilight_stream_synchronize(driver, 0, stream, &error), TWILIGHT_OK) << error.message;
  auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < launches; ++i)
    ASSERT_EQ(launch(), TWILIGHT_OK) << error.message;
  std::chrono::duration<double, std::micro> time = std::chrono::steady_clock::now() - start;
  std::cout << "host time of a launch of two kernels: " << time.count() / launches << " us\n";
  EXPECT_EQ(twilight_stream_synchronize(driver, 0, stream, &error), TWILIGHT_OK) << error.message;
  expectOutput(1);
}

} // namespace
