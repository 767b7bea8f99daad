# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The checks themselves: every case accepts right outputs, and a product that is broken in one place is caught."""

import copy
import dataclasses

import numpy as np
import pytest
from twilight_numeric.cases import all_cases, by_name
from twilight_numeric.compare import Mismatch
from twilight_numeric.files import check, dump, read_index, save
from twilight_numeric.imitate import imitate, outputs_of


@pytest.mark.parametrize("case", all_cases(), ids=lambda case: case.name)
def test_right_outputs_pass(case):
    case.check(*outputs_of(case))


def broken(name, damage, run=-1):
    """The case's check must refuse the outputs after damage(outputs of one run, its inputs)."""
    case = by_name()[name]
    inputs, outputs = outputs_of(case)
    outputs = copy.deepcopy(outputs)
    damage(outputs[run], inputs[run])
    with pytest.raises(Mismatch) as caught:
        case.check(inputs, outputs)
    return str(caught.value)


def longest(found, counts):
    """Index of the longest list that still has room in its buffer, or of the longest one."""
    return np.unravel_index(np.argmax(found[counts]), found[counts].shape)


def drop(lists, counts, which):
    def damage(found, given):
        b, r = longest(found, counts)
        n = found[counts][b, r]
        kept = np.delete(found[lists][b, r, :n], {"first": 0, "middle": n // 2, "last": n - 1}[which])
        found[lists][b, r, : n - 1] = kept
        found[counts][b, r] -= 1

    return damage


def extra(lists, counts, limit):
    """One entry too many, in a list that has room for it."""

    def damage(found, given):
        room = (found[counts] > 2) & (found[counts] < found[lists].shape[2])
        b, r = np.argwhere(room)[0]
        n = found[counts][b, r]
        entries = found[lists][b, r, :n].tolist()
        free = [i for i in range(limit(given, b)) if i not in entries]
        assert free, "this list holds everything"
        found[lists][b, r, : n + 1] = sorted([*entries, free[0]])
        found[counts][b, r] += 1

    return damage


def length(given, b):
    return int(given["seq_lens"][b])


TOP_P = "top_p-union-0.85-f16-h3x3-d64-p16-nhd"
SELECT = "select-quest-f16-h2x4-d64-p16"
PIPELINE = "pipeline-bf16-h1x8-d128-p32"
GATHER = "gather-tokens-f16-h2x4-d64-p16"
SCORE = "score-quest-f16-h3x3-d64-p16-nhd"
APPEND = "append-f16-h2x4-d64-p16"
BARE = "bare-f16-h2x4-d64-p16"
FALLBACK = "fallback-f16-h2x4-d64-p16"


@pytest.mark.parametrize("which", ["first", "middle", "last"])
def test_a_dropped_entry(which):
    assert "missing" in broken(TOP_P, drop("kept", "kept_counts", which))
    assert "pages" in broken(SELECT, drop("pages", "page_counts", which))


def test_an_extra_token():
    assert "too many" in broken(TOP_P, extra("kept", "kept_counts", length))


def test_fine_pages_that_are_ignored():
    """Candidates scored from all bits where their high planes alone were asked for."""
    name = "score-fine-planes-f16-h2x4-d64-p16"
    plain = dataclasses.replace(by_name()[name], fine=None)

    def damage(found, given):
        found["logits"] = imitate(plain, 0, given)["logits"]

    assert "logits" in broken(name, damage)


HALF = "score-f16-f16-h2x4-d64-p16"


def test_scores_that_are_cut_off():
    """Rounded toward zero instead of to the nearest: off by less than what the codes' own tolerance would hide."""

    def damage(found, given):
        exact, nearest = np.abs(found["exact"]), found["logits"]
        raised = (np.abs(nearest) > exact) & (exact < 4)
        found["logits"] = np.where(raised, np.nextafter(nearest, np.float16(0)), nearest)

    assert "nearest" in broken(HALF, damage)


def test_scores_of_another_type():
    assert "scores of f16" in broken(HALF, lambda found, given: found.update(logits=found["exact"]))


def test_infinite_scores():
    def damage(found, given):
        with np.errstate(over="ignore"):
            found["logits"] = found["exact"].astype(np.float16)

    assert "logits" in broken("score-f16-clamped-f16-h2x4-d64-p16", damage)


def test_more_than_the_cap():
    def damage(found, given):  # sequence 7's weights underflow, so that only the cap decides
        full = np.flatnonzero(found["kept_counts"][7] == 20)
        found["kept"] = np.pad(found["kept"], ((0, 0), (0, 0), (0, 200)))
        for r in full:
            found["kept"][7, r, :150] = np.arange(150)
            found["kept_counts"][7, r] = 150

    assert "the cap is 20" in broken("top_p-max-f16-h2x4-d64-p16", damage)


def test_an_extra_page():
    damage = extra("pages", "page_counts", lambda given, b: -(-length(given, b) // 16))
    assert "expected" in broken(SELECT, damage)


def test_an_exchanged_page():
    def damage(found, given):
        found["pages"][6, 0, :4] = np.setdiff1d(np.arange(14), found["pages"][6, 0, :4])[:4]

    assert "left out" in broken(SELECT, damage)


def test_ties_to_the_higher_page():
    def damage(found, given):  # sequence 8 has equal keys: its pages but the last have one summary
        found["pages"][8, 0, :2] = [1, 2]

    assert "lower must be kept" in broken(SELECT, damage)


@pytest.mark.parametrize("name", [GATHER, PIPELINE])
def test_the_wrong_head(name):
    def damage(found, given):
        found["out"] = np.roll(found["out"], 1, axis=1)

    assert "out[" in broken(name, damage)


def test_the_wrong_sequence():
    assert "out[" in broken(GATHER, lambda found, given: found["out"].__setitem__(0, found["out"][6]))


def test_a_tail_off_by_one():
    def one_more(found, given):  # a sequence of 83 tokens read as 84
        found["candidates"][0] += 1

    assert "candidates" in broken("select-full-f16-h2x4-d64-p16", one_more)

    def beyond(found, given):
        found["kept"][0, 0, found["kept_counts"][0, 0] - 1] = length(given, 0)

    assert "entries in" in broken("top_p-union-1.0-f16-h2x3-d64-p1", beyond)


@pytest.mark.parametrize("factor", [1.01, 0.99])
def test_logits_off_by_a_hundredth(factor):
    assert "logits" in broken(SCORE, lambda found, given: found.update(logits=found["logits"] * np.float32(factor)))


@pytest.mark.parametrize("name", [GATHER, PIPELINE, "attend-f32-h2x4-d64-p32-nhd"])
def test_outputs_off_by_a_hundredth(name):
    assert "out[" in broken(name, lambda found, given: found.update(out=found["out"] * 1.01))
    assert "lse[" in broken(name, lambda found, given: found.update(lse=found["lse"] + 0.01))


def test_nan_that_leaks():
    assert "out[" in broken(GATHER, lambda found, given: found["out"].__setitem__((6, 0, 3), np.nan))


def test_an_empty_sequence_that_is_not_zero():
    assert "out[1, 0]" in broken(GATHER, lambda found, given: found["out"].__setitem__((1, 0, 0), 1e-30))
    assert "lse[1, 0]" in broken(GATHER, lambda found, given: found["lse"].__setitem__((1, 0), -1e30))


@pytest.mark.parametrize("part", ["k_pages", "v_pages", "codes", "scale", "zero", "summary", "seq_lens"])
def test_one_wrong_value_in_the_cache(part):
    def damage(found, given):
        flat = found[f"new_{part}"].reshape(-1)
        i = np.flatnonzero(flat == flat)[-1]
        flat[i] += 1 if flat.dtype.kind in "iu" else flat[i] * 0.01 + 1e-3

    assert part in broken(APPEND, damage)


def test_an_append_that_touches_its_neighbour():
    def damage(found, given):
        found["new_k_pages"][np.isnan(found["new_k_pages"])] = 0

    assert "k_pages" in broken(APPEND, damage)


@pytest.mark.parametrize("name", ["permuted", "alone", "louder", "repeat", "unreachable"])
def test_runs_that_differ_in_one_bit(name):
    full = next(n for n in by_name() if n.startswith(name + "-"))

    def damage(found, given):
        found["lse"][0, 0] = np.nextafter(found["lse"][0, 0], np.float32(np.inf))

    assert "lse" in broken(full, damage)


@pytest.mark.parametrize("which", ["counts", "candidates"])
def test_a_fused_pipeline_that_keeps_one_token_less(which):
    assert which in broken(BARE, lambda found, given: found[which].__setitem__(6, found[which][6] - 1))


def test_a_fused_pipeline_with_a_wrong_output():
    assert "out[6" in broken(BARE, lambda found, given: found["out"].__setitem__((6, 2), found["out"][6, 3]))


def test_a_short_sequence_that_is_pruned():  # sequence 1 lies one token below the border
    assert "counts" in broken(FALLBACK, lambda found, given: found["counts"].__setitem__(1, 40), run=0)
    assert "candidates" in broken(FALLBACK, lambda found, given: found["candidates"].__setitem__(1, 64), run=0)


@pytest.mark.parametrize("b, side", [(1, "short"), (2, "long")])
def test_a_fallback_that_differs_in_one_bit(b, side):
    def damage(found, given):
        found["lse"][b, 0] = np.nextafter(found["lse"][b, 0], np.float32(np.inf))

    assert f"lse of {side} sequences" in broken(FALLBACK, damage, run=0)


def test_a_missing_output():
    assert "no output named lse" in broken(GATHER, lambda found, given: found.pop("lse"))


def test_a_folder_of_cases_survives_the_journey(tmp_path):
    cases = [by_name()[name] for name in (GATHER, PIPELINE, APPEND)]
    dump(tmp_path, cases)
    for entry, case in zip(read_index(tmp_path), cases):
        _, outputs = outputs_of(case)
        for run, found in zip(entry["runs"], outputs):
            assert (tmp_path / run["mlir"]).read_text() and (tmp_path / run["inputs"]).exists()
            save(tmp_path / run["outputs"], found)
        check(tmp_path, entry, case)
