# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Cases of the decode pipeline: select, then quantize_score, top_p and gather_attend as far as the case goes."""

from dataclasses import dataclass, replace

import numpy as np
from twilight_oracle import lists as selections
from twilight_oracle.selection import Select
from twilight_oracle.top_p import TopP

from . import mlir_text as ir
from .case import Case, Run, cache_inputs, cpu_only, read_cache
from .check_choice import check_logits, check_select, check_top_p
from .check_values import check_attention
from .compare import read_lists, require_same_values
from .data import Batch, build
from .shapes import Shape


@dataclass
class Decode(Case):
    """stages: how far the pipeline goes, "select", "score", "top_p" or "attend" (which needs no pruning before it)."""

    shape: Shape
    batch: Batch
    select: Select
    prune: TopP | None = None
    p: float | tuple = 0.85  # one number, or one for each query head
    stages: str = "attend"
    out: str = "f32"
    scale: float | None = None
    dense: bool = False  # also returns dense attention, which must agree
    fine: Select | str | None = None  # pages scored from all bits: a second select, or "lists" made of any pages
    scores: str = "f32"  # their element type

    def __post_init__(self):
        self.gpu_reason = self.gpu_reason or cpu_only(self.shape)
        scored = self.stages in ("score", "top_p") or self.prune is not None
        unread = ("full", "window")
        if self.select.selector in unread and not (isinstance(self.fine, Select) and self.fine.selector not in unread):
            self.shape = replace(self.shape, summary=None)
        if not scored:
            self.shape = replace(self.shape, bits=None)

    @property
    def rows(self):
        """Lists of the page selection."""
        return self.shape.heads if self.select.group == "per_head" else self.shape.kv_heads

    @property
    def kept_rows(self):
        """Lists of the kept tokens: scores of a list for each query head stay that way."""
        per_head = "per_head" in (self.prune.group, self.select.group)
        return self.shape.heads if per_head else self.shape.kv_heads

    def selected(self, f):
        """(query, cache, candidate pages) as values; the pages and how many tokens they have are results."""
        s = self.shape
        q, cache = ir.query(f, s), ir.assemble_cache(f, s)
        pages = ir.select(f, s, q, cache, self.select)
        self.return_lists(f, pages, "pages", "page_counts", self.rows)
        f.result("candidates", *ir.count(f, s, pages, cache, self.rows))
        return q, cache, pages

    def text(self):
        f, s = ir.Function(), self.shape
        q, cache, pages = self.selected(f)
        chosen, rows = pages, self.rows
        if self.shape.bits:
            fine = self.fine_pages(f, q, cache)
            if isinstance(self.fine, Select):
                self.return_lists(f, fine, "fine_pages", "fine_page_counts", self.rows)
            scores = ir.quantize_score(f, s, q, cache, pages, self.scale, fine, self.scores)
            f.result("logits", *ir.logits(f, s, scores))
        if self.prune:
            p_kind = ir.tensor(s.heads, element="f32") if isinstance(self.p, tuple) else "f32"
            chosen = ir.top_p(f, scores, f.argument("p", p_kind), p_kind, self.prune)
            rows = self.kept_rows
            self.return_lists(f, chosen, "kept", "kept_counts", rows)
        if self.stages == "attend":
            results = ir.gather_attend(f, s, q, cache, chosen, rows, self.out, self.scale)
            for name, result in zip(("out", "lse", "counts"), results):
                f.result(name, *result)
        if self.dense:
            for name, result in zip(("out", "lse", "counts"), ir.attend(f, s, q, cache, self.out, self.scale)):
                f.result("dense_" + name, *result)
        return f.text()

    def fine_pages(self, f, q, cache):
        """(value, type) of the selection to score from all bits, if any."""
        if self.fine != "lists":
            return ir.select(f, self.shape, q, cache, self.fine) if self.fine else None
        kinds = ir.lists_types(self.rows)
        given = [f.argument(name, kind) for name, kind in zip(("fine_lists", "fine_counts"), kinds)]
        return ir.assemble_selection(f, *given, self.rows, "page", self.select.group == "per_head")

    def any_pages(self, cache):
        """Lists of no, some and all pages of each sequence, and what no list holds past its end."""
        rng = np.random.default_rng([self.batch.seed, 7])
        lists = [[np.flatnonzero(rng.random(cache.num_pages(b)) < rng.choice([0, 0.3, 0.7, 1])) for _ in range(self.rows)] for b in range(cache.batch)]
        indices, counts = selections.to_padded(lists, self.rows, fill=2**30)
        return {"fine_lists": indices, "fine_counts": counts}

    def return_lists(self, f, selection, indices, counts, rows):
        for name, part in zip((indices, counts), ir.selection_parts(f, selection, rows)):
            f.result(name, *part)

    def inputs(self):
        q, cache = build(self.shape, self.batch)
        inputs = cache_inputs(q, cache)
        return self.with_p(inputs | self.any_pages(cache) if self.fine == "lists" else inputs)

    def with_p(self, inputs):
        return inputs | {"p": np.array(self.p, np.float32)} if self.prune else inputs

    def runs(self):
        return [Run(self.text(), self.inputs())]

    def check(self, inputs, outputs):
        for given, found in zip(inputs, outputs):
            self.check_run(given, found)

    def check_run(self, given, found):
        q, cache = given["q"], read_cache(self.shape, given)
        pages = self.read_pages(cache, found)
        check_select(self.select, q, cache, pages)
        candidates = selections.pages_to_tokens(pages, cache.page_size, cache.seq_lens)
        totals = np.array([[len(t) for t in per_row] for per_row in candidates], np.int32).reshape(-1, self.rows)
        require_same_values("candidates", found["candidates"], totals)
        chosen = candidates
        if self.shape.bits:
            fine = self.read_fine(given, cache, found)
            if isinstance(self.fine, Select):
                check_select(self.fine, q, cache, fine)
            logits = check_logits(q, cache, pages, found, self.scale, self.shape.bits, fine, self.scores)
        if self.prune:
            chosen = read_lists(found, "kept", "kept_counts", cache.batch, self.kept_rows, cache.seq_lens)
            p = given["p"].astype(np.float64)
            check_top_p(self.prune, logits, candidates, cache.seq_lens, p, chosen, cache.kv_heads)
        if self.stages == "attend":
            check_attention(q, cache, chosen, found, self.shape.dtype, self.scale)
        if self.dense:
            everything = [[np.arange(n)] * cache.kv_heads for n in cache.seq_lens]
            check_attention(q, cache, everything, found, self.shape.dtype, self.scale, "dense_")

    def read_pages(self, cache, found):
        limits = [cache.num_pages(b) for b in range(cache.batch)]
        return read_lists(found, "pages", "page_counts", cache.batch, self.rows, limits)

    def read_fine(self, given, cache, found):
        """Lists of the pages that are scored from all bits; None: all of them."""
        if self.fine == "lists":
            return selections.from_padded(given["fine_lists"], given["fine_counts"])
        limits = [cache.num_pages(b) for b in range(cache.batch)]
        return read_lists(found, "fine_pages", "fine_page_counts", cache.batch, self.rows, limits) if self.fine else None

    def real_slots(self, given, found):
        """Which slots of the output `logits` hold a candidate: bool [B, Hq, capacity]."""
        cache = read_cache(self.shape, given)
        real = np.zeros(found["logits"].shape, bool)
        for b, per_row in enumerate(self.read_pages(cache, found)):
            for h in range(self.shape.heads):
                pages = per_row[selections.row_of_head(h, self.rows, self.shape.heads)]
                slots = selections.page_slots(pages, cache.page_size)
                real[b, h, : len(slots)] = slots < cache.seq_lens[b]
        return real
