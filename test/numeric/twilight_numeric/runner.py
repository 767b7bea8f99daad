# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Runs a case through the command line tool."""

import os
import pathlib
import subprocess
import tempfile

from .files import load, save

VARIABLES = ("TWILIGHT_BIN_DIR", "TWILIGHT_BIN")


class RunFailed(AssertionError):
    """The tool refused or crashed; its own words are in the message."""


def find_tool(bin_dir=None):
    """Path of twilight-run, from a folder that was given or from the environment; None where neither is."""
    folder = bin_dir or next((os.environ[v] for v in VARIABLES if os.environ.get(v)), None)
    if folder is None:
        return None
    tool = pathlib.Path(folder) / "twilight-run"
    if not tool.is_file():
        raise FileNotFoundError(f"expected twilight-run in {folder}; build it, or correct --bin-dir or {VARIABLES[0]}")
    return tool


class CommandLine:
    def __init__(self, tool, target="cpu", options=(), timeout=300):
        self.tool, self.target, self.options, self.timeout = tool, target, list(options), timeout

    def run(self, text, inputs, function):
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            source, given, found = folder / "case.mlir", folder / "inputs.safetensors", folder / "outputs.safetensors"
            source.write_text(text)
            save(given, inputs)
            command = [self.tool, source, f"--inputs={given}", f"--function={function}", f"--target={self.target}"]
            command += [f"--outputs={found}", *self.options]
            done = subprocess.run(command, capture_output=True, text=True, timeout=self.timeout)
            if done.returncode != 0:
                raise RunFailed(f"twilight-run exited with {done.returncode}:\n{done.stderr[-4000:]}\n{text}")
            return load(found)
