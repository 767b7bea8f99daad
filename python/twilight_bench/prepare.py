# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The half that needs the compiler: every artifact of a race or of a tuning run, and what the trace says of each config."""

import resource
import subprocess
import tempfile

from twilight_gpu import prepare as shared
from twilight_gpu.folder import Folder

from . import compiling, configs, quality, schedules
from .configs import OWN


def entries_of(options):
    return (schedules if options.tune else compiling).entries(options.names_of)


def compile_seconds(compiler, chip, entry):
    """CPU seconds from MLIR to PTX, of one compilation by itself."""
    with tempfile.TemporaryDirectory() as place:
        source = f"{place}/source.mlir"
        with open(source, "w") as file:
            file.write(entry.text)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [str(compiler), source, f"--chip={chip}", *entry.options, "-o", place]
        if subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL).returncode != 0:
            return None
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return round(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime, 2)


def prepare(path, options):
    """Returns how many artifacts there are; those that did not compile become skipped rows of the run."""
    if not options.no_build:
        shared.build(options.build)
    folder, entries = Folder(path), entries_of(options)
    failed = shared.compile_all(folder, options.build, options.chip, entries)
    compiler = options.build / "bin" / "twilight-compile"
    first = options.problems[0]
    seconds = {name: compile_seconds(compiler, options.chip, compiling.whole(OWN[name], first)) for name in ("paper", "per_op")}
    shared.say(f"CPU seconds of one compilation at {first.name}: {seconds}")
    trace = quality.load()
    own = {} if options.tune else {c.name: c for names in options.names_of.values() for c in configs.expand(names)}
    folder.write_index(
        {
            **shared.provenance(options.chip),
            "not_compiled": failed,
            "compile_seconds": seconds,
            "trace": {config.name: quality.measure(config, first.p, trace) for config in own.values()},
        }
    )
    size = sum(p.stat().st_size for p in folder.path.rglob("*") if p.is_file())
    shared.say(f"{len(entries) - len(failed)} of {len(entries)} artifacts in {path}, {size / 1e6:.1f} MB")
    return len(entries) - len(failed)
