# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""twilight.append: new tokens after the last one, with codes, scale, zero and page summary brought up to date."""

import numpy as np

from .quantise import quantise
from .summaries import KINDS


def append(cache, k, v, new_lens=None, summary="min_max", bits=4):
    """k, v [B, T, Hkv, D]; the first new_lens[b] of the T rows count (default: all). Returns a new cache."""
    after = cache.copy()
    for b in range(cache.batch):
        start = int(cache.seq_lens[b])
        added = k.shape[1] if new_lens is None else int(new_lens[b])
        for i in range(added):
            write_token(after, b, start + i, k[b, i], v[b, i], bits)
        after.seq_lens[b] = start + added
        if cache.summary is not None and added:
            for page in range(start // cache.page_size, after.num_pages(b)):
                summarise(after, b, page, summary)
    return after


def write_token(cache, b, n, k, v, bits):
    """Token n of sequence b: k, v [Hkv, D]."""
    cache.write("k_pages", b, n, k.astype(cache.k_pages.dtype))
    cache.write("v_pages", b, n, v.astype(cache.v_pages.dtype))
    if cache.codes is not None:
        codes, scale, zero = quantise(k, bits)
        cache.write_codes(b, n, codes, bits)
        cache.write("scale", b, n, scale)
        cache.write("zero", b, n, zero)


def summarise(cache, b, page, kind):
    """Recomputes one logical page's summary from the keys it holds."""
    keys = cache.tokens("k_pages", b)[:, page * cache.page_size : (page + 1) * cache.page_size]
    rows = [KINDS[kind](head, cache.summary.dtype) for head in keys]
    cache.summary[int(cache.page_table[b, page])] = np.stack(rows)
