# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Runs numeric cases from compiled artifacts: against the oracle, twice over, and through a CUDA graph."""

import numpy as np
from twilight_numeric.case import FUNCTION, canonical, require_same_outputs
from twilight_numeric.decode import Decode
from twilight_numeric.gather import Dense

from .call import Call, run_once
from .runtime import Artifact

POISONS = (0xFF, 0x3B)  # NaN everywhere; ordinary numbers everywhere


class Precompiled:
    """A runner as twilight_numeric.case.run_case takes it."""

    def __init__(self, folder, driver):
        self.folder, self.driver, self.artifacts = folder, driver, {}

    def artifact(self, text, function=FUNCTION, options=()):
        path = self.folder.manifest(text, function, options)
        if path not in self.artifacts:
            self.artifacts[path] = Artifact(self.driver, path)
        return self.artifacts[path]

    def run(self, text, inputs, function, poison=POISONS[0]):
        return run_once(self.artifact(text, function), inputs, poison)


def specified(case, inputs, outputs):
    """Outputs without what the semantics leave open."""
    slots = case.real_slots(inputs, outputs) if isinstance(case, Decode) and "logits" in outputs else None
    return canonical(outputs, slots)


def check_case(case, runner):
    """Raises Mismatch. Returns what was done: runs, and whether a graph was replayed."""
    runs = case.runs()
    outputs = [runner.run(r.text, r.inputs, FUNCTION, POISONS[0]) for r in runs]
    case.check([r.inputs for r in runs], outputs)
    for i, (run, first) in enumerate(zip(runs, outputs)):
        again = runner.run(run.text, run.inputs, FUNCTION, POISONS[1])
        clean = [specified(case, run.inputs, o) for o in (again, first)]
        require_same_outputs(f"run {i} a second time, over other garbage", *clean)
    replayed = can_change(case, runs[0].inputs)
    if replayed:
        check_replay(case, runner.artifact(runs[0].text), runs[0].inputs, outputs[0])
    return {"runs": len(runs), "replayed": replayed}


def can_change(case, inputs):
    """Lengths and p may change under a graph where no list was made for the old ones."""
    return isinstance(case, (Decode, Dense)) and len(inputs["seq_lens"]) > 0


def changed(inputs):
    """Other lengths (never longer ones) and another p, as numpy arrays of the same shapes."""
    lens = inputs["seq_lens"]
    smaller = {"seq_lens": (lens - lens // 3 - np.minimum(lens, 1)).astype(np.int32)}
    if "p" in inputs:
        smaller["p"] = (inputs["p"] * np.float32(0.6)).astype(np.float32)
    return smaller


def check_replay(case, artifact, inputs, expected):
    """Captured at other lengths and another p, replayed at these; and the other way round."""
    other = inputs | changed(inputs)
    with Call(artifact, other) as call:
        call.capture()
        for what, now in (("these", inputs), ("shorter", other)):
            call.write({name: now[name] for name in changed(inputs)})
            call.poison(POISONS[1])
            call.replay()
            found = call.outputs()
            fresh = expected if now is inputs else run_once(artifact, now)
            clean = [specified(case, now, o) for o in (found, fresh)]
            require_same_outputs(f"a captured graph replayed at {what} lengths, against a launch", *clean)
