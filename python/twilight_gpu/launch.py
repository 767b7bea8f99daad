# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""An artifact over PyTorch tensors: launched, and timed stage by stage."""

import torch

from .runtime import Tensor
from .timing import stream

TORCH = {"f16": torch.float16, "bf16": torch.bfloat16, "f32": torch.float32, "i32": torch.int32, "i8": torch.uint8}


class Launch:
    """An artifact over one batch of PyTorch tensors, with outputs and workspace of its own."""

    def __init__(self, artifact, arguments):
        self.artifact = artifact
        self.tensors = {a.name: Tensor.of(arguments[a.name]) for a in artifact.arguments if a.kind != "output"}
        self.outputs = {}
        for argument in artifact.arguments:
            if argument.kind == "output":
                shape = artifact.output_shape(self.tensors, argument.name)
                self.outputs[argument.name] = torch.empty(shape, device="cuda", dtype=TORCH[argument.dtype])
        self.tensors |= {name: Tensor.of(t) for name, t in self.outputs.items()}
        size = artifact.workspace_bytes(self.tensors)
        self.scratch = torch.empty(size, device="cuda", dtype=torch.uint8).fill_(0xFF) if size else None
        if artifact.zeroed_bytes():
            self.scratch[: artifact.zeroed_bytes()] = 0
        self.workspace = Tensor.of(self.scratch) if size else None
        for output in self.outputs.values():
            output.view(torch.uint8).fill_(0xFF)

    def __call__(self, first=0, count=None):
        self.artifact.launch(self.tensors, self.workspace, stream(), first, count)

    def shapes(self):
        return {name: tensor.shape for name, tensor in self.tensors.items()}


def time_stages(timer, launches, bytes_needed, read_rate):
    stages = []
    kernels = launches[0].artifact.kernels
    for op, ranges in launches[0].artifact.stages().items():
        name = op.removeprefix("twilight.")
        times = timer.measure(lambda r=ranges: [call(f, c) for call in launches for f, c in r], len(launches))
        indices = [i for first, count in ranges for i in range(first, first + count)]
        stage = {"stage": name, "kernels": len(indices), "us": times, "each": []}
        names = list(dict.fromkeys(kernels[i].name for i in indices))
        for kernel in names if len(names) > 1 else []:
            own = [i for i in indices if kernels[i].name == kernel]
            each = timer.measure(lambda o=own: [call(i, 1) for call in launches for i in o], len(launches))
            stage["each"].append({"kernel": kernel, "us": each})
        if bytes_needed.get(name):
            rate = bytes_needed[name] / times["median"] / 1e6
            stage |= {"bytes": bytes_needed[name], "tb_per_s": rate, "share": rate / read_rate}
        stages.append(stage)
    return stages
