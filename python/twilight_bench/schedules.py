# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The tuner's candidates, and the rows that it writes for the compiler's tuning table."""

import json
from dataclasses import replace

from . import compiling
from .configs import expand

FORMAT = 1
# What identifies a row's problem to the compiler; the rest of the row is what was found there.
PROBLEM = ("chip", "batch", "tokens", "kv_heads", "group", "head_dim", "page_size", "codes_bits", "bounds")
# Warps that finish an item, and warps that rank the next item's pages meanwhile.
AHEAD = ((8, 8), (12, 4), (16, 8), (16, 16), (24, 8))
# Warps of a block, and blocks that share a multiprocessor.
RESIDENT = ((4, 4), (8, 2), (8, 3), (8, 4), (16, 2))
PROCESSORS = 132  # of an H100
FOUND = ("schedule", "time_us", "spread_us", "device", "driver", "date", "commit")


def block(cluster, warps, select_warps=0, spread=1, resident=1):
    """As the compiler prints it: spread and resident stand there only where they say something."""
    anywhere = f"spread = {spread}, " if spread > 1 else ""
    more = f", resident = {resident}" if resident > 1 else ""
    text = f"cluster = {cluster}, {anywhere}warps = {warps}, select_warps = {select_warps}{more}"
    return f"#twilight.schedule<block, {text}, origin = table>"


def grid(gather_splits, dense_splits=32):
    return f"#twilight.schedule<grid, gather_splits = {gather_splits}, dense_splits = {dense_splits}, origin = table>"


def candidates(problem):
    """Schedules worth a measurement: several blocks an item only where the items leave multiprocessors idle, several
    blocks a multiprocessor only where there are enough items, grids only for few."""
    clusters = [c for c in (1, 2, 4, 8, 16) if problem.items * c <= 1024]
    found = [block(c, w) for c in clusters or [1] for w in (8, 16, 32)]
    spreads = [s for s in (2, 4, 8, 16, 32) if problem.items * s <= PROCESSORS]
    found += [block(1, w, spread=s) for s in spreads for w in (8, 16)]
    if problem.items >= PROCESSORS:
        found += [block(1, *warps) for warps in AHEAD]
        found += [block(1, warps, resident=r) for warps, r in RESIDENT]
    return found + ([grid(splits) for splits in (4, 8, 16)] if problem.items <= 256 else [])


def require_registers(kernels):
    """RuntimeError where a kernel keeps values in local memory: no such kernel is shipped, however fast."""
    spilling = [f"{kernel.name} uses {kernel.spill_bytes} bytes of local memory" for kernel in kernels if kernel.spill_bytes]
    if spilling:
        raise RuntimeError(", ".join(spilling))


def tunable(names):
    """The configurations to tune, of names as of --configs; ValueError where the compiler's table could not tell their
    rows apart. Op by op there is no schedule to choose."""
    found = {}
    for config in (config for config in expand(names) if config.fused):
        other = found.setdefault((config.page_size, config.bounds, config.bits), config)
        if other is not config:
            raise ValueError(
                f"{other.name} and {config.name} have the same formats, and rows of the table no budget: name one of them"
            )
    return list(found.values())


def entries(names_of):
    """All candidates of each configuration, with what checks them."""
    found = []
    for problem, names in names_of.items():
        for config in tunable(names):
            found.append(compiling.inspected(config, problem))
            found += [compiling.whole(replace(config, schedule=text), problem) for text in candidates(problem)]
    return compiling.unique(found)


def row(chip, problem, config, schedule, times, provenance):
    """provenance: device, driver, date, commit."""
    return {
        "chip": chip,
        **{name: getattr(problem, name) for name in ("batch", "tokens", "kv_heads", "group", "head_dim")},
        "page_size": config.page_size,
        "codes_bits": config.bits,
        "bounds": config.bounds or problem.dtype,
        "schedule": schedule,
        "time_us": round(times["median"], 2),
        "spread_us": round(times["p90"] - times["p10"], 2),
        **{name: provenance[name] for name in ("device", "driver", "date", "commit")},
    }


def merge(old, new):
    """Rows by problem and device, the newest measurement of each; sorted, so that a table reads well in a diff."""
    for entry in (*old, *new):
        missing = [name for name in (*PROBLEM, *FOUND) if name not in entry]
        if missing:
            raise ValueError(f"expected a row with {', '.join((*PROBLEM, *FOUND))}; found none of {', '.join(missing)}")
    rows = {tuple(entry[name] for name in (*PROBLEM, "device")): entry for entry in (*old, *new)}
    return [rows[key] for key in sorted(rows)]


def load(path):
    if not path.is_file():
        return []
    found = json.loads(path.read_text())
    if found.get("twilight_tuning_table") != FORMAT:
        raise ValueError(f"{path}: expected a tuning table of version {FORMAT}")
    return found["rows"]


def save(path, rows):
    lines = ",\n".join("  " + json.dumps(entry) for entry in rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'{{\n "twilight_tuning_table": {FORMAT},\n "rows": [\n{lines}\n ]\n}}\n')
