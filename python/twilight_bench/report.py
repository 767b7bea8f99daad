# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The results of a device as Markdown: the section of docs/measurements.md between its two 'raced' comments."""

from twilight_gpu.report import number, percent, table

from . import crossover, plots
from .configs import COMPOSED, NAMES
from .problem import FIGURES, WANTED
from .rows import PROBLEM

BEGIN, END = "<!-- raced: begin -->", "<!-- raced: end -->"


def by_problem(rows):
    """{values of PROBLEM: rows}, the figures' problems first."""
    order = [tuple(getattr(problem, name) for name in PROBLEM) for problem in FIGURES]
    found = {}
    for row in rows:
        found.setdefault(tuple(row[name] for name in PROBLEM), []).append(row)
    rank = {key: i for i, key in enumerate(order)}
    return dict(sorted(found.items(), key=lambda item: (rank.get(item[0], len(order)), item[0])))


def title_of(row):
    return f"B = {row['batch']}, N = {row['tokens']:,}" + (f", {row['variant']}" if row["variant"] else "")


def figure(speedup, wanted):
    if speedup is None:
        return "–"
    return f"{speedup:.2f}" if wanted is None else f"{speedup:.2f} of {wanted}" + ("" if speedup >= wanted else " (missed)")


def summary(problems):
    """Speedups over the fastest dense peer, beside the figures to reach; then over the composed pipelines."""
    lines = []
    for rows in problems.values():
        if rows[0]["variant"]:  # have a table of their own
            continue
        of = {row["config"]: row for row in rows}
        shape, cells = (rows[0]["batch"], rows[0]["tokens"]), []
        wanted = {name: figures.get(shape) for name, figures in WANTED.items()}
        for name in ("paper", "best", "per_op"):
            cells.append(figure(of.get(name, {}).get("speedup"), wanted.get(name)))
        ours = of.get("paper", {}).get("time_us")
        for name in COMPOSED:
            other = of.get(name, {}).get("time_us")
            cells.append(number(other / ours) if other and ours else "–")
        cells.append(percent(of.get("paper", {}).get("limit_share")))
        lines.append((title_of(rows[0]), number(rows[0]["fastest_dense_us"], 0), *cells))
    over = [f"`paper` over `{name}`" for name in COMPOSED]
    head = ("", "fastest dense, µs", "`paper`", "`best`", "`per_op`", *over, "`paper`, share of its limit")
    return table(head, lines)


def other_runs(rows, commit):
    """Which rows an earlier run left, as sentences."""
    of_run = {}
    for row in rows:
        if row["commit"] != commit:
            of_run.setdefault((row["commit"][:12], row["date"]), []).append(f"`{row['config']}`")
    return [
        f"{'All' if len(names) == len(rows) else ', '.join(names)} at commit {short}, {date}."
        for (short, date), names in sorted(of_run.items())
    ]


def details(rows, commit):
    order = {name: i for i, name in enumerate(NAMES)}
    rows = sorted(rows, key=lambda row: (order.get(row["config"], len(order)), row["config"]))
    lines, absent = [], []
    for row in rows:
        if row["skipped"]:
            absent.append(f"`{row['config']}` ({row['skipped']})")
            continue
        quality = ", ".join(f"{row[name]:.3f}" for name in ("mass", "recall") if name in row)
        real = f"{row['trace_mass']:.3f}, {row['trace_recall']:.3f}" if "trace_mass" in row else ""
        name = f"`{row['config']}`" + (f": {row['candidate']}" if "candidate" in row else "")
        time = f"{number(row['time_us'], 1)} ({number(row['spread_us'], 1)})"
        kept = percent(row["kept_fraction"], 2)
        cells = (number(row["speedup"]), number(row["bytes"] / 1e6, 1), percent(row["limit_share"]), kept, quality, real)
        lines.append((name, row.get("formats") or row.get("form") or pieces(row), time, *cells))
    head = ("", "formats", "µs (spread)", "speedup", "MB it must read", "of its limit", "kept", "mass, recall", "on the trace")
    text = [f"### {title_of(rows[0])}", "", *table(head, lines)]
    notes = [f"Skipped: {'; '.join(absent)}."] * bool(absent) + other_runs(rows, commit)
    return text + [line for note in notes for line in (note, "")]


def pieces(row):
    return ", ".join(f"{step}: {name}" for step, name in row.get("pieces", {}).items())


def markdown(results, pictures=()):
    """pictures: (file name beside docs/measurements.md, alternative text)."""
    commit = results["commit"][:12] + (", with uncommitted changes" if results["changed"] else "")
    head = [
        ("device", results["device"]),
        ("driver", results["driver"]),
        ("PyTorch, FlashInfer", f"{results['torch']}, {results['flashinfer'] or 'none'}"),
        ("commit", commit),
        ("date", results["date"]),
        ("command", f"`{results['command']}`"),
        ("read bandwidth", f"{results['read_tb_per_s']:.2f} TB/s"),
        ("MLIR to PTX, one core", ", ".join(f"`{name}` {number(s)} s" for name, s in results["compile_seconds"].items())),
    ]
    problems = by_problem(row for row in results["rows"] if not crossover.is_listed(row))
    lines = ["## The race", "", *table(("", ""), head), *summary(problems), *crossover.markdown(results["rows"])]
    lines += [line for file, text in pictures for line in (f"![{text}]({file})", "")]
    for rows in problems.values():
        lines += details(rows, results["commit"])
    return "\n".join(lines).rstrip() + "\n"


def pictures_of(results, folder, prefix):
    """Draws the plots into the folder; [(path from the document, alternative text)]."""
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for name, text, svg in plots.everything(results):
        (folder / f"{prefix}-{name}.svg").write_text(svg)
        found.append((f"{folder.name}/{prefix}-{name}.svg", text))
    return found
