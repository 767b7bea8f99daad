# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""twilight.gather_attend and twilight.attend: softmax attention over listed tokens, from the full-precision K and V."""

import numpy as np

from . import lists as selections
from .scores import default_scale


def attend_rows(q, keys, values, scale):
    """q [D], keys and values [n, D] -> out [D], lse."""
    if len(keys) == 0:
        return np.zeros(values.shape[-1]), -np.inf
    logits = scale * (keys.astype(np.float64) @ q.astype(np.float64))
    top = logits.max()
    w = np.exp(logits - top)
    return (w @ values.astype(np.float64)) / w.sum(), top + np.log(w.sum())


def gather_attend(q, cache, token_lists, scale=None):
    """-> out [B, Hq, D], lse [B, Hq], counts [B, rows]."""
    scale = default_scale(cache.head_dim) if scale is None else scale
    batch, heads, dim = q.shape
    rows = len(token_lists[0]) if batch else cache.kv_heads
    out, lse = np.zeros((batch, heads, dim)), np.full((batch, heads), -np.inf)
    counts = np.zeros((batch, rows), np.int32)
    for b in range(batch):
        counts[b] = [len(tokens) for tokens in token_lists[b]]
        keys, values = cache.tokens("k_pages", b), cache.tokens("v_pages", b)
        for h in range(heads):
            tokens = token_lists[b][selections.row_of_head(h, rows, heads)]
            g = h * cache.kv_heads // heads
            out[b, h], lse[b, h] = attend_rows(q[b, h], keys[g, tokens], values[g, tokens], scale)
    return out, lse, counts


def attend(q, cache, scale=None):
    """Dense: every token."""
    return gather_attend(q, cache, selections.everything(cache, cache.kv_heads), scale)
