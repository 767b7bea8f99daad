# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Races the compiled pipelines against their peers on a GPU, each row checked against the oracle first.

  --prepare DIR   where LLVM is: build what is needed, compile every artifact into DIR (no GPU needed)
  --run DIR       where the GPU is: check and time what DIR holds (Python with PyTorch; no compiler)
  neither         both, on this machine, in build/bench
  --report FILE   results of a run into docs/measurements/, its plots, and docs/measurements.md (no GPU needed); or a
                  tuner's rows into lib/Schedule/tables

  --tune          with any of these: measure candidate schedules and write rows of the tuning table instead

A run says how long it will take, and with --limit leaves out what does not fit; the last line says how to run the rest.

Peers that are not installed, and configurations that do not compile, become rows with the reason why they were skipped.
Exit status 1 where a problem could not be raced at all, or nothing compiled.
"""

import pathlib

from twilight_gpu.options import listed, make_parser

from . import configs, pacing, problem, schedules


def parse(arguments):
    parser = make_parser("scripts/twilight-bench", __doc__, ("prepare", "run", "report"))
    parser.add_argument("--shapes", default="", metavar="BxN,...", help="these sizes instead of --only's, such as 64x32768")
    names = ",".join(problem.SETS)
    parser.add_argument("--only", default="figures", metavar="SETS", help=f"of {names} (default: figures)")
    parser.add_argument("--variants", action="store_true", help="the variants too: other heads, dims, formats, p, lengths")
    parser.add_argument("--pick", default="", metavar="NUMBERS", help="of these problems only some, such as 1,3-5")
    parser.add_argument("--configs", default="", help=f"of {','.join(configs.NAMES)} and the candidates for best, "
                        f"{','.join(c.name for c in configs.CANDIDATES)}; best with some of these chooses among them; "
                        f"for what the layout of the codes and f16 scores do, {','.join(c.name for c in configs.LAYOUTS)}; "
                        f"and, coarser than best may be, {','.join(c.name for c in configs.COARSE)} "
                        f"(default: all of the former; for crossover {','.join(configs.CROSSOVER)}; to tune, paper)")
    parser.add_argument("--limit", type=float, default=0, metavar="SECONDS",
                        help="start no problem that is not expected to end within this time (default: none)")
    parser.add_argument("--list", action="store_true", help="print the problems, their numbers and estimates; no more")
    parser.add_argument("--tune", action="store_true")
    parser.add_argument("--table", type=pathlib.Path, help="tuning table to merge the rows into (default: OUT/tuning.json)")
    options = parser.parse_args(arguments)
    sets = listed(parser, "--only", options.only, problem.SETS) + ["variants"] * options.variants
    try:
        options.problems = problem.chosen(sets, options.shapes, options.pick)
    except ValueError as error:
        parser.error(f"--shapes, --pick: {error}")
    chosen = options.configs and listed(parser, "--configs", options.configs, (*configs.NAMES, *configs.OWN))
    options.names_of = {one: chosen or default_names(one, sets, options) for one in options.problems}
    if options.tune:
        try:
            for names in options.names_of.values():
                schedules.tunable(names)
        except ValueError as error:
            parser.error(f"--configs: {error}")
    return options


def default_names(one, sets, options):
    """Without --configs. Problems of no set but crossover have many lengths, and fewer configurations."""
    if options.tune:
        return ["paper"]
    others = [name for name in sets if name != "crossover"]
    alone = not options.shapes and all(one not in problem.SETS[name] for name in others)
    return list(configs.CROSSOVER if alone else configs.NAMES)


def seconds_of(options):
    """A function of a problem: how long a run of it should take."""
    names_of = options.names_of
    if options.tune:
        return lambda one: pacing.tune_seconds(one, schedules.tunable(names_of[one]))
    return lambda one: pacing.race_seconds(one, configs.expand(names_of[one]), names_of[one])
