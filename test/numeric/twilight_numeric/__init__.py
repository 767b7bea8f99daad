# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Numeric cases for every op, and their check against the float64 oracle; nothing here knows the compiler's insides.

A case gives MLIR text, the inputs of one or more runs, and a check of those runs' outputs. Who runs it is open: the
command line (runner.py), or a GPU elsewhere that only has the compiled PTX (dump_cases.py, check_outputs.py).
"""

import pathlib
import sys

try:
    import twilight_oracle  # noqa: F401
except ImportError:  # not on PYTHONPATH: take the one of this checkout
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "python"))
