# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The MLIR texts that are compiled: the numeric cases', the trace's and the benchmark's."""

import dataclasses

from twilight_numeric import mlir_text as ir
from twilight_numeric.appending import Append
from twilight_numeric.bare import Bare
from twilight_numeric.case import FUNCTION
from twilight_numeric.cases import all_cases
from twilight_numeric.cases_block import block_cases
from twilight_numeric.data import Batch, Seq
from twilight_numeric.decode import Decode
from twilight_numeric.fallback import Fallback
from twilight_numeric.gather import Dense
from twilight_numeric.shapes import Shape
from twilight_oracle.selection import Select
from twilight_oracle.top_p import TopP

from . import ROOT
from .folder import OP_BY_OP, Entry

# What the benchmark runs: Llama 3's heads, the paper's page size, bits and budget.
SHAPE = Shape(8, 4, 128, 16, "bf16")
BENCH_SIZES = ((1, 131072), (8, 32768), (64, 32768))  # batch, tokens
SELECT, PRUNE, P = Select("quest", budget=("fraction", 0.25)), TopP(), 0.85
CENTRES = 512  # of the keys' clusters (inputs.py)
# The same keys with codes in other layouts, and the select of the pages that are then scored from all bits.
FINE = dataclasses.replace(SELECT, budget=("fraction", 0.0625))
LAYOUTS = {
    "blocked": (dataclasses.replace(SHAPE, blocked=True), None),
    "planes": (dataclasses.replace(SHAPE, planes=True), None),
    "planes-fine": (dataclasses.replace(SHAPE, planes=True), FINE),
    "blocked-planes-fine": (dataclasses.replace(SHAPE, blocked=True, planes=True), FINE),
}
HALF = "f16"  # the element type of scores of 16 bits, otherwise f32
# The example keeps the first and the latest tokens in any case.
TRACE_SELECT = dataclasses.replace(SELECT, sink=4, recent=64)
TRACE_PRUNE = dataclasses.replace(PRUNE, sink=4, recent=64)
TRACE_SHAPE = Shape(3, 3, 64, 16, "f16")
TRACE_EXAMPLE, TRACE_FUNCTION = ROOT / "examples" / "quest_twilight.mlir", "quest_twilight"


def on_gpu(case):
    """The same case in the form that a GPU pipeline has: caches change in place, summaries are 16 bits wide."""
    if isinstance(case, Append):
        case = dataclasses.replace(case, container="memref")
    if case.shape.summary and case.shape.summary_format == "f32":
        case = dataclasses.replace(case, shape=dataclasses.replace(case.shape, summary_dtype=None))
    return case


def numeric_cases():
    """Every case that a GPU can run, and the benchmark's own pipeline at small sizes."""
    cases = {case.name: on_gpu(case) for case in all_cases() if not case.gpu_reason}
    cases |= {case.name: case for case in block_cases(list(cases.values()))}
    ragged = Batch((Seq(700), Seq(0), Seq(1), Seq(333, "needle"), Seq(2049)), 51)
    for kind, name in ((Decode, "pipeline-bench"), (Bare, "bare-bench")):
        cases[name] = kind(name, shape=SHAPE, batch=ragged, select=SELECT, prune=PRUNE, p=P)
    return cases


def inspected_pipeline(shape=SHAPE, select=SELECT, prune=PRUNE, fine=None, scores="f32"):
    """The benchmark's pipeline with everything between its ops as outputs: for its own correctness."""
    options = {"select": select, "prune": prune, "p": P, "fine": fine, "scores": scores}
    return Decode("inspect", shape=shape, batch=Batch((Seq(1),)), **options).text()


def dense_pipeline(shape=SHAPE):
    return Dense("dense", shape=shape, batch=Batch((Seq(1),))).text()


def whole_pipeline(shape=SHAPE, select=SELECT, prune=PRUNE, fine=None, scores="f32"):
    """As users write it: out, lse and counts come back.

    fine: a select of the pages that are scored from all bits. scores: the element type of the scores.
    """
    f = ir.Function()
    q, cache = ir.query(f, shape), ir.assemble_cache(f, shape)
    pages = ir.select(f, shape, q, cache, select)
    some = ir.select(f, shape, q, cache, fine) if fine else None
    scored = ir.quantize_score(f, shape, q, cache, pages, fine=some, element=scores)
    kept = ir.top_p(f, scored, f.argument("p", "f32"), "f32", prune)
    results = ir.gather_attend(f, shape, q, cache, kept, shape.kv_heads)
    for name, result in zip(("out", "lse", "counts"), results):
        f.result(name, *result)
    return f.text()


def trace_append():
    """All tokens of a trace into an empty cache."""
    f = ir.Function(container="memref")
    cache = ir.assemble_cache(f, TRACE_SHAPE)
    kind = ir.shaped("memref", (None, None, TRACE_SHAPE.kv_heads, TRACE_SHAPE.head_dim), TRACE_SHAPE.dtype)
    ir.append(f, TRACE_SHAPE, cache, *((f.argument(name, kind), kind) for name in "kv"))
    return f.text()


def named():
    """name -> (text, function, options) of the pipelines that belong to no numeric case."""
    timed = {"whole-half": whole_pipeline(scores=HALF), "inspect-half": inspected_pipeline(scores=HALF)}
    for suffix, (shape, fine) in {"": (SHAPE, None), **{f"-{name}": layout for name, layout in LAYOUTS.items()}}.items():
        timed[f"whole{suffix}"] = whole_pipeline(shape, fine=fine)
        timed[f"inspect{suffix}"] = inspected_pipeline(shape, fine=fine)
    timed["dense"] = dense_pipeline()
    return {
        "trace-append": (trace_append(), FUNCTION, ()),
        "trace": (TRACE_EXAMPLE.read_text(), TRACE_FUNCTION, ()),
        **{name: (text, FUNCTION, OP_BY_OP) for name, text in timed.items()},  # op by op: its stages are timed
        **{dense_name(*sizes): dense_at(*sizes) for sizes in BENCH_SIZES},
    }


def dense_name(batch, tokens):
    """Of dense attention that is compiled for these sizes, where it is; else of the one for any."""
    return f"dense-{batch}x{tokens}" if (batch, tokens) in BENCH_SIZES else "dense"


def dense_at(batch, tokens):
    return dense_pipeline(), FUNCTION, (*OP_BY_OP, f"--batch={batch}", f"--tokens={tokens}")


def texts_of(case):
    """The texts of a case's runs, without making their inputs."""
    if isinstance(case, Append):
        return [case.text(steps) for steps in (case.steps, *case.splits)]
    if isinstance(case, Fallback):
        return [case.text(), case.dense_text(), case.sparse_text()]
    return [case.text()]


def everything():
    """Entries, each artifact once."""
    entries = [Entry(name, *entry) for name, entry in named().items()]
    entries += [Entry(case.name, text, FUNCTION) for case in numeric_cases().values() for text in texts_of(case)]
    unique = {}
    for entry in entries:
        unique.setdefault((entry.text, entry.options), entry)
    return list(unique.values())
