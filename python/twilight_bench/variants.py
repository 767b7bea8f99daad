# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Other heads, formats, data and lengths than the figures': a device's rows of the set `variants`, as one table."""

from twilight_gpu.report import number, percent, table

from .problem import VARIANTS
from .rows import PROBLEM

BEGIN, END = "<!-- variants: begin -->", "<!-- variants: end -->"


def time(row):
    """Of a row, or of None where the configuration was not raced."""
    if row is None:
        return "–"
    if row["skipped"]:
        return "skipped"
    candidate = f": {row['candidate']}" if "candidate" in row else ""
    return f"{number(row['time_us'], 1)} µs, {number(row['speedup'])}x{candidate}"


def line(problem, rows):
    of = {row["config"]: row for row in rows}
    runs = sorted({f"{row['commit'][:12]}, {row['date']}" for row in rows})
    fastest = rows[0]["fastest_dense_us"]
    cells = ("–" if fastest is None else f"{number(fastest, 1)} µs", *(time(of.get(name)) for name in ("paper", "best", "per_op")))
    return (problem.name, *cells, percent(of.get("paper", {}).get("limit_share")), "; ".join(runs))


def markdown(rows):
    """Empty where no variant was raced."""
    of_problem = {}
    for row in rows:
        of_problem.setdefault(tuple(row[name] for name in PROBLEM), []).append(row)
    found = [(one, of_problem.get(tuple(getattr(one, name) for name in PROBLEM))) for one in VARIANTS]
    lines = [line(one, rows) for one, rows in found if rows]
    if not lines:
        return ""
    head = ("", "fastest dense", "`paper`", "`best`", "`per_op`", "`paper`, share of its limit", "commit, date")
    absent = [one.name for one, rows in found if not rows]
    return "\n".join(table(head, lines) + [f"Not raced: {'; '.join(absent)}.", ""] * bool(absent))
