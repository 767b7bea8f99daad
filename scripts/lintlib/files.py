# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Which files are the project's own."""

import subprocess

CPP = {".h", ".hpp", ".c", ".cpp", ".cc", ".cu"}


def git_lines(root, *arguments):
    """Lines of a git command, [] where there is no git or no repository."""
    try:
        result = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True)
    except OSError:
        return []
    return result.stdout.splitlines() if result.returncode == 0 else []


def project_files(root):
    """Paths relative to the root: what git tracks or would track; without git everything outside build/."""
    names = git_lines(root, "ls-files", "--cached", "--others", "--exclude-standard")
    if not names:
        names = [str(path.relative_to(root)) for path in root.rglob("*")]
        names = [name for name in names if not name.startswith(("build/", ".git/")) and "__pycache__" not in name]
    return sorted(name for name in set(names) if (root / name).is_file())


def suffix(name):
    return "." + name.rpartition(".")[2] if "." in name.rpartition("/")[2] else ""
