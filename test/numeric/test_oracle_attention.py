# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The oracle's logits, attention and merge by loops, and the invariants of the semantics over its whole pipeline."""

import itertools
from dataclasses import replace
from math import exp, log, sqrt

import numpy as np
import pytest
from twilight_numeric.data import build, tiny
from twilight_oracle import attention, lists, merge, paging, quantise, scores, selection, top_p
from twilight_oracle.selection import Select
from twilight_oracle.top_p import TopP


def test_logits_against_loops(small):
    _, q, cache = small
    pages = [[np.arange(cache.num_pages(b))[::2]] * 2 for b in range(cache.batch)]
    found = scores.quantize_score(q, cache, pages, 0.3)
    codes = quantise.unpack(cache.tokens("codes", 3))
    scale, zero = cache.tokens("scale", 3).astype(float), cache.tokens("zero", 3).astype(float)
    tokens = [0, 1, 2, 3, 8, 9, 10]
    for h in range(6):
        g = h // 3
        for i, n in enumerate(tokens):
            value = sum(float(q[3, h, d]) * (scale[g, n] * codes[g, n, d] + zero[g, n]) for d in range(8))
            assert found[3][h][i] == pytest.approx(0.3 * value)
        assert len(found[3][h]) == 7 and len(found[0][h]) == 0


def test_fine_pages_against_loops(small):
    """Candidates in fine pages as ever; of others the middle of the four codes that share the high bits."""
    shape, q, plain = small
    _, cache = build(replace(shape, planes=True), tiny())
    pages = [[np.arange(cache.num_pages(b))[::2]] * 2 for b in range(cache.batch)]
    fine = [[np.array([1, 2]), np.array([], int)]] * cache.batch  # page 1 is no candidate
    whole, found = (scores.quantize_score(q, c, pages, 0.3, 4, f) for c, f in ((plain, None), (cache, fine)))
    codes = plain.code_numbers(3)
    scale, zero = plain.tokens("scale", 3).astype(float), plain.tokens("zero", 3).astype(float)
    for h, (i, n) in itertools.product(range(6), enumerate([0, 1, 2, 3, 8, 9, 10])):
        g = h // 3
        if g == 0 and n >= 8:
            assert found[3][h][i] == pytest.approx(whole[3][h][i])
            continue
        total = sum(float(q[3, h, d]) for d in range(8))
        high = sum(float(q[3, h, d]) * 4 * (codes[g, n, d] // 4) for d in range(8))
        assert found[3][h][i] == pytest.approx(0.3 * (scale[g, n] * high + (zero[g, n] + 1.5 * scale[g, n]) * total))


def test_attention_against_loops(small):
    _, q, cache = small
    out, lse, counts = attention.attend(q, cache)
    for b, h in itertools.product(range(cache.batch), range(6)):
        keys, values = cache.tokens("k_pages", b)[h // 3], cache.tokens("v_pages", b)[h // 3]
        w = [exp(sum(float(x) * float(y) for x, y in zip(q[b, h], k)) / sqrt(8)) for k in keys]
        assert counts[b, h // 3] == len(keys)
        if len(keys) == 0:
            assert not out[b, h].any() and lse[b, h] == -np.inf
        else:
            expected = sum(x * v.astype(float) for x, v in zip(w, values)) / sum(w)
            assert out[b, h] == pytest.approx(expected) and lse[b, h] == pytest.approx(log(sum(w)))


def run_pipeline(q, cache, select, rule, p):
    pages = selection.select_pages(select, q, cache)
    candidates = lists.pages_to_tokens(pages, cache.page_size, cache.seq_lens)
    logits = scores.quantize_score(q, cache, pages)
    kept = top_p.top_p(rule, logits, candidates, cache.seq_lens, p, cache.kv_heads)
    return kept, attention.gather_attend(q, cache, kept)


def test_everything_with_p_of_one_is_dense_attention(small):
    _, q, cache = small
    _, found = run_pipeline(q, cache, Select("full", budget=("all",)), TopP(), 1.0)
    for a, b in zip(found, attention.attend(q, cache)):
        assert np.array_equal(a, b)


def test_physical_order_changes_nothing(small):
    _, q, cache = small
    moved = paging.permute_pages(cache, np.random.default_rng(9))
    assert not np.array_equal(moved.page_table, cache.page_table)
    a, b = (run_pipeline(q, c, Select("quest"), TopP(), 0.9) for c in (cache, moved))
    assert all(np.array_equal(x, y) for x, y in zip(a[1], b[1]))


def test_a_sequence_alone_is_what_it_was_in_the_batch(small):
    _, q, cache = small
    together = run_pipeline(q, cache, Select("quest"), TopP(), 0.9)[1]
    alone = run_pipeline(q[[4]], paging.take_sequences(cache, [4]), Select("quest"), TopP(), 0.9)[1]
    assert all(np.array_equal(x[[4]], y) for x, y in zip(together, alone))


def test_values_scale_the_output_and_a_constant_on_the_logits_does_not(small):
    _, q, cache = small
    out, _, _ = attention.attend(q, cache)
    louder = cache.copy()
    louder.v_pages = cache.v_pages * np.float32(4)  # exact
    assert attention.attend(q, louder)[0] == pytest.approx(4 * out)
    flat = q.copy()
    flat[:] = q[:, :1]  # one query, so that a rank-one change of K moves all its logits alike
    shifted = cache.copy()
    for b in range(cache.batch):
        step = flat[b, 0] / (flat[b, 0] @ flat[b, 0]) * np.float32(2 * sqrt(8))
        for n in range(int(cache.seq_lens[b])):
            if b != 5:  # shares pages with 3
                shifted.write("k_pages", b, n, cache.tokens("k_pages", b)[:, n] + step)
    before, after = attention.attend(flat, cache), attention.attend(flat, shifted)
    rows = [1, 2, 3, 4]
    assert after[0][rows] == pytest.approx(before[0][rows], abs=1e-5)
    assert after[1][rows] == pytest.approx(before[1][rows] + 2, abs=1e-5)


def test_merging_any_split_is_the_union(small):
    _, q, cache = small
    rng = np.random.default_rng(4)
    for _ in range(10):
        side = [[rng.random(int(n)) < rng.random() for _ in range(2)] for n in cache.seq_lens]
        one = [[np.flatnonzero(m) for m in row] for row in side]
        two = [[np.flatnonzero(~m) for m in row] for row in side]
        a, b = attention.gather_attend(q, cache, one), attention.gather_attend(q, cache, two)
        out, lse = merge.merge(a[0], a[1], b[0], b[1])
        dense = attention.attend(q, cache)
        assert out == pytest.approx(dense[0]) and lse == pytest.approx(dense[1])
