# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Cases of a prune that is split over the blocks of an item, each of which has some of the candidates."""

from twilight_oracle.selection import Select
from twilight_oracle.top_p import TopP

from .cases_search import crowded, levels
from .data import Batch, Seq
from .fused import Fused
from .shapes import G3, G4, G8, P1


def tiny(page, seed):
    """More blocks than pages; and one page more than there are blocks."""
    lengths = (1, page, page + 1, 3 * page - 1, 4 * page, 7 * page + 2, 8 * page + 1, 16 * page + 3, 0)
    return Batch(tuple(Seq(n) for n in lengths), seed)


def split_cases():
    def case(name, shape, batch, blocks, warps, prune=None, p=None, budget=("fraction", 0.97), spread=False, **more):
        return Fused(
            f"split-{name}-{'spread-' if spread else ''}{blocks}-{shape.tag}",
            shape=shape,
            batch=batch,
            select=Select("quest", budget=budget),
            prune=prune or TopP(),
            p=levels(shape) if p is None else p,
            schedule=f"block, {'spread' if spread else 'cluster'} = {blocks}, warps = {warps}",
            **more,
        )

    # Many heavy candidates; heavy ones that do not reach p; ties over all blocks. Clusters of 4 and 8 keep a head together.
    for cluster, warps in ((4, 8), (8, 12), (16, 8)):
        yield case("crowded", G4, crowded(95, 2800), cluster, warps)
        yield case("tiny", G4, tiny(G4.page_size, 96), cluster, warps, budget=("all",))
    few = Batch((Seq(1500, "pairs"), Seq(1501, "spread"), Seq(700, "zero_query")), 97)
    yield case("floors", G3, few, 8, 8, TopP(sink=37, recent=170), budget=("fraction", 0.5))
    yield case("floors", P1, few, 4, 8, TopP(sink=9, recent=10), budget=("fraction", 0.3))
    # The recent tokens begin in the last page of a round of the blocks; the sequence's last page is not full.
    edge = Batch((Seq(1017), Seq(1009, "pairs"), Seq(3)), 99)
    yield case("recent", G4, edge, 8, 8, TopP(recent=128), p=0.3, budget=("all",))
    yield case("heads", G8, few, 16, 8, TopP(sink=1))
    yield case("f16", G8, few, 4, 16, scores="f16")
    yield case("threshold", G4, few, 8, 8, TopP(rule="threshold", sink=3), p=0.05)
    # Equal tokens everywhere: the heaviest is the first of them, in whichever block it lies.
    yield case("heaviest", G4, Batch((Seq(300, "equal"), Seq(200, "constant"), Seq(400, "pairs")), 98), 8, 8, p=0.0)
    # Limits: each head in one block.
    yield case("limits", G4, few, 4, 8, TopP(min_tokens=60, max_tokens=400), budget=("fraction", 0.5))

    # Blocks that are no cluster, in any number: more items than groups of blocks, so that one follows the other. Of 4500
    # equal candidates one of four blocks has more than it may post.
    for blocks, warps, tokens in ((4, 8, 4500), (6, 12, 2800), (16, 8, 2800)):
        yield case("crowded", G4, crowded(95, tokens), blocks, warps, spread=True)
        yield case("tiny", G4, tiny(G4.page_size, 96), blocks, warps, budget=("all",), spread=True)
    yield case("heads", G8, few, 25, 8, TopP(sink=1), spread=True)
    # Two heads a block, of which the last one has none.
    yield case("heads", G8, few, 5, 8, TopP(sink=1), spread=True)
    yield case("tiny", G8, tiny(G8.page_size, 96), 5, 12, budget=("all",), spread=True)
    yield case("floors", G3, few, 8, 8, TopP(sink=37, recent=170), budget=("fraction", 0.5), spread=True)
    yield case("recent", G4, edge, 11, 8, TopP(recent=128), p=0.3, budget=("all",), spread=True)
    yield case("threshold", G4, few, 32, 8, TopP(rule="threshold", sink=3), p=0.05, spread=True)
    yield case("limits", G4, few, 4, 8, TopP(min_tokens=60, max_tokens=400), budget=("fraction", 0.5), spread=True)
    same = Batch((Seq(300, "equal"), Seq(200, "constant"), Seq(400, "pairs")), 98)
    yield case("heaviest", G4, same, 32, 4, p=0.0, spread=True)
