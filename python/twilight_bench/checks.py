# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""A configuration's answer at a problem, against float64, before anything is timed; and what its answer is worth.

Op by op every intermediate is an output and is checked by itself (twilight_gpu.verify). The raced form, fused or not,
may round differently: where that decides about a token, both answers are right, but that is rare.
"""

import math

import torch
from twilight_gpu.launch import Launch
from twilight_gpu.timing import stream
from twilight_gpu.verify import Sequence, brackets, check_kept, check_logits, check_pages, fine_pages, half_unit
from twilight_numeric.bare import BLUR
from twilight_numeric.compare import EPS, OUT, require
from twilight_oracle.top_p import floors

DOUBTFUL = 0.25  # share of the kv heads whose tokens rounding may have decided about


def run(artifact, arguments):
    """Outputs by name, of one launch."""
    call = Launch(artifact, arguments)
    artifact.check_values(call.tensors, stream())
    call()
    torch.cuda.synchronize()
    return call.outputs


def check_intermediates(sequence, config, p, b, g, found):
    """Pages, logits and kept tokens of kv head g, op by op. -> (candidates, logits, which a floor keeps, kept)"""
    shape = sequence.shape
    heads = slice(g * shape.group, (g + 1) * shape.group)
    pages = found["pages"][b, g, : int(found["page_counts"][b, g])].long()
    check_pages(sequence, g, pages, config.select)
    slots = (pages[:, None] * shape.page_size + torch.arange(shape.page_size, device=pages.device)).flatten()
    real = slots < sequence.tokens
    candidates, logits = slots[real], found["logits"][b, heads, : len(slots)][:, real]
    fine = fine_pages(found, b, g)
    if fine is not None:
        check_pages(sequence, g, fine, config.fine_select)
    check_logits(sequence, g, candidates, logits, fine)
    held = floors(config.prune, candidates, sequence.tokens)
    kept = found["kept"][b, g, : int(found["kept_counts"][b, g])].long()
    check_kept(g, logits, candidates, kept, p, held)
    return candidates, logits, held, kept


def base_error(sequence, g):
    """What a kernel's rounding may change of out (relative L2) and of lse over given tokens."""
    terms = float(sequence.scale * sequence.q[g].abs().sum(-1).max() * 6)
    return max(OUT[sequence.shape.dtype], 8 * EPS * terms)


def same_tokens(sequence, b, g, kept, found):
    """Whether the answer of kv head g is the attention over exactly these tokens."""
    heads = slice(g * sequence.shape.group, (g + 1) * sequence.shape.group)
    out, level = sequence.attend(g, kept)
    base = base_error(sequence, g)
    right = (found["out"][b, heads].double() - out).norm(dim=-1) <= base * out.norm(dim=-1)
    near = (found["lse"][b, heads].double() - level).abs() <= base + EPS * 64
    return int(found["counts"][b, g]) == len(kept) and bool(right.all()) and bool(near.all())


def check_doubtful(sequence, p, b, g, lists, found):
    """The answer of kv head g is right for one choice of the tokens that rounding decides about."""
    shape, (candidates, logits, held, _) = sequence.shape, lists
    heads = slice(g * shape.group, (g + 1) * shape.group)
    largest = logits.abs().max().double()
    # What is blurred across the middle between two scores differs by a unit.
    slack = max(BLUR, 16 * EPS * float(largest)) + 2 * float(half_unit(largest, logits.dtype))
    certain, possible = (mask | held for mask in brackets(logits, p, slack, slack))
    count, least, most = int(found["counts"][b, g]), int(certain.sum()), int(possible.sum())
    require(least <= count <= most, f"count of kv head {g}: expected {least} to {most}, found {count}")
    out, level = sequence.attend(g, candidates[possible])
    doubt = 1 - (sequence.attend(g, candidates[certain])[1] - level).exp()
    base, reach = base_error(sequence, g), float(sequence.rows("v_pages", g).abs().max()) * math.sqrt(shape.head_dim)
    error = (found["out"][b, heads].double() - out).norm(dim=-1).nan_to_num(nan=math.inf)
    limit = base * out.norm(dim=-1) + 2 * doubt * reach
    worst = int((error - limit).argmax())
    require(bool(error[worst] <= limit[worst]), f"out of kv head {g}: error {error[worst]:.3g}, allowed {limit[worst]:.3g}")
    gap = (found["lse"][b, heads].double() - level).abs().nan_to_num(nan=math.inf) - 2 * doubt
    require(bool((gap <= base + EPS * 64).all()), f"lse of kv head {g}: error {float(gap.max()):.3g}, allowed {base:.3g}")


def quality_of(sequence, p, b, g, kept, found):
    """Of kv head g: exact mass of what was kept [G], recall of the exact set, error against dense attention [G]."""
    heads = slice(g * sequence.shape.group, (g + 1) * sequence.shape.group)
    out, level = sequence.attend(g)
    exact = brackets(sequence.scale * sequence.q[g] @ sequence.rows("k_pages", g).double().T, p)[0].nonzero().flatten()
    error = (found["out"][b, heads].double() - out).norm(dim=-1) / out.norm(dim=-1)
    recall = float(torch.isin(exact, kept).double().mean())
    return (found["lse"][b, heads].double() - level).exp().tolist(), recall, error.tolist()


def check(config, problem, inputs, sampled, inspected, found):
    """Raises Mismatch. inspected, found: outputs of the two forms over the first batch of the inputs."""
    mass, recall, error, doubtful = [], [], [], 0
    for b in sampled:
        sequence = Sequence(config.shape(problem), inputs, b)
        for g in range(problem.kv_heads):
            lists = check_intermediates(sequence, config, problem.p, b, g, inspected)
            if not same_tokens(sequence, b, g, lists[3], found):
                check_doubtful(sequence, problem.p, b, g, lists, found)
                doubtful += 1
            m, r, e = quality_of(sequence, problem.p, b, g, lists[3], found)
            mass, recall, error = mass + m, [*recall, r], error + e
    allowed = max(1, DOUBTFUL * len(recall))
    text = f"{doubtful} of {len(recall)} kv heads differ from op by op by more than rounding"
    require(doubtful <= allowed, f"{text} of the attention itself, allowed {allowed:.0f}")
    return {
        "checked_sequences": list(sampled),
        "mass": round(sum(mass) / len(mass), 4),
        "mass_min": round(min(mass), 4),
        "recall": round(sum(recall) / len(recall), 4),
        "error_to_dense": round(sum(error) / len(error), 4),
    }
