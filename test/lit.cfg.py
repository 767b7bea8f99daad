# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What lit knows in every test.

Programs: twilight-opt, twilight-compile, twilight-run, FileCheck, not, count, split-file, mlir-opt, mlir-translate.
Substitutions: %python, %scripts, %examples, %data (test/data), %twilight_libs (build/lib), %ptxas.
Features: 'ptxas' if CUDA's assembler is here, 'cuda' if a GPU and its driver are, 'sanitized' in the asan preset.
"""

import os
import shutil
import subprocess

import lit.formats
from lit.llvm import llvm_config
from lit.llvm.subst import ToolSubst

config.name = "twilight"
config.test_format = lit.formats.ShTest(execute_external=not llvm_config.use_lit_shell)
config.suffixes = [".mlir", ".test"]
config.test_source_root = os.path.dirname(__file__)
config.test_exec_root = os.path.join(config.twilight_obj_root, "test")
# Other runners' folders, and what the tests read.
config.excludes = ["Inputs", "CMakeLists.txt", "lit.cfg.py", "numeric", "python", "data", "Runtime"]

llvm_config.with_system_environment(["HOME", "TMP", "TEMP", "ASAN_OPTIONS", "UBSAN_OPTIONS"])
llvm_config.use_default_substitutions()
llvm_config.with_environment("PATH", config.twilight_tools_dir, append_path=True)
llvm_config.with_environment("PATH", config.llvm_tools_dir, append_path=True)
llvm_config.add_tool_substitutions(
    [
        ToolSubst("twilight-opt", unresolved="fatal"),
        ToolSubst("twilight-compile", unresolved="ignore"),
        ToolSubst("twilight-run", unresolved="ignore"),
        ToolSubst("mlir-opt", unresolved="ignore"),
        ToolSubst("mlir-translate", unresolved="ignore"),
        ToolSubst("split-file", unresolved="fatal"),
    ],
    [config.twilight_tools_dir, config.llvm_tools_dir],
)
source = config.twilight_src_root
config.substitutions += [
    ("%scripts", os.path.join(source, "scripts")),
    ("%examples", os.path.join(source, "examples")),
    ("%data", os.path.join(source, "test", "data")),
    ("%twilight_libs", os.path.join(config.twilight_obj_root, "lib")),
]


def has_gpu():
    """Whether a GPU with a working driver is here."""
    smi = shutil.which("nvidia-smi")
    return bool(smi) and "GPU" in subprocess.run([smi, "-L"], capture_output=True, text=True).stdout


ptxas = shutil.which("ptxas") or shutil.which("ptxas", path="/usr/local/cuda/bin")
if ptxas:
    config.available_features.add("ptxas")
    config.substitutions.append(("%ptxas", ptxas))
if has_gpu():
    config.available_features.add("cuda")
if config.twilight_sanitized:
    config.available_features.add("sanitized")
