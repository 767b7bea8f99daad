# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Checks of select, quantize_score and top_p: exact but where rounding decides."""

import numpy as np
from twilight_oracle import lists as selections
from twilight_oracle import scores, selection, top_p

from .compare import EPS, LOGITS, MASS, RANK, WEIGHT, require, require_shape, term_size
from .shapes import DTYPES


def check_select(select, q, cache, lists):
    """lists[b][row] of pages against the oracle's importances."""
    if select.selector in ("full", "window"):
        for b, (found, expected) in enumerate(zip(lists, selection.select_pages(select, q, cache))):
            for r, (f, e) in enumerate(zip(found, expected)):
                require(np.array_equal(f, e), f"pages[{b}, {r}]: expected {e.tolist()}, found {f.tolist()}")
        return
    for b in range(cache.batch):
        units = cache.num_pages(b)
        count = selection.budget_pages(select.budget, units, cache.page_size)
        if units == 0:
            continue
        value, scale = selection.ranking(select, q, cache, b)
        summaries = cache.summaries(b)
        for r in range(len(value)):
            where = f"pages[{b}, {r}]"
            g = r * cache.kv_heads // len(value)
            check_best(where, value[r], np.nan_to_num(scale[r], posinf=0), count, lists[b][r])
            check_page_ties(where, value[r], summaries[g], lists[b][r])


def check_best(where, value, scale, count, chosen):
    """`chosen` are the `count` greatest of `value`, up to rounding."""
    require(len(chosen) == count, f"{where}: expected {count} pages, found {len(chosen)}: {chosen.tolist()}")
    forced = np.flatnonzero(np.isposinf(value))
    if len(forced) >= count:
        expected = forced[:count]
        require(np.array_equal(chosen, expected), f"{where}: expected {expected.tolist()}, found {chosen.tolist()}")
        return
    best = selection.keep_best(value, count)
    least = best[np.argmin(value[best])]
    picked = np.zeros(len(value), bool)
    picked[chosen] = True
    slack = RANK * (scale + scale[least])
    with np.errstate(invalid="ignore"):  # -inf against -inf: neither outranks
        missed = ~picked & (value - value[least] > slack)
        extra = picked & (value[least] - value > slack)
    for wrong, verb in ((missed, "left out"), (extra, "kept")):
        at = np.flatnonzero(wrong)
        if len(at):
            u = at[0]
            require(False, f"{where}: page {u} of importance {value[u]} was {verb}, the least kept is {value[least]}")


def check_page_ties(where, value, summaries, chosen):
    """Of pages with one and the same summary (or importance -inf), the lower ones are kept."""
    picked = np.zeros(len(value), bool)
    picked[chosen] = True
    classes = {}
    for u in np.flatnonzero(~np.isposinf(value)):
        key = "none" if np.isneginf(value[u]) else summaries[u].tobytes()
        classes.setdefault(key, []).append(u)
    for units in classes.values():
        if (np.diff(picked[units].astype(int)) > 0).any():
            require(False, f"{where}: of the equal pages {units} the lower must be kept, found {chosen.tolist()}")


def check_logits(q, cache, page_lists, outputs, scale=None, bits=4, fine=None, element="f32"):
    """The output `logits` against the codes; returns what was found, ragged, for the check of top_p.

    Scores of f16 may be off by half a unit of f16 beside what f32 ones may, and end at the largest number.
    """
    scale = scores.default_scale(cache.head_dim) if scale is None else scale
    heads = q.shape[1]
    found = require_shape(outputs, "logits", cache.batch, heads, None)
    require(found.dtype == DTYPES[element], f"logits: expected scores of {element}, found {found.dtype}")
    expected = scores.quantize_score(q, cache, page_lists, scale, bits, fine)
    result = []
    for b in range(cache.batch):
        rows, length = len(page_lists[b]), int(cache.seq_lens[b])
        keys = scores.keys_of_lists(cache, b, rows, None if fine is None else fine[b], bits)
        per_head = []
        for h in range(heads):
            r = selections.row_of_head(h, rows, heads)
            slots = selections.page_slots(page_lists[b][r], cache.page_size)
            require(len(slots) <= found.shape[2], f"logits: {found.shape[2]} slots cannot hold {len(slots)} candidates")
            real = slots < length
            values = found[b, h, : len(slots)][real]
            size = term_size(q[b, h], keys[r][slots[real]], scale)
            right = expected[b][h] if element == "f32" else np.clip(expected[b][h], -scores.LARGEST_F16, scores.LARGEST_F16)
            error = np.abs(values.astype(np.float64) - right)
            limit = LOGITS * max(1.0, size / 16)
            limit = limit + scores.half_unit(np.abs(right) + limit, element)
            if len(error) and not (error <= limit).all():  # also catches NaN
                i = int(np.argmax(np.where(np.isnan(error), np.inf, error - limit)))
                allowed = np.broadcast_to(limit, error.shape)[i]
                text = f"token {slots[real][i]}: expected {right[i]}, found {values[i]}, allowed {allowed:.2g}"
                require(False, f"logits[{b}, {h}], {text}")
            per_head.append(values.astype(np.float64))
        result.append(per_head)
    return result


def bracket(rule, logits, p, weight=WEIGHT, mass=MASS):
    """Masks of the candidates that every right answer keeps, and of those that a right answer may keep.

    weight, mass: what rounding may change of a weight (relative) and of a kept mass (absolute).
    """
    if rule.rule == "threshold":
        low, high = top_p.prune(rule, logits, min(p * (1 + weight), 1.0)), top_p.prune(rule, logits, p * (1 - weight))
        strict = p <= 0
    else:
        inside = 0 < p < 1
        low = top_p.prune(rule, logits, max(p - mass, 1e-30) if inside else p)
        high = top_p.prune(rule, logits, p + mass if inside else p)
        strict = p >= 1
    if strict and not rule.max_tokens:
        return low, high  # everything, whatever the weights
    certain, possible = low.copy(), high.copy()
    certain[near_edge(logits, low, weight)] = False
    possible[near_edge(logits, high, weight)] = True
    return certain, possible


def near_edge(logits, kept, weight):
    """Candidates whose weight rounding cannot tell from the lightest kept one's; none if all of them equal it."""
    nothing = np.zeros(len(logits), bool)
    if not kept.any():
        return nothing
    below = logits - logits.max()
    least = below[kept].min()
    slack = weight + 2 * EPS * np.abs(least)
    near = np.abs(below - least) <= slack
    if least < -80:  # weights that underflow in float32 are all alike
        near |= below < -80
    return near if (logits[near] != logits[kept].min()).any() else nothing


def check_top_p(rule, logits, candidates, seq_lens, p, kept, kv_heads):
    """kept[b][row] token lists, against logits[b][h] over candidates[b][row]."""
    for b, per_head in enumerate(logits):
        heads, length = len(per_head), int(seq_lens[b])
        share, rows = top_p.per_head_p(p, heads), len(kept[b])
        certain, possible = [set() for _ in range(rows)], [set() for _ in range(rows)]
        for h, values in enumerate(per_head):
            tokens, r = candidates[b][h * len(candidates[b]) // heads], h * rows // heads
            low, high = bracket(rule, values, share[h]) if len(values) else (np.zeros(0, bool),) * 2
            held = top_p.floors(rule, tokens, length)
            certain[r] |= set(tokens[low | held].tolist())
            possible[r] |= set(tokens[high | held].tolist())
            where = f"kept[{b}, {r}], head {h}"
            check_mass(where, rule, values, tokens, share[h], kept[b][r])
            if rows == heads:
                check_cap(where, rule, tokens[held], kept[b][r])
        for r in range(rows):
            found, where = set(kept[b][r].tolist()), f"kept[{b}, {r}]"
            missing, extra = sorted(certain[r] - found), sorted(found - possible[r])
            require(
                not missing, f"{where}: {len(missing)} tokens are missing, first {missing[:5]} (of {len(certain[r])})"
            )
            require(not extra, f"{where}: {len(extra)} tokens too many, first {extra[:5]} (of {len(possible[r])})")


def check_mass(where, rule, logits, tokens, p, kept):
    """The kept candidates reach p, whatever the bracket allowed."""
    if rule.rule != "mass" or rule.max_tokens or len(logits) == 0:
        return
    mass = top_p.softmax(logits)[np.isin(tokens, kept)].sum()
    require(mass >= min(p, 1.0) - MASS, f"{where}: kept mass {mass} is less than p = {p}")


def check_cap(where, rule, held, kept):
    """A list of one head's own: whatever the bracket allowed, the cap holds for all that no floor keeps."""
    free = len(np.setdiff1d(kept, held))
    require(not rule.max_tokens or free <= rule.max_tokens, f"{where}: {free} tokens, the cap is {rule.max_tokens}")
