# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Times the composed pipeline: first each step's alternatives, then the whole of the fastest ones."""

import torch

from .composed import Composed, available


def steps_of(one, pieces):
    """{step: function of the alternative}, each over what the steps before it left."""
    scores = one.score_pages(pieces["pages"])
    rows = one.choose(pieces["choose"], scores)
    logits = one.logits(pieces["logits"], rows)
    kept = one.top_p(pieces["top_p"], logits)
    indptr = one.compact(kept, rows)
    one.plan(indptr)

    def attend(piece):
        if piece not in one.wrappers and piece.startswith("flashinfer"):
            one.plan(indptr, [piece])
        return one.attend(piece)

    return {
        "pages": one.score_pages,
        "choose": lambda piece: one.choose(piece, scores),
        "logits": lambda piece: one.logits(piece, rows),
        "top_p": lambda piece: one.top_p(piece, logits),
        "compact": lambda piece: one.compact(kept, rows),
        "attend": attend,
    }


def fastest_pieces(quick, one, with_triton):
    """({step: alternative}, {step: {alternative: us or the reason why not}})"""
    choices = available(with_triton)
    pieces, times = {step: names[0] for step, names in choices.items()}, {}
    steps = steps_of(one, pieces)
    for step, names in (choices | {"compact": ["torch"]}).items():
        times[step] = {}
        for name in names:
            try:
                times[step][name] = round(quick.measure(lambda s=step, n=name: steps[s](n))["median"], 1)
            except Exception as error:  # noqa: BLE001: an alternative that this version lacks; the others remain
                torch.cuda.synchronize()
                times[step][name] = f"{type(error).__name__}: {error}"[:80]
        able = {name: us for name, us in times[step].items() if not isinstance(us, str)}
        if not able:
            raise RuntimeError(f"{step}: " + "; ".join(f"{n}: {why}" for n, why in times[step].items()))
        if step in pieces:
            pieces[step] = min(able, key=able.get)
    return pieces, times


def measure(timer, quick, problem, batches, with_triton):
    """-> (times of one set, extras of the row, what check() says of the kept tokens)"""
    runs = [Composed(problem, arguments) for arguments in batches]
    pieces, times = fastest_pieces(quick, runs[0], with_triton)
    for run in runs:  # each set's lists have lengths of their own
        rows = run.choose(pieces["choose"], run.score_pages(pieces["pages"]))
        indptr = run.compact(run.top_p(pieces["top_p"], run.logits(pieces["logits"], rows)), rows)
        run.plan(indptr, [pieces["attend"]] * pieces["attend"].startswith("flashinfer"))
    kept = runs[0].check(pieces)
    found = timer.measure(lambda: [run.run(pieces) for run in runs], len(runs))
    stages = [{"stage": step, "us": times[step][pieces.get(step, "torch")]} for step in times]
    return found, {"pieces": pieces, "alternatives": times, "stages": stages}, kept
