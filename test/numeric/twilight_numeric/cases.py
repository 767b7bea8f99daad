# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The table of cases. A run costs a process, so batches are ragged and hold many kinds of sequence."""

from twilight_oracle.selection import Select
from twilight_oracle.top_p import TopP

from .appending import Append, uncoded
from .bare import Bare
from .cases_fallback import fallback_cases
from .cases_formats import blocked_cases, codes_cases, page_size_cases, planes_cases, small_bounds_cases
from .cases_scores import scores_cases
from .cases_search import search_cases
from .data import Batch, Seq, long, random_only, standard
from .decode import Decode
from .gather import Dense, Gather
from .invariants import Alone, Louder, Permuted, Repeat, Unreachable
from .shapes import D96, D256, F32, G1, G3, G4, G8, P1, P1_WIDE, P32, SHAPES, WIDE, Shape

QUEST, FULL = Select("quest"), Select("full", budget=("all",))


def spread(shape):
    """The same shape with the summary that mean_std reads."""
    return Shape(**{**vars(shape), "summary": "mean_var"})


def calm(shape, seed):
    """The standard batch without huge logits: weights that underflow have no order by weight."""
    return Batch(tuple(s for s in standard(shape.page_size, seed).seqs if s.kind != "huge"), seed)


def each_head(shape):
    """A p for each query head: the values worth a test, in turn."""
    values = (0.85, 0.0, 0.5, 0.99, 1.0, 0.95, 0.3, 0.85)
    return tuple(values[h % len(values)] for h in range(shape.heads))


def select_cases():
    def case(name, shape, select, batch=None):
        batch = batch or standard(shape.page_size, 1)
        return Decode(f"select-{name}-{shape.tag}", shape=shape, batch=batch, select=select, stages="select")

    for shape in SHAPES:
        yield case("quest", shape, QUEST)
        yield case("mean_std", spread(shape), Select("mean_std", c=1.0, group="mean", budget=("tokens", 40)))
    for shape in (G4, G8, P32):
        yield case("quest-heads", shape, Select("quest", group="per_head", budget=("fraction", 0.5)))
        yield case("quest-floors", shape, Select("quest", sink=4, recent=40, budget=("tokens", 100)))
        yield case("mean_std-heads", spread(shape), Select("mean_std", c=0.25, group="per_head", recent=1))
    # Floors larger than the budget, a fraction that binary floats cannot hold, one page of each, everything.
    yield case("quest-tight", G3, Select("quest", sink=33, recent=33, budget=("tokens", 17)))
    yield case("quest-tenth", P1, Select("quest", group="mean", budget=("fraction", 0.1)))
    yield case("quest-millionth", G1, Select("quest", budget=("fraction", 0.000001)))
    yield case("quest-all", G8, Select("quest", budget=("all",)))
    yield case("mean_std-negative", spread(G3), Select("mean_std", c=-0.5, budget=("fraction", 0.3)))
    for shape in (G4, P1):
        yield case("full", shape, FULL)
        yield case("window", shape, Select("window", budget=("all",), sink=5, recent=20))
    yield case("window-recent", P32, Select("window", budget=("all",), recent=1))
    broken = Batch((Seq(100, "nan_page"), Seq(40, "nan_page"), Seq(17), Seq(70)), 2)
    yield case("quest-nan", G3, Select("quest", budget=("fraction", 0.6)), broken)
    yield case("mean_std-nan", spread(G4), Select("mean_std", group="mean", budget=("fraction", 0.9)), broken)
    yield case("quest-long", WIDE, Select("quest", budget=("fraction", 0.25)), long(2))


def score_cases():
    for shape in SHAPES:
        batch = standard(shape.page_size, 3)
        yield Decode(f"score-full-{shape.tag}", shape=shape, batch=batch, select=FULL, stages="score")
    quest = Select("quest", budget=("fraction", 0.4))
    for shape in (G3, P1_WIDE):
        batch = standard(shape.page_size, 4)
        yield Decode(f"score-quest-{shape.tag}", shape=shape, batch=batch, select=quest, stages="score")
    for shape in (G4, G8, G3, P1_WIDE):
        batch = Batch((Seq(700, "outlier"), Seq(333, "outlier")), 6)
        yield Decode(f"score-outlier-{shape.tag}", shape=shape, batch=batch, select=FULL, stages="score")
    heads = Select("quest", group="per_head", budget=("fraction", 0.4))
    batch = Batch((Seq(100, "tiny"), Seq(90, "offset"), *standard(16, 5).seqs[:6]), 5)
    yield Decode(f"score-heads-{G4.tag}", shape=G4, batch=batch, select=heads, stages="score")
    yield Decode(f"score-scaled-{G8.tag}", shape=G8, batch=random_only(32, 6), select=FULL, stages="score", scale=0.25)


def top_p_cases():
    def case(name, shape, rule, p, batch=None, select=FULL):
        batch = batch or standard(shape.page_size, 7)
        name = f"top_p-{name}-{shape.tag}"
        return Decode(name, shape=shape, batch=batch, select=select, prune=rule, p=p, stages="top_p")

    for shape in SHAPES:
        yield case("heads", shape, TopP("per_head"), each_head(shape))
    for p, shape in zip((0.0, 0.5, 0.85, 0.99, 1.0), (G4, G8, G3, WIDE, P1)):
        yield case(f"union-{p}", shape, TopP(), p)
    for p, shape in zip((0.0, 0.01, 0.3, 1.0), (G3, G8, P32, G4)):
        yield case(f"threshold-{p}", shape, TopP("per_head", "threshold"), p)
    yield case("threshold-heads", WIDE, TopP("union", "threshold"), tuple(0.02 * (h + 1) for h in range(WIDE.heads)))
    yield case("min", G4, TopP("per_head", min_tokens=24), each_head(G4), calm(G4, 8))
    yield case("max", G4, TopP("per_head", max_tokens=20), each_head(G4))
    yield case("min-max", G3, TopP(min_tokens=16, max_tokens=16), 0.9, calm(G3, 8))
    yield case("floors", G8, TopP("per_head", sink=4, recent=33, max_tokens=10), each_head(G8))
    yield case("floors-quest", P32, TopP(sink=40, recent=5), 0.5, select=Select("quest", budget=("fraction", 0.3)))
    yield case("lists", G4, TopP("per_head"), each_head(G4), select=Select("quest", group="per_head"))
    for p in (0.5, 0.99):
        yield case(f"long-{p}", WIDE, TopP(), p, long(9))


def gather_cases():
    for shape in SHAPES:
        batch = standard(shape.page_size, 11)
        yield Gather(f"gather-tokens-{shape.tag}", shape=shape, batch=batch)
    for shape in (G4, G8, P32, P1):
        batch = standard(shape.page_size, 12)
        yield Gather(f"gather-pages-{shape.tag}", shape=shape, batch=batch, unit="page")
    for shape in (G3, G8, F32):
        batch = standard(shape.page_size, 13)
        yield Gather(f"gather-heads-{shape.tag}", shape=shape, batch=batch, per_head=True)
    yield Gather(f"gather-out16-{G1.tag}", shape=G1, batch=random_only(16, 14), out="bf16")
    yield Gather(f"gather-scaled-{G4.tag}", shape=G4, batch=random_only(16, 15), scale=0.3, unit="page", per_head=True)
    yield Gather(f"gather-long-{WIDE.tag}", shape=WIDE, batch=long(16))
    for shape in (G3, F32, G8):
        batch = standard(shape.page_size, 17)
        yield Gather(f"merge-{shape.tag}", shape=shape, batch=batch, split=True, per_head=shape is G8)


def dense_cases():
    for shape in SHAPES:
        yield Dense(f"attend-{shape.tag}", shape=shape, batch=standard(shape.page_size, 18))
    yield Dense(f"attend-out16-{G4.tag}", shape=G4, batch=random_only(16, 19), out="f16", scale=0.2)
    yield Dense(f"attend-long-{G8.tag}", shape=G8, batch=long(20))


def append_cases():
    def batch(page, kind="random"):
        sizes = (0, 1, page, page + 1, 2 * page + 3, 40, 5)
        return Batch(tuple(Seq(n, kind) for n in sizes), 21), tuple(min(n, 4) for n in sizes)

    for shape in SHAPES:
        whole, new = batch(shape.page_size)
        yield Append(
            f"append-{shape.tag}", shape=shape, batch=whole, new=new, steps=(4,), splits=((1, 1, 1, 1), (3, 2))
        )
    for shape in (spread(G4), spread(G8), spread(P32)):
        whole, new = batch(shape.page_size, "offset")
        name = f"append-mean_var-{shape.tag}"
        yield Append(name, shape=shape, batch=whole, new=new, steps=(4,), splits=((1, 1, 1, 1),))
    for kind, shape in (("constant", G3), ("tiny", G1), ("tiny", P32)):
        whole, new = batch(shape.page_size, kind)
        yield Append(f"append-{kind}-{shape.tag}", shape=shape, batch=whole, new=new, steps=(4,))
    fresh = Batch((Seq(50), Seq(16), Seq(0), Seq(33)), 22)
    yield Append(f"append-fresh-{G4.tag}", shape=G4, batch=fresh, new=(50, 16, 0, 33), steps=(50,))
    even = Batch((Seq(19), Seq(3), Seq(35)), 23)
    yield Append(f"append-unmasked-{G3.tag}", shape=G3, batch=even, new=(3, 3, 3), steps=(1, 2), masked=False)
    for shape in (G4, uncoded(G8)):
        whole, new = batch(shape.page_size)
        name = f"append-memref-{shape.tag}"
        yield Append(name, shape=shape, batch=whole, new=new, steps=(4,), container="memref")


def pipeline_cases():
    sized = Select("quest", budget=("fraction", 0.5))
    for shape in SHAPES:
        common = {"shape": shape, "batch": standard(shape.page_size, 31), "select": sized, "prune": TopP()}
        yield Decode(f"pipeline-{shape.tag}", **common)
        yield Bare(f"bare-{shape.tag}", **common, p=each_head(shape) if shape in (G3, G8) else 0.85)
    equal = {"batch": standard(16, 32), "select": FULL, "prune": TopP(), "p": 1.0, "dense": True}
    for shape in (G4, F32):
        yield Decode(f"pipeline-is-dense-{shape.tag}", shape=shape, **equal)
    spreads = Select("mean_std", c=1.0, sink=4, recent=16, budget=("tokens", 64))
    floors = TopP(min_tokens=8, sink=4, recent=8)
    yield Decode(f"pipeline-mean_std-{G3.tag}", shape=spread(G3), batch=calm(G3, 33), select=spreads, prune=floors)
    yield Bare(f"bare-mean_std-{G8.tag}", shape=spread(G8), batch=calm(G8, 33), select=spreads, prune=floors)
    heads = Select("quest", group="per_head")
    yield Decode(
        f"pipeline-heads-{G4.tag}", shape=G4, batch=calm(G4, 33), select=heads, prune=TopP("per_head"), out="f16"
    )
    yield Bare(
        f"bare-threshold-{G4.tag}", shape=G4, batch=calm(G4, 33), select=QUEST, prune=TopP(rule="threshold"), p=0.05
    )
    window = Select("window", budget=("all",), sink=4, recent=64)
    yield Decode(f"pipeline-window-{G8.tag}", shape=G8, batch=standard(32, 34), select=window)
    yield Decode(f"pipeline-unpruned-{G1.tag}", shape=G1, batch=standard(16, 35), select=QUEST)
    yield Bare(f"bare-long-{WIDE.tag}", shape=WIDE, batch=long(36), select=QUEST, prune=TopP(), p=0.95)
    empty = Batch((Seq(0), Seq(0)), 37)
    yield Decode(f"pipeline-empty-{G4.tag}", shape=G4, batch=empty, select=QUEST, prune=TopP())
    yield Decode(f"pipeline-no-batch-{G4.tag}", shape=G4, batch=Batch((), 38), select=QUEST, prune=TopP())


def invariant_cases():
    for shape in (G4, G8, P1):
        common = {"shape": shape, "select": Select("quest", budget=("fraction", 0.5)), "prune": TopP(), "p": 0.9}
        yield Permuted(f"permuted-{shape.tag}", **common, batch=standard(shape.page_size, 41))
        yield Alone(f"alone-{shape.tag}", **common, batch=standard(shape.page_size, 42))
    common = {"select": Select("mean_std", budget=("fraction", 0.5)), "prune": TopP("per_head"), "p": 0.8}
    yield Repeat(f"repeat-{G3.tag}", shape=spread(G3), batch=long(43, 900), **common)
    yield Louder(f"louder-{G3.tag}", shape=spread(G3), batch=random_only(16, 44), **common)
    apart = Batch((Seq(200), Seq(90), Seq(17), Seq(0)), 45)
    common["select"] = Select("mean_std", budget=("fraction", 0.5))
    yield Unreachable(f"unreachable-{G8.tag}", shape=spread(G8), batch=apart, **common)


def head_dim_cases():
    """Head sizes that are no power of two, or large: every op once."""
    for shape in (D96, D256):
        batch = standard(shape.page_size, 51)
        common = {"shape": shape, "batch": batch, "select": Select("quest", budget=("fraction", 0.5)), "prune": TopP()}
        yield Decode(f"pipeline-{shape.tag}", **common)
        yield Bare(f"bare-{shape.tag}", **common)
        yield Dense(f"attend-{shape.tag}", shape=shape, batch=batch)
        yield Gather(f"merge-{shape.tag}", shape=shape, batch=batch, split=True)
        whole = Batch(tuple(Seq(n) for n in (0, 1, shape.page_size, shape.page_size + 1, 5)), 52)
        new = tuple(min(s.n, 4) for s in whole.seqs)
        yield Append(f"append-{shape.tag}", shape=shape, batch=whole, new=new, steps=(4,), splits=((1, 1, 1, 1),))


def all_cases():
    groups = (select_cases, score_cases, top_p_cases, gather_cases, dense_cases, append_cases, pipeline_cases)
    groups += (invariant_cases, head_dim_cases, page_size_cases, codes_cases, blocked_cases, planes_cases)
    groups += (small_bounds_cases, fallback_cases, search_cases, scores_cases)
    return [case for group in groups for case in group()]


def by_name():
    return {case.name: case for case in all_cases()}
