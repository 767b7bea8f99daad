# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#!/usr/bin/env python3
"""Writes every case that a GPU can run to a folder: MLIR to compile here, inputs to launch with there."""

import argparse

from twilight_numeric.cases import all_cases
from twilight_numeric.files import dump


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("--only", default="", help="cases whose name holds this")
    parser.add_argument("--all", action="store_true", help="also those that only the CPU target takes")
    options = parser.parse_args()
    cases = [c for c in all_cases() if options.only in c.name and (options.all or not c.gpu_reason)]
    index = dump(options.folder, cases)
    print(f"{len(index)} cases, {sum(len(entry['runs']) for entry in index)} runs in {options.folder}")


if __name__ == "__main__":
    main()
