# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What a call of scripts/twilight-bench does: prepares, runs or reports."""

import datetime
import json
import subprocess
import sys
import time

from twilight_gpu import ROOT
from twilight_gpu.cli import command_of, driver_version

from . import pacing, schedules
from .options import parse, seconds_of

DOCUMENT = ROOT / "docs" / "measurements.md"


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
    begun = time.monotonic()
    from twilight_gpu.folder import Folder
    from twilight_gpu.precompiled import Precompiled
    from twilight_gpu.runtime import Driver
    from twilight_gpu.timing import Timer, bandwidth

    from . import results, tune
    from .race import Race, alive

    folder = Folder(path)
    index, out = folder.index(), options.out or folder.path / "results"
    driver = Driver(str(folder.library))
    timer, runner = Timer(driver, options.repeats), Precompiled(folder, driver)
    rate = bandwidth(driver, timer)["read_tb_per_s"]
    head = head_of(driver, index, command, rate)
    print(f"{head['device']}, driver {head['driver']}, commit {head['commit'][:12]}, reads {rate:.2f} TB/s", flush=True)
    out.mkdir(parents=True, exist_ok=True)
    pacer = pacing.Pacer(options.limit, seconds_of(options), begun, alive)
    if options.tune:
        tuner, table = tune.Tuner(runner, timer, index, head), options.table or out / "tuning.json"

        def tune_one(one):
            rows = tuner.run(one, schedules.tunable(options.names_of[one]))
            schedules.save(table, schedules.merge(schedules.load(table), rows))
            if not rows:
                raise RuntimeError("no candidate works here")

        pacer.run(options.problems, tune_one)
        return pacer.summary("tuned", table)
    race, rows = Race(runner, timer, Timer(driver, 7), rate, index, out / "failures.txt"), []
    file = out / f"{results.slug(head['device'])}.json"
    save = results.saver(file)

    def race_one(one):
        rows.extend(race.run(one, options.names_of[one]))
        save(results.document(head, rows, index["trace"]))

    pacer.run(options.problems, race_one)
    print_table(rows)
    return pacer.summary("raced", file)


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

    from . import report, results, variants

    if "twilight_tuning_table" in json.loads(file.read_text()):
        return merge_table(file)
    new = results.load(file)
    place = DOCUMENT.parent / "measurements" / f"{results.slug(new['device'])}.json"
    merged = results.merge(results.load(place) if place.is_file() else None, new)
    results.save(place, merged)
    pictures = report.pictures_of(merged, place.parent, place.stem)
    text = insert(DOCUMENT.read_text(), report.markdown(merged, pictures), report.BEGIN, report.END)
    if table := variants.markdown(merged["rows"]):
        text = insert(text, table, variants.BEGIN, variants.END)
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
        if options.list:
            for number, one in enumerate(options.problems, 1):
                print(f"{number:3} {one.name}: about {seconds_of(options)(one):.0f} s")
            return 0
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
