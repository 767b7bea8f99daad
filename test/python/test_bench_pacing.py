# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Which problems of a run of scripts/twilight-bench fit into its time, and where sparse attention begins to pay."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "python"))

from twilight_bench import configs, crossover, pacing, problem, results, rows  # noqa: E402

ONES = [problem.Problem(batch, 4096) for batch in (1, 2, 4, 8)]
TIMES = {"median": 1.0, "min": 0.9, "max": 1.1, "p10": 0.95, "p90": 1.05}


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def pace(limit, costs, estimate=10.0, alive=True):
    """-> (batches that ran, the pacer); costs: seconds of each problem, or what it raises."""
    clock, ran = Clock(), []
    pacer = pacing.Pacer(limit, lambda one: estimate, 0.0, lambda: alive, clock)

    def run_one(one):
        ran.append(one.batch)
        cost = costs[ONES.index(one)]
        if isinstance(cost, Exception):
            raise cost
        clock.now += cost

    pacer.run(ONES, run_one)
    return ran, pacer


def test_everything_runs_without_a_limit_or_within_it(capsys):
    assert pace(0, [100.0] * 4)[0] == [1, 2, 4, 8]
    ran, pacer = pace(40, [10.0] * 4)
    assert ran == [1, 2, 4, 8] and pacer.summary("raced", "file") == 0
    said = capsys.readouterr().out
    assert "4 problems, about 40 s of 40" in said and "2 of 4 problems, 20 s; about 20 s to go" in said
    assert "4 of 4 problems raced; file" in said and "--pick" not in said


def test_what_does_not_fit_is_left_out_and_named(capsys):
    ran, pacer = pace(40, [25.0] * 4)  # the first one says that the estimates are too low
    assert ran == [1] and pacer.left == [2, 3, 4]
    assert pacer.summary("raced", "file") == 3
    said = capsys.readouterr().out
    assert "left out: B = 2, N = 4,096: about 25 s, and 15 s remain" in said and "--pick=2,3,4" in said


def test_a_failure_stops_nothing_unless_the_device_is_gone(capsys):
    costs = [RuntimeError("no\n memory"), 10.0, 10.0, 10.0]
    ran, pacer = pace(0, costs)
    assert ran == [1, 2, 4, 8] and pacer.summary("raced", "file") == 1
    assert "FAILED: B = 1, N = 4,096: no memory" in capsys.readouterr().out
    ran, pacer = pace(0, costs, alive=False)
    assert ran == [1] and pacer.summary("raced", "file") == 4


def test_estimates_grow_with_the_work():
    seconds = [pacing.race_seconds(one, configs.expand(configs.NAMES), configs.NAMES) for one in (ONES[0], ONES[3], problem.LARGE)]
    assert seconds == sorted(seconds) and seconds[0] > 1
    few = pacing.race_seconds(problem.LARGE, configs.expand(["paper"]), ["paper"])
    assert few < seconds[2] / 3
    assert pacing.tune_seconds(ONES[0], [configs.PAPER]) < pacing.tune_seconds(ONES[0], [configs.PAPER, configs.OWN["i8"]])


# --- where sparse attention begins to pay ---


def row(config, tokens, time_us, batch=8):
    times = {name: value * time_us for name, value in TIMES.items()}
    return rows.timed(problem.Problem(batch, tokens), config, times, int(time_us * 1e5), 3.0, 0.01)


def measured(ours, dense, config="paper", batch=8):
    lengths = (256, 512, 1024, 2048)
    return [row(*values, batch) for n, a, b in zip(lengths, ours, dense) for values in ((config, n, a), ("dense", n, b))]


def from_tokens(found):
    return [(f["config"], f["against"], f["from_tokens"]) for f in crossover.data_of(found)]


def test_the_least_length_from_which_it_stays_faster():
    assert from_tokens(measured((9, 9, 9, 9), (5, 8, 10, 20))) == [("paper", "dense", 1024)]
    assert from_tokens(measured((9, 9, 9, 9), (10, 8, 8, 20))) == [("paper", "dense", 2048)]  # not 256: slower after it
    assert from_tokens(measured((9, 9, 9, 9), (9, 9, 9, 9))) == [("paper", "dense", None)]  # as fast is not faster
    assert from_tokens(measured((1, 1, 1, 1), (9, 9, 9, 9))) == [("paper", "dense", 256)]
    assert from_tokens([row("paper", 256, 9)]) == []


def test_the_fastest_peer_is_a_rival_of_its_own():
    found = measured((9, 9, 9, 9), (10, 10, 10, 10)) + [row("flash", 1024, 7), row("cudnn", 1024, 8), row("cudnn", 2048, 12)]
    assert from_tokens(found) == [("paper", "dense", 256), ("paper", "fastest peer", 2048)]
    assert crossover.times_of(found)[8][1024] == {"paper": 9.0, "dense": 10.0, "fastest peer": 7.0}


def test_the_table_says_it_in_words():
    found = measured((9, 9, 9, 9), (5, 8, 10, 20)) + measured((1, 1, 1, 1), (9, 9, 9, 9), batch=1)
    found += measured((9, 9, 9, 9), (1, 1, 1, 1), config="best", batch=64)
    lines = crossover.markdown(found)
    assert "| B = 8 | 1,024 | – | – | – |" in lines
    assert "| B = 1 | 256, the least measured | – | – | – |" in lines
    assert "| B = 64 | – | never | – | – |" in lines
    assert "| 8, 1,024 | 9.0 | – | 10.0 | – |" in lines
    assert crossover.markdown([row("paper", 32768, 9), row("dense", 32768, 20)]) == []  # never measured at short lengths


def test_short_lengths_are_in_that_table_alone():
    assert crossover.is_listed(row("paper", 256, 9)) and not crossover.is_listed(row("paper", 32768, 9))
    assert not crossover.is_listed(row("paper", 8192, 9, batch=64))  # one of the figures
    head = dict.fromkeys(results.HEAD, "")
    assert results.document(head, [], {})["crossover"] == []
    assert results.merge(None, {"rows": []}) == {"rows": []}
