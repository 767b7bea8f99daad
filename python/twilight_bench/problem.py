# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What is measured: sizes, number formats and data of one decode step."""

from dataclasses import dataclass, replace

from twilight_gpu.options import sizes_of
from twilight_gpu.pipelines import CENTRES


@dataclass(frozen=True)
class Problem:
    """B sequences of N tokens each. `centres`: of the keys' clusters; a query is near four of them."""

    batch: int
    tokens: int
    kv_heads: int = 8
    group: int = 4
    head_dim: int = 128
    dtype: str = "bf16"
    p: float = 0.85
    centres: int = CENTRES
    variant: str = ""  # what differs from the figures' table, in words

    @property
    def heads(self):
        return self.kv_heads * self.group

    @property
    def items(self):
        """Pairs of a sequence and a kv head: each reads keys of its own."""
        return self.batch * self.kv_heads

    @property
    def name(self):
        return f"B = {self.batch}, N = {self.tokens:,}" + (f", {self.variant}" if self.variant else "")


def at(*shapes):
    return tuple(Problem(batch, tokens) for batch, tokens in shapes)


FIGURES = at((64, 32768), (8, 32768), (1, 131072), (1, 32768), (64, 8192))
LARGE = Problem(64, 32768)
VARIANTS = (
    Problem(16, 32768, kv_heads=32, group=1, variant="G = 1"),
    replace(LARGE, kv_heads=4, group=8, variant="G = 8"),
    replace(LARGE, head_dim=64, variant="D = 64"),
    replace(LARGE, dtype="f16", variant="f16"),
    replace(LARGE, p=0.95, variant="p = 0.95"),
    replace(LARGE, centres=100, variant="5% kept"),
    Problem(1, 262144, variant="long"),
)
# For the plots: what the figures' table leaves out between and below its lengths.
SWEEP = at(
    *((1, n) for n in (8192, 16384, 65536)),
    *((8, n) for n in (4096, 8192, 16384, 65536)),
    *((64, n) for n in (4096, 16384)),
)
# From which length on the pipeline is faster than dense attention.
CROSSOVER = at(*((batch, 1 << n) for batch in (1, 8, 64) for n in range(8, 15)))
SETS = {"figures": FIGURES, "variants": VARIANTS, "sweep": SWEEP, "crossover": CROSSOVER}

# The figures: speedup over the fastest dense kernel, by (B, N).
WANTED = {
    "paper": {(64, 32768): 8, (8, 32768): 5, (1, 131072): 5, (1, 32768): 2.5, (64, 8192): 4},
    "best": {(64, 32768): 12, (8, 32768): 7, (1, 131072): 6, (1, 32768): 3, (64, 8192): 6},
}


def parse_shapes(text):
    """"64x32768,..." -> problems; raises ValueError."""
    return at(*sizes_of(text))


def parse_numbers(text, count):
    """"1,3-5" -> [1, 3, 4, 5]; raises ValueError."""
    found = []
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        if not (first.isdigit() and (last or first).isdigit() and 1 <= int(first) <= int(last or first) <= count):
            raise ValueError(f"expected numbers or ranges from 1 to {count}, such as 1,3-5; found '{part}'")
        found += range(int(first), int(last or first) + 1)
    return sorted(set(found))


def chosen(sets, shapes="", pick=""):
    """The problems of a run: those of --shapes, or of the sets by name, each once; of these only the numbers of --pick."""
    found = parse_shapes(shapes) if shapes else tuple(dict.fromkeys(problem for name in sets for problem in SETS[name]))
    return tuple(found[number - 1] for number in parse_numbers(pick, len(found))) if pick else found
