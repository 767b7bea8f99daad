# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The half that needs the compiler: everything a GPU will run, as PTX in one folder. It builds what it uses, no more."""

import hashlib
import os
import pathlib
import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

from . import ROOT, pipelines, resources
from .folder import ARTIFACTS, Folder, text_key

TARGETS = ("twilight-runtime", "twilight-compile")
STAMP = "compiled.txt"


def say(text):
    print(text, flush=True)


def build(folder):
    if not (folder / "build.ninja").is_file():
        raise FileNotFoundError(f"expected a configured build in {folder}: run scripts/setup, or name it with --build")
    subprocess.run(["ninja", "-C", str(folder), *TARGETS], check=True, stdin=subprocess.DEVNULL)


def git(*arguments):
    done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else ""


def fingerprint(compiler, chip):
    return hashlib.sha256(pathlib.Path(compiler).read_bytes() + chip.encode()).hexdigest()[:16]


def compile_text(compiler, chip, folder, entry, stamp):
    """None, or what the compiler said against it."""
    place = folder.place(entry.text, entry.options)
    if (place / STAMP).is_file() and (place / STAMP).read_text() == stamp:
        return None
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    source = place / "source.mlir"
    source.write_text(entry.text)
    command = [str(compiler), str(source), f"--chip={chip}", *entry.options, "-o", str(place)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        return done.stderr.strip()[:2000] or f"exit status {done.returncode}"
    if not (place / f"{entry.function}.json").is_file():
        return f"expected {entry.function}.json, found {sorted(p.name for p in place.iterdir())}"
    (place / STAMP).write_text(stamp)
    return None


def copy_library(source, target):
    shutil.copyfile(os.path.realpath(source), target)
    if strip := shutil.which("strip"):
        subprocess.run([strip, "--strip-unneeded", str(target)], check=False)


def remove_stale(folder, entries):
    keep = {text_key(entry.text, entry.options) for entry in entries}
    for place in (folder.path / ARTIFACTS).iterdir():
        if place.name not in keep:
            shutil.rmtree(place)


def compile_all(folder, build_folder, chip, entries):
    """Fills the folder with these entries and nothing else. {key: {"name", "error"}} of what did not compile."""
    (folder.path / ARTIFACTS).mkdir(parents=True, exist_ok=True)
    copy_library(build_folder / "lib" / "libtwilight-runtime.so", folder.library)
    remove_stale(folder, entries)
    compiler = build_folder / "bin" / "twilight-compile"
    stamp = fingerprint(compiler, chip)
    say(f"compiling {len(entries)} pipelines for {chip}")
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        errors = list(pool.map(lambda entry: compile_text(compiler, chip, folder, entry, stamp), entries))
    failed = {}
    for entry, error in zip(entries, errors):
        if error:
            failed[text_key(entry.text, entry.options)] = {"name": entry.name, "error": error}
    for error in dict.fromkeys(headline(entry["error"]) for entry in failed.values()):
        names = [entry["name"] for entry in failed.values() if headline(entry["error"]) == error]
        say(f"did not compile: {'; '.join(names)}: {error}")
    return failed


def headline(error):
    """What a compiler's message says first, without its place."""
    lines = [line.partition("error:")[2].strip() for line in error.splitlines() if "error:" in line]
    return lines[0] if lines else error.splitlines()[0]


def provenance(chip):
    """What the index says of where its artifacts come from."""
    return {
        "chip": chip,
        "commit": git("rev-parse", "HEAD"),
        "changed": bool(git("status", "--porcelain", "--untracked-files=no")),
    }


def report_resources(folder, chip):
    """ptxas over the benchmark's and the trace's kernels, where there is one. {pipeline: {kernel: ...}}"""
    tool = resources.find_ptxas()
    if tool is None:
        say("no ptxas here: registers and spills come from the driver alone")
        return {}
    found = {}
    for name, (text, function, options) in pipelines.named().items():
        ptx = folder.place(text, options) / f"{function}.ptx"
        if ptx.is_file():
            found[name] = resources.ptxas(tool, ptx, chip)
    return found


def prepare(path, build_folder, chip, no_build=False):
    """Returns the number of failures."""
    start = time.time()
    build_folder = pathlib.Path(build_folder)
    if not no_build:
        build(build_folder)
    folder = Folder(path)
    entries = pipelines.everything()
    failed = compile_all(folder, build_folder, chip, entries)
    problems, tables = list(failed), {}
    try:
        tables = report_resources(folder, chip)
        for name, kernels in tables.items():
            problems += resources.spilling(kernels)
            for line in resources.spilling(kernels):
                say(f"spills in {name}: {line}")
    except RuntimeError as error:
        problems.append(str(error))
        say(str(error))
    folder.write_index(
        {
            **provenance(chip),
            "pipelines": {name: text_key(text, options) for name, (text, _, options) in pipelines.named().items()},
            "not_compiled": failed,
            "resources": tables,
        }
    )
    size = sum(p.stat().st_size for p in folder.path.rglob("*") if p.is_file())
    say(f"{len(entries) - len(failed)} of {len(entries)} compiled, {size / 1e6:.1f} MB, {time.time() - start:.0f} s")
    return len(problems)
