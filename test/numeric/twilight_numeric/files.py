# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Tensors by name in safetensors files, and folders of cases that travel to a machine without a compiler.

A folder holds index.json and, for each case, CASE/run<i>.mlir and CASE/run<i>.safetensors; the outputs are expected as
CASE/run<i>.out.safetensors beside them. Runs of the same text share one MLIR file.
"""

import json
import pathlib

import ml_dtypes
import numpy as np
from safetensors import deserialize
from safetensors.numpy import save_file

from .case import FUNCTION

READ = {
    "F16": np.float16,
    "BF16": ml_dtypes.bfloat16,
    "F32": np.float32,
    "I32": np.int32,
    "U8": np.uint8,
    "F8_E5M2": ml_dtypes.float8_e5m2,
}


def save(path, tensors):
    save_file({name: np.ascontiguousarray(t).reshape(np.shape(t)) for name, t in tensors.items()}, str(path))


def load(path):
    """The tensors by name; E5M2 is more than the NumPy side of safetensors reads."""
    tensors = {}
    for name, entry in deserialize(pathlib.Path(path).read_bytes()):
        kind = READ[entry["dtype"]]
        tensors[name] = np.frombuffer(entry["data"], kind).reshape(entry["shape"]).copy()
    return tensors


def outputs_path(folder, run):
    return pathlib.Path(folder) / run["outputs"]


def dump(folder, cases):
    """Writes the cases and returns the index."""
    folder, index = pathlib.Path(folder), []
    for case in cases:
        place = folder / case.name
        place.mkdir(parents=True, exist_ok=True)
        texts, runs = {}, []
        for i, run in enumerate(case.runs()):
            if run.text not in texts:
                texts[run.text] = f"{case.name}/run{i}.mlir"
                (folder / texts[run.text]).write_text(run.text)
            save(place / f"run{i}.safetensors", run.inputs)
            stem = f"{case.name}/run{i}"
            runs.append(
                {"mlir": texts[run.text], "inputs": stem + ".safetensors", "outputs": stem + ".out.safetensors"}
            )
        index.append({"name": case.name, "function": FUNCTION, "runs": runs})
    (folder / "index.json").write_text(json.dumps({"cases": index}, indent=1) + "\n")
    return index


def read_index(folder):
    return json.loads((pathlib.Path(folder) / "index.json").read_text())["cases"]


def check(folder, entry, case):
    """Checks one dumped case whose outputs are there; raises Mismatch, or FileNotFoundError where one is missing."""
    inputs = [load(pathlib.Path(folder) / run["inputs"]) for run in entry["runs"]]
    outputs = [load(outputs_path(folder, run)) for run in entry["runs"]]
    case.check(inputs, outputs)
