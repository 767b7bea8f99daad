# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What scripts/twilight-bench does with PyTorch, on the CPU: inputs, checks, the composed pipeline. No PyTorch: skipped."""

import sys
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "python"))

torch = pytest.importorskip("torch")
pytest.importorskip("triton")

from twilight_bench import checks, composed, configs, flashinfer_peer, problem  # noqa: E402
from twilight_gpu import inputs as generated  # noqa: E402
from twilight_gpu import verify  # noqa: E402
from twilight_oracle.selection import budget_pages, floor_pages  # noqa: E402
from twilight_oracle.summaries import min_max  # noqa: E402
from twilight_oracle.top_p import floors  # noqa: E402

SMALL = problem.Problem(2, 1024, kv_heads=2, centres=64)
COARSE = configs.OWN["p32-fp8-codes2"]
CODED = configs.OWN["p32-i8"]
LAYOUTS = [configs.OWN[name] for name in ("apart-per_op", "planes-fine-per_op", "blocked-planes-fine-per_op", "half-per_op", "half")]
ALL = pytest.mark.parametrize("config", [configs.PAPER, COARSE, CODED, *LAYOUTS], ids=lambda c: c.name)
SCORES = {"f32": torch.float32, "f16": torch.float16}
NUMPY = {"bf16": ml_dtypes.bfloat16, "f8E5M2": ml_dtypes.float8_e5m2, "i8": np.uint8}


def pool_of(config):
    return generated.generate(config.shape(SMALL), 2 * SMALL.batch, SMALL.tokens, device="cpu", centres=SMALL.centres)


@ALL
def test_inputs_are_in_the_formats_of_the_oracle(config):
    pool = pool_of(config)
    generated.check_quantise(config.shape(SMALL), pool)
    keys, found = pool.k_pages[:4].float().numpy(), pool.summary[:4].float().numpy()  # bytes of codes as numbers
    kind = np.dtype(NUMPY[config.shape(SMALL).summary_format])
    for page in range(4):
        for head in range(SMALL.kv_heads):
            np.testing.assert_array_equal(found[page, head], min_max(keys[page, head], kind).astype(found.dtype))
    other = generated.in_formats(configs.PEERS.shape(SMALL), pool)
    assert other.k_pages is pool.k_pages and other.codes.shape[-1] == SMALL.head_dim // 2


def test_pages_of_any_size_hold_the_same_tokens():
    small, large = pool_of(configs.PAPER), pool_of(CODED)
    assert torch.equal(small.q, large.q) and small.k_pages.shape[2] * 2 == large.k_pages.shape[2]
    for name in ("k_pages", "v_pages"):
        found = [getattr(pool, name)[pool.page_table.long()].transpose(2, 3).flatten(1, 2) for pool in (small, large)]
        assert torch.equal(*found) and not torch.equal(found[0][0], found[0][1])


def emulate(config, pool):
    """Right outputs of the inspected and of the raced form."""
    shape, pages = config.shape(SMALL), SMALL.tokens // config.page_size
    count = budget_pages(config.select.budget, pages, config.page_size)
    slots, of = count * config.page_size, (SMALL.batch, SMALL.kv_heads)
    lists = {"pages": torch.zeros(*of, count), "kept": torch.zeros(*of, slots), "kept_counts": torch.zeros(of)}
    parts = {name: value.int() for name, value in lists.items()} | {"page_counts": torch.full(of, count)}
    parts["logits"] = torch.zeros(SMALL.batch, SMALL.heads, slots, dtype=SCORES[config.scores])
    some = budget_pages(config.fine_select.budget, pages, config.page_size) if config.fine else 0
    if some:
        parts |= {"fine_pages": torch.zeros(*of, some).int(), "fine_page_counts": torch.full(of, some)}
    answer = {"out": torch.zeros(SMALL.batch, SMALL.heads, SMALL.head_dim), "lse": torch.zeros(SMALL.batch, SMALL.heads)}
    answer["counts"] = torch.zeros(of, dtype=torch.int32)
    for b in range(SMALL.batch):
        one = verify.Sequence(shape, pool, b)
        for g in range(SMALL.kv_heads):
            heads, q = slice(g * SMALL.group, (g + 1) * SMALL.group), one.q[g]
            bounds = one.bounds(g)
            value = (q.clamp(min=0) @ bounds[:, 1].T + q.clamp(max=0) @ bounds[:, 0].T).amax(0)
            value[torch.from_numpy(floor_pages(config.select, one.tokens, config.page_size))] = torch.inf
            chosen = value.topk(count)[1].sort()[0]
            tokens = (chosen[:, None] * config.page_size + torch.arange(config.page_size)).flatten()
            fine = value.topk(some)[1].sort()[0] if some else None
            logits = (one.scale * q @ one.dequantised(g, tokens, fine).T).to(SCORES[config.scores])
            if some:
                parts["fine_pages"][b, g] = fine
            kept = tokens[verify.brackets(logits, SMALL.p)[1] | floors(config.prune, tokens, one.tokens)]
            parts["pages"][b, g], parts["logits"][b, heads] = chosen, logits
            parts["kept"][b, g, : len(kept)], parts["kept_counts"][b, g] = kept, len(kept)
            answer["out"][b, heads], answer["lse"][b, heads] = (x.float() for x in one.attend(g, kept))
            answer["counts"][b, g] = len(kept)
    return parts, answer


@ALL
def test_right_answers_pass_and_wrong_ones_do_not(config):
    pool = pool_of(config)
    parts, answer = emulate(config, pool)
    found = checks.check(config, SMALL, pool, [0, 1], parts, answer)
    assert 0.3 < found["mass"] <= 1 and 0.3 < found["recall"] <= 1
    everything = slice(None)
    spoilt = (("out", (1, everything, 5), 0.1), ("lse", (0,), 0.01), ("counts", (1, 1), 9))
    spoilt += (("logits", (1, 3, 5), 0.5), ("pages", (0, 1, 7), 1), ("kept_counts", (1, 1), -1))
    spoilt += (("fine_pages", (0, 1, 2), 1),) if config.fine else ()
    for name, where, change in spoilt:
        both = [{n: value.clone() for n, value in outputs.items()} for outputs in (parts, answer)]
        next(outputs for outputs in both if name in outputs)[name][where] += change
        with pytest.raises(AssertionError):
            checks.check(config, SMALL, pool, [0, 1], *both)


@pytest.fixture
def without_flashinfer(monkeypatch):
    monkeypatch.setattr(flashinfer_peer, "library", lambda: "not installed")


PIECES = {"pages": "torch", "choose": "torch", "logits": "torch 4-bit", "top_p": "torch", "attend": "torch padded"}


def run_steps(one):
    rows = one.choose("torch", one.score_pages("torch"))
    return one.compact(one.top_p("torch", one.logits(PIECES["logits"], rows)), rows)


def test_the_composed_pipeline_is_attention_over_what_it_keeps(without_flashinfer):
    assert composed.available(with_triton=False)["attend"] == ["torch padded"]
    one = composed.Composed(SMALL, pool_of(configs.PEERS).batch(2, 2))
    one.plan(run_steps(one))
    found = one.check(PIECES)
    assert 0.7 < found["mass"] <= 1 and 0 < found["kept_fraction"] < 0.25
    right = one.top_p
    one.top_p = lambda piece, logits: ~right(piece, logits)  # keeps the wrong ones
    one.plan(run_steps(one))
    with pytest.raises(AssertionError, match="the kept tokens weigh"):
        one.check(PIECES)


def test_logits_of_codes_are_near_those_of_the_keys(without_flashinfer):
    one = composed.Composed(SMALL, pool_of(configs.PEERS).batch(0, 2))
    rows = one.choose("torch", one.score_pages("torch"))
    exact, coded = (one.logits(piece, rows) for piece in ("torch 16-bit", "torch 4-bit"))
    assert (coded - exact).abs().mean() < 0.05 * exact.abs().max()


def test_scores_of_16_bits_are_the_nearest_ones():
    """Half a unit of f16 is allowed beside what f32 logits may be off by, three are not; the largest is the end."""
    sequence = verify.Sequence(configs.PAPER.shape(SMALL), pool_of(configs.PAPER), 0)
    tokens = torch.arange(64)
    right = sequence.scale * sequence.q[0] @ sequence.dequantised(0, tokens).T
    sequence.q[0] *= 500 / right.abs().max()
    right = sequence.scale * sequence.q[0] @ sequence.dequantised(0, tokens).T
    found = right.half()
    verify.check_logits(sequence, 0, tokens, found)
    at = right.abs().argmax()
    found.view(-1).view(torch.int16)[at] -= 3
    with pytest.raises(AssertionError, match="logits of kv head 0"):
        verify.check_logits(sequence, 0, tokens, found)
    ends = verify.half_unit(torch.tensor([0.0, 1.0, 8.0, 15.9, 1e6], dtype=torch.float64), torch.float16)
    assert ends.tolist() == [2.0**-25, 2.0**-11, 2.0**-8, 2.0**-8, 16.0]
