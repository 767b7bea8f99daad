# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""libtwilight-runtime from Python: its C interface through ctypes, with exceptions and a few classes.

The header include/twilight-runtime/twilight_runtime.h says what each function does; here are no further rules.
Device memory comes from the runtime itself (memory.py) or from anybody else, such as a PyTorch tensor (Tensor.of).
"""

import ctypes
import os
from ctypes import POINTER, c_char, c_char_p, c_float, c_int, c_int32, c_int64, c_size_t, c_uint8, c_uint64, c_void_p
from dataclasses import dataclass

from . import ROOT

MAX_RANK = 8
DTYPES = {"f16": 1, "bf16": 2, "f32": 3, "i32": 4, "i8": 5, "f8E4M3FN": 6, "f8E5M2": 7}
BYTES = {"f16": 2, "bf16": 2, "f32": 4, "i32": 4, "i8": 1, "f8E4M3FN": 1, "f8E5M2": 1}
KINDS = {1: "input", 2: "output", 3: "inout"}
OUT_OF_MEMORY, CUDA = 9, 10  # twilight_status
VARIABLE = "TWILIGHT_RUNTIME"


class RuntimeFailure(RuntimeError):
    """A status of the runtime that is not OK."""

    def __init__(self, status, name, message):
        super().__init__(f"{name}: {message}")
        self.status = status

    @property
    def device_lost(self):
        """After a fault of a kernel the process's CUDA context is of no use any more."""
        return self.status == CUDA


class CError(ctypes.Structure):
    _fields_ = [("status", c_int), ("message", c_char * 1024)]


class CTensor(ctypes.Structure):
    _fields_ = [
        ("data", c_void_p),
        ("dtype", c_int32),
        ("rank", c_int32),
        ("shape", POINTER(c_int64)),
        ("strides", POINTER(c_int64)),
        ("device", c_int32),
    ]


class CDeviceInfo(ctypes.Structure):
    _fields_ = [
        ("name", c_char * 256),
        ("compute_major", c_int32),
        ("compute_minor", c_int32),
        ("multiprocessors", c_int32),
        ("memory_bytes", c_uint64),
        ("l2_bytes", c_uint64),
        ("shared_bytes_per_block", c_int32),
    ]


class CArgument(ctypes.Structure):
    _fields_ = [
        ("name", c_char_p),
        ("shape", c_char_p),
        ("kind", c_int32),
        ("dtype", c_int32),
        ("rank", c_int32),
        ("dims", c_int64 * MAX_RANK),
    ]


class CKernel(ctypes.Structure):
    _fields_ = [
        ("name", c_char_p),
        ("op", c_char_p),
        ("registers", c_int32),
        ("spill_bytes", c_int32),
        ("static_shared_bytes", c_int32),
    ]


TENSORS = [POINTER(CTensor), c_int32]
ON_DEVICE = [c_void_p, c_int32]  # driver, device
LAUNCH = [c_void_p, *TENSORS, c_void_p, c_size_t, c_void_p]
# Arguments of the functions that return a status, without the error at the end.
FALLIBLE = {
    "driver_open": [c_char_p, POINTER(c_void_p)],
    "device_count": [c_void_p, POINTER(c_int32)],
    "device_get_info": [*ON_DEVICE, POINTER(CDeviceInfo)],
    "artifact_load": [c_void_p, c_char_p, c_int32, POINTER(c_void_p)],
    "artifact_load_text": [c_void_p, c_char_p, c_char_p, c_int32, POINTER(c_void_p)],
    "artifact_argument": [c_void_p, c_int32, POINTER(CArgument)],
    "artifact_kernel": [c_void_p, c_int32, POINTER(CKernel)],
    "artifact_workspace_bytes": [c_void_p, *TENSORS, POINTER(c_size_t)],
    "artifact_output_shape": [c_void_p, *TENSORS, c_int32, POINTER(c_int64), POINTER(c_int32)],
    "artifact_launch": LAUNCH,
    "artifact_launch_range": [*LAUNCH, c_int32, c_int32],
    "artifact_check_values": [c_void_p, *TENSORS, c_void_p],
    "memory_alloc": [*ON_DEVICE, c_size_t, POINTER(c_void_p)],
    "memory_free": [*ON_DEVICE, c_void_p],
    "memory_write": [*ON_DEVICE, c_void_p, c_void_p, c_size_t, c_void_p],
    "memory_read": [*ON_DEVICE, c_void_p, c_void_p, c_size_t, c_void_p],
    "memory_fill": [*ON_DEVICE, c_void_p, c_uint8, c_size_t, c_void_p],
    "stream_create": [*ON_DEVICE, POINTER(c_void_p)],
    "stream_destroy": [*ON_DEVICE, c_void_p],
    "stream_synchronize": [*ON_DEVICE, c_void_p],
    "event_create": [*ON_DEVICE, POINTER(c_void_p)],
    "event_destroy": [*ON_DEVICE, c_void_p],
    "event_record": [*ON_DEVICE, c_void_p, c_void_p],
    "event_elapsed": [*ON_DEVICE, c_void_p, c_void_p, POINTER(c_float)],
    "graph_begin_capture": [*ON_DEVICE, c_void_p],
    "graph_end_capture": [*ON_DEVICE, c_void_p, POINTER(c_void_p)],
    "graph_launch": [*ON_DEVICE, c_void_p, c_void_p],
    "graph_destroy": [*ON_DEVICE, c_void_p],
}
PLAIN = {
    "runtime_version": (c_char_p, []),
    "status_name": (c_char_p, [c_int]),
    "driver_version": (c_int32, [c_void_p]),
    "driver_close": (None, [c_void_p]),
    "artifact_free": (None, [c_void_p]),
    "artifact_manifest": (c_char_p, [c_void_p]),
    "artifact_argument_count": (c_int32, [c_void_p]),
    "artifact_kernel_count": (c_int32, [c_void_p]),
    "artifact_workspace_zeroed_bytes": (c_size_t, [c_void_p]),
}


def find_library(path=None):
    """The given path, or the environment's, or the one of this checkout's build."""
    places = [path or os.environ.get(VARIABLE), ROOT / "build" / "lib" / "libtwilight-runtime.so"]
    for place in filter(None, places):
        if os.path.exists(place):
            return str(place)
        if place is places[0]:
            raise FileNotFoundError(f"expected libtwilight-runtime.so at {place}: correct the path, or ${VARIABLE}")
    raise FileNotFoundError(f"no libtwilight-runtime.so: build the target twilight-runtime, or set ${VARIABLE}")


class Library:
    """The functions without their prefix; a status that is not OK becomes a RuntimeFailure."""

    def __init__(self, path=None):
        self.handle = ctypes.CDLL(find_library(path))
        for name, (result, arguments) in PLAIN.items():
            function = self.handle["twilight_" + name]
            function.restype, function.argtypes = result, arguments
            setattr(self, name, function)
        for name, arguments in FALLIBLE.items():
            setattr(self, name, self.checked(name, arguments))

    def checked(self, name, arguments):
        function = self.handle["twilight_" + name]
        function.restype, function.argtypes = c_int, [*arguments, POINTER(CError)]

        def call(*values):
            error = CError()
            status = function(*values, ctypes.byref(error))
            if status != 0:
                raise RuntimeFailure(status, self.status_name(status).decode(), error.message.decode(errors="replace"))

        return call


@dataclass(frozen=True)
class Tensor:
    """Device memory as a launch sees it. `keep` is whatever must stay alive meanwhile."""

    data: int
    dtype: str
    shape: tuple
    keep: object = None

    @property
    def bytes(self):
        count = BYTES[self.dtype]
        for size in self.shape:
            count *= size
        return count

    @staticmethod
    def of(tensor):
        """A contiguous PyTorch tensor on the device."""
        names = {"float16": "f16", "bfloat16": "bf16", "float32": "f32", "int32": "i32", "uint8": "i8", "int8": "i8"}
        names["float8_e5m2"] = "f8E5M2"
        dtype = names.get(str(tensor.dtype).removeprefix("torch."))
        if dtype is None or not tensor.is_contiguous():
            raise TypeError(f"expected a contiguous tensor of {sorted(names)}, found {tensor.dtype} {tensor.stride()}")
        return Tensor(tensor.data_ptr(), dtype, tuple(tensor.shape), tensor)


@dataclass(frozen=True)
class Argument:
    name: str
    kind: str  # input, output or inout
    dtype: str
    shape: str  # as text


@dataclass(frozen=True)
class Kernel:
    name: str
    op: str
    registers: int
    spill_bytes: int
    static_shared_bytes: int


class Driver:
    """The CUDA driver and one of its devices. Closed with the process."""

    def __init__(self, library=None, libcuda=None, device=0):
        self.lib = library if isinstance(library, Library) else Library(library)
        self.device, handle = device, c_void_p()
        self.lib.driver_open(libcuda.encode() if libcuda else None, ctypes.byref(handle))
        self.handle = handle

    def call(self, name, *arguments):
        getattr(self.lib, name)(self.handle, self.device, *arguments)

    def made(self, name, *arguments):
        """The handle that the function gives as its last argument."""
        handle = c_void_p()
        self.call(name, *arguments, ctypes.byref(handle))
        return handle.value

    def info(self):
        info = CDeviceInfo()
        self.call("device_get_info", ctypes.byref(info))
        values = {name: getattr(info, name) for name, _ in CDeviceInfo._fields_}
        return values | {"name": info.name.decode(), "driver_cuda": self.lib.driver_version(self.handle)}


class Artifact:
    """A compiled pipeline on the driver's device."""

    def __init__(self, driver, manifest=None, text=None):
        """manifest: path of the JSON file; or text: (manifest, PTX)."""
        self.driver, self.lib, handle = driver, driver.lib, c_void_p()
        if text is None:
            self.lib.artifact_load(driver.handle, str(manifest).encode(), driver.device, ctypes.byref(handle))
        else:
            parts = [part.encode() for part in text]
            self.lib.artifact_load_text(driver.handle, *parts, driver.device, ctypes.byref(handle))
        self.handle = handle
        self.arguments = [self.argument(i) for i in range(self.lib.artifact_argument_count(handle))]
        self.kernels = [self.kernel(i) for i in range(self.lib.artifact_kernel_count(handle))]
        self.manifest = self.lib.artifact_manifest(handle).decode()

    def argument(self, index):
        info = CArgument()
        self.lib.artifact_argument(self.handle, index, ctypes.byref(info))
        dtype = next(name for name, value in DTYPES.items() if value == info.dtype)
        return Argument(info.name.decode(), KINDS[info.kind], dtype, info.shape.decode())

    def kernel(self, index):
        info = CKernel()
        self.lib.artifact_kernel(self.handle, index, ctypes.byref(info))
        return Kernel(
            info.name.decode(), info.op.decode(), info.registers, info.spill_bytes, info.static_shared_bytes
        )

    def stages(self):
        """{op: [(first kernel, number of kernels)]}: ops in their order; one whose launches are mixed with another's has
        several ranges."""
        found = {}
        for i, kernel in enumerate(self.kernels):
            ranges = found.setdefault(kernel.op, [])
            if ranges and sum(ranges[-1]) == i:
                ranges[-1] = (ranges[-1][0], ranges[-1][1] + 1)
            else:
                ranges.append((i, 1))
        return found

    def pack(self, tensors):
        """The C array for tensors by name; a missing one is all zero."""
        extra = sorted(set(tensors) - {a.name for a in self.arguments})
        if extra:
            raise KeyError(f"no arguments named {extra}; the pipeline has {[a.name for a in self.arguments]}")
        packed = (CTensor * len(self.arguments))()
        for entry, argument in zip(packed, self.arguments):
            tensor = tensors.get(argument.name)
            if tensor is not None:
                shape = (c_int64 * max(1, len(tensor.shape)))(*tensor.shape)
                entry.data, entry.dtype, entry.rank = tensor.data or None, DTYPES[tensor.dtype], len(tensor.shape)
                entry.shape, entry.device = ctypes.cast(shape, POINTER(c_int64)), self.driver.device
        return packed, len(self.arguments)

    def output_shape(self, tensors, name):
        index = [a.name for a in self.arguments].index(name)
        shape, rank = (c_int64 * MAX_RANK)(), c_int32()
        self.lib.artifact_output_shape(self.handle, *self.pack(tensors), index, shape, ctypes.byref(rank))
        return tuple(shape[: rank.value])

    def workspace_bytes(self, tensors):
        size = c_size_t()
        self.lib.artifact_workspace_bytes(self.handle, *self.pack(tensors), ctypes.byref(size))
        return size.value

    def zeroed_bytes(self):
        """How many bytes at the workspace's start must be zero before the first launch; each launch leaves them so."""
        return self.lib.artifact_workspace_zeroed_bytes(self.handle)

    def launch(self, tensors, workspace=None, stream=None, first=0, count=None):
        """All kernels, or `count` of them from `first` on. workspace: a Tensor of bytes, or None."""
        place = (workspace.data or None, workspace.bytes) if workspace else (None, 0)
        arguments = (self.handle, *self.pack(tensors), *place, stream)
        if first == 0 and count is None:
            self.lib.artifact_launch(*arguments)
        else:
            self.lib.artifact_launch_range(*arguments, first, len(self.kernels) - first if count is None else count)

    def check_values(self, tensors, stream=None):
        self.lib.artifact_check_values(self.handle, *self.pack(tensors), stream)

    def close(self):
        if self.handle:
            self.lib.artifact_free(self.handle)
            self.handle = None
