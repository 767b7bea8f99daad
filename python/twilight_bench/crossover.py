# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""From which length on the pipeline is faster than dense attention: read off a device's rows, as data and as Markdown."""

from twilight_gpu.report import number, table

from .configs import DENSE_PEERS
from .plots import plain
from .problem import CROSSOVER, FIGURES

OURS = ("paper", "best")
DENSE = ("dense", "fastest peer")
EVERY = {(problem.batch, problem.tokens) for problem in CROSSOVER}
IN_FULL = {(problem.batch, problem.tokens) for problem in FIGURES}


def is_listed(row):
    """Whether the row's problem has its place in this table alone."""
    at = (row["batch"], row["tokens"])
    return not row["variant"] and at in EVERY and at not in IN_FULL


def times_of(rows):
    """{batch: {tokens: {"paper", "best", "dense", "fastest peer": us}}} where ours and a dense kernel were timed."""
    found = {}
    for row in plain(rows):
        at = found.setdefault(row["batch"], {}).setdefault(row["tokens"], {})
        if row["config"] in (*OURS, "dense"):
            at[row["config"]] = row["time_us"]
        if row["config"] in DENSE_PEERS:
            at["fastest peer"] = min(row["time_us"], at.get("fastest peer", row["time_us"]))
    both = {b: {n: at for n, at in of.items() if set(at) & set(OURS) and set(at) & set(DENSE)} for b, of in found.items()}
    return {batch: dict(sorted(of.items())) for batch, of in sorted(both.items()) if of}


def first_faster(of, ours, dense):
    """The least measured length from which on ours is faster at every measured length; None where there is none."""
    lengths, found = [n for n, at in of.items() if ours in at and dense in at], None
    for tokens in reversed(lengths):
        if of[tokens][ours] >= of[tokens][dense]:
            break
        found = tokens
    return found


def data_of(rows):
    """[{"batch", "least", "config", "against", "from_tokens"}], for the device's file. least: the shortest measured."""
    return [
        {"batch": batch, "least": min(of), "config": ours, "against": dense, "from_tokens": first_faster(of, ours, dense)}
        for batch, of in times_of(rows).items()
        for ours in OURS
        for dense in DENSE
        if any(ours in at and dense in at for at in of.values())
    ]


def words(found):
    if found["from_tokens"] is None:
        return "never"
    return f"{found['from_tokens']:,}" + (", the least measured" if found["from_tokens"] == found["least"] else "")


def markdown(rows):
    """Lines of the section; none where nothing was measured at the lengths of the set `crossover`."""
    times = times_of(rows)
    if not any((batch, tokens) in EVERY - IN_FULL for batch, of in times.items() for tokens in of):
        return []
    by_batch = {}
    for found in data_of(rows):
        by_batch.setdefault(found["batch"], {})[(found["config"], found["against"])] = words(found)
    pairs = [(ours, dense) for dense in DENSE for ours in OURS]
    head = ("", *(f"`{ours}` against {'`dense`' if dense == 'dense' else dense}" for ours, dense in pairs))
    lines = [(f"B = {batch}", *(found.get(pair, "–") for pair in pairs)) for batch, found in by_batch.items()]
    text = ["### From which length on sparse attention is faster", ""]
    text += ["Cached tokens from which the pipeline is faster at every longer length that was measured.", ""]
    each = [
        (f"{batch}, {tokens:,}", *(number(at.get(name), 1) for name in (*OURS, *DENSE)))
        for batch, of in times.items()
        for tokens, at in of.items()
    ]
    return [*text, *table(head, lines), *table(("B, N", *(f"`{n}`, µs" for n in OURS), "`dense`, µs", "fastest peer, µs"), each)]
