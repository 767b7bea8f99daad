# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The cases of fused pipelines once more, as one kernel each: what a GPU runs beside them."""

import dataclasses

from .bare import Bare
from .cases_split import split_cases
from .fallback import Fallback
from .fused import Fused, fits_block

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
