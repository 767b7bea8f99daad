# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The bytes that a stage must read, by hand."""

import sys
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
for place in ("python", "test/numeric"):
    sys.path.insert(0, str(ROOT / place))

from twilight_gpu.pipelines import SHAPE  # noqa: E402
from twilight_gpu.traffic import required_bytes  # noqa: E402


def scored(shape, candidates, fine=None):
    return required_bytes(shape, 64, 32768, candidates, 0, fine)["quantize_score"]


def test_a_candidate_costs_its_codes_scale_and_zero_wherever_they_lie():
    assert scored(SHAPE, 1000) == 68000
    for layout in ({"blocked": True}, {"planes": True}, {"blocked": True, "planes": True}):
        assert scored(replace(SHAPE, **layout), 1000) == 68000
    assert scored(replace(SHAPE, bits=2), 1000) == 36000


def test_a_coarse_candidate_costs_no_low_plane():
    shape = replace(SHAPE, planes=True)
    assert scored(shape, 1000, fine=1000) == 68000 and scored(shape, 1000, fine=0) == 36000
    assert scored(shape, 1000, fine=250) == 250 * 68 + 750 * 36
