# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Holds a manifest against docs/runtime.md and its PTX, and prints it as one line an argument and one a kernel.

usage: check_manifest.py NAME.json [SYMBOL=NUMBER...]
With numbers for symbols, expressions are printed as what they come to, and offsets into the workspace are checked.
"""

import json
import operator
import pathlib
import re
import sys

OPERATORS = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "floordiv": operator.floordiv,
    "ceildiv": lambda a, b: -(-a // b),
    "min": min,
    "max": max,
}
DTYPES = ("f16", "bf16", "f32", "i32", "i8", "f8E4M3FN", "f8E5M2")
SYMBOL = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
ENTRY = re.compile(r"\.visible \.entry (\w+)\((.*?)\)\s*(.*?)\{", re.DOTALL)
TOP = {"twilight_manifest", "twilight_version", "pipeline", "chip", "ptx", "ptx_version", "arguments", "workspace", "kernels"}
KERNEL = {"name", "op", "grid", "block", "shared_bytes", "arguments"}
OPTIONAL = {"cluster", "cooperative", "dependent_launch"}


def need(condition, text):
    if not condition:
        sys.exit(f"check_manifest: {text}")


def expression(value, symbols, where):
    """A number where symbols give it, text elsewhere; every symbol must be a dimension of some input."""
    if isinstance(value, list):
        need(len(value) == 3 and value[0] in OPERATORS, f"{where}: no expression: {value}")
        a, b = (expression(operand, symbols, where) for operand in value[1:])
        known = isinstance(a, int) and isinstance(b, int)
        return OPERATORS[value[0]](a, b) if known else f"({value[0]} {a} {b})"
    if isinstance(value, str):
        need(value in symbols, f"{where}: the symbol '{value}' is no dimension of an input")
        return symbols[value]
    need(isinstance(value, int) and not isinstance(value, bool), f"{where}: no expression: {value!r}")
    return value


def arguments(manifest, numbers):
    """Checks them; returns their names, what the symbols of the inputs stand for, and the lines."""
    names, symbols, lines = set(), {}, []
    for argument in manifest["arguments"]:
        name, kind, shape = argument["name"], argument["kind"], argument["shape"]
        need(set(argument) <= {"name", "kind", "dtype", "shape", "values"}, f"{name}: fields {sorted(argument)}")
        need(name not in names, f"two arguments are named '{name}'")
        names.add(name)
        need(kind in ("input", "output", "inout"), f"{name}: kind {kind}")
        need(argument["dtype"] in DTYPES, f"{name}: dtype {argument['dtype']}")
        if kind != "output":
            need(not any(isinstance(d, list) for d in shape), f"{name}: an expression in the shape of an {kind}")
            symbols |= {d: numbers.get(d, d) for d in shape if isinstance(d, str)}
    need(all(SYMBOL.fullmatch(s) for s in symbols), f"symbols {sorted(symbols)}")
    for argument in manifest["arguments"]:
        name, values = argument["name"], argument.get("values")
        shape = ", ".join(str(expression(d, symbols, name)) for d in argument["shape"])
        line = f"{argument['kind']} {name} {argument['dtype']} [{shape}]"
        if values:
            need(argument["dtype"] == "i32", f"{name}: bounds on {argument['dtype']}")
            line += f" in {expression(values['min'], symbols, name)}..{expression(values['max'], symbols, name)}"
            if lengths := values.get("lengths"):
                need(lengths["argument"] in names and lengths["per"] > 0, f"{name}: lengths {lengths}")
                line += f" to {lengths['argument']} / {lengths['per']}"
        lines.append(line)
    return names, symbols, lines


def kernel_argument(argument, names, symbols, where):
    """(text, the parameter's type in PTX)"""
    need(len(argument) == 1, f"{where}: {argument}")
    ((kind, value),) = argument.items()
    if kind == "pointer":
        need(value in names, f"{where}: no argument is named '{value}'")
        return value, "u64"
    if kind == "f32":
        need(isinstance(value, (int, float)), f"{where}: {argument}")
        return f"f32 {value}", "f32"
    need(kind in ("workspace", "i32", "i64"), f"{where}: {argument}")
    text = expression(value, symbols, where)
    need(kind != "workspace" or not isinstance(text, int) or text % 256 == 0, f"{where}: workspace at {text}")
    return (f"@{text}", "u64") if kind == "workspace" else (f"{kind} {text}", "u32" if kind == "i32" else "u64")


def kernel(entry, names, symbols, ptx):
    name = entry["name"]
    need(KERNEL <= set(entry) <= KERNEL | OPTIONAL, f"{name}: fields {sorted(entry)}")
    need(name in ptx, f"{name} is no entry of the PTX")
    block = entry["block"]
    need(len(block) == 3 and all(isinstance(n, int) and n >= 1 for n in block), f"{name}: block {block}")
    need(len(entry["grid"]) == 3, f"{name}: grid {entry['grid']}")
    parameters, directives = ptx[name]
    bound = re.search(r"\.maxntid (\d+), (\d+), (\d+)", directives)
    need(bound and [int(n) for n in bound.groups()] == block, f"{name}: block {block}, in the PTX {directives!r}")
    texts, types = zip(*(kernel_argument(a, names, symbols, name) for a in entry["arguments"]))
    found = tuple(re.findall(r"\.param \.(\w+)", parameters))
    need(types == found, f"{name}: arguments {types}, in the PTX {found}")
    grid = ", ".join(str(expression(g, symbols, name)) for g in entry["grid"])
    shared = expression(entry["shared_bytes"], symbols, name)
    return f"{name} {entry['op']} grid({grid}) block({block[0]}) shared({shared}) args({', '.join(texts)})"


def main(path, numbers):
    manifest = json.loads(path.read_text())
    need(set(manifest) == TOP, f"fields {sorted(manifest)}, expected {sorted(TOP)}")
    need(manifest["twilight_manifest"] == 1, f"version {manifest['twilight_manifest']}")
    need(manifest["pipeline"] == path.stem and manifest["ptx"] == f"{path.stem}.ptx", f"pipeline {manifest['pipeline']}")
    text = (path.parent / manifest["ptx"]).read_text()
    need(f"\n.version {manifest['ptx_version']}\n" in text, f"ptx_version {manifest['ptx_version']} is not the PTX's")
    need(re.search(rf"^\.target {manifest['chip']}$", text, re.MULTILINE), f"chip {manifest['chip']} is not the PTX's")
    names, symbols, lines = arguments(manifest, numbers)
    workspace = manifest["workspace"]
    need(set(workspace) - {"zeroed_bytes"} == {"alignment", "bytes"}, f"workspace: fields {sorted(workspace)}")
    need(workspace["alignment"] in (2**n for n in range(9)), f"alignment {workspace['alignment']}")
    lines.append(f"workspace {expression(workspace['bytes'], symbols, 'workspace')} at {workspace['alignment']}")
    if "zeroed_bytes" in workspace:
        lines.append(f"the first {workspace['zeroed_bytes']} bytes of it zero")
    ptx = {entry[1]: (entry[2], entry[3]) for entry in ENTRY.finditer(text)}
    need(manifest["kernels"], "no kernel")
    lines += [kernel(entry, names, symbols, ptx) for entry in manifest["kernels"]]
    print("\n".join([f"{manifest['pipeline']} for {manifest['chip']}", *lines]))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), {s: int(n) for s, n in (a.split("=") for a in sys.argv[2:])})
