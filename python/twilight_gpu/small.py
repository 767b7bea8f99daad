# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The program that runs under compute-sanitizer: each case once, checked against the oracle."""

import sys
import time

from twilight_numeric.case import FUNCTION

from . import pipelines
from .folder import Folder
from .precompiled import Precompiled
from .runtime import Driver
from .sanitize import CASES, DONE


def main():
    folder, cases, start = Folder(sys.argv[1]), pipelines.numeric_cases(), time.time()
    runner = Precompiled(folder, Driver(str(folder.library)))
    for name in CASES:
        runs = cases[name].runs()[:1]  # further runs launch the same kernels
        outputs = [runner.run(run.text, run.inputs, FUNCTION) for run in runs]
        if len(cases[name].runs()) == 1:
            cases[name].check([run.inputs for run in runs], outputs)
        print(f"{time.time() - start:6.1f} s  {name}", flush=True)
    for artifact in runner.artifacts.values():
        artifact.close()
    print(DONE, flush=True)


if __name__ == "__main__":
    main()
