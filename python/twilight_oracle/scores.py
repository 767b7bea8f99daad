# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""twilight.quantize_score: logits of the candidates, from the codes."""

import numpy as np

from . import lists as selections


LARGEST_F16 = 65504.0


def rounded(logits, element):
    """Logits as scores of type "f32" or "f16" hold them; f32 ones stay as exact as they are here."""
    return logits if element == "f32" else np.clip(logits, -LARGEST_F16, LARGEST_F16).astype(np.float16).astype(np.float64)


def half_unit(logits, element):
    """How far rounding to scores of a type may move such logits: half a unit in the last place of an f16."""
    exponent = np.frexp(np.clip(np.abs(logits), 2.0**-14, LARGEST_F16))[1] - 1
    return 0.0 if element == "f32" else np.ldexp(1.0, exponent - 11)


def default_scale(head_dim):
    return 1.0 / np.sqrt(head_dim)


def estimated_keys(cache, b, bits=4, coarse=False):
    """The keys [Hkv, N, D] of all tokens of sequence b as their codes have them; coarse: their high planes alone."""
    scale, zero = (cache.tokens(part, b).astype(np.float64)[..., None] for part in ("scale", "zero"))
    return scale * cache.code_numbers(b, bits, coarse) + zero


def keys_of_lists(cache, b, rows, fine=None, bits=4):
    """The keys [N, D] that each of `rows` lists of sequence b is scored with. fine[row]: pages scored from all bits."""
    full = estimated_keys(cache, b, bits)
    heads = [row * cache.kv_heads // rows for row in range(rows)]
    if fine is None:
        return [full[g] for g in heads]
    coarse = estimated_keys(cache, b, bits, coarse=True)
    page = np.arange(full.shape[1]) // cache.page_size
    return [np.where(np.isin(page, pages)[:, None], full[g], coarse[g]) for g, pages in zip(heads, fine)]


def quantize_score(q, cache, page_lists, scale=None, bits=4, fine=None, element="f32"):
    """logits[b][h] over the tokens of the pages that query head h reads, in the lists' order.

    fine: lists like page_lists; the tokens of other pages are scored from the high planes of their codes.
    element: of the scores.
    """
    scale = default_scale(cache.head_dim) if scale is None else scale
    heads, result = q.shape[1], []
    for b in range(cache.batch):
        rows = len(page_lists[b])
        keys = keys_of_lists(cache, b, rows, None if fine is None else fine[b], bits)
        tokens = [selections.page_tokens(p, cache.page_size, int(cache.seq_lens[b])) for p in page_lists[b]]
        mine = [selections.row_of_head(h, rows, heads) for h in range(heads)]
        logits = [scale * keys[r][tokens[r]] @ q[b, h].astype(np.float64) for h, r in enumerate(mine)]
        result.append([rounded(row, element) for row in logits])
    return result
