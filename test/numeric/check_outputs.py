# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#!/usr/bin/env python3
"""Checks a folder of cases after their runs wrote CASE/run<i>.out.safetensors; exits with 1 if one is wrong."""

import argparse
import sys

from twilight_numeric.cases import by_name
from twilight_numeric.compare import Mismatch
from twilight_numeric.files import check, read_index


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    options = parser.parse_args()
    cases, tally = by_name(), {"right": 0, "wrong": 0, "missing": 0}
    for entry in read_index(options.folder):
        try:
            check(options.folder, entry, cases[entry["name"]])
            verdict, why = "right", ""
        except Mismatch as error:
            verdict, why = "wrong", f": {error}"
        except FileNotFoundError as error:
            verdict, why = "missing", f": {error}"
        tally[verdict] += 1
        if why:
            print(f"{verdict} {entry['name']}{why}")
    print(", ".join(f"{n} {verdict}" for verdict, n in tally.items()))
    sys.exit(1 if tally["wrong"] or tally["missing"] else 0)


if __name__ == "__main__":
    main()
