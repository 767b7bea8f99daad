# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""One artifact with its arguments on the device, for NumPy: no PyTorch, no CUDA package."""

import ctypes

import ml_dtypes
import numpy as np

from .runtime import Tensor

NUMPY = {"f16": np.float16, "bf16": ml_dtypes.bfloat16, "f32": np.float32, "i32": np.int32, "i8": np.uint8, "f8E5M2": ml_dtypes.float8_e5m2}
NAMES = {np.dtype(kind): name for name, kind in NUMPY.items()} | {np.dtype(np.int8): "i8"}


class Call:
    """Inputs are copied in; outputs and workspace are filled with `poison`, so that what is never written shows; but for
    the bytes that the artifact wants zero."""

    def __init__(self, artifact, inputs, poison=0xFF):
        self.artifact, self.driver, self.owned = artifact, artifact.driver, []
        self.stream, self.graph = self.driver.made("stream_create"), None
        try:
            self.tensors = self.place(inputs, poison)
            bytes_needed = artifact.workspace_bytes(self.tensors)
            self.workspace = self.allocate("i8", (bytes_needed,)) if bytes_needed else None
            self.poison(poison)
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def place(self, inputs, poison):
        wanted = {a.name for a in self.artifact.arguments if a.kind != "output"}
        missing = sorted(wanted - set(inputs))
        if missing:
            raise KeyError(f"no input named {missing}; given are {sorted(inputs)}")
        tensors = {name: self.copy_in(inputs[name]) for name in wanted}
        shapes = {
            a.name: (a.dtype, self.artifact.output_shape(tensors, a.name))
            for a in self.artifact.arguments
            if a.kind == "output"
        }
        return tensors | {name: self.allocate(*shape) for name, shape in shapes.items()}

    def allocate(self, dtype, shape):
        tensor = Tensor(0, dtype, tuple(shape))
        data = self.driver.made("memory_alloc", tensor.bytes) or 0
        self.owned.append(data)
        return Tensor(data, dtype, tuple(shape))

    def copy_in(self, array):
        array = np.ascontiguousarray(array).reshape(np.shape(array))
        if array.dtype not in NAMES:
            raise TypeError(f"expected one of {sorted(NUMPY)}, found an array of {array.dtype}")
        tensor = self.allocate(NAMES[array.dtype], array.shape)
        self.write_tensor(tensor, array)
        return tensor

    def write_tensor(self, tensor, array):
        array = np.ascontiguousarray(array)
        if array.nbytes != tensor.bytes:
            raise ValueError(f"expected {tensor.bytes} bytes of shape {tensor.shape}, found {array.shape}")
        if array.nbytes:
            address = ctypes.c_void_p(array.ctypes.data)
            self.driver.call("memory_write", tensor.data, address, array.nbytes, self.stream)

    def write(self, inputs):
        """Other contents into the same device buffers."""
        for name, array in inputs.items():
            self.write_tensor(self.tensors[name], array)

    def poison(self, value):
        """Outputs and workspace but for what must be zero, between launches."""
        outputs = [self.tensors[a.name] for a in self.artifact.arguments if a.kind == "output"]
        for tensor in [*outputs, *([self.workspace] if self.workspace else [])]:
            if tensor.bytes:
                self.driver.call("memory_fill", tensor.data, value, tensor.bytes, self.stream)
        if self.workspace and self.artifact.zeroed_bytes():
            self.driver.call("memory_fill", self.workspace.data, 0, self.artifact.zeroed_bytes(), self.stream)

    def launch(self, first=0, count=None):
        self.artifact.launch(self.tensors, self.workspace, self.stream, first, count)

    def capture(self):
        """A graph of one launch; replay() runs it over whatever the buffers hold then."""
        self.driver.call("graph_begin_capture", self.stream)
        self.launch()
        self.graph = self.driver.made("graph_end_capture", self.stream)

    def replay(self):
        self.driver.call("graph_launch", self.graph, self.stream)

    def synchronize(self):
        self.driver.call("stream_synchronize", self.stream)

    def outputs(self):
        """Outputs and what was changed in place, by name; waits."""
        self.synchronize()
        return {a.name: self.read(self.tensors[a.name]) for a in self.artifact.arguments if a.kind != "input"}

    def read(self, tensor):
        array = np.empty(tensor.shape, NUMPY[tensor.dtype])
        if array.nbytes:
            self.driver.call("memory_read", ctypes.c_void_p(array.ctypes.data), tensor.data, array.nbytes, self.stream)
        return array

    def close(self):
        if self.graph:
            self.driver.call("graph_destroy", self.graph)
        for data in self.owned:
            if data:
                self.driver.call("memory_free", data)
        if self.stream:
            self.driver.call("stream_destroy", self.stream)
        self.owned, self.graph, self.stream = [], None, None


def run_once(artifact, inputs, poison=0xFF):
    with Call(artifact, inputs, poison) as call:
        call.launch()
        return call.outputs()
