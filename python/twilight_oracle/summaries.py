# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What a selector reads of a page: R = 2 rows of D numbers over the keys of the page's tokens."""

import numpy as np


def min_max(keys, dtype):
    """keys [n, D] -> [2, D]: the bounds of every channel."""
    k = keys.astype(np.float32)
    return np.stack([k.min(0), k.max(0)]).astype(dtype)


def mean_var(keys, dtype):
    """keys [n, D] -> [2, D]: mean and population variance of every channel."""
    k = keys.astype(np.float64)
    return np.stack([k.mean(0), k.var(0)]).astype(np.float32).astype(dtype)


KINDS = {"min_max": min_max, "mean_var": mean_var}
