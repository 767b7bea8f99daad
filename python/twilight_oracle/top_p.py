# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""twilight.top_p: the smallest set of candidates whose softmax mass reaches p, by sorting.

For one query head, in this order: the rule; the floor `min_tokens`; the cap `max_tokens` (both by weight, ties to the
earlier candidate); then the candidates among the first `sink` and last `recent` tokens. Then the union over a group.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class TopP:
    group: str = "union"  # union | per_head
    rule: str = "mass"  # mass | threshold
    min_tokens: int = 0
    max_tokens: int = 0  # 0: no cap
    sink: int = 0
    recent: int = 0


def softmax(logits):
    w = np.exp(logits - logits.max())
    return w / w.sum()


def by_mass(logits, p):
    """Mask of {n : w_n >= t*} with t* the largest threshold whose mass is at least p."""
    if p >= 1:
        return np.ones(len(logits), bool)
    if p <= 0:
        kept = np.zeros(len(logits), bool)
        kept[np.argmax(logits)] = True
        return kept
    order = np.argsort(-logits, kind="stable")
    mass = np.cumsum(softmax(logits)[order])
    last = min(int(np.searchsorted(mass, p)), len(order) - 1)
    return logits >= logits[order[last]]


def by_threshold(logits, ratio):
    """Mask of the weights of at least ratio * the greatest."""
    return np.exp(logits - logits.max()) >= ratio


def heaviest(logits, count):
    kept = np.zeros(len(logits), bool)
    kept[np.argsort(-logits, kind="stable")[:count]] = True
    return kept


def prune(rule, logits, p):
    """Mask over one query head's candidates, before sink and recent are added."""
    if len(logits) == 0:
        return np.zeros(0, bool)
    kept = by_threshold(logits, p) if rule.rule == "threshold" else by_mass(logits, p)
    if kept.sum() < rule.min_tokens:
        kept = heaviest(logits, rule.min_tokens)
    if rule.max_tokens and kept.sum() > rule.max_tokens:
        kept = heaviest(logits, rule.max_tokens)
    return kept


def floors(rule, tokens, length):
    """Mask of the candidates that sink and recent keep."""
    return (tokens < rule.sink) | (tokens >= length - rule.recent)


def per_head_p(p, heads):
    """p as one number for each query head."""
    return np.broadcast_to(np.asarray(p, np.float64).reshape(-1), heads)


def unite(per_head, kv_heads):
    """per_head[h] -> the union over the query heads of each kv head."""
    group = len(per_head) // kv_heads
    return [np.unique(np.concatenate(per_head[g * group : (g + 1) * group])) for g in range(kv_heads)]


def top_p(rule, logits, candidates, seq_lens, p, kv_heads):
    """logits[b][h] over candidates[b][row] (token lists) -> kept token lists[b][row]."""
    result = []
    for b, per_head in enumerate(logits):
        heads = len(per_head)
        share = per_head_p(p, heads)
        kept = []
        for h in range(heads):
            tokens = candidates[b][h * len(candidates[b]) // heads]
            mask = prune(rule, per_head[h], share[h]) | floors(rule, tokens, int(seq_lens[b]))
            kept.append(tokens[mask])
        result.append(kept if rule.group == "per_head" else unite(kept, kv_heads))
    return result
