# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What a selector reads of a page: R = 2 rows of D numbers over the keys of the page's tokens.

In i8 a row is codes with a scale and a zero: number = f32(scale * code + zero). A page and kv head is then bytes: R * D
codes, R pairs of scale and zero (f32), and nothing up to a multiple of 16.
"""

import ml_dtypes
import numpy as np

E5M2 = np.dtype(ml_dtypes.float8_e5m2)
_every = np.arange(256, dtype=np.uint8).view(E5M2).astype(np.float32)
CODED = np.dtype(np.uint8)
E5M2_NUMBERS = np.unique(_every[~np.isnan(_every)])  # ascending, with both infinities


def min_max(keys, dtype):
    """keys [n, D] -> [2, D]: the bounds of every channel; bytes where they are coded."""
    k = keys.astype(np.float32)
    low, high = k.min(0), k.max(0)
    if dtype == CODED:
        return encode([(low, False), (high, True)])
    if dtype == E5M2:
        low, high = outward(low, high)
    return np.stack([low, high]).astype(dtype)


def outward(low, high):
    """The greatest numbers of E5M2 that are not above low, and the least that are not below high."""
    down = E5M2_NUMBERS[np.searchsorted(E5M2_NUMBERS, low, side="right") - 1]
    up = E5M2_NUMBERS[np.minimum(np.searchsorted(E5M2_NUMBERS, high), len(E5M2_NUMBERS) - 1)]
    return np.where(np.isnan(low), low, down), np.where(np.isnan(high), high, up)


def code_row(row, up):
    """f32 [D] -> codes [D] u8, scale, zero: on one side of every number, which are above the code's or below it."""
    none = np.float32(0)
    with np.errstate(over="ignore", invalid="ignore"):
        span = row.max() - row.min()
    if not np.isfinite(row).all() or not np.isfinite(span):
        return np.zeros(len(row), np.uint8), np.float32(np.nan), none
    zero = row.min() + none
    scale = max(span / np.float32(255) * np.float32(1 + 2.0**-22), np.float32(2.0**-126)) if span else none
    steps = (row - zero) / (scale or np.float32(1))
    codes = np.clip(np.ceil(steps) if up else np.floor(steps), 0, 255)
    number = decode_row(codes, scale, zero)
    codes += (number < row) if up else -(number > row).astype(np.float32)
    return codes.astype(np.uint8), scale, zero


def decode_row(codes, scale, zero):
    return (np.float64(scale) * codes + np.float64(zero)).astype(np.float32)


def coded_bytes(rows, dim):
    """Bytes of a page's coded summary for one kv head."""
    return -(-rows * (dim + 8) // 16) * 16


def encode(rows):
    """[(f32 [D], rounds up)] -> bytes."""
    coded = [code_row(*row) for row in rows]
    codes = np.concatenate([c for c, _, _ in coded])
    factors = np.array([f for _, *both in coded for f in both], np.float32).view(np.uint8)
    found = np.concatenate([codes, factors])
    return np.pad(found, (0, coded_bytes(len(rows), len(rows[0][0])) - len(found)))


def decode(data, dim, rows=2):
    """Bytes [..., n] -> [..., rows, dim] f32."""
    codes = data[..., : rows * dim].reshape(*data.shape[:-1], rows, dim)
    factors = np.ascontiguousarray(data[..., rows * dim : rows * (dim + 8)]).view(np.float32)
    factors = factors.reshape(*data.shape[:-1], rows, 2, 1)
    return decode_row(codes, factors[..., 0, :], factors[..., 1, :])


def mean_var(keys, dtype):
    """keys [n, D] -> [2, D]: mean and population variance of every channel."""
    k = keys.astype(np.float64)
    return np.stack([k.mean(0), k.var(0)]).astype(np.float32).astype(dtype)


KINDS = {"min_max": min_max, "mean_var": mean_var}
