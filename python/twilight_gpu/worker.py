# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""A process that checks numeric cases on the GPU: names of cases on standard input, one JSON line back for each.

A process of its own, because a kernel that faults takes its process's CUDA context with it, and one that hangs can only
be ended with its process. numeric.py starts these.
"""

import json
import sys
import time
import traceback

from . import pipelines
from .folder import Folder
from .precompiled import Precompiled, check_case
from .runtime import Driver, RuntimeFailure


def verdict_of(case, runner):
    """{"case", "verdict": right | wrong | error, "message", "lost", "seconds", ...}"""
    start, reply = time.time(), {"case": case.name, "verdict": "right", "message": "", "lost": False}
    try:
        reply |= check_case(case, runner)
    except AssertionError as error:  # Mismatch, among others: an expected value and a found one
        reply |= {"verdict": "wrong", "message": str(error)}
    except RuntimeFailure as error:
        reply |= {"verdict": "error", "message": str(error), "lost": error.device_lost}
    except (OSError, KeyError, ValueError, TypeError, IndexError) as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        reply |= {"verdict": "error", "message": f"{type(error).__name__}: {error} ({where.name}, line {where.lineno})"}
    return reply | {"seconds": round(time.time() - start, 3)}


def kernels_of(runner):
    return [
        {"name": k.name, "op": k.op, "registers": k.registers, "local": k.spill_bytes, "shared": k.static_shared_bytes}
        for artifact in runner.artifacts.values()
        for k in artifact.kernels
    ]


def ops_of(case, runner):
    """The ops that a case's artifacts run, for the message."""
    try:
        kernels = [k for text in pipelines.texts_of(case) for k in runner.artifact(text).kernels]
        return sorted({k.op.removeprefix("twilight.") for k in kernels})
    except (OSError, RuntimeFailure):
        return []


def main():
    folder = Folder(sys.argv[1])
    cases = pipelines.numeric_cases()
    runner = Precompiled(folder, Driver(str(folder.library)))
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        case = cases[line.strip()]
        reply = verdict_of(case, runner)
        if reply["verdict"] != "right" and not reply["lost"]:
            reply["ops"] = ops_of(case, runner)
        if not reply["lost"]:
            reply["kernels"] = kernels_of(runner)
            for artifact in runner.artifacts.values():
                artifact.close()
            runner.artifacts.clear()
        print(json.dumps(reply), flush=True)


if __name__ == "__main__":
    main()
