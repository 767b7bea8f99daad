# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The pipeline as users write it: only out, lse and counts come back, so that everything between may be fused."""

from dataclasses import dataclass

import numpy as np
from twilight_oracle import attention, scores, selection, top_p
from twilight_oracle import lists as selections

from . import mlir_text as ir
from .case import read_cache
from .check_choice import bracket
from .compare import EPS, OUT, RANK, require, require_shape, term_size
from .decode import Decode

# What fused arithmetic may change of a softmax weight, relative: an estimated logit is only known to some 1e-4.
BLUR = 1e-4


@dataclass
class Bare(Decode):
    """Checked against the oracle's own selection; where rounding may decide, within what the tokens in doubt weigh."""

    RESULTS = ("out", "lse", "counts", "candidates")

    @property
    def p_kind(self):
        return ir.tensor(self.shape.heads, element="f32") if isinstance(self.p, tuple) else "f32"

    def pipeline(self, f, q, cache, p):
        """The ops; [(value, type)] of RESULTS."""
        s = self.shape
        pages = ir.select(f, s, q, cache, self.select)
        scored = ir.quantize_score(f, s, q, cache, pages, self.scale, self.fine_pages(f, q, cache), self.scores)
        kept = ir.top_p(f, scored, p, self.p_kind, self.prune)
        results = ir.gather_attend(f, s, q, cache, kept, self.kept_rows, self.out, self.scale)
        return [*results, ir.count(f, s, pages, cache, self.rows)]

    def text(self):
        f = ir.Function()
        q, cache, p = ir.query(f, self.shape), ir.assemble_cache(f, self.shape), f.argument("p", self.p_kind)
        for name, result in zip(self.RESULTS, self.pipeline(f, q, cache, p)):
            f.result(name, *result)
        return f.text()

    def check_run(self, given, found):
        q, cache = given["q"], read_cache(self.shape, given)
        pages = selection.select_pages(self.select, q, cache)
        candidates = selections.pages_to_tokens(pages, cache.page_size, cache.seq_lens)
        fine = selection.select_pages(self.fine, q, cache) if self.fine else None
        logits = scores.quantize_score(q, cache, pages, self.scale, self.shape.bits, fine, self.scores)
        out = require_shape(found, "out", *q.shape).astype(np.float64)
        lse = require_shape(found, "lse", *q.shape[:2]).astype(np.float64)
        counts = require_shape(found, "counts", cache.batch, self.kept_rows)
        totals = require_shape(found, "candidates", cache.batch, self.rows)
        scale = self.scale or scores.default_scale(cache.head_dim)
        for b in range(cache.batch):
            for r in range(self.rows):
                expected = len(candidates[b][r])
                short = totals[b, r] == expected or self.rank_is_open(q, cache, b, r)
                require(short, f"candidates[{b}, {r}]: expected {expected}, found {totals[b, r]}")
            for r in range(self.kept_rows):
                mine = r * self.rows // self.kept_rows
                if not self.rank_is_open(q, cache, b, mine) and not self.rank_is_open(q, cache, b, mine, self.fine):
                    self.check_list(q, cache, b, r, logits[b], candidates[b], given["p"], out, lse, counts, scale)

    def rank_is_open(self, q, cache, b, r, *other):
        """Whether rounding may decide which page is the last of list r of the select, or of another one."""
        (select,) = other or (self.select,)
        if select is None or select.selector in ("full", "window"):
            return False
        value, slack = (x[r] for x in selection.ranking(select, q, cache, b))
        count = selection.budget_pages(select.budget, len(value), cache.page_size)
        order = np.argsort(-value, kind="stable")
        if count >= len(value) or np.isinf(value[order[count - 1]]):
            return False
        last, next_one = order[count - 1], order[count]
        tied = cache.summaries(b)[r * cache.kv_heads // self.rows][[last, next_one]]
        equal = tied[0].tobytes() == tied[1].tobytes()
        return not equal and value[last] - value[next_one] <= RANK * (slack[last] + slack[next_one])

    def check_list(self, q, cache, b, r, logits, candidates, p, out, lse, counts, scale):
        """One list's count, and the rows of the query heads that read it."""
        heads, length = q.shape[1], int(cache.seq_lens[b])
        share = top_p.per_head_p(p, heads)
        mine = [h for h in range(heads) if h * self.kept_rows // heads == r]
        certain, possible = np.zeros(length, bool), np.zeros(length, bool)
        for h in mine:
            tokens = candidates[h * len(candidates) // heads]
            largest = np.abs(logits[h]).max(initial=0)
            # What is blurred across the middle between two scores differs by a unit.
            slack = max(BLUR, 16 * EPS * largest) + 2 * scores.half_unit(largest, self.scores)
            low, high = (
                bracket(self.prune, logits[h], share[h], slack, slack) if len(tokens) else (np.zeros(0, bool),) * 2
            )
            held = top_p.floors(self.prune, tokens, length)
            certain[tokens[low | held]] = True
            possible[tokens[high | held]] = True
        n = counts[b, r]
        fits = certain.sum() <= n <= possible.sum()
        require(fits, f"counts[{b}, {r}]: expected {certain.sum()} to {possible.sum()}, found {n}")
        for h in mine:
            g = h * cache.kv_heads // heads
            keys, values = cache.tokens("k_pages", b)[g], cache.tokens("v_pages", b)[g]
            expected, level = attention.attend_rows(q[b, h], keys[possible], values[possible], scale)
            doubt, least = 0.0, level  # mass that may or may not have been kept
            if (possible & ~certain).any():
                least = attention.attend_rows(q[b, h], keys[certain], values[certain], scale)[1]
                doubt = 1 - np.exp(least - level)
            base = max(OUT[self.shape.dtype], 8 * EPS * term_size(q[b, h], keys[possible], scale))
            reach = np.abs(values.astype(np.float64)).max(initial=0) * np.sqrt(cache.head_dim)
            error = np.linalg.norm(out[b, h] - expected)
            limit = base * np.linalg.norm(expected) + 2 * doubt * reach
            require(error <= limit, f"out[{b}, {h}]: error {error:.3g}, allowed {limit:.3g}")
            same = lse[b, h] == level or least - base <= lse[b, h] <= level + base
            require(same, f"lse[{b}, {h}]: expected {least} to {level}, found {lse[b, h]}")
