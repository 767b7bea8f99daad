// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The C API of streams, events and graphs.
#include "Device.h"

#include "Chip.h"

using namespace twilight::runtime;

twilight_status twilight_stream_create(twilight_driver *driver, int32_t device, void **stream, twilight_error *error) {
  return onDevice(driver, device, error, [&](const Driver &impl, const DriverFunctions &cu) {
    requireNotNull(stream, "stream");
    cuda::Stream handle = nullptr;
    impl.check(cu.streamCreate(&handle, cuda::StreamNonBlocking), "cuStreamCreate");
    *stream = handle;
  });
}

twilight_status twilight_stream_destroy(twilight_driver *driver, int32_t device, void *stream, twilight_error *error) {
  return onDevice(driver, device, error, [&](const Driver &impl, const DriverFunctions &cu) {
    if (stream)
      impl.check(cu.streamDestroy(static_cast<cuda::Stream>(stream)), "cuStreamDestroy");
  });
}

twilight_status twilight_stream_synchronize(twilight_driver *driver, int32_t device, void *stream,
                                            twilight_error *error) {
  return onDevice(driver, device, error, [&](const Driver &impl, const DriverFunctions &cu) {
    impl.check(cu.streamSynchronize(static_cast<cuda::Stream>(stream)), "cuStreamSynchronize",
               "a kernel before this failed: check the contents of its arguments (twilight_artifact_check_values)");
  });
}

twilight_status twilight_event_create(twilight_driver *driver, int32_t device, void **event, twilight_error *error) {
  return onDevice(driver, device, error, [&](const Driver &impl, const DriverFunctions &cu) {
    requireNotNull(event, "event");
    cuda::Event handle = nullptr;
    impl.check(cu.eventCreate(&handle, 0), "cuEventCreate");
    *event = handle;
  });
}

twilight_status twilight_event_destroy(twilight_driver *driver, int32_t device, void *event, twilight_error *error) {
  return onDevice(driver, device, error, [&](const Driver &impl, const DriverFunctions &cu) {
    if (event)
      impl.check(cu.eventDestroy(static_cast<cuda::Event>(event)), "cuEventDestroy");
  });
}

twilight_status twilight_event_record(twilight_driver *driver, int32_t device, void *event, void *stream,
                                      twilight_error *error) {
  return onDevice(driver, device, error, [&](const Driver &impl, const DriverFunctions &cu) {
    requireNotNull(event, "event");
    impl.check(cu.eventRecord(static_cast<cuda::Event>(event), static_cast<cuda::Stream>(stream)), "cuEventRecord");
  });
}

twilight_status twilight_event_elapsed(twilight_driver *driver, int32_t device, void *start, void *end,
                                       float *milliseconds, twilight_error *error) {
  return onDevice(driver, device, error, [&](const Driver &impl, const DriverFunctions &cu) {
    requireNotNull(start, "start");
    requireNotNull(end, "end");
    requireNotNull(milliseconds, "milliseconds");
    impl.check(cu.eventSynchronize(static_cast<cuda::Event>(end)), "cuEventSynchronize");
    impl.check(cu.eventElapsedTime(milliseconds, static_cast<cuda::Event>(start), static_cast<cuda::Event>(end)),
               "cuEventElapsedTime", "record both events first");
  });
}

twilight_status twilight_graph_begin_capture(twilight_driver *driver, int32_t device, void *stream,
                                             twilight_error *error) {
  return onDevice(driver, device, error, [&](const Driver &impl, const DriverFunctions &cu) {
    requireNotNull(stream, "stream");
    if (!cu.graphInstantiateWithFlags)
      fail(TWILIGHT_ERROR_DRIVER_TOO_OLD,
           "graphs need cuGraphInstantiateWithFlags, expected a driver of CUDA 11.4 or later, found one of CUDA ",
           driverVersionText(impl.version()), "; update the NVIDIA driver");
    impl.check(cu.streamBeginCapture(static_cast<cuda::Stream>(stream), cuda::CaptureModeThreadLocal),
               "cuStreamBeginCapture");
  });
}

twilight_status twilight_graph_end_capture(twilight_driver *driver, int32_t device, void *stream, void **graph,
                                           twilight_error *error) {
  return onDevice(driver, device, error, [&](const Driver &impl, const DriverFunctions &cu) {
    requireNotNull(stream, "stream");
    requireNotNull(graph, "graph");
    cuda::Graph captured = nullptr;
    impl.check(cu.streamEndCapture(static_cast<cuda::Stream>(stream), &captured), "cuStreamEndCapture",
               "nothing that waits or copies may be between begin and end");
    cuda::GraphExec instance = nullptr;
    cuda::Result result = cu.graphInstantiateWithFlags(&instance, captured, 0);
    cu.graphDestroy(captured);
    impl.check(result, "cuGraphInstantiateWithFlags");
    *graph = instance;
  });
}

twilight_status twilight_graph_launch(twilight_driver *driver, int32_t device, void *graph, void *stream,
                                      twilight_error *error) {
  return onDevice(driver, device, error, [&](const Driver &impl, const DriverFunctions &cu) {
    requireNotNull(graph, "graph");
    impl.check(cu.graphLaunch(static_cast<cuda::GraphExec>(graph), static_cast<cuda::Stream>(stream)), "cuGraphLaunch");
  });
}

twilight_status twilight_graph_destroy(twilight_driver *driver, int32_t device, void *graph, twilight_error *error) {
  return onDevice(driver, device, error, [&](const Driver &impl, const DriverFunctions &cu) {
    if (graph)
      impl.check(cu.graphExecDestroy(static_cast<cuda::GraphExec>(graph)), "cuGraphExecDestroy");
  });
}
