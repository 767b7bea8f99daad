# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Registers, spills and shared memory of kernels, as ptxas says."""

import pathlib
import re
import shutil
import subprocess

ENTRY = re.compile(r"Compiling entry function '([^']+)'")
SPILLS = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
USED = re.compile(r"Used (\d+) registers")
SHARED = re.compile(r"(\d+) bytes smem")


def parse(log):
    """The output of ptxas -v -> {kernel: {registers, stack, spill_stores, spill_loads, static_shared}}."""
    found, current = {}, None
    for line in log.splitlines():
        if match := ENTRY.search(line):
            blank = dict.fromkeys(("registers", "stack", "spill_stores", "spill_loads", "static_shared"), 0)
            current = found.setdefault(match[1], blank)
        elif current is None:
            continue
        elif match := SPILLS.search(line):
            current.update(zip(("stack", "spill_stores", "spill_loads"), map(int, match.groups())))
        elif match := USED.search(line):
            current["registers"] = int(match[1])
            if shared := SHARED.search(line):
                current["static_shared"] = int(shared[1])
    return found


def find_ptxas():
    found = shutil.which("ptxas")
    usual = pathlib.Path("/usr/local/cuda/bin/ptxas")
    return found or (str(usual) if usual.is_file() else None)


def ptxas(tool, ptx, chip):
    """Assembles one file; raises with the tool's own words where it refuses."""
    command = [tool, "-v", f"-arch={chip}", str(ptx), "-o", "/dev/null"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        raise RuntimeError(f"ptxas refused {ptx}: {done.stderr.strip()[:2000]}")
    return parse(done.stderr + done.stdout)


def spilling(kernels):
    """Kernels with spills, as text; none is what a release must show."""
    return [
        f"{name}: {k['spill_stores']} bytes of spill stores, {k['spill_loads']} of loads"
        for name, k in kernels.items()
        if k["spill_stores"] or k["spill_loads"]
    ]
