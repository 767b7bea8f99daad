#!/usr/bin/env python3
# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Runs the examples of the documents: every ```mlir block goes through twilight-opt.

usage: scripts/check-docs.py [--opt=build/bin/twilight-opt] [--root=DIR] [FILE...]

Without FILE: README.md, CONTRIBUTING.md, docs/**/*.md and include/twilight/**/*.td. In Markdown, relative links
are followed too. Prints one line an example that does not parse or verify, and one a dead link.

A block is a file of its own ('// -----' splits it further). Two kinds of fragments are made whole first:

  - first line '// given %q: tensor<?x9x64xf16>, %cache: !cache': ops of a function body with these arguments;
    alias lines (!cache = ..., #x = ...) are moved in front of the function
  - every line starts with '!' or '#' and defines no alias: types or attributes by themselves, one a line
"""

import argparse
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

BLOCK = re.compile(r"^(?P<indent>[ \t]*)```[ \t]*mlir[ \t]*\n(?P<body>.*?)^[ \t]*```[ \t]*$", re.M | re.S)
ALIAS = re.compile(r"^[!#][\w.$]+\s*=")
GIVEN = re.compile(r"//\s*given\s+(%.*)")
# After a split, MLIR gives the split's own first line and an offset.
ERROR = re.compile(r"(?:within split at <stdin>:(\d+) offset |<stdin>):(\d+):\d+: error: (.*)")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s#]+)[^)]*\)|(?:src|href)=\"([^\"#]+)\"")


def blocks_of(text):
    """(line of the first line of code, code) of every mlir block."""
    for match in BLOCK.finditer(text):
        lines = [line.removeprefix(match["indent"]) for line in match["body"].splitlines()]
        yield text.count("\n", 0, match.start("body")) + 1, lines


def alias_lines(lines):
    """Numbers of the lines that define aliases, with those that an open bracket carries on to."""
    found, open_brackets = set(), 0
    for number, line in enumerate(lines):
        if open_brackets > 0 or ALIAS.match(line):
            found.add(number)
            open_brackets += sum(line.count(c) for c in "<([{") - sum(line.replace("->", "").count(c) for c in ">)]}")
    return found


def whole(lines):
    """(lines that can be parsed on their own, how many of them were put in front)."""
    code = [line for line in lines if line.strip() and not line.lstrip().startswith("//")]
    given = GIVEN.match(lines[0].strip()) if lines else None
    if given:
        hoisted = alias_lines(lines)
        aliases = [line if number in hoisted else "" for number, line in enumerate(lines)]
        body = ["" if number in hoisted else line for number, line in enumerate(lines)][1:]
        end = [] if any(re.match(r"\s*(func\.)?return\b", line) for line in body) else ["return"]
        return [*aliases, f"func.func @example({given[1]}) {{", *body, *end, "}"], len(lines)
    if code and all(line[0] in "!#" and not ALIAS.match(line) for line in code):
        return [stand(line.split(" //")[0], i) if line in code else "" for i, line in enumerate(lines)], 0
    return lines, 0


def stand(text, number):
    """A function declaration that holds one type or attribute."""
    if text[0] == "!":
        return f"func.func private @example{number}({text})"
    return f"func.func private @example{number}() attributes {{x = {text}}}"


def run_block(opt, lines):
    """None if twilight-opt is content, else (line in the block, what it said)."""
    text, in_front = whole(lines)
    try:
        result = subprocess.run(
            [opt, "--split-input-file", "-o", "/dev/null", "-"],
            input="\n".join(text) + "\n", capture_output=True, text=True, timeout=120,
        )
    except subprocess.TimeoutExpired:
        return 1, "twilight-opt did not finish within 120 s"
    if result.returncode == 0:
        return None
    error = ERROR.search(result.stderr)
    if not error:
        return 1, f"twilight-opt exited with {result.returncode}"
    return int(error[1] or 0) + int(error[2]) - in_front, error[3]


def dead_links(root, file, text):
    for match in LINK.finditer(re.sub(r"```.*?```", lambda block: "\n" * block[0].count("\n"), text, flags=re.S)):
        target = match[1] or match[2]
        if not re.match(r"[a-z]+:", target) and not (file.parent / target).exists():
            line = text.count("\n", 0, match.start()) + 1
            yield f"{file.relative_to(root)}:{line}: link to '{target}', which does not exist"


def documents(root):
    found = [root / "README.md", root / "CONTRIBUTING.md", *root.glob("docs/**/*.md"), *root.glob("include/twilight/**/*.td")]
    return sorted(file for file in found if file.exists())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parent.parent)
    parser.add_argument("--opt", default=None, help="twilight-opt (default: build/bin/twilight-opt)")
    parser.add_argument("files", nargs="*", type=Path)
    options = parser.parse_args()
    root = options.root.resolve()
    opt = options.opt or str(root / "build/bin/twilight-opt")
    if not Path(opt).exists():
        sys.exit(f"check-docs: no twilight-opt at '{opt}': build it, or name it with --opt")

    files = [file.resolve() for file in options.files] or documents(root)
    wrong, blocks = [], []
    for file in files:
        text = file.read_text()
        blocks += [(file, line, lines) for line, lines in blocks_of(text)]
        if file.suffix == ".md":
            wrong += dead_links(root, file, text)
    with ThreadPoolExecutor(max_workers=2) as pool:
        answers = pool.map(lambda block: run_block(opt, block[2]), blocks)
    wrong += [
        f"{file.relative_to(root)}:{line + answer[0] - 1}: example fails: {answer[1]}"
        for (file, line, _), answer in zip(blocks, answers) if answer
    ]
    print("\n".join([*wrong, f"{len(blocks)} examples in {len(files)} documents, {len(wrong)} problems"]))
    return 1 if wrong or not blocks else 0


if __name__ == "__main__":
    sys.exit(main())
