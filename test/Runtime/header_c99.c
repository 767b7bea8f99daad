/* Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * The header is valid C99 by itself, and its structs are laid out as Python's ctypes declare them. */
#include "twilight-runtime/twilight_runtime.h"

/* A name to declare cannot stand in parentheses. */
#define SAME(name, condition) typedef char name[(condition) ? 1 : -1] /* NOLINT(bugprone-macro-parentheses) */
SAME(error_is_1028_bytes, sizeof(twilight_error) == 1028 && offsetof(twilight_error, message) == 4);
SAME(tensor_is_40_bytes, sizeof(twilight_tensor) == 40 && offsetof(twilight_tensor, shape) == 16);
SAME(tensor_device, offsetof(twilight_tensor, device) == 32);
SAME(argument_info_is_96_bytes, sizeof(twilight_argument_info) == 96 && offsetof(twilight_argument_info, dims) == 32);
SAME(kernel_info_is_32_bytes, sizeof(twilight_kernel_info) == 32 && offsetof(twilight_kernel_info, registers) == 16);
SAME(device_info_is_296_bytes, sizeof(twilight_device_info) == 296);

int main(void) {
  twilight_error error;
  return twilight_device_count(NULL, NULL, &error) == TWILIGHT_ERROR_BAD_ARGUMENT && error.message[0] ? 0 : 1;
}
