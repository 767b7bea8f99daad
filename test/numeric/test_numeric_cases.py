# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Every case through twilight-run, against the float64 oracle (`--target=cuda` runs the same on a GPU)."""

import pytest
from twilight_numeric.case import run_case
from twilight_numeric.cases import all_cases


@pytest.mark.parametrize("case", all_cases(), ids=lambda case: case.name)
def test_case(case, runner, target):
    if target != "cpu" and case.gpu_reason:
        pytest.skip(f"not on {target}: {case.gpu_reason}")
    run_case(case, runner, target)
