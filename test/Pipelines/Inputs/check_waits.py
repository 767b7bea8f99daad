# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Every kernel of a PTX text (standard input) waits for the one before it ahead of all that it reads and writes.

usage: check_waits.py < FILE.ptx
A kernel that reads or writes global memory before griddepcontrol.wait may meet what the kernel before it has not
finished; the compiler may move an invariant load (ld.global.nc) there, and results would be wrong now and then, only.
Before the wait there is no branch either: no path around it.
"""

import re
import sys

ENTRY = re.compile(r"^\s*(?:\.visible\s+|\.weak\s+)?\.entry\s+(\w+)")
# Parameters and shared memory are the kernel's own; a generic access may be a global one.
MEMORY = re.compile(r"^(?:ld|st|ldu|atom|red|cp|prefetch|prefetchu)\.(?!param\b|shared\b)")
PATH = re.compile(r"^(?:bra|brx|call|ret|exit)\b|^[$\w]+:$")


def instructions(body):
    """One a line, without predicates, braces of inline assembly and comments."""
    for line in body:
        for text in re.sub(r"//.*", "", line).split(";"):
            text = re.sub(r"^@!?%\w+\s+", "", text.strip().lstrip("{").strip())
            if text:
                yield text


def check(name, body):
    actions, early = [], []
    for text in instructions(body):
        if text.startswith("griddepcontrol."):
            actions.append(text.split(".")[1])
        elif "wait" not in actions and (MEMORY.match(text) or PATH.match(text)):
            early.append(text)
    if actions != ["wait", "launch_dependents"]:
        sys.exit(f"{name}: expected griddepcontrol wait, then launch_dependents; found: {', '.join(actions) or 'none'}")
    if early:
        sys.exit(f"{name}: before griddepcontrol.wait: {early[0]}")


def main():
    kernels, name = {}, None
    for line in sys.stdin:
        if match := ENTRY.match(line):
            name = match[1]
            kernels[name] = []
        elif name:
            kernels[name].append(line)
    for name, body in kernels.items():
        check(name, body)
    print(f"{len(kernels)} kernels wait before they touch global memory")
    return 0 if kernels else sys.exit("no kernels")


if __name__ == "__main__":
    main()
