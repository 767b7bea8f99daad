# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Comparisons: what was found, what was expected, and how much may differ."""

import numpy as np

EPS = 2.0**-23  # of float32

# Contract, "Tolerances against a float64 oracle given the same selection".
OUT = {"f32": 1e-5, "f16": 1e-3, "bf16": 4e-3}  # relative L2, by the number format of the inputs
LOGITS = 2e-3  # absolute, where the terms of the dot product are of ordinary size
MASS = 2e-6  # relative slack of a softmax mass
# Not in the contract: what float32 arithmetic may blur between two orders of summation.
RANK = 1e-5  # importances, relative to the magnitudes summed
WEIGHT = 1e-5  # softmax weights, relative


class Mismatch(AssertionError):
    """An output that no rounding explains."""


def require(ok, message):
    if not ok:
        raise Mismatch(message)


def bits(a):
    """An array's bytes, so that NaN equals itself and -0 differs from 0."""
    return np.ascontiguousarray(a).view(np.uint8)


def require_same_bits(what, found, expected):
    require(found.shape == expected.shape, f"{what}: expected shape {expected.shape}, found {found.shape}")
    require(found.dtype == expected.dtype, f"{what}: expected {expected.dtype}, found {found.dtype}")
    if np.array_equal(bits(found), bits(expected)):
        return
    size = found.dtype.itemsize
    where = np.argwhere((bits(found) != bits(expected)).reshape(*found.shape[:-1], -1, size).any(-1))
    at = tuple(int(i) for i in where[0])
    require(False, f"{what}{list(at)}: expected {expected[at]}, found {found[at]} ({len(where)} entries differ)")


def require_same_values(what, found, expected):
    """Equal as numbers: -0 is 0, NaN is NaN."""
    require(found.shape == expected.shape, f"{what}: expected shape {expected.shape}, found {found.shape}")
    a, b = found.astype(np.float64), expected.astype(np.float64)
    differ = ~((a == b) | (np.isnan(a) & np.isnan(b)))
    if differ.any():
        at = tuple(int(i) for i in np.argwhere(differ)[0])
        require(False, f"{what}{list(at)}: expected {expected[at]}, found {found[at]} ({differ.sum()} entries differ)")


def require_shape(outputs, name, *dims):
    """The output `name`, whose shape must be dims (None: any)."""
    require(name in outputs, f"no output named {name}; found {sorted(outputs)}")
    found = outputs[name].shape
    fits = len(found) == len(dims) and all(d is None or d == n for d, n in zip(dims, found))
    require(fits, f"{name}: expected shape {list(dims)}, found {list(found)}")
    return outputs[name]


def read_lists(outputs, indices, counts, batch, rows, limits):
    """Lists as read from a result, after checking that they are lists: ascending, inside [0, limits[b])."""
    index, count = require_shape(outputs, indices, batch, rows, None), require_shape(outputs, counts, batch, rows)
    lists = []
    for b in range(batch):
        for r in range(rows):
            where, n = f"{indices}[{b}, {r}]", int(count[b, r])
            require(0 <= n <= index.shape[2], f"{where}: count {n} does not fit the list of {index.shape[2]} entries")
            entries = index[b, r, :n]
            if (np.diff(entries) <= 0).any():
                require(False, f"{where}: expected an ascending list, found {entries.tolist()}")
            if n and (entries[0] < 0 or entries[-1] >= limits[b]):
                require(False, f"{where}: expected entries in [0, {limits[b]}), found {entries.tolist()}")
        lists.append([index[b, r, : count[b, r]].astype(np.int64) for r in range(rows)])
    return lists


def term_size(q, keys, scale):
    """The largest scale * sum_d |q_d k_d|: what a logit's rounding error is relative to."""
    if keys.shape[0] == 0:
        return 0.0
    return float((scale * (np.abs(keys.astype(np.float64)) @ np.abs(q.astype(np.float64)))).max())
