# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The figures that scripts/gpu-check holds its times against."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "python"))

from twilight_gpu import targets  # noqa: E402


def measured(stages, half=None):
    """A result at the size that the figures are about. {stage: share}"""
    rows = lambda shares: [{"stage": name, "share": share} for name, share in shares.items()] + [{"stage": "top_p"}]  # noqa: E731
    more = {} if half is None else {"half": {"stages": rows(half)}}
    return {"batch": 64, "tokens": 32768, "speedup": 6.0, "stages": rows(stages), **more}


def test_scores_of_16_bits_have_a_figure_of_their_own():
    found = targets.targets([measured({"select": 0.8, "quantize_score": 0.66}, half={"quantize_score": 0.72})])
    assert [(row["what"].split(", ")[0], row["found"], row["reached"]) for row in found] == [
        ("whole pipeline against the fastest dense kernel", 6.0, True),
        ("select", 0.8, True),
        ("quantize_score", 0.66, False),
        ("quantize_score with f16 scores", 0.72, True),
    ]
    assert {row["wanted"] for row in found} == {4.0, 0.7}
    slower = targets.targets([measured({"select": 0.8, "quantize_score": 0.72}, half={"quantize_score": 0.69})])
    assert [row["reached"] for row in slower] == [True, True, True, False]


def test_figures_without_a_measurement_are_missed():
    found = targets.targets([measured({"select": 0.8}) | {"speedup": None}])
    assert [(row["found"], row["reached"]) for row in found] == [(None, False), (0.8, True), (None, False)]
    assert targets.targets([measured({"select": 0.8}) | {"tokens": 8192}]) == []
