# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""compute-sanitizer over a few numeric cases of every op; anything but a clean summary fails."""

import os
import re
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from . import ROOT

TOOLS = ("memcheck", "racecheck", "synccheck", "initcheck")
TIMEOUT = 240
# One case of each kernel and of each kind of list; small, since racecheck slows kernels a hundredfold.
CASES = (
    "select-quest-f16-h2x4-d64-p16",
    "select-quest-bf16-h1x8-d128-p32",
    "select-quest-heads-f16-h2x4-d64-p16",
    "select-quest-floors-f16-h2x4-d64-p16",
    "select-mean_std-f16-h3x3-d64-p16-nhd",
    "select-window-f16-h2x4-d64-p16",
    "select-full-f16-h2x3-d64-p1",
    "score-quest-f16-h3x3-d64-p16-nhd",
    "score-heads-f16-h2x4-d64-p16",
    "top_p-heads-f16-h2x4-d64-p16",
    "top_p-floors-bf16-h1x8-d128-p32",
    "top_p-long-0.99-f16-h2x8-d128-p16",
    "gather-tokens-f16-h3x3-d64-p16-nhd",
    "gather-pages-f16-h2x4-d64-p16",
    "gather-heads-bf16-h1x8-d128-p32",
    "gather-long-f16-h2x8-d128-p16",
    "merge-f16-h3x3-d64-p16-nhd",
    "attend-bf16-h3x1-d128-p16",
    "attend-long-bf16-h1x8-d128-p32",
    "append-f16-h2x4-d64-p16",
    "append-mean_var-bf16-h1x8-d128-p32",
    "pipeline-bench",
    "bare-f16-h2x4-d64-p16",
    "block-8-bare-threshold-f16-h2x4-d64-p16",  # blocks that meet through global memory
)
SUMMARY = re.compile(r"ERROR SUMMARY: (\d+) error")
HAZARDS = re.compile(r"RACECHECK SUMMARY: (\d+) hazards? displayed \((\d+) errors?, (\d+) warnings?\)")
DONE = "all cases right"


def errors_of(log):
    """Errors and warnings that a log reports; None where it holds no summary."""
    counts = [int(m[1]) for m in SUMMARY.finditer(log)]
    counts += [max(int(n) for n in m.groups()) for m in HAZARDS.finditer(log)]
    return sum(counts) if counts else None


def verdict(tool, log, returncode):
    """"" if clean, else why not."""
    found = errors_of(log)
    if found is None:
        return f"{tool}: no summary (exit status {returncode}): {log.strip()[-400:]}"
    if found:
        first = next((line for line in log.splitlines() if "=========" in line and "COMPUTE" not in line), "")
        return f"{tool}: {found} reported, the first: {first.strip('= ')}"
    if DONE not in log:
        return f"{tool}: the program did not finish (exit status {returncode}): {log.strip()[-400:]}"
    return ""


def run_tool(program, tool, folder):
    start = time.time()
    # The runtime counts a kernel's parameters by asking until the driver says there are no more: no error of the kernels.
    api = ["--report-api-errors", "no"] if tool == "memcheck" else []
    command = [program, "--tool", tool, *api, "--print-limit", "20", sys.executable, "-m", "twilight_gpu.small", str(folder)]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "python"), "OMP_NUM_THREADS": "1"}
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, env=environment)
        log, returncode = done.stdout + done.stderr, done.returncode
    except subprocess.TimeoutExpired as error:
        parts = [part.decode(errors="replace") if isinstance(part, bytes) else part or "" for part in (error.stdout, error.stderr)]
        log, returncode = "".join(parts) + f"\nended after {TIMEOUT} s\n", 124
    return tool, log, verdict(tool, log, returncode), time.time() - start


def find_program():
    usual = "/usr/local/cuda/bin/compute-sanitizer"
    return shutil.which("compute-sanitizer") or (usual if os.path.exists(usual) else None)


def run(folder, tools=TOOLS, log_path=None):
    program = find_program()
    if program is None:
        return {"failures": ["no compute-sanitizer on PATH: it is part of the CUDA toolkit"], "tools": {}}
    with ThreadPoolExecutor(len(tools)) as pool:
        results = list(pool.map(lambda tool: run_tool(program, tool, folder), tools))
    if log_path:
        log_path.write_text("".join(f"==== {tool}\n{log}\n" for tool, log, _, _ in results))
    for tool, _, why, seconds in results:
        print(f"  {tool}: {why or 'clean'} ({seconds:.0f} s)", flush=True)
    return {
        "cases": len(CASES),
        "tools": {tool: {"clean": not why, "seconds": round(seconds, 1)} for tool, _, why, seconds in results},
        "failures": [why for _, _, why, _ in results if why],
    }
