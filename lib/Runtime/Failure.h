// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// How the runtime fails inside: it throws a Failure; guarded() turns it into a status and a message at the C boundary,
// which nothing else may cross.
#ifndef TWILIGHT_RUNTIME_FAILURE_H
#define TWILIGHT_RUNTIME_FAILURE_H

#include "twilight-runtime/twilight_runtime.h"

#include <exception>
#include <new>
#include <sstream>
#include <string>
#include <utility>

namespace twilight::runtime {

struct Failure {
  twilight_status status;
  std::string message;
};

template <typename... Parts>
std::string text(const Parts &...parts) {
  std::ostringstream stream;
  (stream << ... << parts);
  return stream.str();
}

template <typename... Parts>
[[noreturn]] void fail(twilight_status status, const Parts &...parts) {
  throw Failure{status, text(parts...)};
}

// Copies status and message to the caller's struct (which may be null); returns the status.
twilight_status report(twilight_error *error, twilight_status status, const char *message) noexcept;

template <typename Body>
twilight_status guarded(twilight_error *error, Body &&body) noexcept {
  try {
    std::forward<Body>(body)();
    return report(error, TWILIGHT_OK, "");
  } catch (const Failure &failure) {
    return report(error, failure.status, failure.message.c_str());
  } catch (const std::bad_alloc &) {
    return report(error, TWILIGHT_ERROR_OUT_OF_MEMORY, "out of host memory");
  } catch (const std::exception &exception) {
    return report(error, TWILIGHT_ERROR_INTERNAL, exception.what());
  } catch (...) {
    return report(error, TWILIGHT_ERROR_INTERNAL, "unknown exception inside the twilight runtime");
  }
}

// A null argument of the C API is an error like any other.
template <typename Pointer>
void requireNotNull(const Pointer *pointer, const char *name) {
  if (!pointer)
    fail(TWILIGHT_ERROR_BAD_ARGUMENT, "'", name, "' is NULL; pass a valid pointer");
}

} // namespace twilight::runtime

#endif
