# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""twilight.quantize_score: logits of the candidates, from the codes."""

import numpy as np

from . import lists as selections
from .quantise import dequantise


def default_scale(head_dim):
    return 1.0 / np.sqrt(head_dim)


def token_logits(q, cache, b, scale, bits=4):
    """Logits of *all* tokens of sequence b from the codes: [Hq, N]."""
    keys = dequantise(cache.tokens("codes", b), cache.tokens("scale", b), cache.tokens("zero", b), bits)
    keys = np.repeat(keys, q.shape[1] // cache.kv_heads, axis=0)
    return scale * np.einsum("hd,hnd->hn", q[b].astype(np.float64), keys)


def quantize_score(q, cache, page_lists, scale=None, bits=4):
    """logits[b][h] over the tokens of the pages that query head h reads, in the lists' order."""
    scale = default_scale(cache.head_dim) if scale is None else scale
    heads = q.shape[1]
    result = []
    for b in range(cache.batch):
        every = token_logits(q, cache, b, scale, bits)
        tokens = [selections.page_tokens(p, cache.page_size, int(cache.seq_lens[b])) for p in page_lists[b]]
        result.append([every[h][tokens[selections.row_of_head(h, len(tokens), heads)]] for h in range(heads)])
    return result
