/* Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * The twilight runtime: loads an artifact (NAME.json + NAME.ptx, written by twilight-compile), checks arguments
 * against it and launches its kernels on the caller's stream. Pure C99; the CUDA driver is opened at run time, so
 * neither this header nor the library needs CUDA to build.
 *
 * Errors     Every fallible function returns a twilight_status and, where `error` is not NULL, fills it with the same
 *            status and a message: what was expected, what was found, what to do. On success it is cleared. There is no
 *            global state. Results (`*out`) are written only on success.
 * Units      Sizes are bytes, times are milliseconds, strides are elements.
 * Threads    Functions may be called from any thread, also at once, on the same driver and artifact. Closing or freeing
 *            an object while another call uses it is the caller's error.
 * Ownership  The caller frees what *_open, *_load, *_create, *_alloc and *_end_capture return. An artifact keeps its
 *            driver alive. Strings returned belong to the object they were asked of. Tensors stay the caller's.
 * Contexts   The calling thread's current CUDA context is used if it is on the asked device (so memory of PyTorch and
 *            others is usable), otherwise the device's primary context. The current context is left as it was found.
 * Streams    A `void *stream` is a CUstream (cudaStream_t); NULL is the legacy default stream.
 */
#ifndef TWILIGHT_RUNTIME_H
#define TWILIGHT_RUNTIME_H

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#define TWILIGHT_API
#else
#define TWILIGHT_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define TWILIGHT_RUNTIME_VERSION_MAJOR 0
#define TWILIGHT_RUNTIME_VERSION_MINOR 1
#define TWILIGHT_RUNTIME_VERSION_PATCH 0

/* The most dimensions a tensor may have. */
#define TWILIGHT_MAX_RANK 8

typedef enum twilight_status {
  TWILIGHT_OK = 0,
  TWILIGHT_ERROR_NO_DRIVER = 1,           /* libcuda.so.1 is missing, or is no CUDA driver */
  TWILIGHT_ERROR_DRIVER_TOO_OLD = 2,      /* the PTX, or a launch attribute it needs, is newer than the driver */
  TWILIGHT_ERROR_NO_DEVICE = 3,           /* the driver sees no device, or not the asked one */
  TWILIGHT_ERROR_BAD_MANIFEST = 4,        /* unreadable, not JSON, or a field is missing or wrong */
  TWILIGHT_ERROR_BAD_ARTIFACT = 5,        /* the PTX is missing, does not load, or disagrees with its manifest */
  TWILIGHT_ERROR_WRONG_CHIP = 6,          /* compiled for another chip than this device */
  TWILIGHT_ERROR_BAD_ARGUMENT = 7,        /* an argument disagrees with the manifest or the function's contract */
  TWILIGHT_ERROR_WORKSPACE_TOO_SMALL = 8, /* the message says how many bytes are needed */
  TWILIGHT_ERROR_OUT_OF_MEMORY = 9,       /* host or device memory */
  TWILIGHT_ERROR_CUDA = 10,               /* any other error of the driver; the message names it */
  TWILIGHT_ERROR_INTERNAL = 11,           /* a defect of this library */
  TWILIGHT_STATUS_MAX_ENUM = 0x7fffffff   /* no status: any int may be passed to twilight_status_name */
} twilight_status;

/* Supplied by the caller; need not be initialised. */
typedef struct twilight_error {
  twilight_status status;
  char message[1024]; /* always ends in NUL; cut with "..." where longer */
} twilight_error;

/* Signedness of i8 is up to the pipeline: unsigned 8-bit data (packed codes) is TWILIGHT_I8. */
typedef enum twilight_dtype {
  TWILIGHT_F16 = 1,
  TWILIGHT_BF16 = 2,
  TWILIGHT_F32 = 3,
  TWILIGHT_I32 = 4,
  TWILIGHT_I8 = 5,
  TWILIGHT_F8E4M3FN = 6,
  TWILIGHT_F8E5M2 = 7,
  TWILIGHT_DTYPE_MAX_ENUM = 0x7fffffff /* no dtype: what a caller passes is checked, whatever it is */
} twilight_dtype;

typedef enum twilight_kind {
  TWILIGHT_INPUT = 1,
  TWILIGHT_OUTPUT = 2,
  TWILIGHT_INOUT = 3 /* read and written in place, such as a cache */
} twilight_kind;

/* A dense row-major tensor in device memory. Scalars (such as p) are tensors too: they are read on the device, so that
 * a captured CUDA graph can be replayed with other values. */
typedef struct twilight_tensor {
  void *data;             /* device pointer; NULL only where some dimension is 0. Aligned to 16 bytes, or to the
                             tensor's own size where that is smaller */
  int32_t dtype;          /* twilight_dtype */
  int32_t rank;           /* 0 .. TWILIGHT_MAX_RANK; [] and [1] are taken for one another */
  const int64_t *shape;   /* `rank` sizes; may be NULL for rank 0 */
  const int64_t *strides; /* `rank` strides in elements, or NULL for row-major contiguous (the only layout taken) */
  int32_t device;         /* device ordinal the data is on */
} twilight_tensor;

typedef struct twilight_driver twilight_driver;
typedef struct twilight_artifact twilight_artifact;

TWILIGHT_API const char *twilight_runtime_version(void); /* "0.1.0" */
TWILIGHT_API const char *twilight_status_name(twilight_status status);
TWILIGHT_API const char *twilight_dtype_name(twilight_dtype dtype); /* "f16", ...; "unknown" */
TWILIGHT_API size_t twilight_dtype_bytes(twilight_dtype dtype);     /* 0 for an unknown one */

/* ---- Driver ---------------------------------------------------------------------------------------------------- */

/* Opens the CUDA driver. `path` NULL means libcuda.so.1 of the system; tests pass a stand-in.
 * Errors: NO_DRIVER, DRIVER_TOO_OLD (a function is missing), NO_DEVICE, CUDA. */
TWILIGHT_API twilight_status twilight_driver_open(const char *path, twilight_driver **driver, twilight_error *error);
/* NULL is fine. Artifacts loaded from it stay usable. */
TWILIGHT_API void twilight_driver_close(twilight_driver *driver);
/* The CUDA version the driver supports, 1000 * major + 10 * minor (12040 = 12.4); 0 for NULL. */
TWILIGHT_API int32_t twilight_driver_version(const twilight_driver *driver);

typedef struct twilight_device_info {
  char name[256];
  int32_t compute_major, compute_minor; /* compute capability: 9, 0 for Hopper */
  int32_t multiprocessors;
  uint64_t memory_bytes;
  uint64_t l2_bytes;
  int32_t shared_bytes_per_block; /* the most that one block may ask for */
} twilight_device_info;

TWILIGHT_API twilight_status twilight_device_count(twilight_driver *driver, int32_t *count, twilight_error *error);
TWILIGHT_API twilight_status twilight_device_get_info(twilight_driver *driver, int32_t device,
                                                      twilight_device_info *info, twilight_error *error);

/* ---- Artifacts ------------------------------------------------------------------------------------------------- */

/* Loads the manifest at `manifest_path` and the PTX it names, which lies beside it, onto `device` (an ordinal, or -1
 * for the current context's device, else 0). Everything that does not depend on shapes is checked here.
 * Errors: BAD_MANIFEST, BAD_ARTIFACT, WRONG_CHIP, DRIVER_TOO_OLD, NO_DEVICE, OUT_OF_MEMORY, CUDA. */
TWILIGHT_API twilight_status twilight_artifact_load(twilight_driver *driver, const char *manifest_path, int32_t device,
                                                    twilight_artifact **artifact, twilight_error *error);
/* The same from memory: both texts end in NUL and are copied. The manifest's "ptx" field is not followed. */
TWILIGHT_API twilight_status twilight_artifact_load_text(twilight_driver *driver, const char *manifest, const char *ptx,
                                                         int32_t device, twilight_artifact **artifact,
                                                         twilight_error *error);
/* Unloads the kernels: launches must have finished, and captured graphs must not be launched any more. NULL is fine. */
TWILIGHT_API void twilight_artifact_free(twilight_artifact *artifact);

TWILIGHT_API const char *twilight_artifact_manifest(const twilight_artifact *artifact); /* the JSON text */
TWILIGHT_API const char *twilight_artifact_pipeline(const twilight_artifact *artifact);
TWILIGHT_API const char *twilight_artifact_chip(const twilight_artifact *artifact); /* "sm_90a" */
TWILIGHT_API int32_t twilight_artifact_device(const twilight_artifact *artifact);

typedef struct twilight_argument_info {
  const char *name;
  const char *shape; /* as text, "[B, 32, 128]" */
  int32_t kind;      /* twilight_kind */
  int32_t dtype;     /* twilight_dtype */
  int32_t rank;
  int64_t dims[TWILIGHT_MAX_RANK]; /* -1 where the size is only known at launch */
} twilight_argument_info;

TWILIGHT_API int32_t twilight_artifact_argument_count(const twilight_artifact *artifact);
TWILIGHT_API twilight_status twilight_artifact_argument(const twilight_artifact *artifact, int32_t index,
                                                        twilight_argument_info *info, twilight_error *error);

typedef struct twilight_kernel_info {
  const char *name;            /* entry point in the PTX */
  const char *op;              /* the op it came from, "twilight.select"; "" where the manifest has none */
  int32_t registers;           /* a thread */
  int32_t spill_bytes;         /* local memory of a thread */
  int32_t static_shared_bytes; /* a block */
} twilight_kernel_info;

TWILIGHT_API int32_t twilight_artifact_kernel_count(const twilight_artifact *artifact);
TWILIGHT_API twilight_status twilight_artifact_kernel(const twilight_artifact *artifact, int32_t index,
                                                      twilight_kernel_info *info, twilight_error *error);

/* `tensors` holds one entry for each argument of the manifest, in its order, outputs included. A symbol of the shapes
 * ("B") takes its value from the first argument that has it; every other one must agree.
 *
 * The next two look at dtypes and shapes alone: `data` may be NULL, and an output's entry may be all zero where the
 * inputs determine every symbol. */

/* Bytes of device memory a launch needs beside its arguments; may be 0. */
TWILIGHT_API twilight_status twilight_artifact_workspace_bytes(const twilight_artifact *artifact,
                                                               const twilight_tensor *tensors, int32_t count,
                                                               size_t *bytes, twilight_error *error);
/* How many bytes at the workspace's start must be zero before a launch; 0 for most artifacts. Zero them once, when the
 * workspace is allocated (twilight_memory_fill): every launch leaves them zero. Nobody else may write there between
 * launches. Kernels that wait for each other count there: other contents make them wait for ever. */
TWILIGHT_API size_t twilight_artifact_workspace_zeroed_bytes(const twilight_artifact *artifact);
/* Shape of argument `index` (usually an output). `shape` has room for TWILIGHT_MAX_RANK sizes. */
TWILIGHT_API twilight_status twilight_artifact_output_shape(const twilight_artifact *artifact,
                                                            const twilight_tensor *tensors, int32_t count,
                                                            int32_t index, int64_t *shape, int32_t *rank,
                                                            twilight_error *error);

/* Launches every kernel, in order, on `stream`, and returns without waiting. Everything is checked first: on any error
 * but one of the launch itself (CUDA) nothing was launched. Allocates nothing on the device and never synchronises, so
 * it may be captured into a CUDA graph; the graph holds the pointers of this call.
 * `workspace` is device memory of at least twilight_artifact_workspace_bytes, aligned to 256 bytes (what
 * twilight_memory_alloc, cuMemAlloc and PyTorch give), and may be NULL where that is 0. It holds nothing between
 * launches and needs no initialisation but for its first twilight_artifact_workspace_zeroed_bytes, which must be zero;
 * launches that may overlap (different streams) each need their own.
 * Errors: BAD_ARGUMENT, WORKSPACE_TOO_SMALL, CUDA. */
TWILIGHT_API twilight_status twilight_artifact_launch(twilight_artifact *artifact, const twilight_tensor *tensors,
                                                      int32_t count, void *workspace, size_t workspace_bytes,
                                                      void *stream, twilight_error *error);
/* Only kernels [first_kernel, first_kernel + kernel_count), to time one stage. A stage reads what earlier ones left in
 * the same workspace. */
TWILIGHT_API twilight_status twilight_artifact_launch_range(twilight_artifact *artifact, const twilight_tensor *tensors,
                                                            int32_t count, void *workspace, size_t workspace_bytes,
                                                            void *stream, int32_t first_kernel, int32_t kernel_count,
                                                            twilight_error *error);

/* Checks the *contents* of integer arguments that the manifest gives bounds for (page-table entries inside the pool,
 * seq_lens within the table). Reads them back, so it waits for `stream` and must not be captured: a debugging aid, or
 * for the first step of a batch. Launch does not do it. Errors: BAD_ARGUMENT (which entry, its value, the bounds). */
TWILIGHT_API twilight_status twilight_artifact_check_values(const twilight_artifact *artifact,
                                                            const twilight_tensor *tensors, int32_t count, void *stream,
                                                            twilight_error *error);

/* ---- Memory, streams, events, graphs: so that a host program needs no CUDA ------------------------------------------
 */

/* 256-byte aligned, uninitialised. 0 bytes give NULL. */
TWILIGHT_API twilight_status twilight_memory_alloc(twilight_driver *driver, int32_t device, size_t bytes, void **data,
                                                   twilight_error *error);
/* Waits for the device. NULL is fine. */
TWILIGHT_API twilight_status twilight_memory_free(twilight_driver *driver, int32_t device, void *data,
                                                  twilight_error *error);
/* Copies in stream order and returns when done: host to device, device to host. */
TWILIGHT_API twilight_status twilight_memory_write(twilight_driver *driver, int32_t device, void *device_data,
                                                   const void *host_data, size_t bytes, void *stream,
                                                   twilight_error *error);
TWILIGHT_API twilight_status twilight_memory_read(twilight_driver *driver, int32_t device, void *host_data,
                                                  const void *device_data, size_t bytes, void *stream,
                                                  twilight_error *error);
/* Sets every byte, in stream order, without waiting. */
TWILIGHT_API twilight_status twilight_memory_fill(twilight_driver *driver, int32_t device, void *device_data,
                                                  uint8_t value, size_t bytes, void *stream, twilight_error *error);

/* A stream that does not wait for the legacy default stream. */
TWILIGHT_API twilight_status twilight_stream_create(twilight_driver *driver, int32_t device, void **stream,
                                                    twilight_error *error);
TWILIGHT_API twilight_status twilight_stream_destroy(twilight_driver *driver, int32_t device, void *stream,
                                                     twilight_error *error);
/* Waits until everything on the stream is done; reports errors of the kernels themselves. */
TWILIGHT_API twilight_status twilight_stream_synchronize(twilight_driver *driver, int32_t device, void *stream,
                                                         twilight_error *error);

TWILIGHT_API twilight_status twilight_event_create(twilight_driver *driver, int32_t device, void **event,
                                                   twilight_error *error);
TWILIGHT_API twilight_status twilight_event_destroy(twilight_driver *driver, int32_t device, void *event,
                                                    twilight_error *error);
TWILIGHT_API twilight_status twilight_event_record(twilight_driver *driver, int32_t device, void *event, void *stream,
                                                   twilight_error *error);
/* Milliseconds between two recorded events; waits for the second. */
TWILIGHT_API twilight_status twilight_event_elapsed(twilight_driver *driver, int32_t device, void *start, void *end,
                                                    float *milliseconds, twilight_error *error);

/* Records what this thread puts on `stream` (not NULL) instead of running it, until end_capture makes a graph of it. */
TWILIGHT_API twilight_status twilight_graph_begin_capture(twilight_driver *driver, int32_t device, void *stream,
                                                          twilight_error *error);
TWILIGHT_API twilight_status twilight_graph_end_capture(twilight_driver *driver, int32_t device, void *stream,
                                                        void **graph, twilight_error *error);
TWILIGHT_API twilight_status twilight_graph_launch(twilight_driver *driver, int32_t device, void *graph, void *stream,
                                                   twilight_error *error);
TWILIGHT_API twilight_status twilight_graph_destroy(twilight_driver *driver, int32_t device, void *graph,
                                                    twilight_error *error);

#ifdef __cplusplus
}
#endif

#endif /* TWILIGHT_RUNTIME_H */
