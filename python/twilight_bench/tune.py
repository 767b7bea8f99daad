# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The tuner: every candidate schedule checked and timed, the fastest of each problem becomes a row of the table."""

import torch
from twilight_gpu import inputs as generated
from twilight_gpu.launch import Launch
from twilight_gpu.traffic import sets_for

from . import checks, compiling, schedules
from .configs import PAPER
from .race import FAILURES, alive, say


def time_one(runner, timer, problem, config, inputs, batches, inspected):
    entry = compiling.whole(config, problem)
    artifact = runner.artifact(entry.text, entry.function, entry.options)
    checks.check(config, problem, inputs, [0], inspected, checks.run(artifact, batches[0]))
    calls = [Launch(artifact, arguments) for arguments in batches]
    return timer.measure(lambda: [call() for call in calls], len(calls))


def tune_one(runner, timer, problem, chip, provenance):
    """-> (row or None, [(schedule, times or the reason why not)])"""
    shape = PAPER.shape(problem)
    sets = sets_for(shape, problem.batch, problem.tokens, runner.driver.info()["l2_bytes"])
    inputs = generated.generate(shape, sets * problem.batch, problem.tokens, centres=problem.centres)
    level = torch.tensor([problem.p], device="cuda")
    batches = [inputs.batch(s * problem.batch, problem.batch) | {"p": level} for s in range(sets)]
    entry = compiling.inspected(PAPER, problem)
    inspected = checks.run(runner.artifact(entry.text, entry.function), batches[0])
    tried = []
    for schedule in schedules.candidates(problem):
        config = schedules.config_of(schedule)
        try:
            found = time_one(runner, timer, problem, config, inputs, batches, inspected)
            say(f"{found['median']:9.1f} us  {schedule}")
        except FAILURES as error:
            if not alive():
                raise
            found = " ".join(f"{type(error).__name__}: {error}".split())[:200]
            say(f"  skipped     {schedule}: {found}")
        tried.append((schedule, found))
    timed = [(schedule, times) for schedule, times in tried if not isinstance(times, str)]
    if not timed:
        return None, tried
    schedule, times = min(timed, key=lambda pair: pair[1]["median"])
    return schedules.row(chip, problem, PAPER, schedule, times, provenance), tried


def run(runner, timer, problems, chip, provenance):
    """Rows of the table; a problem without any schedule that works has none, and says so."""
    found = []
    for problem in problems:
        print(f"==> tuning {problem.name}", flush=True)
        row, _ = tune_one(runner, timer, problem, chip, provenance)
        torch.cuda.empty_cache()
        say(f"chosen: {row['schedule']}, {row['time_us']} us" if row else "no candidate works here: no row")
        found += [row] * bool(row)
    return found
