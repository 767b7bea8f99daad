# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""A stand-in for the compiler: the outputs that a right product would give for a case, made by the oracle.

It lets the cases and their checks be tested by themselves: right outputs must pass, broken ones must not.
"""

import numpy as np
from twilight_oracle import attention, merge, scores, selection, top_p
from twilight_oracle import lists as selections
from twilight_oracle.append import append

from .appending import Append
from .bare import Bare
from .case import read_cache
from .cases_scores import Rounded
from .decode import Decode
from .fallback import Fallback
from .gather import Dense, Gather
from .shapes import DTYPES

GARBAGE = -7  # where outputs are unspecified


def imitate(case, run, given):
    """The outputs of run number `run` of a case, from that run's inputs."""
    if isinstance(case, Fallback):
        return fallback(case, run, given)
    if isinstance(case, Decode):
        return decode(case, given)
    if isinstance(case, Gather):
        return gather(case, given)
    if isinstance(case, Dense):
        cache = read_cache(case.shape, given)
        return attended(case, given["q"], cache, selections.everything(cache, cache.kv_heads))
    if isinstance(case, Append):
        return appended(case, run, given)
    raise TypeError(f"no imitation of {type(case).__name__}")


def outputs_of(case):
    """Inputs and imitated outputs of all runs."""
    inputs = [run.inputs for run in case.runs()]
    return inputs, [imitate(case, i, given) for i, given in enumerate(inputs)]


def attended(case, q, cache, tokens, prefix=""):
    out, lse, counts = attention.gather_attend(q, cache, tokens, case.scale)
    return {
        prefix + "out": out.astype(DTYPES[case.out]),
        prefix + "lse": lse.astype(np.float32),
        prefix + "counts": counts,
    }


def padded_logits(logits, pages, cache, heads, element="f32"):
    """Ragged logits in the layout of twilight.logits."""
    rows = len(pages[0]) if pages else 1
    capacity = max([1] + [len(p) for per_row in pages for p in per_row]) * cache.page_size
    values = np.full((cache.batch, heads, capacity), GARBAGE, DTYPES[element])
    for b in range(cache.batch):
        for h in range(heads):
            slots = selections.page_slots(pages[b][selections.row_of_head(h, rows, heads)], cache.page_size)
            values[b, h, : len(slots)][slots < cache.seq_lens[b]] = logits[b][h]
    return values


def decode(case, given):
    q, cache, heads = given["q"], read_cache(case.shape, given), case.shape.heads
    pages, found = selection.select_pages(case.select, q, cache), {}
    chosen = selections.pages_to_tokens(pages, cache.page_size, cache.seq_lens)
    found["pages"], found["page_counts"] = selections.to_padded(pages, case.rows, GARBAGE)
    totals = [[len(tokens) for tokens in per_row] for per_row in chosen]
    found["candidates"] = np.array(totals, np.int32).reshape(-1, case.rows)
    if case.shape.bits:
        fine = case.read_fine(given, cache, {}) if case.fine == "lists" else None
        if isinstance(case.fine, selection.Select):
            fine = selection.select_pages(case.fine, q, cache)
            found["fine_pages"], found["fine_page_counts"] = selections.to_padded(fine, case.rows, GARBAGE)
        logits = scores.quantize_score(q, cache, pages, case.scale, case.shape.bits, fine, case.scores)
        logits = [[row.astype(np.float32).astype(np.float64) for row in per_head] for per_head in logits]
        found["logits"] = padded_logits(logits, pages, cache, heads, case.scores)
        if isinstance(case, Rounded):
            exact = scores.quantize_score(q, cache, pages, case.scale, case.shape.bits)
            found["exact"] = padded_logits(exact, pages, cache, heads)
    if case.prune:
        rows = case.shape.kv_heads if case.kept_rows != heads else heads
        chosen = top_p.top_p(case.prune, logits, chosen, cache.seq_lens, given["p"], rows)
        found["kept"], found["kept_counts"] = selections.to_padded(chosen, case.kept_rows, GARBAGE)
    if case.stages == "attend":
        found |= attended(case, q, cache, chosen)
    if case.dense:
        found |= attended(case, q, cache, selections.everything(cache, cache.kv_heads), "dense_")
    if isinstance(case, Bare):
        found = {name: found[name] for name in ("out", "lse", "counts", "candidates")}
    return found


def fallback(case, run, given):
    """Fused, dense alone, the pipeline alone."""
    cache, short = read_cache(case.shape, given), case.is_short(given)
    dense = attended(case, given["q"], cache, selections.everything(cache, case.kept_rows))
    if run == 1:
        return {name: dense[name] for name in ("out", "lse")}
    found = decode(case, given)
    if run == 0:
        dense["candidates"] = np.repeat(cache.seq_lens[:, None], case.rows, axis=1)
        for name in found:
            found[name][short] = dense[name][short]
    return found


def gather(case, given):
    q, cache, sides = given["q"], read_cache(case.shape, given), []
    for side in "ab" if case.split else "a":
        lists = selections.from_padded(given[f"indices_{side}"], given[f"counts_{side}"])
        if case.unit == "page":
            lists = selections.pages_to_tokens(lists, cache.page_size, cache.seq_lens)
        sides.append(attended(case, q, cache, lists, f"{side}_" if case.split else ""))
    if not case.split:
        return sides[0]
    a, b = sides
    out, lse = merge.merge(a["a_out"], a["a_lse"], b["b_out"], b["b_lse"])
    return a | b | {"out": out.astype(np.float32), "lse": lse.astype(np.float32)}


def appended(case, run, given):
    after = read_cache(case.shape, given)
    for i in range(len((case.steps, *case.splits)[run])):
        lens = given.get(f"new_lens_{i}")
        after = append(after, given[f"k_{i}"], given[f"v_{i}"], lens, case.shape.summary, case.shape.bits or 4)
    return {case.result(part): getattr(after, part) for part in case.parts}
