# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The cases of fused pipelines once more, as one kernel each: what a GPU runs beside them."""

import dataclasses

from twilight_oracle.selection import Select
from twilight_oracle.top_p import TopP

from .bare import Bare
from .cases_split import split_cases
from .data import Batch, Seq
from .fallback import Fallback
from .fused import Fused, fits_block
from .shapes import G1, G3, G4, P1, Shape

# Every step together, and ahead; heads of a block: all, some, one; blocks that own no head; clusters of every size; blocks
# that are no cluster.
SCHEDULES = (
    "block, warps = 8, select_warps = 4",
    "block, cluster = 2, warps = 12",
    "block, warps = 12",
    "block, cluster = 8, warps = 8",
    "block, cluster = 4, warps = 12",
    "block, warps = 8, select_warps = 2",
    "block, cluster = 16, warps = 8",
    "block, cluster = 2, warps = 6, resident = 2",
    "block, spread = 16, warps = 8",
    "block, spread = 2, warps = 12",
    "block, spread = 4, warps = 8",
)
# Of 16 warps or more, whose blocks rank pages in whole lines of memory where a row is one or more of them.
LARGE = (
    "block, warps = 16",
    "block, warps = 12, select_warps = 4",
    "block, cluster = 4, warps = 16",
    "block, cluster = 8, warps = 16",
    "block, spread = 16, warps = 16",
)


def block_cases(cases):
    """Of pipelines and fall-backs that one kernel can hold: each under two schedules, in turn. And what only those have."""
    fitting = [case for case in cases if type(case) in (Bare, Fallback) and fits_block(case)]
    for i, case in enumerate(fitting):
        for k in (i, i + 3):
            schedule = SCHEDULES[k % len(SCHEDULES)]
            name = f"block-{k % len(SCHEDULES)}-{case.name}"
            if type(case) is Fallback:
                yield dataclasses.replace(case, name=name, schedule=schedule)
            else:
                yield Fused(**{**vars(case), "name": name}, schedule=schedule)
    yield from split_cases()
    # A row of one line, and of two; several tiles of pages a warp; more items than blocks.
    ragged = Batch((Seq(1500, "pairs"), Seq(0), Seq(2049, "spread"), Seq(7), Seq(700, "zero_query"), Seq(1503)), 101)
    for shape, ks in ((G4, range(5)), (G1, (1, 2, 4)), (G3, (0, 3)), (P1, (0, 1, 2, 4))):
        for k in ks:
            select = Select("quest", group=("max", "mean")[k % 2], sink=k, recent=3 * k, budget=("fraction", 0.25))
            name = f"block-large-{k}-{shape.tag}"
            yield Fused(name, shape=shape, batch=ragged, select=select, prune=TopP(), p=0.85, schedule=LARGE[k])
    # Bounds of 8 bits, whose coefficients all warps of a block make together, of as many heads and elements as they can.
    small = Batch((Seq(1500, "pairs"), Seq(0), Seq(700, "zero_query"), Seq(2049, "spread"), Seq(1400)), 102)
    for stored, k in (("i8", 0), ("f8E5M2", 1), ("i8", 4), ("f8E5M2", 4)):
        shape = Shape(2, 4, 128, 32, "bf16", summary_dtype=stored, blocked=True)
        select = Select("quest", sink=k, recent=3 * k, budget=("fraction", 0.25))
        name = f"block-large-{k}-{stored.lower()}-{shape.tag}"
        yield Fused(name, shape=shape, batch=small, select=select, prune=TopP(), p=0.85, schedule=LARGE[k])
    # Pages of infinite importance, beside others of which the last one kept has to be found.
    few = Batch((Seq(1500, "pairs"), Seq(1501), Seq(700, "spread"), Seq(90)), 100)
    floors = Select("quest", sink=20, recent=40, budget=("fraction", 0.25))
    for k in (2, 3, 10):
        name = f"block-{k}-floors-{G4.tag}"
        yield Fused(name, shape=G4, batch=few, select=floors, prune=TopP(), p=0.85, schedule=SCHEDULES[k])
    # More pages than a warp finds places for at once; of equal ones more than a warp compares with each other.
    many = Batch((Seq(5003, "pairs"), Seq(4101, "equal"), Seq(2602)), 101)
    quarter = Select("quest", budget=("fraction", 0.25))
    for k in (0, 3, 8):
        name = f"block-{k}-many-{P1.tag}"
        yield Fused(name, shape=P1, batch=many, select=quarter, prune=TopP(), p=0.85, schedule=SCHEDULES[k])
