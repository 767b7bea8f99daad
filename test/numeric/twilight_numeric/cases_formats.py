# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Cases of the cache's smaller formats: codes of other widths, page bounds of 8 bits."""

from dataclasses import replace

from twilight_oracle.selection import Select
from twilight_oracle.top_p import TopP

from .appending import Append
from .bare import Bare
from .data import Batch, Seq, long, standard
from .decode import Decode
from .shapes import D96, G1, G3, G4, G8, P1, P1_WIDE, P32, P64

QUEST, FULL = Select("quest"), Select("full", budget=("all",))


def page_size_cases():
    """Pages of 64 tokens, on GPUs too: select, append, and the whole pipeline."""
    spread = replace(P64, summary="mean_var")
    whole = Batch(tuple(Seq(n) for n in (0, 1, 64, 65, 131)), 57)
    new = tuple(min(s.n, 4) for s in whole.seqs)
    common = {"select": Select("quest", budget=("fraction", 0.5)), "prune": TopP()}
    yield Decode(f"pipeline-{P64.tag}", shape=P64, batch=standard(64, 58), **common)
    yield Decode(f"select-mean_std-{P64.tag}", shape=spread, batch=standard(64, 58), select=Select("mean_std"), stages="select")
    for shape in (P64, spread):
        yield Append(f"append-{shape.summary}-{P64.tag}", shape=shape, batch=whole, new=new, steps=(4,))


def codes_cases():
    """Codes of 2 and 8 bits: appended bit for bit, scored, and in the whole pipeline from bare keys."""
    for base in (G4, G1, P32, P64, D96):
        for bits in (2, 8):
            shape = replace(base, bits=bits)
            page, tag = shape.page_size, f"{bits}bits-{shape.tag}"
            whole = Batch(tuple(Seq(n) for n in (0, 1, page, page + 1, 2 * page + 3)), 61)
            new = tuple(min(s.n, 4) for s in whole.seqs)
            yield Append(f"append-{tag}", shape=shape, batch=whole, new=new, steps=(4,), splits=((1, 1, 1, 1),))
            common = {"shape": shape, "batch": standard(page, 62), "select": Select("quest", budget=("fraction", 0.5))}
            yield Decode(f"score-{tag}", **common, stages="score")
            yield Bare(f"bare-{tag}", **common, prune=TopP())
    for bits in (2, 8):
        shape = replace(G8, bits=bits)
        heads = Select("quest", group="per_head", budget=("fraction", 0.4))
        for name, select in (("full", FULL), ("heads", heads)):
            case = f"score-{name}-{bits}bits-{shape.tag}"
            yield Decode(case, shape=shape, batch=standard(32, 64), select=select, stages="score")
    for kind in ("constant", "tiny"):
        for bits in (2, 8):
            shape = replace(G3, bits=bits)
            whole = Batch((Seq(3, kind), Seq(20, kind)), 63)
            yield Append(f"append-{kind}-{bits}bits-{shape.tag}", shape=shape, batch=whole, new=(3, 4), steps=(4,))


def layout_cases(shape, tag, seed):
    """Appending to such a cache and scoring it, and what further cases of it have in common."""
    page = shape.page_size
    whole = Batch(tuple(Seq(n) for n in (0, 1, page, page + 1, 2 * page + 3)), seed)
    new = tuple(min(s.n, 4) for s in whole.seqs)
    common = {"shape": shape, "batch": standard(page, seed + 1), "select": Select("quest", budget=("fraction", 0.5))}
    append = Append(f"append-{tag}", shape=shape, batch=whole, new=new, steps=(4,), splits=((1, 1, 1, 1),))
    return [append, Decode(f"score-{tag}", **common, stages="score")], common


def blocked_cases():
    """Codes with their scales and zeros behind them, of every width."""
    for base, bits in ((G4, 4), (G1, 4), (G8, 2), (P64, 8), (P64, 2), (G1, 8), (P32, 4), (D96, 2)):
        shape = replace(base, bits=bits, blocked=True)
        tag = f"{bits}bits-blocked-{shape.tag}"
        cases, common = layout_cases(shape, tag, 81)
        yield from cases
        yield Bare(f"bare-{tag}", **common, prune=TopP())


def planes_cases():
    """Codes in planes, scored from all bits, and progressively."""
    for base, blocked in ((G4, False), (G1, True), (G3, True), (G8, False), (P1, False), (P32, True), (P1_WIDE, False), (D96, True)):
        shape = replace(base, blocked=blocked, planes=True)
        page, tag = shape.page_size, f"planes-{'blocked-' if blocked else ''}{shape.tag}"
        cases, common = layout_cases(shape, tag, 91)
        yield from cases
        quarter, last = Select("quest", budget=("fraction", 0.125)), Select("window", budget=("all",), sink=1, recent=page + 1)
        yield Decode(f"score-fine-{tag}", **common, stages="score", fine=quarter)
        yield Decode(f"score-fine-other-{tag}", **common, stages="score", fine=last)
        yield Decode(f"score-fine-lists-{tag}", **common, stages="score", fine="lists", scale=0.3)
        yield Bare(f"bare-{tag}", **common, prune=TopP())
        yield Bare(f"bare-fine-{tag}", **common, prune=TopP(), fine=quarter)
    planes, both = replace(G8, planes=True), replace(G4, planes=True, blocked=True)
    everything, heads = Select("full", budget=("all",)), Select("quest", group="per_head", budget=("fraction", 0.4))
    some = replace(heads, budget=("fraction", 0.1))
    for shape in (planes, both):
        page, tag = shape.page_size, f"planes-{shape.tag}"
        yield Decode(f"score-fine-heads-{tag}", shape=shape, batch=standard(page, 94), select=heads, stages="score", fine=some)
        yield Decode(f"score-fine-head-lists-{tag}", shape=shape, batch=standard(page, 95), select=heads, stages="score", fine="lists")
        yield Decode(f"score-fine-full-{tag}", shape=shape, batch=standard(page, 96), select=everything, stages="score", fine=QUEST)
    yield Decode("pipeline-fine-" + planes.tag, shape=planes, batch=long(97), select=QUEST, prune=TopP(), fine=Select("quest", budget=("fraction", 0.05)))
    for kind in ("constant", "tiny", "offset"):
        shape, batch = replace(both, summary=None), Batch((Seq(3, kind), Seq(50, kind)), 93)
        yield Append(f"append-{kind}-planes-{shape.tag}", shape=shape, batch=batch, new=(3, 4), steps=(4,))
        yield Decode(f"score-{kind}-planes-{shape.tag}", shape=shape, batch=batch, select=everything, stages="score", fine="lists")


def small_bounds_cases():
    """Bounds of 8 bits: rounded outward bit for bit, and read."""
    for dtype, name in (("f8E5M2", "e5m2"), ("i8", "i8")):
        for base in (G4, G1, P32, P64):
            shape = replace(base, summary_dtype=dtype)
            page, tag = shape.page_size, f"{name}-{shape.tag}"
            for kind in ("random", "tiny", "offset", "constant", "beyond"):
                whole = Batch(tuple(Seq(n, kind) for n in (0, 1, page, page + 1, 2 * page + 3)), 71)
                new = tuple(min(s.n, 4) for s in whole.seqs)
                yield Append(f"append-{kind}-{tag}", shape=shape, batch=whole, new=new, steps=(4,))
            yield Decode(f"select-{tag}", shape=shape, batch=standard(page, 72), select=QUEST, stages="select")
            yield Bare(f"bare-{tag}", shape=shape, batch=standard(page, 73), select=QUEST, prune=TopP())
        shape = replace(G8, summary_dtype=dtype)
        heads = Select("quest", group="per_head", sink=4, recent=40)
        yield Decode(
            f"select-heads-{name}-{shape.tag}", shape=shape, batch=standard(32, 74), select=heads, stages="select"
        )
        # Keys near the end of f16, beyond the largest E5M2, and a page without numbers.
        odd = Batch((Seq(200, "beyond"), Seq(90, "nan_page"), Seq(40), Seq(150, "beyond")), 75)
        for base in (G3, G1):
            shape = replace(base, summary_dtype=dtype)
            yield Decode(f"select-beyond-{name}-{shape.tag}", shape=shape, batch=odd, select=QUEST, stages="select")
