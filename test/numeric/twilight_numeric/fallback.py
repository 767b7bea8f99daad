# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""A fused pipeline whose short sequences attend densely."""

from dataclasses import dataclass

import numpy as np
from twilight_oracle import lists as selections
from twilight_oracle.paging import take_sequences

from . import mlir_text as ir
from .bare import Bare
from .case import Run, cache_inputs, read_cache
from .check_values import check_attention
from .compare import require_same_bits, require_same_values
from .data import Batch, Seq
from .fused import Fused


def around(below, page, seed):
    """Lengths at both sides of the border, at pages' ends, none, and sequences that are not random."""
    sizes = (0, below - 1, below, below + 1, 0, 2 * below + 7, below // 2, 3 * page)
    sparse = Seq(3 * below, "needle"), Seq(below + 60, "pairs"), Seq(below - 5, "equal"), Seq(2 * below, shares=(5, 2))
    return Batch((*(Seq(max(0, n)) for n in sizes), *sparse), seed)


@dataclass
class Fallback(Fused):
    """The same as attend below the border, and as the pipeline from it on; bit for bit where it is lowered op by op.

    Runs: fused with dense_below, attend alone, the pipeline alone.
    """

    below: int = 100

    @property
    def options(self):
        return f"{super().options} dense_below({self.below})"

    def sparse_text(self):
        return Bare.text(self)

    def dense_text(self):
        f = ir.Function()
        q, cache = ir.query(f, self.shape), ir.assemble_cache(f, self.shape)
        for name, result in zip(("out", "lse"), ir.attend(f, self.shape, q, cache, self.out, self.scale)):
            f.result(name, *result)
        return f.text()

    def runs(self):
        inputs = self.inputs()
        dense = {name: value for name, value in inputs.items() if name != "p"}
        return [Run(self.text(), inputs), Run(self.dense_text(), dense), Run(self.sparse_text(), inputs)]

    def is_short(self, given):
        return given["seq_lens"] < self.below

    def check(self, inputs, outputs):
        (given, _, _), (found, dense, sparse) = inputs, outputs
        self.check_run(given, found)
        super().check_run(given, sparse)
        if self.schedule != "grid":
            return
        short = self.is_short(given)
        for name in ("out", "lse"):
            require_same_bits(f"{name} of short sequences", found[name][short], dense[name][short])
        for name in self.RESULTS:
            require_same_bits(f"{name} of long sequences", found[name][~short], sparse[name][~short])

    def check_run(self, given, found):
        cache, short = read_cache(self.shape, given), self.is_short(given)
        for rows, check in ((np.flatnonzero(short), self.check_dense), (np.flatnonzero(~short), super().check_run)):
            part = cache_inputs(given["q"][rows], take_sequences(cache, rows)) | {"p": given["p"]}
            check(part, {name: value[rows] for name, value in found.items()})

    def check_dense(self, given, found):
        cache = read_cache(self.shape, given)
        check_attention(
            given["q"], cache, selections.everything(cache, self.kept_rows), found, self.shape.dtype, self.scale
        )
        lengths = np.repeat(cache.seq_lens[:, None], self.rows, axis=1)
        require_same_values("candidates", found["candidates"], lengths)
