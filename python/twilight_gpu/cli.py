# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Compiles everything for the GPU, runs the numeric tests and the trace through PTX, and times it.

  --prepare DIR   where LLVM is: build what is needed, compile every pipeline into DIR (no GPU needed)
  --run DIR       where the GPU is: check and time what DIR holds (no compiler needed)
  neither         both, on this machine, in build/gpu

Exit status 1 where anything failed: a pipeline did not compile, a kernel spills, a result is wrong, a sanitizer
reported something, or a figure to reach was missed (--allow-missed: only say so).
"""

import datetime
import json
import shlex
import subprocess
import sys
import time

from . import ROOT
from .options import listed, make_parser, sizes_of

PARTS = ("numeric", "trace", "sanitize", "bench")


def parse(arguments):
    parser = make_parser("scripts/gpu-check", __doc__)
    parser.add_argument("--only", default=",".join(PARTS), help=f"parts to run, of {','.join(PARTS)} (default: all)")
    parser.add_argument("--cases", default="", help="numeric cases whose name holds this")
    parser.add_argument("--workers", type=int, help="processes for the numeric cases")
    parser.add_argument("--sanitizers", help="compute-sanitizer's tools (default: all four)")
    parser.add_argument("--shapes", default="", help="BxN,... for the benchmark (default: 1x131072,8x32768,64x32768)")
    parser.add_argument("--allow-missed", action="store_true", help="a missed figure is no failure")
    options = parser.parse_args(arguments)
    options.only = listed(parser, "--only", options.only, PARTS)
    try:
        options.shapes = sizes_of(options.shapes)
    except ValueError as error:
        parser.error(f"--shapes: {error}")
    return options


def command_of(arguments, program="scripts/gpu-check"):
    """The command as a document has it: without the place of the results, other paths from the project's root."""
    kept, skip = [], False
    for argument in arguments:
        if not skip and not argument.startswith("--out="):
            kept.append(argument.replace(f"{ROOT}/", ""))
        skip = argument == "--out"
        if skip:
            kept.pop()
    return " ".join([program, *map(shlex.quote, kept)])


def driver_version():
    """What nvidia-smi says; it is no part of the CUDA driver's interface."""
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip().splitlines()[0] if done.returncode == 0 and done.stdout.strip() else ""


def run_part(name, options, folder, runner, out):
    if name == "numeric":
        from . import numeric

        found = numeric.run(folder.path, options.workers, options.cases)
        spilling = [f"local memory: {line}" for line in found["local_memory"]]
        return found | {"failures": found["failures"] + spilling}
    if name == "trace":
        from . import trace

        found = trace.run(runner())
        print("\n".join("  " + line for line in trace.table(found["rows"])), flush=True)
        return found
    if name == "sanitize":
        from . import sanitize

        tools = options.sanitizers.split(",") if options.sanitizers else sanitize.TOOLS
        return sanitize.run(folder.path, tools, out / "sanitizer.log")
    from . import bench

    found = bench.run(runner(), options.shapes or bench.SHAPES, options.repeats)
    return found | {"failures": found["failures"] + ([] if options.allow_missed else found["missed"])}


def guarded(name, *arguments):
    """A part's results; what it raises becomes its failure, so that the others still run."""
    start = time.time()
    print(f"==> {name}", flush=True)
    try:
        found = run_part(name, *arguments)
    except Exception as error:  # noqa: BLE001: reported, and the exit status says so
        found = {"failures": [f"{type(error).__name__}: {error}"]}
    found["seconds"] = round(time.time() - start, 1)
    for failure in found["failures"]:
        print(f"  FAILED: {' '.join(str(failure).split())[:600]}", flush=True)
    print(f"  {name}: {found['seconds']} s, {len(found['failures'])} failures", flush=True)
    return found


def run(path, options, command):
    """Returns the number of failures."""
    from . import report
    from .folder import Folder
    from .precompiled import Precompiled
    from .resources import spilling
    from .runtime import Driver

    folder = Folder(path)
    index, out = folder.index(), options.out or folder.path / "results"
    out.mkdir(parents=True, exist_ok=True)
    driver = Driver(str(folder.library))
    runners = []

    def runner():
        runners.extend([] if runners else [Precompiled(folder, driver)])
        return runners[0]

    results = {
        "command": command,
        "date": datetime.date.today().isoformat(),
        "chip": index["chip"],
        "commit": index["commit"],
        "changed": index["changed"],
        "device": driver.info(),
        "driver": driver_version() or f"CUDA {driver.info()['driver_cuda'] / 1000:.2f}",
        "torch": "",
        "resources": index["resources"],
        "parts": {},
        "failures": [f"did not compile: {e['name']}: {e['error']}" for e in index["not_compiled"].values()],
    }
    results["failures"] += [f"spills: {line}" for kernels in index["resources"].values() for line in spilling(kernels)]
    print(f"{results['device']['name']}, driver {results['driver']}, commit {index['commit'][:12]}", flush=True)
    for name in options.only:
        found = guarded(name, options, folder, runner, out)
        results["parts"][name] = found
        results["failures"] += [f"{name}: {failure}" for failure in found["failures"]]
        if "torch" in sys.modules:
            results["torch"] = sys.modules["torch"].__version__
        (out / "results.json").write_text(json.dumps(results, indent=1) + "\n")
        (out / "report.md").write_text(report.markdown(results))
    verdict = "all right" if not results["failures"] else f"{len(results['failures'])} failures"
    print(f"gpu-check: {verdict}; {out / 'results.json'}", flush=True)
    return len(results["failures"])


def main(arguments=None):
    arguments = sys.argv[1:] if arguments is None else arguments
    options = parse(arguments)
    path = options.prepare or options.run or ROOT / "build" / "gpu"
    failures = 0
    try:
        if not options.run:
            from .prepare import prepare

            failures += prepare(path, options.build, options.chip, options.no_build)
        if not options.prepare:
            failures += run(path, options, command_of(arguments))
    except (OSError, subprocess.CalledProcessError, RuntimeError) as error:
        print(f"gpu-check: error: {error}", file=sys.stderr)
        return 1
    return 1 if failures else 0
