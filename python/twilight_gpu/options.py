# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What scripts/gpu-check and scripts/twilight-bench have in common on their command lines."""

import argparse
import pathlib

from . import ROOT


def make_parser(program, description, phases=("prepare", "run")):
    """A parser with an option for each phase, of which one may be given: --prepare DIR, --run DIR, ..."""
    metavars = {name: "FILE" if name == "report" else "DIR" for name in phases}
    each = " | ".join(f"--{name} {metavar}" for name, metavar in metavars.items())
    parser = argparse.ArgumentParser(
        prog=program,
        usage=f"{program} [{each}] [options]",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    group = parser.add_mutually_exclusive_group()
    for name, metavar in metavars.items():
        group.add_argument(f"--{name}", metavar=metavar, type=pathlib.Path)
    parser.add_argument("--chip", default="sm_90a", help="what to compile for (default: sm_90a)")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build", help="build folder (default: build)")
    parser.add_argument("--no-build", action="store_true", help="take the tools as they are")
    parser.add_argument("--repeats", type=int, default=25, help="of each timing (default: 25)")
    parser.add_argument("--out", type=pathlib.Path, help="folder for what a run finds (default: DIR/results)")
    return parser


def listed(parser, name, text, known):
    """The parts of "a,b"; an error of the command line where there is none, or one that is not known."""
    found = [part for part in text.split(",") if part]
    unknown = sorted(set(found) - set(known))
    if unknown or not found:
        parser.error(f"{name} takes {', '.join(known)}; found {', '.join(unknown) or 'none'}")
    return found


def sizes_of(text):
    """"64x32768,..." -> [(batch, tokens)]; raises ValueError."""
    found = []
    for part in filter(None, text.split(",")):
        numbers = part.split("x")
        if len(numbers) != 2 or not all(n.isdigit() and int(n) for n in numbers):
            raise ValueError(f"expected BxN,..., such as 64x32768; found '{part}'")
        found.append(tuple(map(int, numbers)))
    return found
