# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What scripts/gpu-check is made of: compiled pipelines on a GPU, checked, sanitised and timed.

The machine that compiles needs no GPU, the one that runs needs no compiler: between them travels one folder of
artifacts (folder.py). The numeric part needs NumPy alone, the benchmark PyTorch too.
"""

import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]

for needed in (ROOT / "python", ROOT / "test" / "numeric"):
    if str(needed) not in sys.path:
        sys.path.insert(0, str(needed))
