# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Races the compiled pipelines against their peers on a GPU, each row checked against the oracle first.

  --prepare DIR   where LLVM is: build what is needed, compile every artifact into DIR (no GPU needed)
  --run DIR       where the GPU is: check and time what DIR holds (Python with PyTorch; no compiler)
  neither         both, on this machine, in build/bench
  --report FILE   results of a run into docs/measurements/, its plots, and docs/measurements.md (no GPU needed); or a
                  tuner's rows into lib/Schedule/tables

  --tune          with any of these: measure candidate schedules and write rows of the tuning table instead

Peers that are not installed, and configurations that do not compile, become rows with the reason why they were skipped.
Exit status 1 where a problem could not be raced at all, or nothing compiled.
"""

import argparse
import datetime
import json
import pathlib
import subprocess
import sys
import time

from twilight_gpu import ROOT
from twilight_gpu.cli import command_of, driver_version

from . import configs, problem, schedules

DOCUMENT = ROOT / "docs" / "measurements.md"


def parse(arguments):
    parser = argparse.ArgumentParser(
        prog="scripts/twilight-bench",
        usage="scripts/twilight-bench [--prepare DIR | --run DIR | --report FILE] [options]",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    phase = parser.add_mutually_exclusive_group()
    phase.add_argument("--prepare", metavar="DIR", type=pathlib.Path)
    phase.add_argument("--run", metavar="DIR", type=pathlib.Path)
    phase.add_argument("--report", metavar="FILE", type=pathlib.Path)
    parser.add_argument("--shapes", default="", metavar="BxN,...", help="these sizes instead of --only's, such as 64x32768")
    names = ",".join(problem.SETS)
    parser.add_argument("--only", default="figures", metavar="SETS", help=f"of {names} (default: figures)")
    parser.add_argument("--variants", action="store_true", help="the variants too: other heads, dims, formats, p, lengths")
    parser.add_argument("--configs", default=",".join(configs.NAMES), help=f"of {','.join(configs.NAMES)} and the candidates "
                        f"for best, {','.join(c.name for c in configs.CANDIDATES)} (default: all but single candidates)")
    parser.add_argument("--repeats", type=int, default=25, help="of each timing (default: 25)")
    parser.add_argument("--tune", action="store_true")
    parser.add_argument("--table", type=pathlib.Path, help="tuning table to merge the rows into (default: OUT/tuning.json)")
    parser.add_argument("--chip", default="sm_90a", help="what to compile for (default: sm_90a)")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build", help="build folder (default: build)")
    parser.add_argument("--no-build", action="store_true", help="take the tools as they are")
    parser.add_argument("--out", type=pathlib.Path, help="folder for the results (default: DIR/results)")
    options = parser.parse_args(arguments)
    options.configs = listed(parser, "--configs", options.configs, (*configs.NAMES, *configs.OWN))
    sets = listed(parser, "--only", options.only, problem.SETS) + ["variants"] * options.variants
    try:
        options.problems = problem.chosen(sets, options.shapes)
    except ValueError as error:
        parser.error(f"--shapes: {error}")
    return options


def listed(parser, name, text, known):
    found = [part for part in text.split(",") if part]
    unknown = sorted(set(found) - set(known))
    if unknown or not found:
        parser.error(f"{name} takes {', '.join(known)}; found {', '.join(unknown) or 'none'}")
    return found


def head_of(driver, index, command, read_rate):
    """What a results file says about its run."""
    import torch

    from . import flashinfer_peer

    info = driver.info()
    return {
        "device": info["name"],
        "driver": driver_version() or f"CUDA {info['driver_cuda'] / 1000:.2f}",
        "date": datetime.date.today().isoformat(),
        "commit": index["commit"],
        "changed": index["changed"],
        "torch": torch.__version__,
        "flashinfer": flashinfer_peer.version(),
        "chip": index["chip"],
        "command": command,
        "read_tb_per_s": round(read_rate, 4),
        "compile_seconds": index.get("compile_seconds", {}),
    }


def run(path, options, command):
    """Returns the number of problems that could not be raced."""
    from twilight_gpu.folder import Folder
    from twilight_gpu.precompiled import Precompiled
    from twilight_gpu.runtime import Driver
    from twilight_gpu.timing import Timer, bandwidth

    from . import results, tune
    from .race import Race, alive, say

    folder = Folder(path)
    index, out = folder.index(), options.out or folder.path / "results"
    driver = Driver(str(folder.library))
    timer, runner = Timer(driver, options.repeats), Precompiled(folder, driver)
    rate = bandwidth(driver, timer)["read_tb_per_s"]
    head = head_of(driver, index, command, rate)
    print(f"{head['device']}, driver {head['driver']}, commit {head['commit'][:12]}, reads {rate:.2f} TB/s", flush=True)
    if options.tune:
        table = options.table or out / "tuning.json"
        rows = tune.run(runner, timer, options.problems, index["chip"], head)
        schedules.save(table, schedules.merge(schedules.load(table), rows))
        print(f"twilight-bench: {len(rows)} of {len(options.problems)} problems tuned; {table}", flush=True)
        return len(options.problems) - len(rows)
    out.mkdir(parents=True, exist_ok=True)
    race = Race(runner, timer, Timer(driver, 7), rate, index, out / "failures.txt")
    rows, failed, start = [], 0, time.time()
    file = out / f"{results.slug(head['device'])}.json"
    for number, one in enumerate(options.problems, 1):
        try:
            rows += race.run(one, options.configs)
        except RuntimeError as error:
            failed += 1
            say(f"FAILED: {one.name}: {' '.join(str(error).split())[:600]}")
            if not alive():
                say("the device's context is gone: nothing more can run in this process")
                failed += len(options.problems) - number
                break
        results.save(file, results.document(head, rows, index["trace"]))
        say(f"{number} of {len(options.problems)} problems, {time.time() - start:.0f} s")
    print_table(rows)
    print(f"twilight-bench: {len(options.problems) - failed} of {len(options.problems)} problems raced; {file}", flush=True)
    return failed


def print_table(rows):
    from . import report

    for of_problem in report.by_problem(rows).values():
        print(f"\n{report.title_of(of_problem[0])}: fastest dense {report.number(of_problem[0]['fastest_dense_us'], 1)} us")
        for row in sorted(of_problem, key=lambda row: row["time_us"] or float("inf")):
            time_us = report.number(row["time_us"], 1)
            share, speedup = report.percent(row["limit_share"]), report.number(row["speedup"])
            print(f"  {row['config']:<26}{time_us:>10} us{speedup:>8}x{share:>6} of its limit  {row['skipped'][:70]}")


def write_report(file):
    """Merges a run's results into the device's file, draws its plots, and rewrites the document's section."""
    from twilight_gpu.report import insert

    from . import report, results

    if "twilight_tuning_table" in json.loads(file.read_text()):
        return merge_table(file)
    new = results.load(file)
    place = DOCUMENT.parent / "measurements" / f"{results.slug(new['device'])}.json"
    merged = results.merge(results.load(place) if place.is_file() else None, new)
    results.save(place, merged)
    pictures = report.pictures_of(merged, place.parent, place.stem)
    text = insert(DOCUMENT.read_text(), report.markdown(merged, pictures), report.BEGIN, report.END)
    DOCUMENT.write_text(text)
    for path in (place, DOCUMENT, *(DOCUMENT.parent / name for name, _ in pictures)):
        print(f"wrote {path.relative_to(ROOT)}")


def merge_table(file):
    """A tuner's rows into the tables that the compiler carries, one a chip."""
    rows = schedules.load(file)
    for chip in sorted({row["chip"] for row in rows}):
        place = ROOT / "lib" / "Schedule" / "tables" / f"{chip}.json"
        mine = [row for row in rows if row["chip"] == chip]
        schedules.save(place, schedules.merge(schedules.load(place), mine))
        print(f"wrote {place.relative_to(ROOT)}: build twilight-compile again to use it")


def main(arguments=None):
    arguments = sys.argv[1:] if arguments is None else arguments
    options = parse(arguments)
    path = options.prepare or options.run or ROOT / "build" / "bench"
    try:
        if options.report:
            write_report(options.report)
            return 0
        if not options.run:
            from .prepare import prepare

            if not prepare(path, options):
                print("twilight-bench: error: nothing compiled: see the messages above", file=sys.stderr)
                return 1
        if not options.prepare:
            return 1 if run(path, options, command_of(arguments, "scripts/twilight-bench")) else 0
    except (OSError, subprocess.CalledProcessError, RuntimeError, ValueError) as error:
        print(f"twilight-bench: error: {error}", file=sys.stderr)
        return 1
    return 0
