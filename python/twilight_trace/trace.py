# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Checks that the model runs correctly, runs it, and writes the trace file."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from . import TraceError, model
from .weights import Gguf

FORMAT = "twilight-trace-1"
CONTROL_TOKENS = 512
# Measured on the default text: the wrong RoPE order is 7.7 times worse, shuffled tokens 42 times.
CONTROL_FACTOR = 2.0


@dataclass(frozen=True)
class Request:
    text: str
    text_name: str
    tokens: int
    layers: tuple[int, ...]
    queries: int
    max_perplexity: float

    def settings(self, gguf_path: Path) -> str:
        """What decides a trace's content; a file whose metadata says the same need not be made again."""
        return json.dumps(
            {
                "weights": gguf_path.name,
                "text_sha256": hashlib.sha256(self.text.encode()).hexdigest(),
                "tokens": self.tokens,
                "layers": list(self.layers),
                "queries": self.queries,
            },
            sort_keys=True,
        )


def step_positions(tokens: int, queries: int) -> np.ndarray:
    """Positions of the decode queries: spread over the last half of the text, the last one its last token."""
    return np.unique(np.linspace(tokens - 1, tokens // 2, queries).round().astype(np.int32))


def require_sane(name: str, value: float, limit: float) -> None:
    if not value <= limit:  # a NaN is not sane either
        raise TraceError(
            f"{name}: expected a perplexity of at most {limit:.1f}, found {value:.1f}: the model is not being run "
            "correctly, or the text is not plain English (then raise --max-perplexity)"
        )


def check_controls(gguf: Gguf, weights: dict, tokens: np.ndarray, say: Callable[[str], None]) -> None:
    """Two runs that must be much worse than the right one, so that the perplexity check is known to bite."""
    head = tokens[:CONTROL_TOKENS]
    right = model.forward(gguf.config, weights, head).perplexity
    shuffled = np.random.default_rng(0).permutation(head)
    controls = {
        "with the RoPE pairs in the wrong order": (gguf.weights(undo_permutation=False), head),
        "with the tokens shuffled": (weights, shuffled),
    }
    say(f"perplexity over {len(head)} tokens: {right:.2f}")
    for name, (control_weights, control_tokens) in controls.items():
        wrong = model.forward(gguf.config, control_weights, control_tokens).perplexity
        say(f"  {name}: {wrong:.1f}")
        if not wrong >= CONTROL_FACTOR * right:
            raise TraceError(
                f"control run {name}: expected a perplexity of at least {CONTROL_FACTOR:g} x {right:.2f}, "
                f"found {wrong:.2f}: the model is not being run correctly, or this text does not tell right from wrong"
            )


def make_trace(request: Request, gguf_path: Path, say: Callable[[str], None]) -> tuple[dict, dict[str, str]]:
    """(tensors, metadata) of the trace."""
    say(f"reading {gguf_path.name}")
    gguf = Gguf(gguf_path)
    config = gguf.config
    if request.tokens > config.context:
        raise TraceError(f"expected at most {config.context} tokens (the model's context), found {request.tokens}")
    if any(layer >= config.layers for layer in request.layers):
        raise TraceError(f"expected layers 0 to {config.layers - 1}, found {max(request.layers)}")
    tokenizer = gguf.tokenizer()
    # 20 characters a token is far more than English needs; the slice only bounds the work.
    part = request.text[: 20 * request.tokens]
    ids = np.array(tokenizer.encode(part).ids)
    if tokenizer.decode(ids.tolist()) != part:
        raise TraceError("expected tokens that decode to the text they came from: the tokenizer does not fit the file")
    if len(ids) < request.tokens:
        raise TraceError(f"expected a text of at least {request.tokens} tokens, found {len(ids)}: lower --tokens")
    ids = ids[: request.tokens]
    weights = gguf.weights()
    check_controls(gguf, weights, ids, say)

    positions = step_positions(request.tokens, request.queries)
    run = model.forward(
        config, weights, ids, keep_layers=request.layers, query_positions=positions.tolist(), progress=say
    )
    say(f"perplexity over {request.tokens} tokens: {run.perplexity:.2f}")
    require_sane(f"{request.tokens} tokens of {request.text_name}", run.perplexity, request.max_perplexity)

    tensors = {
        "q_steps": np.stack([run.q[layer] for layer in request.layers], axis=1),
        "k": np.stack([run.k[layer] for layer in request.layers]),
        "v": np.stack([run.v[layer] for layer in request.layers]),
    }
    tensors["q"] = tensors["q_steps"][-1]
    tensors = {name: np.ascontiguousarray(value, dtype=np.float16) for name, value in tensors.items()}
    for name, value in tensors.items():
        if not np.isfinite(value).all():
            raise TraceError(f"{name}: expected values that fit f16, found one that does not: choose other layers")
    tensors["seq_lens"] = np.full(len(request.layers), request.tokens, np.int32)
    tensors["step_positions"] = positions
    metadata = {
        "format": FORMAT,
        "model": "SmolLM2-135M-Instruct",
        "model_license": "Apache-2.0",
        "weights": gguf_path.name,
        "text": request.text_name,
        "text_sha256": hashlib.sha256(tokenizer.decode(ids.tolist()).encode()).hexdigest(),
        "tokens": str(request.tokens),
        "layers": json.dumps(list(request.layers)),
        "perplexity": f"{run.perplexity:.4f}",
        "rope": "applied; pairs (i, i + D/2)",
        "scale": str(config.head_dim**-0.5),
        "settings": request.settings(gguf_path),
    }
    return tensors, metadata


def with_sorted_header(data: bytes) -> bytes:
    """The same file with its header's keys in order: the library's vary, and making a trace twice should not."""
    size = int.from_bytes(data[:8], "little")
    header = json.dumps(json.loads(data[8 : 8 + size]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + data[8 + size :]


def write(path: Path, tensors: dict, metadata: dict[str, str]) -> None:
    """Writes beside ``path`` and renames, so that a half-written trace is never found under its name."""
    from safetensors.numpy import save

    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(with_sorted_header(save(tensors, metadata)))
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def read_metadata(path: Path) -> dict[str, str]:
    """The metadata of a trace; an error for any other file."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
    except SafetensorError as error:
        raise TraceError(f"{path}: expected a trace, found no safetensors file ({error}): name another") from error
    if metadata.get("format") != FORMAT:
        raise TraceError(f"{path}: expected a {FORMAT} file, found {metadata.get('format')}: name another")
    return metadata
