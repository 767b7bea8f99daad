// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The shared frame of the thin wrappers over the driver.
#ifndef TWILIGHT_RUNTIME_DEVICE_H
#define TWILIGHT_RUNTIME_DEVICE_H

#include "Driver.h"

namespace twilight::runtime {

// Runs `body(driver, functions)` with a context on `device` current.
template <typename Body>
twilight_status onDevice(twilight_driver *driver, int32_t device, twilight_error *error, Body &&body) {
  return guarded(error, [&] {
    requireNotNull(driver, "driver");
    Driver &impl = *driver->impl;
    ScopedContext scope(impl, impl.contextFor(device));
    body(static_cast<const Driver &>(impl), impl.functions());
  });
}

} // namespace twilight::runtime

#endif
