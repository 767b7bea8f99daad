# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""clang-format over C and C++ files."""

import re
import shutil
import subprocess

from .files import CPP, suffix

TOOL = "clang-format-22"


def sources(names):
    return [name for name in names if suffix(name) in CPP]


def fix(root, names):
    subprocess.run([TOOL, "-i", *sources(names)], cwd=root, check=True)


def check(root, names):
    if not shutil.which(TOOL):
        return "format", "failed", f"{TOOL} is missing: apt-get install {TOOL}"
    if not sources(names):
        return "format", "passed", ""
    result = subprocess.run([TOOL, "--dry-run", "-Werror", *sources(names)], cwd=root, capture_output=True, text=True)
    if result.returncode == 0:
        return "format", "passed", ""
    places = sorted(set(re.findall(r"^([^:\n]+):\d+:\d+: error", result.stderr, re.M)))
    return "format", "failed", "not formatted (scripts/lint --fix does it):\n  " + "\n  ".join(places or [result.stderr])
