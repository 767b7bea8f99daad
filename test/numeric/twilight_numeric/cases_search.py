# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Cases of top_p's search on a GPU: kernels list the heavy candidates, and here that is not enough."""

from twilight_oracle.selection import Select
from twilight_oracle.top_p import TopP

from .bare import Bare
from .data import Batch, Seq
from .decode import Decode
from .shapes import G3, G4

FULL = Select("full", budget=("all",))
LEVELS = (0.3, 0.97, 0.999, 0.6, 0.85, 0.999, 0.0, 1.0, 0.5)  # a p for each query head, in turn


def levels(shape):
    return tuple(LEVELS[h % len(LEVELS)] for h in range(shape.heads))


def crowded(seed, n=2700):
    """More heavy candidates than a list holds; weights of many octaves, where a mass reaches the light ones; ties."""
    kinds = ("random", "spread", "pairs", "zero_query", "needle")
    return Batch(tuple(Seq(n + i, kind) for i, kind in enumerate(kinds)), seed)


def search_cases():
    for shape in (G3, G4):
        batch = crowded(91)
        common = {"shape": shape, "batch": batch, "select": FULL, "p": levels(shape), "stages": "top_p"}
        yield Decode(f"top_p-crowded-{shape.tag}", **common, prune=TopP("per_head"))
    few, many = TopP("per_head", max_tokens=40, sink=3, recent=20), TopP("per_head", min_tokens=2690)
    for name, prune in (("max", few), ("min", many)):
        batch = Batch((Seq(2700), Seq(2705, "spread")), 92)
        yield Decode(
            f"top_p-crowded-{name}-{G4.tag}", shape=G4, batch=batch, select=FULL, prune=prune, p=levels(G4), stages="top_p"
        )
    most = Select("quest", budget=("fraction", 0.97))
    yield Bare(f"bare-crowded-{G4.tag}", shape=G4, batch=crowded(93, 2800), select=most, prune=TopP(), p=levels(G4))
    half = {"batch": Batch((Seq(700), Seq(33), Seq(701, "spread"), Seq(0), Seq(40, "pairs")), 94)}
    half["select"] = Select("quest", budget=("fraction", 0.5))
    for name, prune in (
        ("floors", TopP(sink=5, recent=70)),
        ("max", TopP(max_tokens=9, recent=3)),
        ("min", TopP(min_tokens=60, sink=1)),
    ):
        yield Bare(f"bare-{name}-{G4.tag}", shape=G4, **half, prune=prune, p=levels(G4))
