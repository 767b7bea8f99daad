# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Cases of gather_attend over lists made elsewhere, of merge over a split of them, and of dense attend."""

from dataclasses import dataclass, replace

import numpy as np
from twilight_oracle import lists as selections

from . import mlir_text as ir
from .case import Case, Run, cache_inputs, cpu_only, read_cache
from .check_values import check_attention
from .data import Batch, build
from .shapes import Shape

GARBAGE = 1 << 30  # in list entries past the count


def attention_results(f, results, prefix=""):
    for name, result in zip(("out", "lse", "counts"), results):
        f.result(prefix + name, *result)


@dataclass
class Gather(Case):
    """Every key and value outside the lists is NaN or infinite: none of it may reach the output."""

    shape: Shape
    batch: Batch
    unit: str = "token"
    per_head: bool = False
    out: str = "f32"
    scale: float | None = None
    split: bool = False  # attend to two halves of every list and merge them

    def __post_init__(self):
        self.gpu_reason = self.gpu_reason or cpu_only(self.shape)
        self.shape = replace(self.shape, summary=None, bits=None)

    @property
    def rows(self):
        return self.shape.heads if self.per_head else self.shape.kv_heads

    def text(self):
        f, s = ir.Function(), self.shape
        q, cache = ir.query(f, s), ir.assemble_cache(f, s)
        sides = []
        for side in ("a", "b") if self.split else ("a",):
            index, count = (f.argument(n + side, k) for n, k in zip(("indices_", "counts_"), ir.lists_types(self.rows)))
            chosen = ir.assemble_selection(f, index, count, self.rows, self.unit, self.per_head)
            sides.append(ir.gather_attend(f, s, q, cache, chosen, self.rows, self.out, self.scale))
            attention_results(f, sides[-1], "" if not self.split else f"{side}_")
        if self.split:
            out, lse = ir.merge(f, sides[0][:2], sides[1][:2])
            f.result("out", *out)
            f.result("lse", *lse)
        return f.text()

    def lists(self, cache):
        """Lists of every size: nothing, one entry, the last one, everything, random subsets."""
        rng = np.random.default_rng([self.batch.seed, 77])
        result = []
        for b in range(cache.batch):
            units = cache.num_pages(b) if self.unit == "page" else int(cache.seq_lens[b])
            per_row = []
            for r in range(self.rows):
                kind = (b + r) % 6
                if units == 0 or kind == 5 and b % 2:
                    chosen = np.arange(0)
                elif kind == 0:
                    chosen = np.array([units - 1])
                elif kind == 1:
                    chosen = np.arange(units)
                else:
                    chosen = np.flatnonzero(rng.random(units) < (0.05, 0.3, 0.7, 0.1)[kind - 2])
                per_row.append(chosen)
            result.append(per_row)
        return result

    def poison(self, cache, lists):
        """Whatever no list of its kv head names becomes NaN or infinite."""
        tokens = lists if self.unit == "token" else selections.pages_to_tokens(lists, cache.page_size, cache.seq_lens)
        used = np.zeros((len(cache.k_pages), cache.kv_heads, cache.page_size), bool)
        for b in range(cache.batch):
            for r, chosen in enumerate(tokens[b]):
                pages = cache.page_table[b, chosen // cache.page_size]
                used[pages, r * cache.kv_heads // self.rows, chosen % cache.page_size] = True
        if cache.layout == "nhd":
            used = np.swapaxes(used, 1, 2)
        cache.k_pages[~used] = np.nan
        cache.v_pages[~used] = np.inf

    def inputs(self):
        q, cache = build(self.shape, self.batch)
        lists = self.lists(cache)
        self.poison(cache, lists)
        inputs = cache_inputs(q, cache)
        halves = {"a": lists}
        if self.split:
            halves = {
                "a": [[x[: len(x) // 2] for x in per_row] for per_row in lists],
                "b": [[x[len(x) // 2 :] for x in per_row] for per_row in lists],
            }
        for side, half in halves.items():
            inputs["indices_" + side], inputs["counts_" + side] = selections.to_padded(half, self.rows, GARBAGE)
        return inputs

    def runs(self):
        return [Run(self.text(), self.inputs())]

    def check(self, inputs, outputs):
        (given,), (found,) = inputs, outputs
        q, cache = given["q"], read_cache(self.shape, given)
        sides = [
            selections.from_padded(given[f"indices_{s}"], given[f"counts_{s}"]) for s in ("ab" if self.split else "a")
        ]
        if self.unit == "page":
            sides = [selections.pages_to_tokens(s, cache.page_size, cache.seq_lens) for s in sides]
        if not self.split:
            check_attention(q, cache, sides[0], found, self.shape.dtype, self.scale)
            return
        for side, prefix in zip(sides, ("a_", "b_")):
            check_attention(q, cache, side, found, self.shape.dtype, self.scale, prefix)
        union = [[np.concatenate(both) for both in zip(*rows)] for rows in zip(*sides)]
        merged = found | {"counts": found["a_counts"] + found["b_counts"]}
        check_attention(q, cache, union, merged, self.shape.dtype, self.scale)


@dataclass
class Dense(Case):
    shape: Shape
    batch: Batch
    out: str = "f32"
    scale: float | None = None

    def __post_init__(self):
        self.gpu_reason = self.gpu_reason or cpu_only(self.shape)
        self.shape = replace(self.shape, summary=None, bits=None)

    def text(self):
        f = ir.Function()
        q, cache = ir.query(f, self.shape), ir.assemble_cache(f, self.shape)
        attention_results(f, ir.attend(f, self.shape, q, cache, self.out, self.scale))
        return f.text()

    def runs(self):
        return [Run(self.text(), cache_inputs(*build(self.shape, self.batch)))]

    def check(self, inputs, outputs):
        for given, found in zip(inputs, outputs):
            cache = read_cache(self.shape, given)
            everything = [[np.arange(n)] * cache.kv_heads for n in cache.seq_lens]
            check_attention(given["q"], cache, everything, found, self.shape.dtype, self.scale)
