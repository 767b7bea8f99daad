# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The house's rules that a machine can check (CONTRIBUTING.md says why they are there)."""

import re

from .files import CPP, suffix

LICENCE = "SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception"
# Longest file of each kind, in lines. A longer one says why in its first lines: 'Long because: ...'.
LENGTHS = {".cpp": 420, ".h": 420, ".c": 420, ".td": 420, ".py": 420, ".mlir": 220}
# Put together from parts, so that this file does not find itself.
UNFINISHED = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "XX" + "X"]) + r")\b|not yet " + "implemented")
DISABLED = re.compile(r"^\W*XFAIL:|UNSUPPORTED: *\*|@pytest\.mark\.xfail|\bDISABLED_\w+", re.M)
STATE = re.compile(r"\bcl::opt\b|\bgetenv\s*\(")
MACHINE = re.compile(r"(?<![\w.])/(root|home/\w+|work|tmp)/\w|\b(deb|security|files|registry)\.\w+\.(org|com)\b")


def lines_matching(root, names, pattern, keep=lambda line: True):
    for name in names:
        for number, line in enumerate((root / name).read_text(errors="replace").splitlines(), 1):
            if pattern.search(line) and keep(line):
                yield f"  {name}:{number}: {line.strip()[:140]}"


def texts(names):
    """Files that people write: no data, no pictures, no licence."""
    kinds = CPP | {".td", ".py", ".mlir", ".md", ".sh", ".txt", ".cmake", ".json", ".in", ".test", ""}
    return [name for name in names if suffix(name) in kinds and name != "LICENSE" and not name.startswith("test/data/")]


def too_long(root, names):
    for name in names:
        limit = LENGTHS.get(suffix(name))
        if not limit:
            continue
        text = (root / name).read_text(errors="replace")
        if text.count("\n") > limit and "Long because:" not in "\n".join(text.splitlines()[:15]):
            yield f"  {name}: {text.count(chr(10))} lines, at most {limit}: split it by idea, or say 'Long because: ...' at its top"


def unlicensed(root, names):
    for name in names:
        if suffix(name) in CPP | {".td", ".py"} and LICENCE not in "".join((root / name).open(errors="replace").readlines()[:8]):
            yield f"  {name}: the first lines lack '{LICENCE}'"


def check(root, names):
    """[(name, verdict, detail)] of every rule."""
    written = texts(names)
    code = [name for name in written if not name.endswith(".md")]
    libraries = [name for name in names if name.startswith(("lib/", "include/")) and suffix(name) in CPP]
    rules = [
        ("licence-header", unlicensed(root, names)),
        ("file-length", too_long(root, written)),
        ("unfinished-words", lines_matching(root, written, UNFINISHED)),
        ("disabled-tests", lines_matching(root, [name for name in code if name.startswith(("test/", "python/"))], DISABLED)),
        ("global-state", lines_matching(root, libraries, STATE, keep=lambda line: "lint: allowed" not in line)),
        ("machine-paths", lines_matching(root, written, MACHINE)),
    ]
    results = []
    for name, found in rules:
        found = list(found)
        results.append((f"house/{name}", "failed" if found else "passed", "\n".join(found)))
    return results
