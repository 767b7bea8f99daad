# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The folder that travels from the machine that compiles to the one that runs.

    index.json                    what is in it: chip, commit, the pipelines by name, what did not compile
    libtwilight-runtime.so
    artifacts/KEY/NAME.{json,ptx} KEY: of the MLIR text and the compiler's options, so that a run finds its artifact by
                                  what it would compile

Inputs are not in it: cases make theirs from seeds, wherever they run.
"""

import hashlib
import json
import pathlib
from typing import NamedTuple

INDEX, LIBRARY, ARTIFACTS = "index.json", "libtwilight-runtime.so", "artifacts"


class Entry(NamedTuple):
    """What is compiled: the pipeline `function` of an MLIR text."""

    name: str
    text: str
    function: str
    options: tuple = ()  # of twilight-compile, beside the chip and the output folder


# Of the compiler, which fuses what it can: every op by itself, as what is timed stage by stage must be.
OP_BY_OP = ("--fuse=false",)


def text_key(text, options=()):
    return hashlib.sha256("\0".join((text, *options)).encode()).hexdigest()[:16]


class Folder:
    def __init__(self, path):
        self.path = pathlib.Path(path)

    @property
    def library(self):
        return self.path / LIBRARY

    def place(self, text, options=()):
        """Folder of the artifact of this text."""
        return self.path / ARTIFACTS / text_key(text, options)

    def write_index(self, index):
        (self.path / INDEX).write_text(json.dumps(index, indent=1) + "\n")

    def index(self):
        path = self.path / INDEX
        if not path.is_file():
            raise FileNotFoundError(f"no {INDEX} in {self.path}: run the same script with --prepare {self.path} first")
        return json.loads(path.read_text())

    def manifest(self, text, function, options=()):
        """Path of the manifest that the text compiled to."""
        path = self.place(text, options) / f"{function}.json"
        if not path.is_file():
            failed = self.index().get("not_compiled", {}).get(text_key(text, options))
            why = f"it did not compile: {failed['error']}" if failed else "the text is newer: run --prepare again"
            raise FileNotFoundError(f"no artifact of {function} in {path.parent}; {why}")
        return path
