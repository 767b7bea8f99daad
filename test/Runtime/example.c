/* Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * Runs a compiled decode pipeline: example dense_attend.json [libcuda.so.1] */
#include "twilight-runtime/twilight_runtime.h"

#include <stdio.h>
#include <stdlib.h>

static twilight_error error;

static void check(twilight_status status) {
  if (status == TWILIGHT_OK)
    return;
  fprintf(stderr, "%s: %s\n", twilight_status_name(status), error.message);
  exit(1);
}

int main(int argc, char **argv) {
  twilight_driver *driver = NULL;
  twilight_artifact *artifact = NULL;
  void *stream = NULL, *workspace = NULL;
  size_t workspace_bytes = 0;
  if (argc < 2) {
    fprintf(stderr, "usage: %s MANIFEST.json [LIBCUDA]\n", argv[0]);
    return 2;
  }
  check(twilight_driver_open(argc > 2 ? argv[2] : NULL, &driver, &error));
  check(twilight_artifact_load(driver, argv[1], 0, &artifact, &error));
  check(twilight_stream_create(driver, 0, &stream, &error));

  /* One sequence of 40 tokens in a pool of 4 pages of 16; 8 query heads over 2 kv heads of 64. */
  enum { pages = 4, kv_elements = pages * 2 * 16 * 64, q_elements = 8 * 64, count = 7 };
  static uint16_t k[kv_elements], v[kv_elements], q[q_elements]; /* f16 bits */
  const int32_t page_table[3] = {2, 0, 3}, seq_lens[1] = {40};
  float out[q_elements];
  for (int i = 0; i < kv_elements; ++i)
    v[i] = 0x3c00; /* 1.0: the weights sum to one, and so does every output */

  const int64_t q_shape[] = {1, 8, 64}, kv_shape[] = {pages, 2, 16, 64}, table_shape[] = {1, 3}, lens_shape[] = {1};
  const int64_t lse_shape[] = {1, 8};
  twilight_tensor tensors[count] = {
      {NULL, TWILIGHT_F16, 3, q_shape, NULL, 0},    {NULL, TWILIGHT_F16, 4, kv_shape, NULL, 0},
      {NULL, TWILIGHT_F16, 4, kv_shape, NULL, 0},   {NULL, TWILIGHT_I32, 2, table_shape, NULL, 0},
      {NULL, TWILIGHT_I32, 1, lens_shape, NULL, 0}, {NULL, TWILIGHT_F32, 3, q_shape, NULL, 0},
      {NULL, TWILIGHT_F32, 2, lse_shape, NULL, 0},
  };
  const void *contents[count] = {q, k, v, page_table, seq_lens, NULL, NULL};

  for (int i = 0; i < count; ++i) {
    size_t bytes = twilight_dtype_bytes((twilight_dtype)tensors[i].dtype);
    for (int d = 0; d < tensors[i].rank; ++d)
      bytes *= (size_t)tensors[i].shape[d];
    check(twilight_memory_alloc(driver, 0, bytes, &tensors[i].data, &error));
    if (contents[i])
      check(twilight_memory_write(driver, 0, tensors[i].data, contents[i], bytes, stream, &error));
  }
  check(twilight_artifact_workspace_bytes(artifact, tensors, count, &workspace_bytes, &error));
  check(twilight_memory_alloc(driver, 0, workspace_bytes, &workspace, &error));

  check(twilight_artifact_check_values(artifact, tensors, count, stream, &error)); /* optional; waits */
  check(twilight_artifact_launch(artifact, tensors, count, workspace, workspace_bytes, stream, &error));
  check(twilight_memory_read(driver, 0, out, tensors[5].data, sizeof(out), stream, &error)); /* waits */
  printf("%s: %d kernels, out[0] = %f\n", twilight_artifact_pipeline(artifact),
         (int)twilight_artifact_kernel_count(artifact), (double)out[0]);

  for (int i = 0; i < count; ++i)
    check(twilight_memory_free(driver, 0, tensors[i].data, &error));
  check(twilight_memory_free(driver, 0, workspace, &error));
  check(twilight_stream_destroy(driver, 0, stream, &error));
  twilight_artifact_free(artifact);
  twilight_driver_close(driver);
  return 0;
}
