// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "RuntimeTest.h"

nlohmann::json exampleManifest() {
  return nlohmann::json::parse(R"({
    "twilight_manifest": 1, "twilight_version": "0.1.0", "pipeline": "demo", "chip": "sm_90a", "ptx": "demo.ptx",
    "ptx_version": "8.0",
    "arguments": [
      {"name": "q", "kind": "input", "dtype": "f16", "shape": ["B", 4, 64]},
      {"name": "table", "kind": "input", "dtype": "i32", "shape": ["B", "pages"]},
      {"name": "p", "kind": "input", "dtype": "f32", "shape": [1]},
      {"name": "out", "kind": "output", "dtype": "f16", "shape": ["B", 4, 64]},
      {"name": "counts", "kind": "output", "dtype": "i32", "shape": ["B"]}],
    "workspace": {"bytes": ["*", "B", ["*", "pages", 64]], "alignment": 256},
    "kernels": [
      {"name": "demo_score", "op": "twilight.quantize_score", "grid": ["B", ["ceildiv", "pages", 4], 1],
       "block": [128, 1, 1], "shared_bytes": ["*", "pages", 1024],
       "arguments": [{"pointer": "q"}, {"pointer": "table"}, {"workspace": ["*", "B", 64]}, {"i32": "pages"},
                     {"f32": 0.125}]},
      {"name": "demo_attend", "op": "twilight.gather_attend", "grid": ["B", 4, 1], "block": [64, 2, 1],
       "shared_bytes": 65536,
       "arguments": [{"pointer": "q"}, {"pointer": "p"}, {"workspace": 0}, {"i64": ["-", "B", 1]}, {"pointer": "out"},
                     {"pointer": "counts"}]}]})");
}

std::string examplePtx() {
  return "//\n.version 8.0\n.target sm_90a\n.address_size 64\n"
         ".visible .entry demo_score(.param .u64 a, .param .u64 b, .param .u64 c, .param .u32 d, .param .f32 e) "
         "{ret;}\n"
         ".visible .entry demo_attend(.param .u64 a, .param .u64 b, .param .u64 c, .param .u64 d, .param .u64 e,"
         " .param .u64 f) {ret;}\n";
}

void RuntimeTest::SetUp() {
  void *library = dlopen(FAKE_CUDA_PATH, RTLD_NOW);
  ASSERT_NE(library, nullptr) << dlerror();
  fake = reinterpret_cast<FakeCuda *(*)()>(dlsym(library, "fake_cuda_state"))();
  *fake = FakeCuda();
}

void RuntimeTest::TearDown() {
  twilight_artifact_free(artifact);
  twilight_driver_close(driver);
  // Whatever a test did, nothing is left behind.
  EXPECT_EQ(fake->modulesLoaded, 0);
  EXPECT_EQ(fake->primaryRetained, 0);
  EXPECT_EQ(fake->livePointers, 0);
}

twilight_status RuntimeTest::load(const nlohmann::json &manifest, const std::string &ptx, int device) {
  if (!driver)
    openDriver();
  twilight_artifact_free(artifact);
  artifact = nullptr;
  return twilight_artifact_load_text(driver, manifest.dump().c_str(), ptx.c_str(), device, &artifact, &error);
}

std::vector<twilight_tensor> &RuntimeTest::exampleTensors(int64_t batch, int64_t pages) {
  shapes = {{batch, 4, 64}, {batch, pages}, {1}, {batch, 4, 64}, {batch}};
  int32_t dtypes[] = {TWILIGHT_F16, TWILIGHT_I32, TWILIGHT_F32, TWILIGHT_F16, TWILIGHT_I32};
  tensors.clear();
  for (size_t i = 0; i < shapes.size(); ++i)
    tensors.push_back({storage[i], dtypes[i], static_cast<int32_t>(shapes[i].size()), shapes[i].data(), nullptr, 0});
  return tensors;
}

twilight_status RuntimeTest::launch(void *memory, size_t bytes, void *stream) {
  return twilight_artifact_launch(artifact, tensors.data(), static_cast<int32_t>(tensors.size()), memory, bytes, stream,
                                  &error);
}
