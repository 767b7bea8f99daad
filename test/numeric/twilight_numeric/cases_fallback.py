# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Cases of fused pipelines whose short sequences attend densely."""

from twilight_oracle.selection import Select
from twilight_oracle.top_p import TopP

from .data import Batch, Seq
from .fallback import Fallback, around
from .shapes import G1, G3, G4, G8, P1, P32

HEADS = (0.85, 0.0, 0.5, 0.99, 1.0, 0.95, 0.3, 0.85)  # a p for each query head of G4


def fallback_cases():
    """Ragged batches that lie on both sides of dense_below."""
    common = {"select": Select("quest", budget=("fraction", 0.5)), "prune": TopP()}
    for shape in (G4, G1, G8, P1, P32):
        batch = around(100, shape.page_size, 81)
        yield Fallback(f"fallback-{shape.tag}", shape=shape, batch=batch, **common)
    page = G4.page_size
    heads = {"select": Select("quest", group="per_head"), "prune": TopP("per_head"), "p": HEADS}
    yield Fallback(f"fallback-heads-{G4.tag}", shape=G4, batch=around(100, page, 82), **heads)
    kept_heads = {"select": common["select"], "prune": TopP("per_head", sink=4, recent=8), "p": 0.5}
    yield Fallback(f"fallback-kept-heads-{G3.tag}", shape=G3, batch=around(64, page, 83), **kept_heads, below=64)
    yield Fallback(f"fallback-out16-{G1.tag}", shape=G1, batch=around(100, page, 84), **common, out="bf16", scale=0.1)
    for below in (1, 1000):
        name = f"fallback-{below}-{G4.tag}"
        yield Fallback(name, shape=G4, batch=around(100, page, 85), **common, below=below)
    for seqs in ((), (Seq(0), Seq(0))):
        yield Fallback(f"fallback-of-{len(seqs)}-{G4.tag}", shape=G4, batch=Batch(seqs, 86), **common)
