# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The oracle's cache: paging, codes, summaries, append, against the words of the semantics one token at a time."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from twilight_numeric.data import Batch, Seq, blank_cache, contents, padded, tiny
from twilight_numeric.shapes import Shape
from twilight_oracle import lists, quantise, summaries
from twilight_oracle.append import append


def test_pages_give_back_what_was_stored(small):
    shape, _, cache = small
    _, keys, values = contents(shape, tiny())
    for b in range(cache.batch):
        assert np.array_equal(cache.tokens("k_pages", b), np.swapaxes(keys[b], 0, 1))
        assert np.array_equal(cache.tokens("v_pages", b), np.swapaxes(values[b], 0, 1))


def test_shared_pages_are_one_page(small):
    _, _, cache = small
    assert np.array_equal(cache.physical(5)[:2], cache.physical(3)[:2])
    owned = [set(cache.physical(b).tolist()) for b in (1, 2, 3, 4)]
    assert all(not a & b for a, b in itertools.combinations(owned, 2))


def test_what_no_op_may_read_is_poisoned(small):
    _, _, cache = small
    tail = np.setdiff1d(np.arange(4), np.arange(11 % 4))
    page = cache.physical(3)[-1]
    assert all(np.isnan(cache.k_pages[cache.slot("k_pages", page, n)]).all() for n in tail)
    assert set(cache.page_table[0]) & set(np.concatenate([cache.physical(b) for b in range(cache.batch)])) == set()


# Codes.


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_codes_against_the_formula_token_by_token(bits):
    rng = np.random.default_rng(0)
    keys = (rng.standard_normal((40, 8)) * 10.0 ** rng.integers(-4, 4, (40, 1))).astype(np.float32)
    top = 2**bits - 1
    codes, scale, zero = quantise.quantise(keys, bits)
    for k, c, s, z in zip(keys, codes, scale, zero):
        assert z == np.float16(min(k)) and s == np.float16(np.float32(max(k) - min(k)) / np.float32(top))
        for x, code in zip(k, c):
            steps = (x - np.float32(z)) / np.float32(s) if s else 0.0
            low = int(np.floor(steps))
            nearest = low if steps - low < 0.5 else low + 1 if steps - low > 0.5 else low + low % 2
            assert code == min(top, max(0, nearest))


def test_half_steps_round_to_even_and_constant_rows_are_zero():
    codes, scale, zero = quantise.quantise(np.array([[0, 0.5, 1.5, 2.5, 15, 14.5, 13.5, 3]], np.float32))
    assert codes.tolist() == [[0, 0, 2, 2, 15, 14, 14, 3]] and (scale, zero) == (1, 0)
    codes, scale, zero = quantise.quantise(np.full((1, 8), -2.5, np.float16))
    assert not codes.any() and scale == 0 and zero == -2.5


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_packing_is_linear_and_reversible(bits):
    codes = np.random.default_rng(1).integers(0, 2**bits, (3, 16)).astype(np.uint8)
    packed = quantise.pack(codes, bits)
    assert packed.shape == (3, 16 * bits // 8) and np.array_equal(quantise.unpack(packed, bits), codes)
    per_byte = 8 // bits
    assert packed[1, 1] == sum(int(codes[1, per_byte + i]) << (bits * i) for i in range(per_byte))


def test_dequantised_keys_are_within_half_a_step():
    keys = np.random.default_rng(2).standard_normal((50, 64)).astype(np.float16)
    codes, scale, zero = quantise.quantise(keys)
    back = quantise.dequantise(quantise.pack(codes), scale, zero)
    assert (np.abs(back - keys) <= 0.51 * scale[:, None].astype(float)).all()


@pytest.mark.parametrize("blocked", [False, True])
def test_planes_lie_page_by_page(blocked):
    """High bits of a page's tokens, then low bits, at the bytes that the format names; nothing of another page."""
    shape = Shape(2, 3, 8, 4, "f16", bits=4, blocked=blocked, planes=True)
    batch = Batch((Seq(7), Seq(4)), 5)
    _, keys, values = contents(shape, batch)
    cache = append(blank_cache(shape, batch), padded(keys, 7), padded(values, 7), batch.lens)
    plain = append(blank_cache(replace(shape, blocked=False, planes=False), batch), padded(keys, 7), padded(values, 7), batch.lens)
    assert cache.codes.nbytes == plain.codes.nbytes + (plain.scale.nbytes + plain.zero.nbytes if blocked else 0)
    bytes_of = cache.codes.reshape(*cache.codes.shape[:2], -1)
    for b, g, n in itertools.product(range(2), range(2), range(4)):
        page = bytes_of[cache.page_table[b, 0], g]
        expected = quantise.quantise(keys[b][n, g])[0]
        for d in range(8):
            high, low = (page[first + n * 2 + d // 4] >> (d % 4 * 2) & 3 for first in (0, 8))
            assert 4 * high + low == expected[d]
    for b in range(2):
        assert np.array_equal(cache.code_numbers(b), plain.code_numbers(b))
        assert np.array_equal(cache.code_numbers(b, coarse=True), 4 * (plain.code_numbers(b) // 4) + 1.5)
        for part in ("scale", "zero"):
            assert np.array_equal(cache.tokens(part, b), plain.tokens(part, b))


def test_summaries():
    keys = np.array([[1, -2], [3, 4], [5, 4]], np.float16)
    assert summaries.min_max(keys, np.float16).tolist() == [[1, -2], [5, 4]]
    assert summaries.mean_var(keys, np.float32) == pytest.approx(np.array([[3, 2], [8 / 3, 8]]))


@pytest.mark.parametrize("summary", ["min_max", "mean_var"])
@pytest.mark.parametrize("layout", ["hnd", "nhd"])
def test_one_token_at_a_time_is_all_at_once(summary, layout):
    shape = Shape(2, 3, 8, 4, "f16", layout, summary)
    batch = Batch((Seq(0), Seq(1), Seq(4), Seq(11)), 3)
    _, keys, values = contents(shape, batch)
    k, v = padded(keys, 11), padded(values, 11)
    whole = append(blank_cache(shape, batch), k, v, batch.lens, summary)
    parts = blank_cache(shape, batch)
    for i in range(11):
        parts = append(parts, k[:, i : i + 1], v[:, i : i + 1], [int(n > i) for n in batch.lens], summary)
    for name, value in whole.parts().items():
        assert np.array_equal(value, parts.parts()[name], equal_nan=value.dtype.kind == "f"), name


def test_lists_survive_padding():
    given = [[np.array([1, 5]), np.array([], int)], [np.array([0]), np.array([2, 3, 9])]]
    indices, counts = lists.to_padded(given, 2)
    assert indices.shape == (2, 2, 3) and counts.tolist() == [[2, 0], [1, 3]]
    again = lists.from_padded(indices, counts)
    assert all(np.array_equal(a, b) for x, y in zip(given, again) for a, b in zip(x, y))
