# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What a case is: one or more runs of MLIR functions, and a check of all their outputs."""

from dataclasses import dataclass, field

import numpy as np
from twilight_oracle.paging import PARTS, PagedCache

from .compare import require, require_same_bits

FUNCTION = "case"  # the name of the function in every run's text


@dataclass
class Run:
    text: str  # MLIR
    inputs: dict  # name -> array


@dataclass
class Case:
    name: str
    gpu_reason: str = field(default="", kw_only=True)  # why it cannot run on a GPU; empty: it can

    def runs(self):
        raise NotImplementedError

    def check(self, inputs, outputs):
        """Lists with one dict for each run; raises Mismatch."""
        raise NotImplementedError


def cpu_only(shape):
    if shape.head_dim not in (64, 128):
        return "the GPU kernels take a head_dim of 64 or 128"
    return "f32 keys are for the CPU target" if shape.dtype == "f32" else ""


def cache_inputs(q, cache):
    inputs = cache.parts()
    if q is not None:
        inputs["q"] = q
    return inputs


def read_cache(shape, inputs):
    """The cache that a run was given."""
    parts = {p: inputs[p] for p in PARTS if p in inputs}
    return PagedCache(shape.page_size, shape.layout, **parts, planes=shape.planes)


def run_case(case, runner, target="cpu"):
    """Runs and checks one case; runner.run(text, inputs, function) gives the outputs by name."""
    require(target == "cpu" or not case.gpu_reason, f"{case.name} is not for {target}: {case.gpu_reason}")
    runs = case.runs()
    case.check([r.inputs for r in runs], [runner.run(r.text, r.inputs, FUNCTION) for r in runs])


def canonical(outputs, slots=None):
    """Outputs with whatever is unspecified blanked: list entries past their count, and logits where slots is False."""
    clean = dict(outputs)
    for lists, counts in (("pages", "page_counts"), ("fine_pages", "fine_page_counts"), ("kept", "kept_counts")):
        if lists in clean:
            valid = np.arange(clean[lists].shape[2]) < clean[counts][..., None]
            clean[lists] = np.where(valid, clean[lists], -1).astype(np.int32)
    for name in {"logits", "exact"} & set(clean) if slots is not None else ():
        width = min(slots.shape[2], clean[name].shape[2])
        clean[name] = np.where(slots[..., :width], clean[name][..., :width], 0).astype(np.float32)
    return clean


def trim(values, width):
    """A last axis cut to, or filled up to, `width` entries of -1 or 0: capacities may differ from batch to batch."""
    if values.shape[-1] >= width:
        return values[..., :width]
    fill = -1 if values.dtype == np.int32 else 0
    more = np.full((*values.shape[:-1], width - values.shape[-1]), fill, values.dtype)
    return np.concatenate([values, more], axis=-1)


def require_same_outputs(what, found, expected):
    """Two runs' canonical outputs, bit for bit."""
    require(sorted(found) == sorted(expected), f"{what}: expected outputs {sorted(expected)}, found {sorted(found)}")
    for name in expected:
        a, b = found[name], expected[name]
        if name in ("pages", "kept", "logits"):
            width = max(a.shape[-1], b.shape[-1])
            a, b = trim(a, width), trim(b, width)
        require_same_bits(f"{what}: {name}", a, b)
