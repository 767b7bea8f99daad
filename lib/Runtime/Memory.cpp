// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The C API of the driver, of devices and of their memory.
#include "Device.h"

#include <cstring>

using namespace twilight::runtime;

twilight_status twilight_driver_open(const char *path, twilight_driver **driver, twilight_error *error) {
  return guarded(error, [&] {
    requireNotNull(driver, "driver");
    *driver = new twilight_driver{Driver::open(path)};
  });
}

void twilight_driver_close(twilight_driver *driver) { delete driver; }

int32_t twilight_driver_version(const twilight_driver *driver) { return driver ? driver->impl->version() : 0; }

twilight_status twilight_device_count(twilight_driver *driver, int32_t *count, twilight_error *error) {
  return guarded(error, [&] {
    requireNotNull(driver, "driver");
    requireNotNull(count, "count");
    *count = driver->impl->deviceCount();
  });
}

twilight_status twilight_device_get_info(twilight_driver *driver, int32_t device, twilight_device_info *info,
                                         twilight_error *error) {
  return guarded(error, [&] {
    requireNotNull(driver, "driver");
    requireNotNull(info, "info");
    const Driver &impl = *driver->impl;
    impl.checkOrdinal(device);
    twilight_device_info result = {};
    std::strncpy(result.name, impl.deviceName(device).c_str(), sizeof(result.name) - 1);
    result.compute_major = impl.attribute(cuda::ComputeCapabilityMajor, device);
    result.compute_minor = impl.attribute(cuda::ComputeCapabilityMinor, device);
    result.multiprocessors = impl.attribute(cuda::MultiprocessorCount, device);
    result.l2_bytes = static_cast<uint64_t>(impl.attribute(cuda::L2CacheSize, device));
    result.shared_bytes_per_block = impl.attribute(cuda::MaxSharedMemoryPerBlockOptin, device);
    cuda::Device handle = 0;
    size_t memory = 0;
    impl.check(impl.functions().deviceGet(&handle, device), "cuDeviceGet");
    impl.check(impl.functions().deviceTotalMem(&memory, handle), "cuDeviceTotalMem");
    result.memory_bytes = memory;
    *info = result;
  });
}

twilight_status twilight_memory_alloc(twilight_driver *driver, int32_t device, size_t bytes, void **data,
                                      twilight_error *error) {
  return onDevice(driver, device, error, [&](const Driver &impl, const DriverFunctions &cu) {
    requireNotNull(data, "data");
    cuda::DevicePointer pointer = 0;
    if (bytes > 0) {
      cuda::Result result = cu.memAlloc(&pointer, bytes);
      if (result == cuda::OutOfMemory)
        fail(TWILIGHT_ERROR_OUT_OF_MEMORY, "device ", device, " has no room for ", bytes,
             " more bytes; free some, or use smaller shapes");
      impl.check(result, "cuMemAlloc");
    }
    *data = reinterpret_cast<void *>(static_cast<uintptr_t>(pointer)); // NOLINT(performance-no-int-to-ptr)
  });
}

twilight_status twilight_memory_free(twilight_driver *driver, int32_t device, void *data, twilight_error *error) {
  return onDevice(driver, device, error, [&](const Driver &impl, const DriverFunctions &cu) {
    if (data)
      impl.check(cu.memFree(reinterpret_cast<uintptr_t>(data)), "cuMemFree",
                 "the pointer must come from twilight_memory_alloc");
  });
}

twilight_status twilight_memory_write(twilight_driver *driver, int32_t device, void *device_data, const void *host_data,
                                      size_t bytes, void *stream, twilight_error *error) {
  return onDevice(driver, device, error, [&](const Driver &impl, const DriverFunctions &cu) {
    if (bytes == 0)
      return;
    requireNotNull(device_data, "device_data");
    requireNotNull(host_data, "host_data");
    auto handle = static_cast<cuda::Stream>(stream);
    impl.check(cu.memcpyHtoDAsync(reinterpret_cast<uintptr_t>(device_data), host_data, bytes, handle),
               "cuMemcpyHtoDAsync");
    impl.check(cu.streamSynchronize(handle), "cuStreamSynchronize");
  });
}

twilight_status twilight_memory_read(twilight_driver *driver, int32_t device, void *host_data, const void *device_data,
                                     size_t bytes, void *stream, twilight_error *error) {
  return onDevice(driver, device, error, [&](const Driver &impl, const DriverFunctions &cu) {
    if (bytes == 0)
      return;
    requireNotNull(host_data, "host_data");
    requireNotNull(device_data, "device_data");
    auto handle = static_cast<cuda::Stream>(stream);
    impl.check(cu.memcpyDtoHAsync(host_data, reinterpret_cast<uintptr_t>(device_data), bytes, handle),
               "cuMemcpyDtoHAsync");
    impl.check(cu.streamSynchronize(handle), "cuStreamSynchronize");
  });
}

twilight_status twilight_memory_fill(twilight_driver *driver, int32_t device, void *device_data, uint8_t value,
                                     size_t bytes, void *stream, twilight_error *error) {
  return onDevice(driver, device, error, [&](const Driver &impl, const DriverFunctions &cu) {
    if (bytes == 0)
      return;
    requireNotNull(device_data, "device_data");
    impl.check(
        cu.memsetD8Async(reinterpret_cast<uintptr_t>(device_data), value, bytes, static_cast<cuda::Stream>(stream)),
        "cuMemsetD8Async");
  });
}
