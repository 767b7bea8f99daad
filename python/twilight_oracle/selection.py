# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""twilight.select: importance of each page, and the budget that keeps the best."""

from dataclasses import dataclass

import numpy as np

from .summaries import E5M2


@dataclass(frozen=True)
class Select:
    selector: str = "quest"  # full | quest | mean_std | window
    c: float = 1.0  # of mean_std
    budget: tuple = ("fraction", 0.25)  # ("fraction", f) | ("tokens", n) | ("all",)
    group: str = "max"  # max | mean | per_head
    sink: int = 0
    recent: int = 0


def budget_pages(budget, units, page_size):
    """How many of `units` pages are kept."""
    if units == 0:
        return 0
    if budget[0] == "all":
        return units
    if budget[0] == "fraction":
        millionths = round(budget[1] * 10**6)
        return min(units, max(1, -(-millionths * units // 10**6)))
    return min(units, -(-budget[1] // page_size))


def floor_pages(select, length, page_size):
    """Which pages hold one of the first `sink` or last `recent` tokens: bool [units]."""
    token = np.arange(length)
    wanted = (token < select.sink) | (token >= length - select.recent)
    held = np.zeros(-(-length // page_size), bool)
    held[token[wanted] // page_size] = True
    return held


def importances(select, q, summary):
    """q [Hq, D], summary [Hkv, units, 2, D] -> ([Hq, units], [Hq, units]).

    The second is the sum of the magnitudes of the terms: what a rounding error is relative to.
    """
    group = q.shape[0] // summary.shape[0]
    q = q.astype(np.float64)[:, None, :]
    rows = np.repeat(summary.astype(np.float64), group, axis=0)
    if summary.dtype == E5M2:  # an infinite bound stands for the largest f16 number
        rows = np.where(np.isinf(rows), np.sign(rows) * np.finfo(np.float16).max, rows)
    first, second = rows[:, :, 0], rows[:, :, 1]
    if select.selector == "quest":
        terms = np.maximum(q * first, q * second)
        return terms.sum(-1), np.abs(terms).sum(-1)
    if select.selector == "mean_std":
        spread = np.sqrt((q * q * second).sum(-1))
        return (q * first).sum(-1) + select.c * spread, np.abs(q * first).sum(-1) + abs(select.c) * spread
    raise ValueError(f"selector {select.selector} gives no importance")


def combine(select, per_head, kv_heads):
    """[Hq, units] -> [rows, units] by the group rule."""
    if select.group == "per_head":
        return per_head
    grouped = per_head.reshape(kv_heads, len(per_head) // kv_heads, per_head.shape[-1])
    return grouped.max(1) if select.group == "max" else grouped.mean(1)


def keep_best(importance, count):
    """The `count` units of greatest importance, ascending; ties go to the lower index, NaN is the least."""
    order = np.argsort(-np.where(np.isnan(importance), -np.inf, importance), kind="stable")
    return np.sort(order[:count])


def ranking(select, q, cache, b):
    """Importance of every page of sequence b, floors at +inf, and its rounding scale: two [rows, units]."""
    value, scale = importances(select, q[b], cache.summaries(b))
    value = combine(select, value, cache.kv_heads)
    scale = combine(select, scale, cache.kv_heads)
    value = np.where(np.isnan(value), -np.inf, value)
    value[:, floor_pages(select, int(cache.seq_lens[b]), cache.page_size)] = np.inf
    return value, scale


def select_pages(select, q, cache):
    """q [B, Hq, D] -> lists[b][row] of pages."""
    rows = q.shape[1] if select.group == "per_head" else cache.kv_heads
    lists = []
    for b in range(cache.batch):
        units = cache.num_pages(b)
        if select.selector == "full":
            kept = [np.arange(units)] * rows
        elif select.selector == "window":
            kept = [np.flatnonzero(floor_pages(select, int(cache.seq_lens[b]), cache.page_size))] * rows
        else:
            count = budget_pages(select.budget, units, cache.page_size)
            kept = [keep_best(row, count) for row in ranking(select, q, cache, b)[0]]
        lists.append(kept)
    return lists
