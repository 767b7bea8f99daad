#!/usr/bin/env python3
# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Adds up the JUnit reports of the suites: scripts/tally.py RESULTS [--checks NAME=EXIT_STATUS] NAME=EXIT_STATUS...

Reads RESULTS/NAME.xml for every suite, prints a line a suite and the names of what failed, and closes with
'N passed, N failed, N skipped'. A suite that left no report, ran nothing, or exited non-zero without a failed
case counts as one failure, so that a runner that died is never taken for one that passed. What follows --checks is no
test: its failures count, its passes do not.
"""

import argparse
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

SHOWN = 40  # names of failed tests


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


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path)
    parser.add_argument("--checks", action="append", default=[], metavar="NAME=EXIT_STATUS")
    parser.add_argument("suites", nargs="*", metavar="NAME=EXIT_STATUS")
    options = parser.parse_intermixed_args()

    passed, failed, skipped = 0, [], 0
    for suite in options.checks + options.suites:
        name, _, status = suite.rpartition("=")
        suite_passed, suite_failed, suite_skipped = read_suite(options.results, name, int(status))
        print(f"    {name:8} {suite_passed:5} passed {len(suite_failed):5} failed {suite_skipped:5} skipped")
        failed += suite_failed
        if suite in options.suites:
            passed, skipped = passed + suite_passed, skipped + suite_skipped
    if passed == 0:
        failed.append("no test passed")
    for name in failed[:SHOWN]:
        print(f"    FAILED {name}")
    if len(failed) > SHOWN:
        print(f"    and {len(failed) - SHOWN} more")
    print(f"\n{passed} passed, {len(failed)} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
