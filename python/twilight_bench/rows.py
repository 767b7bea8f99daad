# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""A row of the results: one configuration or peer at one problem. Plain data, checked against its schema."""

import re

from twilight_gpu.traffic import limit_share, required_bytes

from .configs import CANDIDATES, DENSE_PEERS, QUALITY_LOSS

# Which problem a row is about; a later run's row replaces the one that has the same, and the same configuration.
PROBLEM = ("batch", "tokens", "kv_heads", "group", "head_dim", "dtype", "p", "centres")
NUMBER = (int, float)
PLACE = re.compile(r"(?<![\w.])/(?:[\w.+-]+/)+")  # folders of the machine that ran it
MAYBE = (int, float, type(None))
SCHEMA = {
    "batch": int,
    "tokens": int,
    "kv_heads": int,
    "config": str,
    "time_us": MAYBE,  # median
    "spread_us": MAYBE,  # 90th less 10th percentile
    "fastest_dense_us": MAYBE,
    "limit_share": MAYBE,  # (bytes it must read / read bandwidth) / time
    "kept_fraction": MAYBE,  # of the cached tokens, the mean over kv heads
    "group": int,
    "head_dim": int,
    "dtype": str,
    "p": NUMBER,
    "centres": int,
    "variant": str,
    "skipped": str,  # why there is no time; empty where there is one
    "speedup": MAYBE,  # over the fastest dense kernel
    "date": str,
    "commit": str,
}


def bytes_of(config, problem, candidates, kept, fine=None):
    """All that the pipeline must read. candidates, kept, fine: tokens of the whole batch, as for required_bytes."""
    needed = required_bytes(config.shape(problem), problem.batch, problem.tokens, candidates, kept, fine)
    return sum(needed[stage] for stage in ("select", "quantize_score", "top_p", "gather_attend"))


def dense_bytes(config, problem):
    return required_bytes(config.shape(problem), problem.batch, problem.tokens, 0, 0)["attend"]


def blank(problem, config):
    of_problem = {name: getattr(problem, name) for name in PROBLEM}
    nothing = dict.fromkeys(("time_us", "spread_us", "fastest_dense_us", "limit_share", "kept_fraction", "speedup"))
    return of_problem | nothing | {"config": config, "variant": problem.variant, "skipped": ""}


def timed(problem, config, times, bytes_needed, read_tb_per_s, kept_fraction, **extras):
    """A row with its time; what compares it with the others is filled in by compare()."""
    row = blank(problem, config)
    row["time_us"] = round(times["median"], 2)
    row["spread_us"] = round(times["p90"] - times["p10"], 2)
    row["kept_fraction"] = round(kept_fraction, 5)
    row["bytes"] = bytes_needed
    row["limit_share"] = round(limit_share(bytes_needed, read_tb_per_s, times["median"]), 4)
    return row | {"min_us": round(times["min"], 2), "max_us": round(times["max"], 2), **extras}


def skipped(problem, config, reason):
    """A reason is a must: a row may not go missing silently."""
    reason = PLACE.sub("", " ".join(str(reason).split()))[:300]
    if not reason:
        raise ValueError(f"expected the reason why {config} is skipped at {problem.name}")
    return blank(problem, config) | {"skipped": reason}


def worse(row, paper):
    """Why a candidate's quality is too far below the paper's; empty where it is not."""
    for name in ("mass", "recall", "trace_mass", "trace_recall"):
        if name in row and name in paper and row[name] < paper[name] - QUALITY_LOSS:
            return f"{name} {row[name]:.3f}, more than {QUALITY_LOSS} below the paper's {paper[name]:.3f}"
    return ""


def best_of(rows, problem):
    """The row `best`: the fastest of the candidates whose quality holds beside the paper's row and of the paper itself; None
    without candidates."""
    names = {config.name for config in CANDIDATES}
    ours = [row for row in rows if row["config"] in names]
    if not ours:
        return None
    paper = next((row for row in rows if row["config"] == "paper" and not row["skipped"]), {})
    fit = [row for row in ours if not row["skipped"] and not worse(row, paper)] + [paper] * bool(paper)
    if not fit:
        reasons = [f"{row['config']}: {row['skipped'] or worse(row, paper)}" for row in ours]
        return skipped(problem, "best", "no candidate is left; " + "; ".join(reasons))
    fastest = min(fit, key=lambda row: row["time_us"])
    return fastest | {"config": "best", "candidate": fastest["config"]}


def compare(rows):
    """Fills in the fastest dense peer of these rows (one problem's, of one run) and the speedups over it."""
    dense = [row["time_us"] for row in rows if row["config"] in DENSE_PEERS and row["time_us"]]
    fastest = min(dense, default=None)
    for row in rows:
        row["fastest_dense_us"] = fastest
        if fastest and row["time_us"]:
            row["speedup"] = round(fastest / row["time_us"], 3)
    return rows


def problems_with(row):
    """What is wrong with a row by the schema: lines of text."""
    found = [f"no {name}" for name in SCHEMA if name not in row]
    for name, kind in SCHEMA.items():
        if name in row and (not isinstance(row[name], kind) or isinstance(row[name], bool)):
            found.append(f"{name}: expected {kind}, found {row[name]!r}")
    if not found and (row["time_us"] is None) != bool(row["skipped"]):
        found.append(f"expected either a time or a reason for none, found {row['time_us']} and '{row['skipped']}'")
    if not found and row["limit_share"] is not None and not 0 < row["limit_share"] <= 1.2:
        found.append(f"limit_share: expected a share of what memory can give, found {row['limit_share']}")
    return found


def key(row):
    return tuple(row[name] for name in (*PROBLEM, "config"))
