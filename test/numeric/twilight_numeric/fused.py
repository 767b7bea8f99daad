# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The pipeline as one fused op with a schedule."""

from dataclasses import dataclass

from . import mlir_text as ir
from .bare import Bare


@dataclass
class Fused(Bare):
    """Checked as the pipeline op by op is. On the CPU a schedule changes nothing."""

    schedule: str = "grid"

    @property
    def options(self):
        return f"schedule(<{self.schedule}>)"

    def text(self):
        f, s = ir.Function(), self.shape
        q, cache, p = ir.query(f, s), ir.assemble_cache(f, s), f.argument("p", self.p_kind)
        inputs = [(q, ir.query_type(s)), (cache, ir.cache_type(s)), (p, self.p_kind)]
        for name, result in zip(self.RESULTS, ir.fused(f, inputs, self.options, lambda: self.pipeline(f, q, cache, p))):
            f.result(name, *result)
        return f.text()


def fits_block(case):
    """Whether one kernel can hold the case's pipeline: pages are ranked, lists those of the kv heads, all scored alike."""
    scored = case.select.selector not in ("full", "window") and case.fine is None
    return scored and case.select.group != "per_head" and case.prune.group != "per_head"
