# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Our own configurations, as data: which formats the pruner reads, and how the pipeline is compiled."""

from dataclasses import dataclass, replace
from fractions import Fraction

from twilight_numeric.shapes import Shape
from twilight_oracle.selection import Select
from twilight_oracle.top_p import TopP


@dataclass(frozen=True)
class Config:
    name: str
    page_size: int = 16
    bounds: str = ""  # number format of the page bounds; the keys' own where not given
    bits: int = 4  # of a code
    blocked: bool = False  # scales and zeros behind their page's codes
    planes: bool = False  # high and low bits of the codes apart
    fine: float = 0  # of the pages, scored from all bits of their codes; 0: all candidates
    scores: str = "f32"  # their element type
    fraction: float = 0.25  # of the pages that are candidates
    sink: int = 0  # first tokens that are kept in any case
    recent: int = 0  # last tokens, likewise
    fused: bool = True
    schedule: str = ""  # text of a #twilight.schedule; empty: the compiler's choice

    def shape(self, problem):
        return Shape(
            problem.kv_heads,
            problem.group,
            problem.head_dim,
            self.page_size,
            problem.dtype,
            summary_dtype=self.bounds or None,
            bits=self.bits,
            blocked=self.blocked,
            planes=self.planes,
        )

    @property
    def select(self):
        return Select("quest", budget=("fraction", self.fraction), sink=self.sink, recent=self.recent)

    @property
    def fine_select(self):
        """The same ranking with a smaller budget; None where every candidate is scored alike."""
        return replace(self.select, budget=("fraction", self.fine)) if self.fine else None

    @property
    def prune(self):
        return TopP(sink=self.sink, recent=self.recent)

    @property
    def formats(self):
        """In words."""
        bounds = {"": "16-bit bounds", "f8E5M2": "fp8 bounds", "i8": "8-bit bounds"}[self.bounds]
        layout = (" blocked" if self.blocked else "") + (" in planes" if self.planes else "")
        layout += f", {share(self.fine)} of them all" if self.fine else ""
        layout += "" if self.scores == "f32" else f", {self.scores} scores"
        floors = f", first {self.sink} and last {self.recent} kept" if self.sink or self.recent else ""
        return f"P = {self.page_size}, {bounds}, {share(self.fraction)}, {self.bits} bits{layout}{floors}"


def share(fraction):
    """In words: 0.1875 -> "3/16"."""
    return str(Fraction(fraction).limit_denominator(1000))


def candidate(name, **formats):
    """Cheaper formats lose some of the heaviest tokens; keeping the first and the last few more than makes up for it."""
    return Config(name, sink=4, recent=16, blocked=True, **formats)


# Scales and zeros lie behind their page's codes: fewer bytes are fetched for the same codes.
PAPER = Config("paper", blocked=True)
PER_OP = Config("per_op", blocked=True, fused=False)
PEERS = replace(PAPER, name="peers", blocked=False)  # what the pools hold that dense attention and the peers read
# `best` is the fastest of these whose kept mass on the real trace and on the checked sequences is at most QUALITY_LOSS
# below the paper's; its name and formats are reported beside it.
CANDIDATES = (
    candidate("fp8", bounds="f8E5M2"),
    candidate("fp8-eighth", bounds="f8E5M2", fraction=1 / 8),
    candidate("i8", bounds="i8"),
    candidate("i8-eighth", bounds="i8", fraction=1 / 8),
    candidate("p32-fp8", page_size=32, bounds="f8E5M2"),
    candidate("p32-fp8-3in16", page_size=32, bounds="f8E5M2", fraction=3 / 16),
    candidate("p32-fp8-5in32", page_size=32, bounds="f8E5M2", fraction=5 / 32),
    candidate("p32-fp8-eighth", page_size=32, bounds="f8E5M2", fraction=1 / 8),
    candidate("p32-i8", page_size=32, bounds="i8"),
    candidate("p32-i8-3in16", page_size=32, bounds="i8", fraction=3 / 16),
    candidate("p32-i8-5in32", page_size=32, bounds="i8", fraction=5 / 32),
    candidate("p32-i8-eighth", page_size=32, bounds="i8", fraction=1 / 8),
    candidate("p32-fp8-per_op", page_size=32, bounds="f8E5M2", fused=False),
)
# Still coarser: none came within QUALITY_LOSS of the paper's on the race's keys, at any problem. Raced where they are named.
COARSE = (
    candidate("i8-codes2", bounds="i8", bits=2),
    candidate("p32-fp8-codes2", page_size=32, bounds="f8E5M2", bits=2),
    candidate("p32-i8-codes2", page_size=32, bounds="i8", bits=2),
    candidate("p32-i8-codes2-per_op", page_size=32, bounds="i8", bits=2, fused=False),
    candidate("p64-i8", page_size=64, bounds="i8"),
    candidate("p64-i8-codes2", page_size=64, bounds="i8", bits=2),
)
# What other layouts of the codes, and scores of 16 bits, do to quantize_score, beside `per_op`; raced where they are
# named, no candidates for `best`. Progressive scoring is not for one kernel.
LAYOUTS = (
    Config("apart-per_op", fused=False),
    Config("planes-per_op", planes=True, fused=False),
    Config("planes-fine-per_op", planes=True, fine=1 / 16, fused=False),
    Config("blocked-planes-fine-per_op", blocked=True, planes=True, fine=1 / 16, fused=False),
    Config("half-per_op", blocked=True, scores="f16", fused=False),
    Config("half", blocked=True, scores="f16"),
)
QUALITY_LOSS = 0.02
OWN = {config.name: config for config in (PAPER, PER_OP, *CANDIDATES, *COARSE, *LAYOUTS)}
DENSE_PEERS = ("flash", "cudnn", "efficient", "flashinfer", "flashinfer_tensor_cores")
COMPOSED = ("composed", "composed_triton")
NAMES = ("paper", "best", "per_op", "dense", *DENSE_PEERS, *COMPOSED)


# Without --configs: for the lengths where sparse attention begins to pay, ours and the dense peers that win somewhere.
CROSSOVER = ("paper", "best", "fp8", "p32-fp8", "p32-fp8-3in16", "dense", "flash", "cudnn")


def expand(names):
    """Our configurations among the names of --configs; `best` alone stands for all of its candidates."""
    named = [config for config in CANDIDATES if config.name in names]
    others = [config for config in (*COARSE, *LAYOUTS) if config.name in names]
    own = [PAPER] * ("paper" in names) + [PER_OP] * ("per_op" in names)
    return own + others + (named or list(CANDIDATES) * ("best" in names))
