// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "RuntimeTest.h"

namespace {

TEST_F(RuntimeTest, MemoryRoundTrip) {
  openDriver();
  void *data = nullptr;
  ASSERT_OK(twilight_memory_alloc(driver, 0, 64, &data, &error));
  ASSERT_NE(data, nullptr);
  int32_t in[4] = {1, 2, 3, 4}, out[4] = {};
  EXPECT_OK(twilight_memory_write(driver, 0, data, in, sizeof(in), nullptr, &error));
  EXPECT_OK(twilight_memory_read(driver, 0, out, data, sizeof(out), nullptr, &error));
  EXPECT_EQ(out[3], 4);
  EXPECT_EQ(fake->count("cuStreamSynchronize"), 2); // both wait
  EXPECT_OK(twilight_memory_fill(driver, 0, data, 0xff, 8, nullptr, &error));
  EXPECT_OK(twilight_memory_read(driver, 0, out, data, sizeof(out), nullptr, &error));
  EXPECT_EQ(out[1], -1);
  EXPECT_EQ(out[2], 3);
  EXPECT_OK(twilight_memory_free(driver, 0, data, &error));
  EXPECT_OK(twilight_memory_free(driver, 0, nullptr, &error));
  EXPECT_TRUE(fake->contextStack.empty()); // left as it was found
}

TEST_F(RuntimeTest, MemoryErrors) {
  openDriver();
  void *data = storage;
  EXPECT_OK(twilight_memory_alloc(driver, 0, 0, &data, &error));
  EXPECT_EQ(data, nullptr);
  EXPECT_OK(twilight_memory_read(driver, 0, nullptr, nullptr, 0, nullptr, &error));
  EXPECT_EQ(twilight_memory_read(driver, 0, nullptr, storage, 1, nullptr, &error), TWILIGHT_ERROR_BAD_ARGUMENT);
  EXPECT_EQ(twilight_memory_alloc(driver, 7, 1, &data, &error), TWILIGHT_ERROR_NO_DEVICE);
  fake->memAllocResult = 2;
  EXPECT_EQ(twilight_memory_alloc(driver, 0, 1000, &data, &error), TWILIGHT_ERROR_OUT_OF_MEMORY);
  EXPECT_MESSAGE("no room for 1000 more bytes");
}

TEST_F(RuntimeTest, StreamsAndEvents) {
  openDriver();
  void *stream = nullptr, *event = nullptr;
  ASSERT_OK(twilight_stream_create(driver, 0, &stream, &error));
  ASSERT_OK(twilight_event_create(driver, 0, &event, &error));
  EXPECT_OK(twilight_event_record(driver, 0, event, stream, &error));
  float milliseconds = 0;
  EXPECT_OK(twilight_event_elapsed(driver, 0, event, event, &milliseconds, &error));
  EXPECT_EQ(milliseconds, 1.5f);
  EXPECT_OK(twilight_stream_synchronize(driver, 0, stream, &error));
  fake->synchronizeResult = 700;
  EXPECT_EQ(twilight_stream_synchronize(driver, 0, stream, &error), TWILIGHT_ERROR_CUDA);
  EXPECT_MESSAGE("(700)");
  EXPECT_MESSAGE("twilight_artifact_check_values");
  EXPECT_OK(twilight_event_destroy(driver, 0, event, &error));
  EXPECT_OK(twilight_stream_destroy(driver, 0, stream, &error));
}

TEST_F(RuntimeTest, Graphs) {
  openDriver();
  void *stream = fake, *graph = nullptr;
  EXPECT_EQ(twilight_graph_begin_capture(driver, 0, nullptr, &error), TWILIGHT_ERROR_BAD_ARGUMENT);
  ASSERT_OK(twilight_graph_begin_capture(driver, 0, stream, &error));
  ASSERT_OK(twilight_graph_end_capture(driver, 0, stream, &graph, &error));
  EXPECT_EQ(fake->count("cuGraphDestroy"), 1); // only the instance is kept
  EXPECT_OK(twilight_graph_launch(driver, 0, graph, stream, &error));
  EXPECT_OK(twilight_graph_destroy(driver, 0, graph, &error));
  EXPECT_EQ(twilight_graph_end_capture(driver, 0, stream, &graph, &error), TWILIGHT_ERROR_CUDA);
}

TEST_F(RuntimeTest, GraphsNeedANewerDriver) {
  ASSERT_OK(twilight_driver_open(FAKE_CUDA_11_PATH, &driver, &error));
  EXPECT_EQ(twilight_graph_begin_capture(driver, 0, storage, &error), TWILIGHT_ERROR_DRIVER_TOO_OLD);
  EXPECT_MESSAGE("CUDA 11.4 or later");
}

} // namespace
