# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Cases of append: new tokens into caches that are empty, half full, or end in the middle of a page."""

from dataclasses import dataclass, field, replace

import numpy as np
from twilight_oracle.append import append

from . import mlir_text as ir
from .case import Case, Run, cpu_only, read_cache, require_same_outputs
from .check_values import check_cache
from .compare import require
from .data import Batch, blank_cache, contents, padded
from .shapes import DTYPES, Shape

CHANGED = ("k_pages", "v_pages", "codes", "scale", "zero", "summary", "seq_lens")


@dataclass
class Append(Case):
    """batch: the caches' contents once everything is appended. new[b]: how many of those tokens are appended.

    steps: rows T of each append op; a run is one function with all of them. splits: further runs with other steps,
    which must give the same cache bit for bit.
    """

    shape: Shape
    batch: Batch
    new: tuple
    steps: tuple
    splits: tuple = ()
    container: str = "tensor"  # "memref": the arguments themselves are changed
    masked: bool = field(default=True)  # give new_lens; otherwise every row of every step counts

    def __post_init__(self):
        self.gpu_reason = self.gpu_reason or cpu_only(self.shape)

    @property
    def parts(self):
        return [p for p in CHANGED if p in ir.part_types(self.shape)]

    def result(self, part):
        return part if self.container == "memref" else f"new_{part}"

    def text(self, steps):
        f, s = ir.Function(container=self.container), self.shape
        cache = ir.assemble_cache(f, s)
        for i, rows in enumerate(steps):
            kind = ir.shaped(self.container, (None, rows, s.kv_heads, s.head_dim), s.dtype)
            k, v = ((f.argument(f"{n}_{i}", kind), kind) for n in "kv")
            lens_kind = ir.shaped(self.container, (None,), "i32")
            lens = (f.argument(f"new_lens_{i}", lens_kind), lens_kind) if self.masked else None
            cache = ir.append(f, s, cache, k, v, lens)
        if self.container == "tensor":
            for part in self.parts:
                f.result(self.result(part), *ir.cache_part(f, s, cache, part))
        return f.text()

    def before(self):
        """The cache to append to, and the tokens to append: for each sequence k and v [new, Hkv, D]."""
        _, keys, values = contents(self.shape, self.batch)
        old = [n - new for n, new in zip(self.batch.lens, self.new)]
        blank = blank_cache(self.shape, self.batch)
        k, v = (padded([x[:n] for x, n in zip(rows, old)], max([1, *old])) for rows in (keys, values))
        cache = append(blank, k, v, old, self.shape.summary or "min_max", self.shape.bits or 4)
        return cache, [x[n:] for x, n in zip(keys, old)], [x[n:] for x, n in zip(values, old)]

    def inputs(self, steps):
        cache, keys, values = self.before()
        inputs, done = cache.parts(), np.zeros(len(self.new), int)
        for i, rows in enumerate(steps):
            now = np.minimum(rows, np.array(self.new) - done)
            require(self.masked or (now == rows).all(), f"{self.name}: without new_lens every step must be full")
            for name, source in (("k", keys), ("v", values)):
                block = np.full((len(now), rows, *source[0].shape[1:]), np.nan, DTYPES[self.shape.dtype])
                for b, n in enumerate(now):
                    block[b, :n] = source[b][done[b] : done[b] + n]
                inputs[f"{name}_{i}"] = block
            if self.masked:
                inputs[f"new_lens_{i}"] = now.astype(np.int32)
            done += now
        require((done == self.new).all(), f"{self.name}: the steps do not hold all new tokens")
        return inputs

    def runs(self):
        return [Run(self.text(steps), self.inputs(steps)) for steps in (self.steps, *self.splits)]

    def check(self, inputs, outputs):
        given, found = inputs[0], outputs[0]
        before = read_cache(self.shape, given)
        after = before
        for i in range(len(self.steps)):
            lens = given.get(f"new_lens_{i}")
            after = append(after, given[f"k_{i}"], given[f"v_{i}"], lens, self.shape.summary, self.shape.bits or 4)
        touched = [
            int(after.page_table[b, page])
            for b in range(after.batch)
            if after.seq_lens[b] > before.seq_lens[b]
            for page in range(int(before.seq_lens[b]) // after.page_size, after.num_pages(b))
        ]
        missing = [self.result(p) for p in self.parts if self.result(p) not in found]
        require(not missing, f"no outputs named {missing}; found {sorted(found)}")
        parts = {p: found[self.result(p)] for p in self.parts}
        check_cache(parts, after.parts(), np.array(touched, int), self.shape.summary)
        for i, other in enumerate(outputs[1:]):
            names = [self.result(p) for p in self.parts]
            steps = f"appended as {self.splits[i]}, not {self.steps}"
            require_same_outputs(steps, {n: other[n] for n in names}, {n: found[n] for n in names})


def uncoded(shape):
    """A cache of keys and values only."""
    return replace(shape, bits=None, summary=None)
