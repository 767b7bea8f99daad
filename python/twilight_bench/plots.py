# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Which plots the results give: time and share of the limit over N for each batch, and what the stages take."""

from . import svg
from .configs import COMPOSED, NAMES
from .problem import FIGURES, Problem

SHARES = ("paper", "best", "per_op")
# The ops that the composed pipeline's steps stand for.
OP_OF = {"pages": "select", "choose": "select", "logits": "quantize_score", "compact": "top_p", "attend": "gather_attend"}
REST = "beyond its bytes"


def plain(rows):
    """Rows with a time, of the figures' heads, formats and data."""
    usual = Problem(1, 1)
    names = ("kv_heads", "group", "head_dim", "dtype", "p", "centres")
    return [row for row in rows if row["time_us"] and all(row[name] == getattr(usual, name) for name in names)]


def series(rows, batch, value):
    """{config: [(N, value)]} in the order of the table."""
    found = {name: [] for name in NAMES}
    for row in rows:
        if row["batch"] == batch and row["config"] in found and row[value] is not None:
            found[row["config"]].append((row["tokens"], row[value]))
    return {name: points for name, points in found.items() if points}


def over_tokens(rows):
    for batch in sorted({row["batch"] for row in rows}):
        times = series(rows, batch, "time_us")
        yield f"time-b{batch}", f"Time over N at B = {batch}", svg.lines_chart(f"Time in µs, B = {batch}", times, log_y=True)
        shares = {name: points for name, points in series(rows, batch, "limit_share").items() if name in SHARES}
        if shares:
            chart = svg.lines_chart(f"Share of what memory allows, B = {batch}", shares, percent=True)
            yield f"limit-b{batch}", f"Share of the limit over N at B = {batch}", chart


def stages_of(row, read_tb_per_s):
    """[(part, us)] of one bar: measured stages where the row has them, else what it must read beside the rest."""
    if row.get("stages"):
        parts = {}
        for stage in row["stages"]:
            name = OP_OF.get(stage["stage"], stage["stage"]) if "pieces" in row else stage["stage"]
            parts[name] = parts.get(name, 0.0) + stage["us"]
        return list(parts.items())
    parts = [(stage, count / read_tb_per_s / 1e6) for stage, count in row["must_read"].items()]
    return [*parts, (REST, max(0.0, row["time_us"] - sum(us for _, us in parts)))]


def label_of(row):
    """One kernel has no stages to time: its bar says so."""
    return row["config"] if row.get("stages") else f"{row['config']}, reading"


def stages(rows, read_tb_per_s):
    """Bars for each (B, N) of the figures' table: what ours and the composed pipeline spend where. Dense attention reads one thing only."""
    for batch, tokens in sorted((problem.batch, problem.tokens) for problem in FIGURES):
        at = [row for row in rows if (row["batch"], row["tokens"]) == (batch, tokens)]
        shown = [row for name in (*SHARES, *COMPOSED) for row in at if row["config"] == name]
        bars = [(label_of(row), stages_of(row, read_tb_per_s)) for row in shown if row.get("stages") or row.get("must_read")]
        if bars:
            title = f"Where the time goes, B = {batch}, N = {tokens:,}"
            yield f"stages-b{batch}-n{tokens}", title, svg.bars_chart(title, "µs", bars)


def everything(results):
    """[(name, alternative text, SVG)]"""
    rows = plain(results["rows"])
    return [*over_tokens(rows), *stages(rows, results["read_tb_per_s"])]
