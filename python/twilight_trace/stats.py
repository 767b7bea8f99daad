# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""How concentrated attention is: the fewest tokens whose exact softmax mass reaches p."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Kept:
    per_head: np.ndarray  # [Hq], tokens each query head needs
    per_kv_head: np.ndarray  # [Hkv], tokens in the union over each kv head's group


def attention_weights(q: np.ndarray, k: np.ndarray) -> np.ndarray:
    """Exact softmax weights [Hq, N], float64, of one query q [Hq, D] over k [N, Hkv, D]; scale 1/sqrt(D)."""
    group = q.shape[0] // k.shape[1]
    keys = np.repeat(k.astype(np.float64), group, axis=1)
    logits = np.einsum("hd,nhd->hn", q.astype(np.float64), keys) / np.sqrt(q.shape[1])
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


def tokens_for_mass(q: np.ndarray, k: np.ndarray, p: float) -> Kept:
    """The smallest sets reaching mass p (0 < p < 1), ties at the threshold kept, as `twilight.top_p` defines them."""
    weights = attention_weights(q, k)
    descending = -np.sort(-weights, axis=1)
    needed = np.argmax(np.cumsum(descending, axis=1) >= p, axis=1)
    kept = weights >= np.take_along_axis(descending, needed[:, None], axis=1)
    groups = kept.reshape(k.shape[1], -1, k.shape[0])
    return Kept(kept.sum(axis=1), groups.any(axis=1).sum(axis=1))


def table(q_steps: np.ndarray, positions: np.ndarray, k: np.ndarray, layers: list[int], p: float) -> list[str]:
    """Markdown rows: tokens needed for mass p by layer and kv head, averaged over the decode steps."""
    kv_heads = k.shape[2]
    lines = ["| layer | needed by one query head: least, median, most | " + " | ".join(
        f"union, kv head {head}" for head in range(kv_heads)
    ) + " |", "|---|---|" + "---|" * kv_heads]
    for entry, layer in enumerate(layers):
        steps = [
            tokens_for_mass(q_steps[step, entry], k[entry, : position + 1], p)
            for step, position in enumerate(positions)
        ]
        heads = np.mean([kept.per_head for kept in steps], axis=0)
        unions = np.mean([kept.per_kv_head for kept in steps], axis=0)
        summary = f"{heads.min():.0f}, {np.median(heads):.0f}, {heads.max():.0f}"
        lines.append(f"| {layer} | {summary} | " + " | ".join(f"{union:.0f}" for union in unions) + " |")
    return lines
