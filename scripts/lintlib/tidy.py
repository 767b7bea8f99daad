# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""clang-tidy over everything that is compiled, remembered by content and bounded in time.

Headers of MLIR make one file cost tens of seconds, so a verdict is kept under a hash of all it depends on that is
ours. Files changed since the branch left its base go first; what the time did not reach is named, never passed over.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .files import git_lines

TOOL = "clang-tidy-22"
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)


class Headers:
    """Our headers that a file includes, directly or not; generated ones stand for all of TableGen's input."""

    def __init__(self, root):
        self.root = root
        self.direct = {}
        self.tablegen = sorted((root / "include").rglob("*.td"))

    def includes(self, path):
        if path not in self.direct:
            found = set()
            for text in INCLUDE.findall(path.read_text(errors="replace")):
                if text.endswith(".inc"):
                    found.update(self.tablegen)
                for candidate in (path.parent / text, self.root / "include" / text):
                    # Beside the checkout there may be another one.
                    if candidate.is_file() and self.root in candidate.resolve().parents:
                        found.add(candidate.resolve())
            self.direct[path] = found
        return self.direct[path]

    def closure(self, path):
        seen, todo = set(), [path]
        while todo:
            here = todo.pop()
            if here not in seen:
                seen.add(here)
                todo += self.includes(here)
        return seen


def base_of(root):
    """The commit that 'changed' is measured from: where this branch left origin/main, else the one before."""
    for base in (git_lines(root, "merge-base", "HEAD", "origin/main"), git_lines(root, "rev-parse", "HEAD~1")):
        if base and base != git_lines(root, "rev-parse", "HEAD"):
            return base[0]
    return None


def changed_files(root):
    base = base_of(root)
    names = git_lines(root, "diff", "--name-only", base) if base else []
    return {(root / name).resolve() for name in names + git_lines(root, "ls-files", "--others", "--exclude-standard")}


def key_of(root, headers, entry):
    digest = hashlib.sha256()
    for path in [root / ".clang-tidy", *sorted(headers.closure(Path(entry["file"])))]:
        digest.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes() + b"\0")
    digest.update(re.sub(re.escape(str(root)), "", entry["command"]).encode())
    return digest.hexdigest()


def run_one(root, build, path):
    result = subprocess.run(
        [TOOL, "-p", str(build), "--quiet", "--warnings-as-errors=*", str(path)], cwd=root, capture_output=True, text=True
    )
    if result.returncode == 0:
        return ""
    return (result.stdout.strip() or result.stderr.strip() or f"exit {result.returncode}").replace(f"{root}/", "")


def verdict(name, said):
    return f"tidy/{name}", "failed" if said else "passed", said


def check(root, build, budget):
    """[(name, verdict, detail)] of every file reached; prints which were not."""
    commands = build / "compile_commands.json"
    if not shutil.which(TOOL):
        return [("tidy", "failed", f"{TOOL} is missing: apt-get install {TOOL}")]
    if not commands.is_file():
        return [("tidy", "failed", f"{commands} is missing: run scripts/setup first")]
    ours = [root / part for part in ("lib", "tools", "test", "python")]
    entries = {Path(entry["file"]): entry for entry in json.loads(commands.read_text())}
    entries = {path: entry for path, entry in entries.items() if path.exists() and any(part in path.parents for part in ours)}
    headers, changed = Headers(root), changed_files(root)
    cache = build / "tidy-cache"
    cache.mkdir(exist_ok=True)

    results, waiting = [], []
    for path, entry in entries.items():
        kept = cache / key_of(root, headers, entry)
        if kept.exists():
            results.append(verdict(path.relative_to(root), kept.read_text()))
        else:
            waiting.append((not headers.closure(path) & changed, path, kept))
    remembered, end, not_run = len(results), time.monotonic() + budget, []

    def work(item):
        late, path, kept = item
        if time.monotonic() > end:
            not_run.append(path.relative_to(root))
            return None
        said = run_one(root, build, path)
        kept.write_text(said)
        return verdict(path.relative_to(root), said)

    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        results += [result for result in pool.map(work, sorted(waiting)) if result]
    print(f"clang-tidy: {len(results)} of {len(entries)} files ({remembered} remembered), {len(not_run)} not run")
    if not_run:
        print(f"  not run for want of time ({budget:.0f} s): " + " ".join(sorted(map(str, not_run))))
        print("  scripts/lint --tidy runs them all")
    return results
