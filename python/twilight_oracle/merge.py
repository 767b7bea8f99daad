# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""twilight.merge: attention over S1 ∪ S2 from attention over the disjoint S1 and S2."""

import numpy as np


def merge(out1, lse1, out2, lse2):
    """out [..., D], lse [...] twice -> out, lse. A side with lse = -inf has no tokens and does not count."""
    l1, l2 = lse1.astype(np.float64), lse2.astype(np.float64)
    lse = np.logaddexp(l1, l2)
    none = np.isneginf(lse)
    base = np.where(none, 0.0, lse)
    total = np.zeros(out1.shape)
    for out, side in ((out1, l1), (out2, l2)):
        weight = np.exp(side - base)[..., None]
        total += np.where(weight > 0, weight * out.astype(np.float64), 0.0)
    return total, lse
