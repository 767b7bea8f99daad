# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Checks of attention's numbers and of the cache's contents."""

import numpy as np
from twilight_oracle import attention
from twilight_oracle import lists as selections
from twilight_oracle.scores import default_scale

from .compare import EPS, OUT, require, require_same_bits, require_same_values, require_shape, term_size
from .shapes import DTYPES


def check_attention(q, cache, token_lists, outputs, dtype, scale=None, prefix=""):
    """Outputs out, lse, counts (after `prefix`) against the oracle over the same tokens."""
    scale = default_scale(cache.head_dim) if scale is None else scale
    batch, heads, dim = q.shape
    expected = attention.gather_attend(q, cache, token_lists, scale)
    out = require_shape(outputs, prefix + "out", batch, heads, dim).astype(np.float64)
    lse = require_shape(outputs, prefix + "lse", batch, heads).astype(np.float64)
    counts = require_shape(outputs, prefix + "counts", batch, expected[2].shape[1])
    require_same_values(prefix + "counts", counts, expected[2])
    for b in range(batch):
        keys, rows = cache.tokens("k_pages", b), len(token_lists[b])
        for h in range(heads):
            tokens = token_lists[b][selections.row_of_head(h, rows, heads)]
            size = term_size(q[b, h], keys[h * cache.kv_heads // heads][tokens], scale)
            limit = max(OUT[dtype], 8 * EPS * size)
            check_row(f"{prefix}out[{b}, {h}]", out[b, h], expected[0][b, h], limit)
            check_lse(f"{prefix}lse[{b}, {h}]", lse[b, h], expected[1][b, h], limit)


def check_row(where, found, expected, limit):
    """Relative L2; a row that must be 0 must be 0."""
    error, size = np.linalg.norm(found - expected), np.linalg.norm(expected)
    require(error <= limit * size, f"{where}: relative L2 error {error / max(size, 1e-300):.3g}, allowed {limit:.3g}")


def check_lse(where, found, expected, limit):
    close = np.isfinite(expected) and abs(found - expected) <= limit + EPS * abs(expected)
    require(found == expected or close, f"{where}: expected {expected}, found {found}, allowed {limit:.3g}")


def check_cache(found, expected, touched, summary):
    """Parts after an append; `touched` are the physical pages whose summary was computed."""
    for part in ("k_pages", "v_pages", "codes", "scale", "page_table", "seq_lens"):
        if part in expected and part in found:
            require_same_bits(part, found[part], expected[part])
    if "zero" in expected:
        require_same_values("zero", found["zero"], expected["zero"])
    if "summary" in expected:
        check_summary(found["summary"], expected["summary"], touched, summary)


def check_summary(found, expected, touched, kind):
    rest = np.setdiff1d(np.arange(len(expected)), touched)
    require_same_bits("summary of untouched pages", found[rest], expected[rest])
    if kind == "min_max":
        require_same_values("summary", found, expected)
        return
    unit = next(u for u in (("f16", 2.0**-10), ("bf16", 2.0**-7), ("f32", EPS)) if DTYPES[u[0]] == expected.dtype)[1]
    a, b = found[touched].astype(np.float64), expected[touched].astype(np.float64)
    spread = np.sqrt(b[:, :, 1])
    reach = 16 * EPS * (np.abs(b[:, :, 0]) + 8 * spread)  # of one float32 sum over the page's keys
    limit = unit * np.abs(b) + 2.0**-24  # one unit of the stored format (2^-24: the smallest f16)
    limit += np.stack([reach, reach * spread + reach**2], axis=2)
    wrong = ~(np.abs(a - b) <= limit)
    if wrong.any():
        at = tuple(int(i) for i in np.argwhere(wrong)[0])
        require(False, f"summary of page {touched[at[0]]}, {list(at[1:])}: expected {b[at]}, found {a[at]}")
