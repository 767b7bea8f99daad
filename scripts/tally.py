#!/usr/bin/env python3
# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Adds up the JUnit reports of the suites: scripts/tally.py RESULTS NAME=EXIT_STATUS...

Reads RESULTS/NAME.xml for every suite, prints a line a suite and the names of what failed, and closes with
'N passed, N failed, N skipped'. A suite that left no report, ran nothing, or exited non-zero without a failed
case counts as one failure, so that a runner that died is never taken for one that passed.
"""

import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path


def read_report(path):
    """Returns (passed, failed names, skipped) of one JUnit file."""
    passed, failed, skipped = 0, [], 0
    for case in ElementTree.parse(path).iter("testcase"):
        kinds = {child.tag for child in case}
        # CTest reports a case that could not start as status="notrun" or "disabled".
        if kinds & {"failure", "error"} or case.get("status") == "fail":
            failed.append(f"{case.get('classname', '')}: {case.get('name', '')}")
        elif "skipped" in kinds or case.get("status") in ("notrun", "disabled"):
            skipped += 1
        else:
            passed += 1
    return passed, failed, skipped


def read_suite(results, name, status):
    """Returns (passed, failed names, skipped) of one suite, with the runner's exit status counted in."""
    try:
        passed, failed, skipped = read_report(results / f"{name}.xml")
    except (OSError, ElementTree.ParseError) as error:
        return 0, [f"{name}: left no readable report ({error}); it exited with {status}"], 0
    if not passed and not failed:
        failed.append(f"{name}: ran no test")
    elif status != 0 and not failed:
        failed.append(f"{name}: exited with {status}, with no failed test in its report")
    return passed, failed, skipped


def main(arguments):
    results, suites = Path(arguments[0]), [argument.rpartition("=") for argument in arguments[1:]]
    passed, failed, skipped = 0, [], 0
    for name, _, status in suites:
        suite_passed, suite_failed, suite_skipped = read_suite(results, name, int(status))
        print(f"    {name:8} {suite_passed:5} passed {len(suite_failed):5} failed {suite_skipped:5} skipped")
        passed, failed, skipped = passed + suite_passed, failed + suite_failed, skipped + suite_skipped
    if not suites:
        failed.append("no suite was run")
    for name in failed:
        print(f"    FAILED {name}")
    print(f"\n{passed} passed, {len(failed)} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(f"usage: {sys.argv[0]} RESULTS NAME=EXIT_STATUS...")
    sys.exit(main(sys.argv[1:]))
