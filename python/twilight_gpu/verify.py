# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Correctness of the benchmark's own runs, in float64 on the GPU, for one sequence at a time.

The NumPy oracle says the same at the numeric cases' sizes; at 131,072 tokens it would take minutes.
"""

import math

import torch
from twilight_numeric.compare import EPS, LOGITS, MASS, OUT, RANK, WEIGHT, require
from twilight_oracle.scores import LARGEST_F16
from twilight_oracle.selection import budget_pages, floor_pages
from twilight_oracle.top_p import floors

from .inputs import coded_keys, decoded


class Sequence:
    """One sequence of the pool in float64, heads first."""

    def __init__(self, shape, inputs, s):
        self.shape, self.inputs = shape, inputs
        self.tokens = int(inputs.seq_lens[s])
        self.table = inputs.page_table[s].long()
        self.q = inputs.q[s].double().view(shape.kv_heads, shape.group, shape.head_dim)
        self.scale = 1 / math.sqrt(shape.head_dim)

    def rows(self, part, g):
        """A per-token part of kv head g: [N, ...]."""
        pages = getattr(self.inputs, part)[self.table, g]
        return pages.reshape(-1, *pages.shape[2:])[: self.tokens]

    def bounds(self, g):
        """[pages, 2, D]"""
        stored = self.inputs.summary[self.table, g]
        return decoded(stored, self.shape.head_dim) if self.shape.summary_format == "i8" else stored.double()

    def dequantised(self, g, tokens, fine=None):
        """Keys [tokens, D] as their codes have them; of tokens in pages that are not in `fine`, as their high planes do."""
        pages, slots = tokens // self.shape.page_size, tokens % self.shape.page_size
        needed, which = pages.unique(return_inverse=True)
        parts = (getattr(self.inputs, name) for name in ("codes", "scale", "zero"))
        stored = [None if part is None else part[self.table[needed], g] for part in parts]
        codes, coarse, scale, zero = (part[which, slots] for part in coded_keys(self.shape, *stored))
        if fine is not None:
            codes = torch.where(torch.isin(pages, fine)[:, None], codes, coarse)
        return codes * scale[:, None] + zero[:, None]

    def attend(self, g, tokens=None):
        """out [G, D], lse [G] over the tokens (default: all)."""
        keys, values = self.rows("k_pages", g), self.rows("v_pages", g)
        if tokens is not None:
            keys, values = keys[tokens], values[tokens]
        logits = self.scale * self.q[g] @ keys.double().T
        return logits.softmax(-1) @ values.double(), logits.logsumexp(-1)


def check_pages(sequence, g, found, select):
    """The list of pages of kv head g."""
    bounds = sequence.bounds(g)
    q = sequence.q[g]
    low, high = q.clamp(max=0), q.clamp(min=0)
    value = (high @ bounds[:, 1].T + low @ bounds[:, 0].T).amax(0)
    size = RANK * (high @ bounds[:, 1].abs().T + low.abs() @ bounds[:, 0].abs().T).amax(0)
    held = floor_pages(select, sequence.tokens, sequence.shape.page_size)
    value[torch.from_numpy(held).to(value.device)] = math.inf
    count = budget_pages(select.budget, len(value), sequence.shape.page_size)
    require(len(found) == count, f"pages of kv head {g}: expected {count}, found {len(found)}")
    require(bool((found[1:] > found[:-1]).all()), f"pages of kv head {g}: expected an ascending list")
    inside = bool((found >= 0).all() and (found < len(value)).all())
    require(inside, f"pages of kv head {g}: expected pages below {len(value)}, found {found.min()} to {found.max()}")
    chosen = torch.zeros(len(value), dtype=torch.bool, device=value.device)
    chosen[found] = True
    if chosen.all():
        return
    least, best_left = value[chosen].min(), value[~chosen].max()
    if least.isinf() and not best_left.isinf():
        return
    slack = size[chosen].max() + size[~chosen].max()
    require(
        bool(best_left - least <= slack),
        f"pages of kv head {g}: one of importance {best_left:.6g} was left out, one of {least:.6g} kept",
    )


def fine_pages(found, b, g):
    """Pages of kv head g that an inspected form scored from all bits; None: all of them."""
    return found["fine_pages"][b, g, : int(found["fine_page_counts"][b, g])].long() if "fine_pages" in found else None


def half_unit(logits, dtype):
    """How far rounding to scores of a type may move logits: half a unit in the last place of an f16."""
    if dtype != torch.float16:
        return torch.zeros_like(logits)
    exponent = torch.frexp(logits.abs().clamp(2.0**-14, LARGEST_F16)).exponent - 1
    return torch.ldexp(torch.ones_like(logits), exponent - 11)


def check_logits(sequence, g, candidates, found, fine=None):
    """found [G, candidates]; returns the largest error. fine: pages as for Sequence.dequantised."""
    keys = sequence.dequantised(g, candidates, fine)
    right = sequence.scale * sequence.q[g] @ keys.T
    error = (found.double() - right).abs().nan_to_num(nan=math.inf)
    size = sequence.scale * (sequence.q[g].abs() @ keys.abs().T).max()
    limit = LOGITS * max(1.0, float(size) / 16)
    limit = limit + half_unit(right.abs() + limit, found.dtype)
    worst = float(error.max())
    at = (error - limit).argmax()
    fits = bool((error <= limit).all())
    require(fits, f"logits of kv head {g}: error {error.flatten()[at]:.3g}, allowed {limit.flatten()[at]:.3g}")
    return worst


def brackets(logits, p, mass_slack=MASS, weight_slack=WEIGHT):
    """Masks of the candidates that each right answer keeps, and that a right answer may keep, over the heads' union.

    The slacks: what rounding may change of a kept mass (absolute) and of a weight (relative).
    """
    certain = torch.zeros(logits.shape[1], dtype=torch.bool, device=logits.device)
    possible = certain.clone()
    for row in logits.double():
        weights = row.softmax(-1)
        ordered, order = weights.sort(descending=True)
        mass = ordered.cumsum(0)
        low, high = (int((mass < p + sign * mass_slack).sum().clamp(max=len(mass) - 1)) for sign in (-1, 1))
        certain |= weights > ordered[low] * (1 + weight_slack)
        possible |= weights >= ordered[high] * (1 - weight_slack)
    return certain, possible


def check_kept(g, logits, candidates, kept, p, held):
    """held: which candidates a floor keeps."""
    certain, possible = (mask | held for mask in brackets(logits, p))
    missing = int((~torch.isin(candidates[certain], kept)).sum())
    extra = int((~torch.isin(kept, candidates[possible])).sum())
    require(missing == 0, f"kept tokens of kv head {g}: {missing} are missing of {int(certain.sum())}")
    require(extra == 0, f"kept tokens of kv head {g}: {extra} too many, {len(kept)} found")


def check_rows(what, g, out, lse, expected, dtype, term):
    """Relative L2 error of the worst head."""
    limit = max(OUT[dtype], 8 * EPS * term)
    error = (out.double() - expected[0]).norm(dim=-1) / expected[0].norm(dim=-1)
    worst = float(error.nan_to_num(nan=math.inf).max())
    require(worst <= limit, f"{what} out of kv head {g}: relative L2 error {worst:.3g}, allowed {limit:.3g}")
    gap = float((lse.double() - expected[1]).abs().nan_to_num(nan=math.inf).max())
    require(gap <= limit + EPS * 64, f"{what} lse of kv head {g}: error {gap:.3g}, allowed {limit:.3g}")
    return worst


def check_scores(shape, inputs, s, b, inspect, select, fine_select=None):
    """Pages and logits of sequence s of the pool, row b of the outputs; returns the largest error of a logit."""
    sequence, page, worst = Sequence(shape, inputs, s), shape.page_size, 0.0
    for g in range(shape.kv_heads):
        heads = slice(g * shape.group, (g + 1) * shape.group)
        pages = inspect["pages"][b, g, : int(inspect["page_counts"][b, g])].long()
        check_pages(sequence, g, pages, select)
        fine = fine_pages(inspect, b, g)
        if fine is not None:
            check_pages(sequence, g, fine, fine_select)
        slots = (pages[:, None] * page + torch.arange(page, device=pages.device)).flatten()
        real = slots < sequence.tokens
        logits = inspect["logits"][b, heads, : len(slots)][:, real]
        worst = max(worst, check_logits(sequence, g, slots[real], logits, fine))
    return worst


def check_sequence(shape, inputs, s, b, inspect, whole, dense, select, prune, p):
    """Sequence s of the pool, row b of the outputs. Raises Mismatch; returns what a report says about it."""
    sequence, page = Sequence(shape, inputs, s), shape.page_size
    worst = {"logits": 0.0, "out": 0.0, "dense_out": 0.0}
    mass, against_dense, kept_counts = [], [], []
    for g in range(shape.kv_heads):
        heads = slice(g * shape.group, (g + 1) * shape.group)
        pages = inspect["pages"][b, g, : int(inspect["page_counts"][b, g])].long()
        check_pages(sequence, g, pages, select)
        slots = (pages[:, None] * page + torch.arange(page, device=pages.device)).flatten()
        real = slots < sequence.tokens
        candidates = slots[real]
        logits = inspect["logits"][b, heads, : len(slots)][:, real]
        worst["logits"] = max(worst["logits"], check_logits(sequence, g, candidates, logits))
        kept = inspect["kept"][b, g, : int(inspect["kept_counts"][b, g])].long()
        check_kept(g, logits, candidates, kept, p, floors(prune, candidates, sequence.tokens))
        term = float(sequence.scale * sequence.q[g].abs().sum(-1).max() * 6)
        chosen, everything = sequence.attend(g, kept), sequence.attend(g)
        dtype = shape.dtype
        for name, outputs in (("inspected", inspect), ("whole", whole)):
            error = check_rows(name, g, outputs["out"][b, heads], outputs["lse"][b, heads], chosen, dtype, term)
            worst["out"] = max(worst["out"], error)
            count = int(outputs["counts"][b, g])
            require(count == len(kept), f"{name} counts of kv head {g}: expected {len(kept)}, found {count}")
        error = check_rows("dense", g, dense["out"][b, heads], dense["lse"][b, heads], everything, dtype, term)
        worst["dense_out"] = max(worst["dense_out"], error)
        mass += (chosen[1] - everything[1]).exp().tolist()
        relative = (whole["out"][b, heads].double() - everything[0]).norm(dim=-1) / everything[0].norm(dim=-1)
        against_dense += relative.tolist()
        kept_counts.append(len(kept))
    return worst | {"sequence": s, "kept": kept_counts, "mass": mass, "error_to_dense": against_dense}
