# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Cases of scores of 16 bits: as outputs of quantize_score, pruned, and in whole pipelines."""

from dataclasses import dataclass, replace

import numpy as np
from twilight_oracle.scores import LARGEST_F16, half_unit
from twilight_oracle.selection import Select
from twilight_oracle.top_p import TopP

from . import mlir_text as ir
from .bare import Bare
from .compare import EPS, require
from .data import Batch, Seq, long, standard
from .decode import Decode
from .shapes import D96, G1, G3, G4, G8, P1, P1_WIDE, P32, P64

QUEST, FULL = Select("quest", budget=("fraction", 0.5)), Select("full", budget=("all",))
HEADS = Select("quest", group="per_head", budget=("fraction", 0.4))
# Pages whose rows of scores begin on 16, 8, 4 and 2 bytes.
SMALL_PAGES = tuple(replace(G4, page_size=page) for page in (8, 4, 2)) + (P1, P1_WIDE)


@dataclass
class Rounded(Decode):
    """Scores of f16 beside f32 ones of the same op: each is the nearest, and no NaN or infinity."""

    def text(self):
        f, s = ir.Function(), self.shape
        q, cache, pages = self.selected(f)
        for name, element in (("exact", "f32"), ("logits", "f16")):
            f.result(name, *ir.logits(f, s, ir.quantize_score(f, s, q, cache, pages, self.scale, element=element)))
        return f.text()

    def check_run(self, given, found):
        super().check_run(given, found)
        real = self.real_slots(given, found)
        exact, logits = (found[name][real].astype(np.float64) for name in ("exact", "logits"))
        right = np.clip(exact, -LARGEST_F16, LARGEST_F16)
        # The two kernels may sum in different orders; half a unit more than that is rounded away from the nearest.
        slack = 64 * EPS * (1 + np.abs(right))
        error = np.abs(logits - right)
        allowed = half_unit(np.abs(right) + slack, "f16") + slack
        wrong = np.flatnonzero(~(error <= allowed))
        if len(wrong):
            i = wrong[0]
            require(False, f"logits: expected the f16 nearest {exact[i]}, found {logits[i]} ({len(wrong)} entries differ)")


def scores_cases():
    for shape in (G4, G1, G3, G8, P32, P64, D96, *SMALL_PAGES):
        common = {"shape": shape, "batch": standard(shape.page_size, 101), "select": QUEST, "scores": "f16"}
        yield Rounded(f"score-f16-{shape.tag}", **common, stages="score")
        yield Decode(f"pipeline-f16-{shape.tag}", **common, prune=TopP())
        yield Bare(f"bare-f16-{shape.tag}", **common, prune=TopP())
    for shape in (G3, G8, P1):
        common = {"shape": shape, "batch": standard(shape.page_size, 102), "select": HEADS, "scores": "f16"}
        yield Rounded(f"score-f16-heads-{shape.tag}", **common, stages="score")
        yield Decode(f"pipeline-f16-heads-{shape.tag}", **common, prune=TopP())
    # Logits beyond the largest f16: all of them equal it, and are kept together.
    for shape in (G4, G1, P1):
        common = {"shape": shape, "batch": standard(shape.page_size, 103), "scale": 3e4, "scores": "f16"}
        yield Rounded(f"score-f16-clamped-{shape.tag}", **common, select=FULL, stages="score")
        for p in (0.0, 0.85):
            prune = TopP("per_head")
            yield Decode(f"top_p-f16-clamped-{p}-{shape.tag}", **common, select=FULL, prune=prune, p=p, stages="top_p")
    # More than a round of loads, ends inside a load, ties by the hundred.
    for shape in (G4, G3, replace(G4, page_size=4), P1):
        batch = Batch((Seq(2503), Seq(2697, "spread"), Seq(2501, "pairs"), Seq(30, "zero_query")), 104)
        common = {"shape": shape, "batch": batch, "select": FULL, "scores": "f16", "stages": "top_p"}
        for name, prune in (
            ("mass", TopP("per_head")),
            ("max", TopP(max_tokens=40, sink=3, recent=20)),
            ("min", TopP(min_tokens=2490)),
            ("threshold", TopP(rule="threshold")),
        ):
            yield Decode(f"top_p-f16-{name}-{shape.tag}", **common, prune=prune, p=0.01 if name == "threshold" else 0.9)
    for shape in (G4, G8):
        common = {"shape": shape, "batch": long(105, 9000), "select": QUEST, "scores": "f16", "prune": TopP()}
        yield Decode(f"pipeline-f16-long-{shape.tag}", **common)
        yield Bare(f"bare-f16-long-{shape.tag}", **common)
    planes = replace(G8, planes=True)
    fine = replace(QUEST, budget=("fraction", 0.125))
    yield Decode(f"pipeline-f16-fine-{planes.tag}", shape=planes, batch=long(106), select=QUEST, prune=TopP(), fine=fine, scores="f16")
