# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The recorded trace through PTX: keys and values appended into a paged cache, then the example pipeline over it.

The cache that `append` left is compared with the oracle's, the pipeline's outputs with the oracle's over that cache;
what is reported beside that (exact mass, error against dense attention) is what the pipeline is for.
"""

import json

import numpy as np
from safetensors import safe_open
from safetensors.numpy import load_file
from twilight_numeric.bare import Bare
from twilight_numeric.case import FUNCTION
from twilight_numeric.check_values import check_cache
from twilight_numeric.data import Batch, Seq
from twilight_numeric.shapes import DTYPES
from twilight_oracle import attention
from twilight_oracle.append import append
from twilight_oracle.paging import PARTS, PagedCache, assign_pages, empty_cache

from . import ROOT, pipelines

FILE = ROOT / "test" / "data" / "smollm2_trace.safetensors"


def blank(lens, seed=0):
    """An empty cache with shuffled pages for these lengths."""
    shape = pipelines.TRACE_SHAPE
    table, pages = assign_pages(lens, shape.page_size, rng=np.random.default_rng(seed))
    summary = (2, DTYPES[shape.summary_format])
    sizes = (shape.kv_heads, shape.head_dim, shape.page_size)
    return empty_cache(table, pages, *sizes, DTYPES[shape.dtype], shape.layout, shape.bits, summary)


def cache_of(parts):
    shape = pipelines.TRACE_SHAPE
    return PagedCache(shape.page_size, shape.layout, **{name: parts[name] for name in PARTS})


def check_append(before, after, k, v):
    expected = append(before, k, v, None)
    touched = np.unique(np.concatenate([expected.physical(b) for b in range(expected.batch)]))
    check_cache(after.parts(), expected.parts(), touched, "min_max")


def check_pipeline(cache, q, p, outputs):
    length = Seq(int(cache.seq_lens.max()))
    batch = Batch((length,) * cache.batch)
    case = Bare("trace", shape=pipelines.TRACE_SHAPE, batch=batch, select=pipelines.TRACE_SELECT,
                prune=pipelines.TRACE_PRUNE, p=p)
    case.check_run(cache.parts() | {"q": q, "p": np.array(p, np.float32)}, outputs)


def rows_of(cache, q, outputs, layers):
    """One row for each layer and kv head, from float64 dense attention over the same cache."""
    dense, lse, _ = attention.attend(q, cache)
    group, rows = q.shape[1] // cache.kv_heads, []
    for b in range(cache.batch):
        for g in range(cache.kv_heads):
            heads = slice(g * group, (g + 1) * group)
            mass = np.exp(outputs["lse"][b, heads].astype(np.float64) - lse[b, heads])
            difference = outputs["out"][b, heads].astype(np.float64) - dense[b, heads]
            error = np.linalg.norm(difference, axis=-1) / np.linalg.norm(dense[b, heads], axis=-1)
            rows.append(
                {
                    "layer": layers[b],
                    "kv_head": g,
                    "cached": int(cache.seq_lens[b]),
                    "candidates": int(outputs["candidates"][b, g]),
                    "kept": int(outputs["counts"][b, g]),
                    "mass": [round(float(m), 5) for m in mass],
                    "error": [round(float(e), 5) for e in error],
                }
            )
    return rows


def run(runner, p=pipelines.P, path=FILE):
    trace = load_file(path)
    with safe_open(path, framework="numpy") as file:
        layers = json.loads(file.metadata()["layers"])
    q, k, v, lens = (trace[name] for name in ("q", "k", "v", "seq_lens"))
    if (lens != k.shape[1]).any():
        raise ValueError(f"expected every layer to hold {k.shape[1]} tokens, found {lens.tolist()}")
    before = blank(lens)
    changed = runner.run(pipelines.trace_append(), before.parts() | {"k": k, "v": v}, FUNCTION)
    after = cache_of(before.parts() | changed)
    check_append(before, after, k, v)
    inputs = after.parts() | {"q": q, "p": np.array([p], np.float32)}
    outputs = runner.run(pipelines.TRACE_EXAMPLE.read_text(), inputs, pipelines.TRACE_FUNCTION)
    check_pipeline(after, q, p, outputs)
    return {"p": p, "file": FILE.name, "rows": rows_of(after, q, outputs, layers), "failures": []}


def table(rows):
    """Lines of text."""
    lines = [f"{'layer':>5} {'kv head':>7} {'cached':>6} {'candidates':>10} {'kept':>5}  mass, error (a query head each)"]
    for r in rows:
        each = ", ".join(f"{m:.3f} {e:.3f}" for m, e in zip(r["mass"], r["error"]))
        lines.append(f"{r['layer']:>5} {r['kv_head']:>7} {r['cached']:>6} {r['candidates']:>10} {r['kept']:>5}  {each}")
    return lines
