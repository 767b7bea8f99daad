# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What a report says about launches: the manifest's expressions with sizes put in (docs/runtime.md defines them).

The runtime evaluates them itself when it launches; nothing here decides how anything runs.
"""

import json

OPERATIONS = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "floordiv": lambda a, b: a // b,
    "ceildiv": lambda a, b: -(-a // b),
    "min": min,
    "max": max,
}


def evaluate(expression, symbols):
    if isinstance(expression, bool) or isinstance(expression, float):
        raise ValueError(f"expected an integer, a symbol or [op, a, b], found {expression!r}")
    if isinstance(expression, int):
        return expression
    if isinstance(expression, str):
        if expression not in symbols:
            raise ValueError(f"no value for the symbol '{expression}'; known are {sorted(symbols)}")
        return symbols[expression]
    if not isinstance(expression, list) or len(expression) != 3 or expression[0] not in OPERATIONS:
        raise ValueError(f"expected [op, a, b] with op one of {list(OPERATIONS)}, found {expression!r}")
    a, b = (evaluate(e, symbols) for e in expression[1:])
    if expression[0] in ("floordiv", "ceildiv") and b == 0:
        raise ValueError(f"division by zero in {expression!r}")
    return OPERATIONS[expression[0]](a, b)


def bind_symbols(manifest, shapes):
    """Values of the symbols, from the shapes of the arguments by name."""
    symbols = {}
    for argument in manifest["arguments"]:
        if argument["name"] not in shapes:
            continue
        found = shapes[argument["name"]]
        if len(found) != len(argument["shape"]):
            raise ValueError(f"{argument['name']}: expected shape {argument['shape']}, found {list(found)}")
        for entry, size in zip(argument["shape"], found):
            if isinstance(entry, str) and symbols.setdefault(entry, size) != size:
                raise ValueError(f"{argument['name']}: {entry} is {size} here and {symbols[entry]} before")
    return symbols


def launches(text, shapes):
    """For each kernel its name, op, grid, block and dynamic shared memory at these shapes."""
    manifest = json.loads(text)
    symbols = bind_symbols(manifest, shapes)
    return [
        {
            "name": kernel["name"],
            "op": kernel.get("op", ""),
            "grid": [evaluate(e, symbols) for e in kernel["grid"]],
            "block": kernel["block"],
            "shared_bytes": evaluate(kernel.get("shared_bytes", 0), symbols),
        }
        for kernel in manifest["kernels"]
    ]
