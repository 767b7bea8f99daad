# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The committed excerpt of a real trace, and the code that makes traces (python/twilight_trace)."""

import json
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "python"))

from twilight_trace import TraceError, __main__, model, stats, text, trace, weights  # noqa: E402

EXCERPT = ROOT / "test" / "data" / "smollm2_trace.safetensors"
TOKENS, QUERY_HEADS, KV_HEADS, DIM = 1700, 9, 3, 64
LAYERS = [5, 15, 25]


@pytest.fixture(scope="module")
def excerpt():
    return load_file(EXCERPT)


# --- the excerpt ---


def test_excerpt_shapes_and_types(excerpt):
    batch = len(LAYERS)
    steps = len(excerpt["step_positions"])
    expected = {
        "q": ((batch, QUERY_HEADS, DIM), np.float16),
        "k": ((batch, TOKENS, KV_HEADS, DIM), np.float16),
        "v": ((batch, TOKENS, KV_HEADS, DIM), np.float16),
        "q_steps": ((steps, batch, QUERY_HEADS, DIM), np.float16),
        "seq_lens": ((batch,), np.int32),
        "step_positions": ((steps,), np.int32),
    }
    assert {name: (value.shape, value.dtype.type) for name, value in excerpt.items()} == expected
    assert EXCERPT.stat().st_size <= 4_000_000
    assert all(np.isfinite(value).all() for value in excerpt.values())
    assert excerpt["seq_lens"].tolist() == [TOKENS] * batch


def test_excerpt_ends_with_the_last_query(excerpt):
    assert excerpt["step_positions"].tolist() == trace.step_positions(TOKENS, 16).tolist()
    assert excerpt["step_positions"][-1] == TOKENS - 1
    np.testing.assert_array_equal(excerpt["q"], excerpt["q_steps"][-1])


def test_excerpt_metadata():
    with safe_open(EXCERPT, framework="numpy") as file:
        metadata = file.metadata()
    assert json.loads(metadata["layers"]) == LAYERS
    assert int(metadata["tokens"]) == TOKENS
    assert metadata["model"] == "SmolLM2-135M-Instruct" and metadata["model_license"] == "Apache-2.0"
    assert "King James" in metadata["text"] and len(metadata["text_sha256"]) == 64
    assert 5 < float(metadata["perplexity"]) < 40  # below 5 the text is known by heart, and attention with it
    assert float(metadata["scale"]) == DIM**-0.5


def test_excerpt_attention_is_concentrated(excerpt):
    """Measured: 1 to 325 tokens of 1,700 a query head, median 16; a union of 384 at most."""
    kept = [stats.tokens_for_mass(excerpt["q"][b], excerpt["k"][b], 0.85) for b in range(len(LAYERS))]
    per_head = np.array([entry.per_head for entry in kept])
    assert per_head.max() < TOKENS // 4
    assert np.median(per_head) < TOKENS // 40
    assert max(entry.per_kv_head.max() for entry in kept) < TOKENS // 4
    assert per_head.max() > 10 * per_head.min()  # and heads differ: a fixed budget would not fit them all


def test_excerpt_needs_its_rotary_positions(excerpt):
    """Keys moved to other positions' rotation lose the mass that real heads put on sink and recent tokens."""
    shifted = model.apply_rope(
        excerpt["k"].reshape(-1, KV_HEADS, DIM).astype(np.float32),
        *(np.tile(t, (len(LAYERS), 1, 1)) for t in model.rope_tables(TOKENS, DIM, 100000.0)),
    ).reshape(excerpt["k"].shape)

    def edge_mass(k):
        edges = np.r_[0:4, TOKENS - 64 : TOKENS]
        return np.mean([stats.attention_weights(excerpt["q"][b], k[b])[:, edges].sum(1) for b in range(len(LAYERS))])

    uniform = 68 / TOKENS
    assert edge_mass(excerpt["k"]) > 10 * uniform
    assert edge_mass(excerpt["k"]) > 2 * edge_mass(shifted)


# --- the statistics ---


def test_tokens_for_mass_of_known_weights():
    k = np.zeros((10, 1, 2))
    k[:, 0, 0] = np.log([0.4, 0.3, 0.2, 0.1 / 7] + [0.1 / 7] * 6) * np.sqrt(2)
    q = np.array([[1.0, 0.0], [0.0, 1.0]])  # the second head sees ten equal weights: all tied at the threshold
    kept = stats.tokens_for_mass(q, k, 0.85)
    assert kept.per_head.tolist() == [3, 10] and kept.per_kv_head.tolist() == [10]
    for p, needed in ((0.39, 1), (0.72, 3)):
        assert stats.tokens_for_mass(q[:1], k, p).per_head.tolist() == [needed]


# --- the model ---

TINY = weights.Config(layers=2, query_heads=6, kv_heads=2, head_dim=8, rope_theta=1e4, norm_eps=1e-5, context=64)


def tiny_gguf_weights(rng):
    """Random weights under GGUF's names, q and k rows in GGUF's interleaved order."""
    width, hidden, kv = TINY.query_heads * TINY.head_dim, 40, TINY.kv_heads * TINY.head_dim
    shapes = {"token_embd": (30, width), "output_norm": (width,)}
    for layer in range(TINY.layers):
        block = {"attn_q": (width, width), "attn_k": (kv, width), "attn_v": (kv, width), "attn_output": (width, width)}
        block |= {"ffn_gate": (hidden, width), "ffn_up": (hidden, width), "ffn_down": (width, hidden)}
        block |= {"attn_norm": (width,), "ffn_norm": (width,)}
        shapes |= {f"blk.{layer}.{name}": shape for name, shape in block.items()}
    # Norm weights around 1, matrices around 0.
    return {name: rng.normal(float(len(s) == 1), 0.3, s).astype("f4") for name, s in shapes.items()}


def decode_by_token(w, tokens):
    """Independent: float64, one token at a time over a growing cache, RoPE on GGUF's pairs as complex numbers."""
    dim, group = TINY.head_dim, TINY.query_heads // TINY.kv_heads
    w = {name: value.astype("f8") for name, value in w.items()}
    cache = [([], []) for _ in range(TINY.layers)]
    nll = []

    def norm(x, weight):
        return x / np.sqrt((x**2).mean() + TINY.norm_eps) * weight

    def rotate(x, position):
        turn = np.exp(1j * position * TINY.rope_theta ** (-2.0 * np.arange(dim // 2) / dim))
        turned = (x[:, 0::2] + 1j * x[:, 1::2]) * turn
        return np.stack([turned.real, turned.imag], -1).reshape(x.shape)

    for position, token in enumerate(tokens):
        x = w["token_embd"][token]
        for layer, (keys, values) in enumerate(cache):
            b = {name.split(".")[2]: value for name, value in w.items() if name.startswith(f"blk.{layer}.")}
            h = norm(x, b["attn_norm"])
            q = rotate((b["attn_q"] @ h).reshape(-1, dim), position)
            keys.append(rotate((b["attn_k"] @ h).reshape(-1, dim), position))
            values.append((b["attn_v"] @ h).reshape(-1, dim))
            heads = []
            for head in range(TINY.query_heads):
                scores = np.array([q[head] @ key[head // group] for key in keys]) / np.sqrt(dim)
                share = np.exp(scores) / np.exp(scores).sum()
                heads.append(sum(s * value[head // group] for s, value in zip(share, values)))
            x = x + b["attn_output"] @ np.concatenate(heads)
            h = norm(x, b["ffn_norm"])
            gate = b["ffn_gate"] @ h
            x = x + b["ffn_down"] @ (gate / (1 + np.exp(-gate)) * (b["ffn_up"] @ h))
        logits = w["token_embd"] @ norm(x, w["output_norm"])
        if position + 1 < len(tokens):
            nll.append(np.log(np.exp(logits).sum()) - logits[tokens[position + 1]])
    return np.array(nll), [(np.array(keys), np.array(values)) for keys, values in cache]


def to_half_rotated(w):
    heads = {"attn_q": TINY.query_heads, "attn_k": TINY.kv_heads}
    kinds = {name: name.rsplit(".", 1)[-1] for name in w}
    return {n: weights.half_rotated_rows(v, heads[kinds[n]]) if kinds[n] in heads else v for n, v in w.items()}


@pytest.mark.parametrize("tokens", [1, 7, 8, 37])
def test_forward_equals_decoding_by_token(monkeypatch, tokens):
    monkeypatch.setattr(model, "QUERY_BLOCK", 8)
    monkeypatch.setattr(model, "LOGIT_BLOCK", 5)
    rng = np.random.default_rng(7)
    gguf_weights, ids = tiny_gguf_weights(rng), rng.integers(0, 30, tokens)
    nll, cache = decode_by_token(gguf_weights, ids)
    run = model.forward(
        TINY, to_half_rotated(gguf_weights), ids, keep_layers=[0, 1], query_positions=[tokens - 1]
    )
    np.testing.assert_allclose(run.nll, nll, rtol=1e-4, atol=1e-4)
    for layer, (keys, values) in enumerate(cache):
        pairs = np.concatenate([keys[..., 0::2], keys[..., 1::2]], -1)  # (2i, 2i+1) -> (i, i + D/2)
        np.testing.assert_allclose(run.k[layer], pairs, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(run.v[layer], values, rtol=1e-4, atol=1e-4)
        assert run.q[layer].shape == (1, TINY.query_heads, TINY.head_dim)


def test_wrong_row_order_shows():
    rng = np.random.default_rng(7)
    gguf_weights, ids = tiny_gguf_weights(rng), rng.integers(0, 30, 37)
    nll, _ = decode_by_token(gguf_weights, ids)
    assert np.abs(model.forward(TINY, gguf_weights, ids).nll - nll).max() > 1e-2


# --- text, files and the command line ---


def bible_data(windows):
    """A bible.data whose windows are compress(1) streams of plain 9-bit literals."""
    packed = []
    for index, window in enumerate(windows):
        bits = sum(byte << (9 * i) for i, byte in enumerate(window))
        body = bits.to_bytes((9 * len(window) + 7) // 8, "little")
        packed.append((b"\x1f\x9d\x90" if index == 0 else b"") + body)
    begin = 0x5C + 4 * (len(windows) + 1)
    offsets = [begin + sum(map(len, packed[:i])) for i in range(len(windows) + 1)]
    offsets[0] += 3  # the first offset points past the header
    header = b"EC02".ljust(0x54, b"\0") + struct.pack(">II", len(windows[0]), len(windows))
    return header + struct.pack(f">{len(offsets)}I", *offsets) + b"".join(packed)


def test_decode_kjv_and_prose(tmp_path):
    path = tmp_path / "bible.data"
    lines = b"Title.\nGe1:1 One.\nGe1:2 Two.\nGe2:1 Three.\n1Sm1:1 Four.\n"
    path.write_bytes(bible_data([lines[:40], lines[40:]]))
    decoded = text.decode_kjv(path)
    assert decoded.encode() == lines
    assert text.kjv_prose(decoded, "Ge1:2") == "Two.\n\nThree.\n\nFour."
    with pytest.raises(ValueError, match="expected a verse"):
        text.kjv_prose(decoded, "Ge1")
    path.write_bytes(bible_data([lines[:40], lines[40:]]).replace(b"EC02", b"EC01"))
    with pytest.raises(ValueError, match="expected the magic EC02"):
        text.decode_kjv(path)
    with pytest.raises(FileNotFoundError, match="bible-kjv-text"):
        text.decode_kjv(tmp_path / "none")


@pytest.mark.parametrize("value", [41.0, float("nan"), float("inf")])
def test_insane_perplexity_fails(value):
    trace.require_sane("text", 39.0, 40.0)
    with pytest.raises(TraceError, match="expected a perplexity of at most 40.0"):
        trace.require_sane("text", value, 40.0)


def test_write_leaves_nothing_half_written(tmp_path):
    path = tmp_path / "folder" / "trace.safetensors"
    for target in (path, tmp_path / "again"):  # the same bytes each time
        trace.write(target, {"q": np.ones(3, np.float16)}, {"format": trace.FORMAT, "a": "1", "b": "2", "c": "3"})
    before = path.read_bytes()
    assert before == (tmp_path / "again").read_bytes()
    with pytest.raises(Exception):
        trace.write(path, {"q": "no array"}, {})
    assert path.read_bytes() == before and list(path.parent.iterdir()) == [path]


def test_command_line_keeps_what_is_there(tmp_path, capsys):
    source, output = tmp_path / "text.txt", tmp_path / "trace.safetensors"
    source.write_text("In the beginning")
    request = trace.Request("In the beginning", "text.txt", 4, (2,), 1, 40.0)
    metadata = {"format": trace.FORMAT, "settings": request.settings(Path("tiny.gguf"))}
    trace.write(output, {"q": np.ones(3, np.float16)}, metadata)
    arguments = ["--text", str(source), "--output", str(output), "--gguf", "tiny.gguf", "--queries", "1", "--layers=2"]
    assert __main__.main([*arguments, "--tokens", "4"]) == 0
    assert capsys.readouterr().out == f"{output}\n"
    assert __main__.main([*arguments, "--tokens", "5"]) == 1
    assert "--force" in capsys.readouterr().err
    output.write_bytes(b"no trace")
    assert __main__.main([*arguments, "--tokens", "4"]) == 1
    assert "expected a trace" in capsys.readouterr().err


def test_layers_are_parsed():
    assert __main__.parse_layers("2-4,9") == (2, 3, 4, 9)
    for wrong in ("", "3-", "4-2", "5,5", "9,2", "-1", "a"):
        with pytest.raises(__main__.argparse.ArgumentTypeError):
            __main__.parse_layers(wrong)
