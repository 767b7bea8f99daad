# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The file of one device under docs/measurements: written by a run, merged with what an earlier one left."""

import json
import re

from . import crossover
from . import rows as schema

VERSION = 1
HEAD = (
    "device", "driver", "date", "commit", "changed", "torch", "flashinfer", "chip", "command", "read_tb_per_s",
    "compile_seconds",
)  # fmt: skip


def slug(device):
    """File name of a device: "NVIDIA H100 80GB HBM3" -> "h100-80gb-hbm3"."""
    plain = re.sub(r"[^a-z0-9]+", "-", device.lower()).strip("-")
    return plain.removeprefix("nvidia-")


def document(head, rows, trace):
    """head: the values of HEAD; trace: quality of each configuration on the recorded trace."""
    missing = [name for name in HEAD if name not in head]
    if missing:
        raise ValueError(f"expected {', '.join(HEAD)} of a run, found no {', '.join(missing)}")
    of_run = {name: head[name] for name in ("date", "commit")}
    rows = [row | of_run for row in rows]
    wrong = [f"{row.get('config')} at B = {row.get('batch')}: {p}" for row in rows for p in schema.problems_with(row)]
    if wrong:
        raise ValueError("rows that do not fit the schema: " + "; ".join(wrong))
    head = {name: head[name] for name in HEAD}
    return {"twilight_bench": VERSION, **head, "trace": trace, "crossover": crossover.data_of(rows), "rows": rows}


def merge(old, new):
    """New rows replace old ones of the same problem and configuration; every row keeps its own date and commit."""
    if old is None:
        return new
    if old["device"] != new["device"]:
        raise ValueError(f"expected results of {old['device']}, found {new['device']}: they belong into another file")
    fresh = {schema.key(row): row for row in new["rows"]}
    kept = [fresh.pop(schema.key(row), row) for row in old["rows"]]
    rows = kept + list(fresh.values())
    trace = {**old["trace"], **new["trace"]}
    return {**old, **new, "trace": trace, "crossover": crossover.data_of(rows), "rows": rows}


def load(path):
    found = json.loads(path.read_text())
    if found.get("twilight_bench") != VERSION:
        raise ValueError(f"{path}: expected results of version {VERSION}, found {found.get('twilight_bench')}")
    return found


def save(path, results):
    """One row a line, so that a change of one row is a change of one line."""
    head = json.dumps({name: value for name, value in results.items() if name != "rows"}, indent=1)
    rows = ",\n".join("  " + json.dumps(row) for row in results["rows"])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'{head[:-2]},\n "rows": [\n{rows}\n ]\n}}\n')


def saver(path):
    """A function that saves a run's document beside what earlier runs left in the file: one file holds all of a device's."""
    before = load(path) if path.is_file() else None
    return lambda found: save(path, merge(before, found))
