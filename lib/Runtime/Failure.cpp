// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Failure.h"

#include <cstring>

namespace twilight::runtime {

twilight_status report(twilight_error *error, twilight_status status, const char *message) noexcept {
  if (!error)
    return status;
  error->status = status;
  size_t capacity = sizeof(error->message), length = std::strlen(message);
  if (length < capacity) {
    std::memcpy(error->message, message, length + 1);
  } else {
    std::memcpy(error->message, message, capacity - 4);
    std::memcpy(error->message + capacity - 4, "...", 4);
  }
  return status;
}

} // namespace twilight::runtime

#define TWILIGHT_TEXT_OF(x) #x
#define TWILIGHT_TEXT(x) TWILIGHT_TEXT_OF(x)

const char *twilight_runtime_version(void) {
  return TWILIGHT_TEXT(TWILIGHT_RUNTIME_VERSION_MAJOR) "." TWILIGHT_TEXT(
      TWILIGHT_RUNTIME_VERSION_MINOR) "." TWILIGHT_TEXT(TWILIGHT_RUNTIME_VERSION_PATCH);
}

const char *twilight_status_name(twilight_status status) {
  switch (status) {
  case TWILIGHT_OK:
    return "ok";
  case TWILIGHT_ERROR_NO_DRIVER:
    return "no driver";
  case TWILIGHT_ERROR_DRIVER_TOO_OLD:
    return "driver too old";
  case TWILIGHT_ERROR_NO_DEVICE:
    return "no device";
  case TWILIGHT_ERROR_BAD_MANIFEST:
    return "bad manifest";
  case TWILIGHT_ERROR_BAD_ARTIFACT:
    return "bad artifact";
  case TWILIGHT_ERROR_WRONG_CHIP:
    return "wrong chip";
  case TWILIGHT_ERROR_BAD_ARGUMENT:
    return "bad argument";
  case TWILIGHT_ERROR_WORKSPACE_TOO_SMALL:
    return "workspace too small";
  case TWILIGHT_ERROR_OUT_OF_MEMORY:
    return "out of memory";
  case TWILIGHT_ERROR_CUDA:
    return "CUDA error";
  case TWILIGHT_ERROR_INTERNAL:
    return "internal error";
  case TWILIGHT_STATUS_MAX_ENUM:
    break;
  }
  return "unknown status";
}
