# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What a selector reads of a page: R = 2 rows of D numbers over the keys of the page's tokens."""

import ml_dtypes
import numpy as np

E5M2 = np.dtype(ml_dtypes.float8_e5m2)
_every = np.arange(256, dtype=np.uint8).view(E5M2).astype(np.float32)
E5M2_NUMBERS = np.unique(_every[~np.isnan(_every)])  # ascending, with both infinities


def min_max(keys, dtype):
    """keys [n, D] -> [2, D]: the bounds of every channel."""
    k = keys.astype(np.float32)
    low, high = k.min(0), k.max(0)
    if dtype == E5M2:
        low, high = outward(low, high)
    return np.stack([low, high]).astype(dtype)


def outward(low, high):
    """The greatest numbers of E5M2 that are not above low, and the least that are not below high."""
    down = E5M2_NUMBERS[np.searchsorted(E5M2_NUMBERS, low, side="right") - 1]
    up = E5M2_NUMBERS[np.minimum(np.searchsorted(E5M2_NUMBERS, high), len(E5M2_NUMBERS) - 1)]
    return np.where(np.isnan(low), low, down), np.where(np.isnan(high), high, up)


def mean_var(keys, dtype):
    """keys [n, D] -> [2, D]: mean and population variance of every channel."""
    k = keys.astype(np.float64)
    return np.stack([k.mean(0), k.var(0)]).astype(np.float32).astype(dtype)


KINDS = {"min_max": min_max, "mean_var": mean_var}
