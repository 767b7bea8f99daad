# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The Llama forward pass in NumPy float32, over a whole text at once, keeping q, k and v of chosen layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from .weights import Config

QUERY_BLOCK = 128  # scores of one block: 9 heads x 128 x 8,000 x 4 B = 37 MB
LOGIT_BLOCK = 256  # logits of one block: 256 x 49,152 x 4 B = 50 MB


@dataclass
class Run:
    """What a forward pass leaves: nll [T-1] (nats), and by layer q [S,Hq,D], k and v [T,Hkv,D]; post-RoPE, unscaled."""

    nll: np.ndarray | None = None
    q: dict[int, np.ndarray] = field(default_factory=dict)
    k: dict[int, np.ndarray] = field(default_factory=dict)
    v: dict[int, np.ndarray] = field(default_factory=dict)

    @property
    def perplexity(self) -> float:
        return float(np.exp(self.nll.mean()))


def rms_norm(x: np.ndarray, weight: np.ndarray, eps: float) -> np.ndarray:
    return x * (1.0 / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + np.float32(eps))) * weight


def rope_tables(tokens: int, head_dim: int, theta: float) -> tuple[np.ndarray, np.ndarray]:
    """cos, sin [T, 1, D/2]; angles in float64, since a float32 angle of 8,000 radians is off by 2e-4."""
    frequency = theta ** (-np.arange(0, head_dim, 2, dtype=np.float64) / head_dim)
    angle = np.arange(tokens, dtype=np.float64)[:, None, None] * frequency
    return np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)


def apply_rope(x: np.ndarray, cos: np.ndarray, sin: np.ndarray) -> np.ndarray:
    """Rotates x [T, H, D] in pairs (i, i + D/2)."""
    low, high = np.split(x, 2, axis=-1)
    return np.concatenate([low * cos - high * sin, high * cos + low * sin], axis=-1)


def causal_attention(q: np.ndarray, k: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Softmax attention of q [T,Hq,D] over k, v [T,Hkv,D], a block of queries at a time -> [T, Hq*D]."""
    tokens, query_heads, dim = q.shape
    kv_heads = k.shape[1]
    group = query_heads // kv_heads
    scale = np.float32(dim**-0.5)
    keys = np.ascontiguousarray(k.transpose(1, 2, 0))
    values = np.ascontiguousarray(v.transpose(1, 0, 2))
    out = np.empty((tokens, query_heads, dim), np.float32)
    for begin in range(0, tokens, QUERY_BLOCK):
        end = min(begin + QUERY_BLOCK, tokens)
        block = end - begin
        queries = (q[begin:end] * scale).reshape(block, kv_heads, group, dim).transpose(1, 2, 0, 3)
        scores = queries.reshape(kv_heads, group * block, dim) @ keys[:, :, :end]
        future = np.triu(np.ones((block, block), bool), 1)
        scores.reshape(kv_heads, group, block, end)[..., begin:][..., future] = -np.inf
        scores -= scores.max(axis=-1, keepdims=True)
        np.exp(scores, out=scores)
        attended = (scores @ values[:, :end]) / scores.sum(axis=-1, keepdims=True)
        attended = attended.reshape(kv_heads, group, block, dim).transpose(2, 0, 1, 3)
        out[begin:end] = attended.reshape(block, query_heads, dim)
    return out.reshape(tokens, query_heads * dim)


def swiglu(x: np.ndarray, gate: np.ndarray, up: np.ndarray, down: np.ndarray) -> np.ndarray:
    gated = x @ gate.T
    gated /= 1.0 + np.exp(-np.clip(gated, -80.0, None))  # exp(80) still fits float32
    gated *= x @ up.T
    return gated @ down.T


def next_token_nll(x: np.ndarray, embedding: np.ndarray, tokens: np.ndarray) -> np.ndarray:
    """-log p of each next token, [T-1]; the output projection is the embedding (tied)."""
    nll = np.empty(len(tokens) - 1)
    for begin in range(0, len(nll), LOGIT_BLOCK):
        end = min(begin + LOGIT_BLOCK, len(nll))
        logits = x[begin:end] @ embedding.T
        top = logits.max(axis=-1)
        chosen = logits[np.arange(end - begin), tokens[begin + 1 : end + 1]]
        nll[begin:end] = np.log(np.exp(logits - top[:, None]).sum(axis=-1)) + top - chosen
    return nll


def forward(
    config: Config,
    weights: Mapping[str, np.ndarray],
    tokens: Sequence[int] | np.ndarray,
    *,
    keep_layers: Sequence[int] = (),
    query_positions: Sequence[int] = (),
    progress: Callable[[str], None] = lambda _: None,
) -> Run:
    """Runs the model over ``tokens``; keeps k, v of ``keep_layers``, and q there at ``query_positions``."""
    tokens = np.asarray(tokens)
    count, dim = len(tokens), config.head_dim
    cos, sin = rope_tables(count, dim, config.rope_theta)
    run = Run()
    x = weights["token_embd"][tokens]
    for layer in range(config.layers):

        def weight(name: str, layer: int = layer) -> np.ndarray:
            return weights[f"blk.{layer}.{name}"]

        h = rms_norm(x, weight("attn_norm"), config.norm_eps)
        q = apply_rope((h @ weight("attn_q").T).reshape(count, -1, dim), cos, sin)
        k = apply_rope((h @ weight("attn_k").T).reshape(count, -1, dim), cos, sin)
        v = (h @ weight("attn_v").T).reshape(count, -1, dim)
        if layer in keep_layers:
            run.q[layer], run.k[layer], run.v[layer] = q[list(query_positions)], k, v
        x = x + causal_attention(q, k, v) @ weight("attn_output").T
        h = rms_norm(x, weight("ffn_norm"), config.norm_eps)
        x = x + swiglu(h, weight("ffn_gate"), weight("ffn_up"), weight("ffn_down"))
        progress(f"layer {layer + 1} of {config.layers}")
    x = rms_norm(x, weights["output_norm"], config.norm_eps)
    progress("next-token probabilities")
    run.nll = next_token_nll(x, weights.get("output", weights["token_embd"]), tokens)
    return run
