#!/usr/bin/env python3
# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Checks the direction of every #include: a file may use its own folder and the floors below it.

usage: scripts/check-layering.py [--root=DIR]

Reads C, C++ and TableGen files under include/, lib/, tools/ and test/. Prints one line a violation
(file:line: what is included, why that is not allowed) and exits 1 if there is any.
"""

import argparse
import re
import sys
from pathlib import Path

# The floors of the house, lowest first (CONTRIBUTING.md says what each folder is for).
FLOORS = {
    "Target": 1,
    "Support": 1,
    "Dialect": 2,
    "Schedule": 3,
    "Transforms": 4,
    "Kernels": 4,
    "Conversion": 5,
    "Pipelines": 6,
    "CAPI": 7,
    "tools": 7,
}
# Same floor, other folder: forbidden unless listed here as (from, to).
BESIDE = {("tools", "CAPI")}
# Inside lib/Kernels: Arch -> Atoms -> Stages -> the kernels themselves.
KERNEL_LAYERS = {"Arch": 1, "Atoms": 2, "Stages": 3}
KERNEL_TOP = 4
# What some folders may not see at all: folder -> (pattern of the include, reason).
FOREIGN = {
    "Target": (r"(mlir|llvm)(-c)?/", "Target is plain C++"),
    "Runtime": (r"(mlir|llvm)(-c)?/|twilight(-c)?/", "the runtime knows artifacts, not the compiler"),
}
# The machine's own dialects are raw material of Kernels/Arch and of what lowers or emits code.
RAW_DIALECTS = r"mlir/Dialect/(NVGPU|LLVMIR/NVVM)"

SOURCES = {".h", ".hpp", ".c", ".cpp", ".cc", ".inc", ".td"}
INCLUDE = re.compile(r'^\s*#?\s*include\s+["<]([^">]+)[">]')


def folder_of(path):
    """The folder of the table that a path (relative to the root) belongs to, '' for one that is in none."""
    parts = path.parts
    if parts[0] == "include" and len(parts) > 2:
        if parts[1] == "twilight":
            return parts[2] if len(parts) > 3 else ""
        return {"twilight-c": "CAPI", "twilight-runtime": "Runtime"}.get(parts[1], parts[1])
    if parts[0] in ("lib", "test") and len(parts) > 2:
        return parts[1]
    return "tools" if parts[0] == "tools" else ""


def kernel_layer(path):
    """(layer, its name) of a file of Kernels."""
    for part in path.parts:
        if part in KERNEL_LAYERS:
            return KERNEL_LAYERS[part], part
    return KERNEL_TOP, "the kernels"


def included_path(root, file, text):
    """The project file an include names, relative to the root, or None for somebody else's."""
    beside = (root / file).parent / text
    if beside.exists():
        return beside.resolve().relative_to(root)
    if re.match(r"twilight(-c|-runtime)?/", text):
        return Path("include") / text
    return None


def violation(root, file, text):
    """Why `file` may not include `text`, or None if it may."""
    folder = folder_of(file)
    if folder in FOREIGN and re.match(FOREIGN[folder][0], text):
        return FOREIGN[folder][1]
    if folder == "Kernels" and re.match(RAW_DIALECTS, text) and kernel_layer(file)[1] != "Arch":
        return "raw nvgpu and nvvm appear in Kernels/Arch only: add the machine idea there and call it"
    target_path = included_path(root, file, text)
    if target_path is None:
        return None
    target = folder_of(target_path)
    if folder == "Kernels" and target == "Kernels":
        here, there = kernel_layer(file), kernel_layer(target_path)
        if there[0] > here[0]:
            return f"inside Kernels, {here[1]} is below {there[1]}"
    if target == folder:
        return None
    if target == "Runtime":
        return None if folder == "tools" else "only tools use the runtime; the compiler does not know it"
    if target not in FLOORS:
        return f"'{target_path}' is in no folder of the floors table: give it one, or add the folder to FLOORS"
    if folder not in FLOORS:
        return f"'{file}' is in no folder of the floors table, so it may include nothing of the project"
    if FLOORS[target] < FLOORS[folder] or (folder, target) in BESIDE:
        return None
    place = "beside" if FLOORS[target] == FLOORS[folder] else "above"
    return f"{target} (floor {FLOORS[target]}) is {place} {folder} (floor {FLOORS[folder]})"


def source_files(root):
    for top in ("include", "lib", "tools", "test"):
        for path in sorted((root / top).rglob("*")):
            if path.suffix in SOURCES and path.is_file():
                yield path.relative_to(root)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parent.parent)
    root = parser.parse_args().root.resolve()

    files = includes = 0
    found = []
    for file in source_files(root):
        files += 1
        for number, line in enumerate((root / file).read_text(errors="replace").splitlines(), 1):
            match = INCLUDE.match(line)
            if not match:
                continue
            includes += 1
            reason = violation(root, file, match[1])
            if reason:
                found.append(f"{file}:{number}: includes '{match[1]}': {reason}")
    print("\n".join(found + [f"{len(found)} violations in {files} files, {includes} includes"]))
    return 1 if found or not files else 0


if __name__ == "__main__":
    sys.exit(main())
