# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Compiles fused pipelines of the block shape and assembles each kernel: none may spill or use local memory.

usage: block_matrix.py --compiler=TWILIGHT_COMPILE --ptxas=PTXAS --out=DIR
Prints a line a pipeline, then what is wrong.
"""

import argparse
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "python"))
from twilight_gpu import resources  # noqa: E402

# chip, D, G, type, P, selector and summary, attributes of top_p, dense_below, schedule, element type of the scores if not
# f32
QUEST, SPREAD = ("quest", "min_max"), ("mean_std", "mean_var")
FLOORS = "{min_tokens = 8 : i64, max_tokens = 64 : i64, recent = 64 : i64, sink = 4 : i64} "
ENDS = "{recent = 64 : i64, sink = 4 : i64} "
ROWS = (
    ("sm_90a", 128, 4, "bf16", 16, QUEST, "", 0, "block, warps = 8, select_warps = 4"),
    ("sm_90a", 128, 4, "bf16", 16, QUEST, FLOORS, 2048, "block, warps = 16"),
    ("sm_90a", 128, 4, "f16", 32, QUEST, "", 0, "block, cluster = 2, warps = 16"),
    ("sm_90a", 128, 8, "bf16", 16, SPREAD, "", 512, "block, cluster = 8, warps = 8"),
    ("sm_90a", 64, 3, "f16", 16, QUEST, FLOORS, 0, "block, cluster = 16, warps = 12"),
    ("sm_90a", 64, 1, "bf16", 1, QUEST, "", 64, "block, warps = 8, select_warps = 4"),
    ("sm_90a", 128, 4, "bf16", 16, QUEST, "", 0, "block, warps = 8, resident = 2"),
    ("sm_80", 128, 4, "bf16", 16, QUEST, "", 0, "block, warps = 12"),
    ("sm_80", 128, 4, "bf16", 16, QUEST, "", 0, "block, warps = 12, select_warps = 4"),
    ("sm_90a", 128, 4, "bf16", 16, QUEST, FLOORS, 2048, "block, warps = 12, select_warps = 4"),
    ("sm_90a", 128, 3, "f16", 32, QUEST, "", 0, "block, warps = 12, select_warps = 4"),
    ("sm_90a", 128, 4, "bf16", 16, QUEST, "", 0, "block, spread = 16, warps = 16"),
    ("sm_90a", 64, 3, "f16", 16, QUEST, FLOORS, 512, "block, spread = 2, warps = 12"),
    ("sm_90a", 128, 8, "bf16", 16, SPREAD, FLOORS, 2048, "block, spread = 32, warps = 12"),
    ("sm_90a", 128, 8, "bf16", 16, SPREAD, ENDS, 2048, "block, spread = 32, warps = 12"),
    ("sm_90a", 64, 3, "f16", 16, QUEST, ENDS, 0, "block, cluster = 16, warps = 12"),
    ("sm_80", 128, 4, "bf16", 16, QUEST, "", 0, "block, spread = 13, warps = 12"),
    ("sm_100a", 128, 8, "f16", 16, QUEST, "", 0, "block, cluster = 4, warps = 12"),
    ("sm_90a", 128, 4, "bf16", 16, QUEST, "", 0, "block, warps = 8, select_warps = 4", "f16"),
    ("sm_90a", 128, 4, "bf16", 16, QUEST, "", 0, "block, warps = 8, resident = 2", "f16"),
    ("sm_90a", 64, 3, "f16", 1, QUEST, FLOORS, 0, "block, cluster = 16, warps = 12", "f16"),
    ("sm_80", 128, 8, "f16", 32, SPREAD, "", 512, "block, warps = 12", "f16"),
)
HEADS = 2


def text(dim, group, dtype, page, selector, prune, below, schedule, element="f32"):
    q, out = f"tensor<?x{HEADS * group}x{dim}x{dtype}>", f"tensor<?x{HEADS * group}x{dim}xf32>"
    pool, bounds = f"tensor<?x{HEADS}x{page}x{dim}x{dtype}>", f"tensor<?x{HEADS}x2x{dim}x{dtype}>"
    codes, scale = f"tensor<?x{HEADS}x{page}x{dim // 2}xi8>", f"tensor<?x{HEADS}x{page}xf16>"
    dense, scores = f" dense_below({below})" if below else "", f"!twilight.scores<{element}>"
    return f"""
!cache = !twilight.cache<kv_heads = {HEADS}, head_dim = {dim}, page_size = {page}, {dtype}, hnd,
                         codes = <bits = 4>, summary = #twilight.{selector[1]}<{dtype}>>
func.func @decode(%q: {q}, %k: {pool}, %v: {pool}, %codes: {codes}, %scale: {scale}, %zero: {scale}, %bounds: {bounds},
                  %table: tensor<?x?xi32>, %lens: tensor<?xi32>, %p: f32) -> {out} {{
  %cache = twilight.assemble_cache k_pages(%k : {pool}) v_pages(%v : {pool}) codes(%codes : {codes})
      scale(%scale : {scale}) zero(%zero : {scale}) summary(%bounds : {bounds})
      page_table(%table : tensor<?x?xi32>) seq_lens(%lens : tensor<?xi32>) -> !cache
  %out = twilight.fused (%q_ = %q : {q}, %c = %cache : !cache, %p_ = %p : f32) schedule(<{schedule}>){dense} {{
    %pages = twilight.select %q_, %c selector(#twilight.{selector[0]}) budget(#twilight.fraction<0.25>)
        : {q}, !cache -> !twilight.selection<page>
    %scores = twilight.quantize_score %q_, %c, %pages : {q}, !cache, !twilight.selection<page> -> {scores}
    %kept = twilight.top_p %scores, %p_ {prune}: {scores}, f32 -> !twilight.selection<token>
    %o = twilight.gather_attend %q_, %c, %kept : {q}, !cache, !twilight.selection<token> -> {out}
    twilight.yield %o : {out}
  }} : {out}
  return %out : {out}
}}
"""


def assemble(options, number, row):
    """[what is wrong]"""
    chip, *rest = row
    title = f"{chip} D={row[1]} G={row[2]} {row[3]} P={row[4]} <{row[8]}>{''.join(f' {t} scores' for t in row[9:])}"
    folder = options.out / str(number)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "source.mlir").write_text(text(*rest))
    command = [options.compiler, str(folder / "source.mlir"), f"--chip={chip}", "-o", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        return [f"{title}: does not compile: {done.stderr.strip()[:1000]}"]
    kernels = resources.ptxas(options.ptxas, folder / "decode.ptx", chip)
    print(f"{title}: {len(kernels)} kernel, {max(k['registers'] for k in kernels.values())} registers")
    return [
        f"{title}: {kernel}: {k['stack']} bytes of stack, {k['spill_stores']} of spill stores"
        for kernel, k in kernels.items()
        if k["stack"] or k["spill_stores"] or k["spill_loads"]
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--compiler", required=True)
    parser.add_argument("--ptxas", required=True)
    parser.add_argument("--out", required=True, type=pathlib.Path)
    options = parser.parse_args()
    wrong = [line for number, row in enumerate(ROWS) for line in assemble(options, number, row)]
    print("\n".join(wrong) if wrong else f"{len(ROWS)} pipelines without local memory")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
