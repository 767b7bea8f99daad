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
from twilight_oracle.summaries import CODED, E5M2, E5M2_NUMBERS, code_row, decode, decode_row, min_max

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


@pytest.mark.parametrize("stored", [E5M2, CODED], ids=["f8E5M2", "i8"])
@pytest.mark.parametrize("dtype", ["f16", "bf16", "f32"])
@pytest.mark.parametrize("kind", KINDS)
def test_bounds_hold_every_key_and_bound_every_logit(kind, dtype, stored):
    pages = keys_of(kind, DTYPES[dtype])
    bounds = np.stack([min_max(page, stored) for page in pages])
    bounds = decode(bounds, pages.shape[-1]) if stored == CODED else bounds
    exact = pages.astype(np.float64)
    low, high = bounds[:, 0].astype(np.float64)[:, None], bounds[:, 1].astype(np.float64)[:, None]
    assert (low <= exact).all() and (exact <= high).all()
    q = np.random.default_rng(8).standard_normal((4, 64)).astype(np.float32)
    q[0, ::2] = 0
    upper = importances(Select(), q, bounds[None])[0]
    logits = np.einsum("hd,und->hun", q.astype(np.float64), exact)
    assert (upper[:, :, None] >= logits - 1e-9 * np.abs(upper[:, :, None])).all()


@pytest.mark.parametrize("stored", ["f8E5M2", "i8"])
@pytest.mark.parametrize("dtype", ["f16", "bf16", "f32"])
def test_compiled_append_rounds_as_the_oracle(dtype, stored, runner, target):
    if target != "cpu" and dtype == "f32":
        pytest.skip(f"not on {target}: the GPU kernels take no keys of f32")
    pages = np.concatenate([keys_of(kind, DTYPES[dtype]) for kind in KINDS])
    if dtype != "f16":
        pages[:3, :, :8] *= DTYPES[dtype](1e33)
        pages[3:6, :, :8] *= DTYPES[dtype](1e-38)
    shape = Shape(1, 1, 64, PAGE, dtype, summary_dtype=stored, bits=None)
    batch = Batch((Seq(len(pages) * PAGE),), 1)
    container = "tensor" if target == "cpu" else "memref"
    append = Append(
        "bounds", shape=shape, batch=batch, new=batch.lens, steps=batch.lens[:1], container=container, masked=False
    )
    cache = blank_cache(shape, batch)
    new = pages.reshape(1, -1, 1, 64)
    outputs = runner.run(append.text(append.steps), cache.parts() | {"k_0": new, "v_0": new}, FUNCTION)
    found = outputs[append.result("summary")]
    found, expected = found[cache.page_table[0], 0], np.stack([min_max(page, DTYPES[stored]) for page in pages])
    if stored == "i8":
        assert np.array_equal(found, expected)
        found = decode(found, 64)
    else:
        assert np.array_equal(found.astype(np.float32), expected.astype(np.float32))
        found = found.astype(np.float32)
        assert np.isinf(found).any() and (np.abs(found[found != 0]) == 2.0**-16).any()
    exact = pages.astype(np.float32)
    finite = np.isfinite(found)
    assert (found[:, :1] <= exact)[np.broadcast_to(finite[:, :1], exact.shape)].all()
    assert (exact <= found[:, 1:])[np.broadcast_to(finite[:, 1:], exact.shape)].all()


def test_coded_rows_reach_no_further_than_a_step():
    rng = np.random.default_rng(9)
    for row in (rng.standard_normal(64), 3 + rng.standard_normal(64) / 100, np.full(64, -2.5), np.arange(256) / 7):
        row = row.astype(np.float32)
        for up in (False, True):
            codes, scale, zero = code_row(row, up)
            error = decode_row(codes, scale, zero).astype(np.float64) - row
            assert (np.abs(error) <= scale).all() and ((error >= 0) if up else (error <= 0)).all()
            assert codes.min() == 0 and (codes.max() >= 254 or not np.ptp(row))
    for bad in (np.nan, np.inf):
        row = np.array([1, bad, 2], np.float32)
        assert np.isnan(code_row(row, True)[1]) and code_row(row, True)[2] == 0


def test_rounding_is_no_further_out_than_it_must_be():
    finite = E5M2_NUMBERS[np.isfinite(E5M2_NUMBERS)]
    assert np.array_equal(min_max(finite[None], E5M2).astype(np.float32), np.stack([finite, finite]))
    between = ((finite[:-1] + finite[1:]) / 2).astype(np.float32)
    assert np.array_equal(min_max(between[None], E5M2).astype(np.float32), np.stack([finite[:-1], finite[1:]]))
    assert min_max(np.array([[1e30, -1e30]], np.float32), E5M2).tolist() == [[57344, -np.inf], [np.inf, -57344]]


def held_mass(trace, dtype, budget, page_size):
    """Mean over layers and query heads of the exact attention mass in the chosen pages."""
    masses, lists = [], []
    for q, k in zip(trace["q"], trace["k"].swapaxes(1, 2)):
        heads, tokens, dim = k.shape
        pages = [range(u, min(u + page_size, tokens)) for u in range(0, tokens, page_size)]
        bounds = np.stack([[min_max(head[list(page)], dtype) for page in pages] for head in k])
        bounds = decode(bounds, dim) if dtype == CODED else bounds
        value = combine(Select(), importances(Select(), q, bounds)[0], heads)
        grouped = q.reshape(heads, -1, dim).astype(np.float64)
        logits = np.einsum("gid,gnd->gin", grouped, k.astype(np.float64)) / 8
        weights = np.exp(logits - logits.max(-1, keepdims=True))
        weights /= weights.sum(-1, keepdims=True)
        for g in range(heads):
            chosen = keep_best(value[g], -(-len(pages) // budget))
            lists.append(set(chosen.tolist()))
            masses.append(weights[g][:, np.concatenate([pages[u] for u in chosen])].sum(-1).mean())
    return np.mean(masses), lists


@pytest.mark.parametrize(
    "page_size, budget, wide, small, small_same, coded, coded_same",
    [
        (16, 4, 0.785, 0.725, 0.914, 0.724, 0.979),
        (16, 8, 0.649, 0.66, 0.905, 0.638, 0.984),
        (16, 16, 0.559, 0.548, 0.857, 0.558, 0.984),
        (32, 4, 0.669, 0.668, 0.944, 0.669, 0.992),
        (32, 8, 0.604, 0.589, 0.905, 0.592, 0.968),
        (32, 16, 0.537, 0.52, 0.889, 0.537, 1.0),
    ],
)
def test_what_small_bounds_cost_of_the_trace(page_size, budget, wide, small, small_same, coded, coded_same):
    """The table of docs/trace.md."""
    trace = load_file(TRACE)
    mass, lists = held_mass(trace, np.float16, budget, page_size)
    assert round(mass, 3) == wide
    for dtype, expected in ((E5M2, (small, small_same)), (CODED, (coded, coded_same))):
        mass8, lists8 = held_mass(trace, dtype, budget, page_size)
        shared = np.mean([len(a & b) / len(a) for a, b in zip(lists, lists8)])
        assert (round(mass8, 3), round(shared, 3)) == expected
