# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What a configuration keeps of real attention: the recorded trace through the NumPy oracle, no GPU needed.

mass: exact softmax mass of the kept tokens, a query head each. recall: the share of the exact set (the smallest whose
exact mass reaches p, united over a kv head's query heads) that was kept, a kv head each.
"""

import numpy as np
from safetensors.numpy import load_file
from twilight_gpu import ROOT
from twilight_numeric.shapes import DTYPES
from twilight_oracle import lists, scores, selection, top_p
from twilight_oracle.append import append
from twilight_oracle.attention import attend, gather_attend
from twilight_oracle.paging import assign_pages, empty_cache

from .configs import Config

TRACE = ROOT / "test" / "data" / "smollm2_trace.safetensors"


def load(path=TRACE):
    """q [B, Hq, D], k and v [B, N, Hkv, D]; a sequence is a layer."""
    trace = load_file(path)
    return trace["q"], trace["k"], trace["v"]


def cache_of(config, k, v):
    """The trace in the configuration's formats."""
    lens = [k.shape[1]] * len(k)
    table, pages = assign_pages(lens, config.page_size, rng=np.random.default_rng(0))
    dtype = k.dtype
    summary = (2, DTYPES[config.bounds] if config.bounds else dtype)
    layout = {"blocked": config.blocked, "planes": config.planes}
    blank = empty_cache(table, pages, k.shape[2], k.shape[3], config.page_size, dtype, "hnd", config.bits, summary, **layout)
    return append(blank, k, v, bits=config.bits)


def exact_sets(q, cache, p):
    """exact[b][kv head] -> tokens."""
    everything = [[np.arange(n)] * cache.kv_heads for n in cache.seq_lens]
    scale, group = scores.default_scale(cache.head_dim), q.shape[1] // cache.kv_heads
    logits = []
    for b in range(cache.batch):
        keys = cache.tokens("k_pages", b).astype(np.float64)
        logits.append([scale * keys[h // group] @ q[b, h].astype(np.float64) for h in range(q.shape[1])])
    return top_p.top_p(top_p.TopP(), logits, everything, cache.seq_lens, p, cache.kv_heads)


def measure(config, p, trace=None):
    """{"mass", "mass_min", "recall", "recall_min", "kept_fraction"}: means, and the least"""
    q, k, v = trace or load()
    cache = cache_of(config, k, v)
    pages = selection.select_pages(config.select, q, cache)
    candidates = lists.pages_to_tokens(pages, cache.page_size, cache.seq_lens)
    fine = selection.select_pages(config.fine_select, q, cache) if config.fine else None
    logits = scores.quantize_score(q, cache, pages, None, config.bits, fine, config.scores)
    kept = top_p.top_p(config.prune, logits, candidates, cache.seq_lens, p, cache.kv_heads)
    _, level, _ = attend(q, cache)
    _, found, _ = gather_attend(q, cache, kept)
    mass = np.exp(found - level)
    exact = exact_sets(q, cache, p)
    pairs = [(a, b) for mine, right in zip(kept, exact) for a, b in zip(mine, right)]
    recall = [len(np.intersect1d(mine, right)) / len(right) for mine, right in pairs]
    counts = [len(mine) for mine, _ in pairs]
    return {
        "mass": round(float(mass.mean()), 4),
        "mass_min": round(float(mass.min()), 4),
        "recall": round(float(np.mean(recall)), 4),
        "recall_min": round(float(np.min(recall)), 4),
        "kept_fraction": round(float(np.mean(counts)) / k.shape[1], 5),
    }


# Of the paper's configuration and of one with floors: all bits; scores of 16 bits; high planes, but for some pages; and
# two bits.
FORMATS = (
    ("4 bits", {}),
    ("4 bits, f16 scores", {"scores": "f16"}),
    ("planes, half fine", {"planes": True, "fine": 1 / 8}),
    ("planes, a quarter fine", {"planes": True, "fine": 1 / 16}),
    ("planes, an eighth fine", {"planes": True, "fine": 1 / 32}),
    ("2 bits", {"bits": 2}),
)
FLOORS = (("", {}), (", first 4 and last 16 kept", {"sink": 4, "recent": 16}))


def table(p=0.85):
    """Lines of Markdown: what each format of the codes keeps of the trace, and what it reads of a candidate (D = 128)."""
    trace = load()
    yield "| codes | bytes a candidate | mass | least | recall | least | kept |"
    yield "|---|---|---|---|---|---|---|"
    for words, floors in FLOORS:
        for name, format in FORMATS:
            config = Config(name, **format, **floors)
            fine = config.fine / config.fraction if config.fine else 1
            size = 128 * config.bits / 8 + 4 - (1 - fine) * 128 / 4
            found = measure(config, p, trace)
            numbers = [f"{found[key]:.3f}" for key in ("mass", "mass_min", "recall", "recall_min")]
            yield f"| {name}{words} | {size:g} | {' | '.join(numbers)} | {100 * found['kept_fraction']:.2f}% |"


if __name__ == "__main__":
    print("\n".join(table()))
