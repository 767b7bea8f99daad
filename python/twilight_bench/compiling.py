# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What is compiled for a run, and with which options of twilight-compile."""

from twilight_gpu import pipelines
from twilight_gpu.folder import Entry
from twilight_numeric.case import FUNCTION

from .configs import PAPER


def options_of(config, problem):
    """The compiler's options for a configuration; op by op takes none."""
    if not config.fused:
        return ()
    schedule = (f"--schedule={config.schedule}",) if config.schedule else ()
    return ("--fuse", f"--batch={problem.batch}", f"--tokens={problem.tokens}", *schedule)


def whole(config, problem):
    """The pipeline as it is raced."""
    name = f"{config.schedule or config.name} at {problem.name}"
    text = pipelines.whole_pipeline(config.shape(problem), config.select, config.prune)
    return Entry(name, text, FUNCTION, options_of(config, problem))


def inspected(config, problem):
    """The same op by op, with everything between the ops as outputs."""
    text = pipelines.inspected_pipeline(config.shape(problem), config.select, config.prune)
    return Entry(f"{config.formats}, inspected", text, FUNCTION)


def dense(config, problem):
    return Entry("dense", pipelines.dense_pipeline(config.shape(problem)), FUNCTION)


def entries(problems, configs):
    """Everything that a run of these needs, each artifact once."""
    found = []
    for problem in problems:
        found.append(dense(PAPER, problem))
        for config in configs:
            found += [whole(config, problem), inspected(config, problem)]
    return unique(found)


def unique(found):
    """Entries without those that would compile to the same artifact as an earlier one."""
    first = {}
    for entry in found:
        first.setdefault((entry.text, entry.options), entry)
    return list(first.values())
