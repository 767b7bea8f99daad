# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""For a script that may be started with any Python: the packages it needs are here, or in build/venv."""

import importlib.util
import os
import sys

from . import ROOT

NEEDED = ("numpy", "ml_dtypes", "safetensors")
VENV = ROOT / "build" / "venv" / "bin" / "python"


def use_venv(program, script):
    """Starts the script again with build/venv's Python where this one lacks packages; ends it where that is none."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing and VENV.exists() and sys.prefix != str(VENV.parent.parent):
        os.execv(str(VENV), [str(VENV), script, *sys.argv[1:]])
    if missing:
        packages = ", ".join(missing)
        sys.exit(f"{program}: error: no Python package {packages}: run scripts/setup, or install python/requirements.txt")
