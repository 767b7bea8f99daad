# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Compiles the matrix of pipelines.py and assembles every kernel: none may spill or use local memory.

usage: ptxas_matrix.py --compiler=TWILIGHT_COMPILE --ptxas=PTXAS --out=DIR CHIP...
Prints each kernel's largest register count for each chip, then what is wrong, by combination.
"""

import argparse
import collections
import concurrent.futures
import os
import pathlib
import subprocess
import sys

import pipelines

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "python"))
from twilight_gpu import resources  # noqa: E402

KERNELS_OF_A_ROW, KERNELS_OF_FINE_PAGES = 18, 2


def assemble(options, row, chip):
    """({kernel: resources}, [what is wrong])"""
    title = f"{chip} {pipelines.name(row)}"
    folder = options.out / chip / pipelines.name(row)
    folder.mkdir(parents=True, exist_ok=True)
    source = folder / "source.mlir"
    source.write_text(pipelines.Texts(row).text())
    command = [options.compiler, str(source), f"--chip={chip}", "-o", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        return {}, [f"{title}: does not compile: {done.stderr.strip()[:1000]}"]
    try:
        # One module holds the kernels of all functions of a file.
        kernels = resources.ptxas(options.ptxas, folder / "decode.ptx", chip)
    except RuntimeError as error:
        return {}, [f"{title}: {error}"]
    wrong = [
        f"{title}: {kernel}: {k['stack']} bytes of stack, {k['spill_stores']} of spill stores, {k['spill_loads']} of loads"
        for kernel, k in kernels.items()
        if k["stack"] or k["spill_stores"] or k["spill_loads"]
    ]
    expected = KERNELS_OF_A_ROW + KERNELS_OF_FINE_PAGES * (row.get("planes") == "fine")
    if len(kernels) != expected:
        wrong.append(f"{title}: expected {expected} kernels, found {len(kernels)}: {', '.join(kernels)}")
    return kernels, wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--compiler", required=True)
    parser.add_argument("--ptxas", required=True)
    parser.add_argument("--out", required=True, type=pathlib.Path)
    parser.add_argument("chips", nargs="+")
    options = parser.parse_args()

    rows = pipelines.rows()
    work = [(row, chip) for chip in options.chips for row in rows]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(lambda item: assemble(options, *item), work))

    registers, total, problems = collections.defaultdict(lambda: collections.defaultdict(int)), 0, []
    for (_, chip), (kernels, wrong) in zip(work, results):
        total += len(kernels)
        problems += wrong
        for kernel, k in kernels.items():
            registers[kernel][chip] = max(registers[kernel][chip], k["registers"])
    print(f"{'registers, at most':30}" + "".join(f"{chip:>9}" for chip in options.chips))
    for kernel in sorted(registers):
        print(f"{kernel:30}" + "".join(f"{registers[kernel][chip]:>9}" for chip in options.chips))
    for problem in problems:
        print(problem)
    print(f"{total} kernels of {len(rows)} combinations for {' '.join(options.chips)}: {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
