# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Options of the numeric tests: where twilight-run is, and which target it runs on; what tests share."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from twilight_numeric.data import build, tiny  # noqa: E402
from twilight_numeric.runner import VARIABLES, CommandLine, find_tool  # noqa: E402
from twilight_numeric.shapes import Shape  # noqa: E402


def pytest_addoption(parser):
    parser.addoption("--target", default="cpu", choices=("cpu", "cuda"), help="what twilight-run runs the cases on")
    parser.addoption("--bin-dir", default=None, help=f"folder of twilight-run (default: ${VARIABLES[0]})")


@pytest.fixture(scope="session")
def target(request):
    return request.config.getoption("--target", default="cpu")


@pytest.fixture(scope="session")
def runner(request, target):
    tool = find_tool(request.config.getoption("--bin-dir", default=None))
    if tool is None:
        pytest.skip(f"no twilight-run: give --bin-dir, or set {' or '.join(VARIABLES)}")
    return CommandLine(tool, target)


@pytest.fixture(params=["hnd", "nhd"])
def small(request):
    """shape, q and cache of the tiny batch, in both layouts."""
    shape = Shape(2, 3, 8, 4, "f32", request.param)
    return shape, *build(shape, tiny())
