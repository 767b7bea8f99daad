# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""How long a run will take, and which of its problems still fit into the time that is left.

The estimate is rough at first (the constants are guesses of what inputs and float64 checks cost); the problems that a run
has behind it correct it for those before it.
"""

import time

from . import schedules

INPUTS = 1.2e-9  # a key's number: drawn, coded, summarised
FORMATS = 0.4e-9  # the same keys in other formats
CONFIG, CHECK, TIMED = 0.6, 1.2e-6, 40  # each configuration; a token of a checked kv head; its time, so often
SETS = 3.5


def peers_of(names):
    """Seconds of the peers that compile or plan something of their own."""
    each = {"flash": 0.5, "cudnn": 1.0, "efficient": 1.0, "flashinfer": 1.0, "flashinfer_tensor_cores": 1.0}
    each |= {"composed": 4.0, "composed_triton": 6.0, "dense": 0.5}
    return sum(each.get(name, 0.0) for name in names)


def keys_of(problem):
    """Numbers of all keys of all sets."""
    return SETS * problem.items * problem.tokens * problem.head_dim


def config_seconds(problem, sequences):
    """One configuration, checked and timed, over inputs that are there already."""
    read = SETS * problem.items * problem.tokens * 4 * problem.head_dim / 3e12
    return CONFIG + CHECK * sequences * problem.kv_heads * problem.tokens + TIMED * read * 0.2


def race_seconds(problem, configs, names):
    sequences = len({0, problem.batch // 3, problem.batch - 1})
    formats = len({(config.page_size, config.bounds, config.bits) for config in configs})
    sizes = len({16} | {config.page_size for config in configs})
    made = keys_of(problem) * (INPUTS * sizes + FORMATS * formats)
    dense = TIMED * keys_of(problem) * 4 / 3e12 * len(set(names) & {"dense", "flash", "cudnn", "efficient", "flashinfer"}) * 2
    return made + dense + peers_of(names) + len(configs) * config_seconds(problem, sequences)


def tune_seconds(problem, configs):
    each = keys_of(problem) * (INPUTS + FORMATS) + len(schedules.candidates(problem)) * config_seconds(problem, 1)
    return len(configs) * each


def say(text):
    print(text, flush=True)


class Pacer:
    """Goes through problems while they fit into `limit` seconds (0: no limit); a problem that fails does not stop it."""

    def __init__(self, limit, estimate, begun, alive, clock=time.monotonic):
        """estimate: seconds of a problem. begun: when the limit's time began. alive: whether the device still works."""
        self.limit, self.estimate, self.begun, self.alive, self.clock = limit, estimate, begun, alive, clock
        self.expected = self.taken = 0.0
        self.count, self.failed, self.left = 0, 0, []

    def elapsed(self):
        return self.clock() - self.begun

    def needed(self, problem):
        """The estimate, corrected by what the problems so far took."""
        return self.estimate(problem) * (self.taken / self.expected if self.expected else 1.0)

    def run(self, problems, function):
        """function(problem) of each that fits; the others' numbers, from 1 on, are in `left`."""
        self.count, total = len(problems), sum(map(self.estimate, problems))
        say(f"{self.count} problems, about {total:.0f} s" + (f" of {self.limit:.0f}" if self.limit else ""))
        for number, problem in enumerate(problems, 1):
            needed = self.needed(problem)
            if self.limit and self.elapsed() + needed > self.limit:
                remaining = max(0, self.limit - self.elapsed())
                say(f"left out: {problem.name}: about {needed:.0f} s, and {remaining:.0f} s remain")
                self.left.append(number)
                continue
            before = self.clock()
            if not self.guarded(problem, function):
                say("  the device's context is gone: nothing more can run in this process")
                self.failed += self.count - number
                return
            self.expected += self.estimate(problem)
            self.taken += self.clock() - before
            rest = sum(map(self.needed, problems[number:]))
            say(f"  {number} of {self.count} problems, {self.elapsed():.0f} s; about {rest:.0f} s to go")

    def guarded(self, problem, function):
        """Whether anything can run after it."""
        try:
            function(problem)
        except RuntimeError as error:
            self.failed += 1
            say(f"  FAILED: {problem.name}: {' '.join(str(error).split())[:600]}")
            return self.alive()
        return True

    def summary(self, done, file):
        """Says what was done, and how to do the rest; returns how many problems are not."""
        say(f"twilight-bench: {self.count - self.failed - len(self.left)} of {self.count} problems {done}; {file}")
        if self.left:
            numbers = ",".join(map(str, self.left))
            say(f"twilight-bench: left out for want of time: --pick={numbers} of the same problems")
        return self.failed + len(self.left)
