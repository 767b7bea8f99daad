# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What is compiled for a run, and with which options of twilight-compile."""

import re

from twilight_gpu import pipelines
from twilight_gpu.folder import OP_BY_OP, Entry
from twilight_numeric.case import FUNCTION

from .configs import PEERS, expand

SHORT = 16384
CHOSEN = None  # splits of twilight.attend that the compiler chooses


def sizes_of(problem):
    return (f"--batch={problem.batch}", f"--tokens={problem.tokens}")


def options_of(config, problem):
    """The compiler's options for a configuration."""
    if not config.fused:
        return OP_BY_OP
    schedule = (f"--schedule={config.schedule}",) if config.schedule else ()
    return ("--fuse", *sizes_of(problem), *schedule)


def whole(config, problem):
    """The pipeline as it is raced."""
    name = f"{config.schedule or config.name} at {problem.name}"
    parts = (config.select, config.prune, config.fine_select, config.scores)
    text = pipelines.whole_pipeline(config.shape(problem), *parts)
    return Entry(name, text, FUNCTION, options_of(config, problem))


def inspected(config, problem):
    """The same op by op, with everything between the ops as outputs."""
    parts = (config.select, config.prune, config.fine_select, config.scores)
    text = pipelines.inspected_pipeline(config.shape(problem), *parts)
    return Entry(f"{config.formats}, inspected", text, FUNCTION, OP_BY_OP)


def dense_splits(problem):
    """Thread blocks that share a list of twilight.attend, to be tried: where lists are short, others than the chosen."""
    return (CHOSEN, 32, 8, 2) if problem.tokens <= SHORT else (CHOSEN,)


def dense(config, problem, splits=CHOSEN):
    text = pipelines.dense_pipeline(config.shape(problem))
    if splits is CHOSEN:
        return Entry(f"dense at {problem.name}", text, FUNCTION, sizes_of(problem))
    text = re.sub(r"(= twilight\.attend [^:{]+?) :", rf"\1 {{twilight.splits = {splits} : i64}} :", text)
    return Entry(f"dense, {splits} splits", text, FUNCTION)


def entries(names_of):
    """Everything that a run of these needs, each artifact once. names_of: {problem: names as of --configs}"""
    found = []
    for problem, names in names_of.items():
        if "dense" in names:
            found += [dense(PEERS, problem, splits) for splits in dense_splits(problem)]
        for config in expand(names):
            found += [whole(config, problem), inspected(config, problem)]
    return unique(found)


def unique(found):
    """Entries without those that would compile to the same artifact as an earlier one."""
    first = {}
    for entry in found:
        first.setdefault((entry.text, entry.options), entry)
    return list(first.values())
