# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The oracle's choices: select by loops, top_p by all subsets of inputs small enough to enumerate."""

import itertools
from dataclasses import replace
from math import sqrt

import numpy as np
import pytest
from twilight_numeric.data import build, tiny
from twilight_oracle import selection, top_p
from twilight_oracle.selection import Select
from twilight_oracle.top_p import TopP


def test_quest_bounds_every_logit(small):
    _, q, cache = small
    for b in range(cache.batch):
        bound, _ = selection.importances(Select("quest"), q[b], cache.summaries(b))
        keys = np.repeat(cache.tokens("k_pages", b), 3, axis=0)
        logits = np.einsum("hd,hnd->hn", q[b].astype(float), keys)
        for n in range(logits.shape[1]):
            assert (logits[:, n] <= bound[:, n // 4] + 1e-6).all()


def test_importances_against_loops(small):
    shape, q, cache = small
    q2, spread = build(replace(shape, summary="mean_var"), tiny())
    for h, u in itertools.product(range(6), range(3)):
        low, high = cache.summaries(3)[h // 3, u].astype(float)
        x = q[3, h].astype(float)
        quest = sum(max(x[d] * low[d], x[d] * high[d]) for d in range(8))
        assert selection.importances(Select("quest"), q[3], cache.summaries(3))[0][h, u] == pytest.approx(quest)
        mean, var = spread.summaries(3)[h // 3, u].astype(float)
        x = q2[3, h].astype(float)
        value = sum(x * mean) + 0.5 * sqrt(sum(x * x * var))
        found = selection.importances(Select("mean_std", c=0.5), q2[3], spread.summaries(3))[0][h, u]
        assert found == pytest.approx(value)


@pytest.mark.parametrize(
    "budget, units, expected",
    [
        (("fraction", 0.25), 8, 2),
        (("fraction", 0.25), 9, 3),
        (("fraction", 0.1), 10, 1),
        (("fraction", 0.1), 30, 3),
        (("fraction", 0.000001), 50, 1),
        (("fraction", 1.0), 7, 7),
        (("tokens", 1), 5, 1),
        (("tokens", 33), 5, 3),
        (("tokens", 1000), 5, 5),
        (("all",), 5, 5),
        (("fraction", 0.5), 0, 0),
    ],
)
def test_budgets(budget, units, expected):
    assert selection.budget_pages(budget, units, 16) == expected


def test_the_best_are_kept_and_ties_go_down():
    values = np.array([1, 3, 2, 3, np.nan, 3, -np.inf])
    assert selection.keep_best(values, 2).tolist() == [1, 3]
    assert selection.keep_best(values, 4).tolist() == [1, 2, 3, 5]
    assert selection.keep_best(values, 6).tolist() == [0, 1, 2, 3, 4, 5]


def test_floors_are_kept_inside_the_budget(small):
    _, q, cache = small
    chosen = selection.select_pages(Select("quest", sink=1, recent=1, budget=("tokens", 8)), q, cache)
    assert all(row.tolist() == [0, 2] for row in chosen[3]) and all(len(row) == 0 for row in chosen[0])
    chosen = selection.select_pages(Select("quest", sink=5, recent=5, budget=("tokens", 4)), q, cache)
    assert all(row.tolist() == [0] for row in chosen[3])
    window = selection.select_pages(Select("window", sink=2, recent=2), q, cache)
    assert all(row.tolist() == [0, 2] for row in window[3])


def test_groups(small):
    _, q, cache = small
    per_head, _ = selection.importances(Select(), q[3], cache.summaries(3))
    best = selection.combine(Select(group="max"), per_head, 2)
    mean = selection.combine(Select(group="mean"), per_head, 2)
    assert np.array_equal(best[1], np.maximum(np.maximum(per_head[3], per_head[4]), per_head[5]))
    assert mean[0] == pytest.approx((per_head[0] + per_head[1] + per_head[2]) / 3)
    assert selection.combine(Select(group="per_head"), per_head, 2) is per_head


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("p", [0.05, 0.5, 0.85, 0.99])
def test_the_kept_set_is_the_smallest_that_reaches_p(seed, p):
    """Against all subsets: none of fewer tokens reaches p, and the kept one is the heaviest of its size."""
    rng = np.random.default_rng(seed)
    logits = 2 * rng.standard_normal(rng.integers(1, 10))
    w = top_p.softmax(logits)
    kept = top_p.by_mass(logits, p)
    size, mass = kept.sum(), w[kept].sum()
    assert mass >= p
    for count in range(size):
        assert all(sum(c) < p for c in itertools.combinations(w, count))
    assert mass == pytest.approx(max(sum(c) for c in itertools.combinations(w, size)))


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("p", [0.3, 0.5, 0.9])
def test_ties_at_the_threshold_are_all_kept(seed, p):
    logits = np.random.default_rng(seed).integers(0, 3, 9).astype(float)
    w = top_p.softmax(logits)
    thresholds = [t for t in set(w.tolist()) if w[w >= t].sum() >= p]
    assert np.array_equal(top_p.by_mass(logits, p), w >= max(thresholds))


def test_p_at_its_ends():
    logits = np.array([0.0, -2000.0, 0.0, -1.0])
    assert top_p.by_mass(logits, 1.0).all() and top_p.by_mass(logits, 1.5).all()
    assert top_p.by_mass(logits, 0.0).tolist() == [True, False, False, False]
    assert top_p.by_mass(logits, -1.0).sum() == 1
    assert top_p.prune(TopP(), np.zeros(0), 0.5).shape == (0,)


def test_threshold_rule_and_limits_in_order():
    logits = np.log(np.array([8.0, 4.0, 2.0, 1.0, 1.0]))
    assert top_p.prune(TopP(rule="threshold"), logits, 0.25).tolist() == [True, True, True, False, False]
    assert top_p.prune(TopP(rule="threshold"), logits, 0.9).sum() == 1
    assert top_p.prune(TopP(min_tokens=4), logits, 0.1).tolist() == [True, True, True, True, False]
    assert top_p.prune(TopP(max_tokens=2), logits, 0.99).tolist() == [True, True, False, False, False]
    assert top_p.prune(TopP(min_tokens=50), logits, 0.1).all()


def test_floors_come_after_the_cap_and_only_candidates_count():
    rule = TopP("per_head", max_tokens=1, sink=2, recent=2)
    kept = top_p.top_p(rule, [[np.array([0.0, 5.0, 1.0, 0.0])]], [[np.array([1, 4, 6, 9])]], [10], 0.9, 1)
    assert kept[0][0].tolist() == [1, 4, 9]


def test_the_union_is_over_the_group():
    logits = [[np.array([5.0, 0, 0]), np.array([0, 5.0, 0]), np.array([0, 0, 5.0]), np.array([0, 0, 5.0])]]
    candidates = [[np.array([0, 1, 7]), np.array([2, 3, 4])]]
    assert [x.tolist() for x in top_p.top_p(TopP(), logits, candidates, [8], 0.5, 2)[0]] == [[0, 1], [4]]
    per_head = top_p.top_p(TopP("per_head"), logits, candidates, [8], 0.5, 2)[0]
    assert [x.tolist() for x in per_head] == [[0], [1], [4], [4]]


def test_one_p_for_each_head():
    logits = [[np.zeros(4), np.array([3.0, 0, 0, 0])]]
    kept = top_p.top_p(TopP("per_head"), logits, [[np.arange(4)]], [4], np.array([1.0, 0.0]), 1)
    assert [x.tolist() for x in kept[0]] == [[0, 1, 2, 3], [0]]
