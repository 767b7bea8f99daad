# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Page bounds of 8 bits: they stay bounds, and what they cost of the recorded trace's attention (docs/trace.md)."""

import pathlib

import numpy as np
import pytest
from safetensors.numpy import load_file
from twilight_numeric.appending import Append
from twilight_numeric.case import FUNCTION
from twilight_numeric.data import Batch, Seq, blank_cache
from twilight_numeric.shapes import DTYPES, Shape
from twilight_oracle.selection import Select, combine, importances, keep_best
from twilight_oracle.summaries import E5M2, E5M2_NUMBERS, min_max

TRACE = pathlib.Path(__file__).resolve().parents[1] / "data" / "smollm2_trace.safetensors"
PAGE = 16
KINDS = ("random", "huge", "beyond", "subnormal", "wide", "negative")


def keys_of(kind, dtype):
    rng = np.random.default_rng(7)
    keys = rng.standard_normal((24, 16, 64))
    wide = 10.0 ** rng.integers(-9, 5, keys.shape)
    scale = {"random": 1.0, "huge": 3e4, "beyond": 6e4, "subnormal": 3e-6, "wide": wide}
    keys = -np.abs(keys) if kind == "negative" else keys * scale[kind]
    largest = float(np.finfo(np.float16).max)
    return np.clip(keys, -largest, largest).astype(dtype)


@pytest.mark.parametrize("dtype", ["f16", "bf16", "f32"])
@pytest.mark.parametrize("kind", KINDS)
def test_bounds_hold_every_key_and_bound_every_logit(kind, dtype):
    pages = keys_of(kind, DTYPES[dtype])
    bounds = np.stack([min_max(page, E5M2) for page in pages])
    exact = pages.astype(np.float64)
    low, high = bounds[:, 0].astype(np.float64)[:, None], bounds[:, 1].astype(np.float64)[:, None]
    assert (low <= exact).all() and (exact <= high).all()
    q = np.random.default_rng(8).standard_normal((4, 64)).astype(np.float32)
    q[0, ::2] = 0
    upper = importances(Select(), q, bounds[None])[0]
    logits = np.einsum("hd,und->hun", q.astype(np.float64), exact)
    assert (upper[:, :, None] >= logits - 1e-9 * np.abs(upper[:, :, None])).all()


@pytest.mark.parametrize("dtype", ["f16", "bf16", "f32"])
def test_compiled_append_rounds_as_the_oracle(dtype, runner, target):
    if target != "cpu" and dtype == "f32":
        pytest.skip(f"not on {target}: the GPU kernels take no keys of f32")
    pages = np.concatenate([keys_of(kind, DTYPES[dtype]) for kind in KINDS])
    if dtype != "f16":
        pages[:3, :, :8] *= DTYPES[dtype](1e33)
        pages[3:6, :, :8] *= DTYPES[dtype](1e-38)
    shape = Shape(1, 1, 64, PAGE, dtype, summary_dtype="f8E5M2", bits=None)
    batch = Batch((Seq(len(pages) * PAGE),), 1)
    container = "tensor" if target == "cpu" else "memref"
    append = Append(
        "bounds", shape=shape, batch=batch, new=batch.lens, steps=batch.lens[:1], container=container, masked=False
    )
    cache = blank_cache(shape, batch)
    new = pages.reshape(1, -1, 1, 64)
    outputs = runner.run(append.text(append.steps), cache.parts() | {"k_0": new, "v_0": new}, FUNCTION)
    found = outputs[append.result("summary")]
    found = found[cache.page_table[0], 0].astype(np.float32)
    assert np.array_equal(found, np.stack([min_max(page, E5M2) for page in pages]).astype(np.float32))
    exact = pages.astype(np.float32)
    assert (found[:, :1] <= exact).all() and (exact <= found[:, 1:]).all()
    assert np.isinf(found).any() and (np.abs(found[found != 0]) == 2.0**-16).any()


def test_rounding_is_no_further_out_than_it_must_be():
    finite = E5M2_NUMBERS[np.isfinite(E5M2_NUMBERS)]
    assert np.array_equal(min_max(finite[None], E5M2).astype(np.float32), np.stack([finite, finite]))
    between = ((finite[:-1] + finite[1:]) / 2).astype(np.float32)
    assert np.array_equal(min_max(between[None], E5M2).astype(np.float32), np.stack([finite[:-1], finite[1:]]))
    assert min_max(np.array([[1e30, -1e30]], np.float32), E5M2).tolist() == [[57344, -np.inf], [np.inf, -57344]]


def held_mass(trace, dtype, budget):
    """Mean over layers and query heads of the exact attention mass in the chosen pages."""
    masses, lists = [], []
    for q, k in zip(trace["q"], trace["k"].swapaxes(1, 2)):
        heads, tokens = k.shape[:2]
        pages = [range(u, min(u + PAGE, tokens)) for u in range(0, tokens, PAGE)]
        bounds = np.stack([[min_max(head[list(page)], dtype) for page in pages] for head in k])
        value = combine(Select(), importances(Select(), q, bounds)[0], heads)
        grouped = q.reshape(heads, -1, q.shape[-1]).astype(np.float64)
        logits = np.einsum("gid,gnd->gin", grouped, k.astype(np.float64)) / 8
        weights = np.exp(logits - logits.max(-1, keepdims=True))
        weights /= weights.sum(-1, keepdims=True)
        for g in range(heads):
            chosen = keep_best(value[g], -(-len(pages) // budget))
            lists.append(set(chosen.tolist()))
            masses.append(weights[g][:, np.concatenate([pages[u] for u in chosen])].sum(-1).mean())
    return np.mean(masses), lists


@pytest.mark.parametrize(
    "budget, wide, small, same",
    [(4, 0.785, 0.725, 0.914), (8, 0.649, 0.66, 0.905), (16, 0.559, 0.548, 0.857)],
)
def test_what_small_bounds_cost_of_the_trace(budget, wide, small, same):
    """The table of docs/trace.md."""
    trace = load_file(TRACE)
    mass, lists = held_mass(trace, np.float16, budget)
    mass8, lists8 = held_mass(trace, E5M2, budget)
    shared = np.mean([len(a & b) / len(a) for a, b in zip(lists, lists8)])
    assert (round(mass, 3), round(mass8, 3), round(shared, 3)) == (wide, small, same)
