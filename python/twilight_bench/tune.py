# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The tuner: every candidate schedule checked and timed, the fastest of each problem becomes a row of the table."""

from dataclasses import replace

import torch
from twilight_gpu import inputs as generated
from twilight_gpu.launch import Launch
from twilight_gpu.traffic import sets_for

from . import checks, compiling, schedules
from .race import FAILURES, Artifacts, alive, say


class Tuner:
    def __init__(self, runner, timer, index, provenance):
        """index: of the prepared folder; provenance: device, driver, date, commit."""
        self.artifacts, self.timer = Artifacts(runner, index["not_compiled"]), timer
        self.l2_bytes, self.chip, self.provenance = runner.driver.info()["l2_bytes"], index["chip"], provenance

    def time_one(self, problem, config, inputs, batches, inspected):
        artifact = self.artifacts.of(compiling.whole(config, problem))
        schedules.require_registers(artifact.kernels)
        checks.check(config, problem, inputs, [0], inspected, checks.run(artifact, batches[0]))
        calls = [Launch(artifact, arguments) for arguments in batches]
        return self.timer.measure(lambda: [call() for call in calls], len(calls))

    def tune(self, problem, config):
        """The fastest candidate's row; None where none works."""
        shape = config.shape(problem)
        sets = sets_for(shape, problem.batch, problem.tokens, self.l2_bytes)
        inputs = generated.generate(shape, sets * problem.batch, problem.tokens, centres=problem.centres)
        level = torch.tensor([problem.p], device="cuda")
        batches = [inputs.batch(s * problem.batch, problem.batch) | {"p": level} for s in range(sets)]
        inspected = checks.run(self.artifacts.of(compiling.inspected(config, problem)), batches[0])
        timed = []
        for schedule in schedules.candidates(problem):
            try:
                found = self.time_one(problem, replace(config, schedule=schedule), inputs, batches, inspected)
            except FAILURES as error:
                if not alive():
                    raise
                why = " ".join(f"{type(error).__name__}: {error}".split())[:200]
                say(f"  skipped     {schedule}: {why}")
                continue
            say(f"{found['median']:9.1f} us  {schedule}")
            timed.append((schedule, found))
        if not timed:
            return None
        schedule, times = min(timed, key=lambda pair: pair[1]["median"])
        return schedules.row(self.chip, problem, config, schedule, times, self.provenance)

    def run(self, problem, configs):
        """Rows of the table; a configuration without any schedule that works has none, and says so."""
        found = []
        for config in configs:
            print(f"==> tuning {config.name} at {problem.name}", flush=True)
            row = self.tune(problem, config)
            torch.cuda.empty_cache()
            say(f"chosen: {row['schedule']}, {row['time_us']} us" if row else "no candidate works here: no row")
            found += [row] * bool(row)
        return found
