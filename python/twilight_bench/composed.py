# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Twilight composed from PyTorch's and FlashInfer's pieces, as a user would build it without this compiler.

page scores -> top-k pages -> logits of their tokens -> top-p -> compact lists -> FlashInfer's paged decode with pages of
one token, a request for each sequence and kv head. Where a step can be done by several pieces, each is timed and the
fastest is taken. Everything can be captured in a CUDA graph; FlashInfer's plan for the counts at hand, which needs the
CPU, stays outside the time, to the composition's advantage.
"""

import math

import torch

from . import flashinfer_peer

ALTERNATIVES = {
    "pages": ("torch", "triton"),
    "choose": ("torch", "flashinfer"),
    "logits": ("torch 16-bit", "torch 4-bit", "triton 4-bit"),
    "top_p": ("torch", "flashinfer"),
    "attend": ("flashinfer", "flashinfer tensor cores", "torch padded"),
}


def available(with_triton):
    """The alternatives that this run may take."""
    missing = {"triton"} if not with_triton else set()
    if isinstance(flashinfer_peer.library(), str):
        missing.add("flashinfer")
    found = {step: [n for n in names if n.split()[0] not in missing] for step, names in ALTERNATIVES.items()}
    if "flashinfer" in found["attend"]:
        found["attend"].remove("torch padded")  # only where there is nothing better
    return found


class Composed:
    """The steps over one batch's arguments. Each method is one step; `pieces` says which alternative it takes."""

    def __init__(self, problem, arguments, fraction=0.25):
        self.problem, self.a = problem, arguments
        self.pages, self.page = arguments["page_table"].shape[1], arguments["k_pages"].shape[2]
        self.budget = math.ceil(fraction * self.pages)
        self.count = self.budget * self.page
        self.soft = problem.head_dim**-0.5
        self.device = arguments["q"].device
        heads = torch.arange(problem.kv_heads, device=self.device, dtype=torch.int32)
        self.head_rows = heads[None, :, None]
        self.q = arguments["q"].view(problem.batch, problem.kv_heads, problem.group, problem.head_dim)
        self.flat = {n: arguments[n].flatten(0, 1) for n in ("k_pages", "codes", "scale", "zero", "summary")}
        self.rows_of_pages = arguments["page_table"][:, None, :].long() * problem.kv_heads + self.head_rows
        self.slots = torch.arange(self.page, device=self.device, dtype=torch.int32)
        self.capacity = problem.items * self.count
        self.indices = torch.zeros(self.capacity + 1, device=self.device, dtype=torch.int32)  # the last: of what is dropped
        self.wrappers = {}

    def score_pages(self, piece):
        """[B * Hkv, pages]"""
        if piece == "triton":
            from . import triton_pieces

            return triton_pieces.score_pages(self.a["q"], self.a["summary"], self.a["page_table"], self.problem.group)
        bounds = self.flat["summary"][self.rows_of_pages].flatten(-2)  # [B, Hkv, pages, 2 D]: minima, then maxima
        signed = torch.cat([self.q.clamp(max=0), self.q.clamp(min=0)], -1)
        return (signed @ bounds.transpose(-1, -2)).amax(2).flatten(0, 1)

    def choose(self, piece, scores):
        """Rows (physical page * Hkv + kv head) of the best pages: [B * Hkv, K]"""
        if piece == "flashinfer":
            best = flashinfer_peer.library().top_k(scores, self.budget, dsa_graph_safe=True)[1]
        else:
            best = torch.topk(scores, self.budget, sorted=False)[1]
        return self.rows_of_pages.flatten(0, 1).gather(1, best)

    def logits(self, piece, rows):
        """[B * Hkv, G, K * P] in f32."""
        q = self.q.flatten(0, 1)
        if piece == "triton 4-bit":
            from . import triton_pieces

            parts = (self.a[n] for n in ("codes", "scale", "zero"))
            return triton_pieces.score_tokens(self.a["q"], *parts, rows, self.problem.group, self.soft)
        if piece == "torch 16-bit":
            keys = self.flat["k_pages"][rows].flatten(1, 2)
        else:
            packed = self.flat["codes"][rows].flatten(1, 2)
            codes = torch.stack([packed & 15, packed >> 4], -1).flatten(-2).to(q.dtype)
            step, low = (self.flat[n][rows].flatten(1, 2)[..., None].to(q.dtype) for n in ("scale", "zero"))
            keys = torch.addcmul(low, codes, step)
        return (q @ keys.transpose(-1, -2)).float() * self.soft

    def top_p(self, piece, logits):
        """Which candidates are kept by any query head of the group: bool [B * Hkv, K * P]"""
        probabilities = logits.softmax(-1)
        if piece == "flashinfer":
            flat = probabilities.flatten(0, 1)
            kept = flashinfer_peer.library().sampling.top_p_renorm_probs(flat, self.problem.p) > 0
            return kept.view_as(probabilities).any(1)
        ordered = probabilities.sort(-1, descending=True)[0]
        last = (ordered.cumsum(-1) < self.problem.p).sum(-1, keepdim=True).clamp(max=self.count - 1)
        return (probabilities >= ordered.gather(-1, last)).any(1)

    def compact(self, kept, rows):
        """Fills self.indices with the kept tokens' rows of the pool; returns where each list begins."""
        tokens = (rows[..., None] * self.page + self.slots).flatten(1)
        place = kept.flatten().cumsum(0, dtype=torch.int32)
        place = torch.where(kept.flatten(), place - 1, self.capacity).long()
        self.indices.scatter_(0, place, tokens.flatten().to(torch.int32))
        return torch.cat([place.new_zeros(1), kept.sum(-1).cumsum(0)]).to(torch.int32)

    def plan(self, indptr, pieces=()):
        """The lengths of the lists, and FlashInfer's plans for them, on the CPU."""
        p, dtype = self.problem, self.a["q"].dtype
        host, last = indptr.cpu(), torch.ones(p.items, dtype=torch.int32)
        self.lengths = (host[1:] - host[:-1]).to(self.device)
        self.longest = int(self.lengths.max())
        for name in pieces:
            planned = flashinfer_peer.wrapper("NHD", name != "flashinfer")
            indices = self.indices[: int(host[-1])]
            planned.plan(host, indices, last, p.group, 1, p.head_dim, 1, q_data_type=dtype, kv_data_type=dtype)
            if planned._paged_kv_indices_buf.data_ptr() != self.indices.data_ptr():
                raise AssertionError("FlashInfer copied the lists: later lists would not be seen")
            self.wrappers[name] = planned

    def attend(self, piece):
        """[B, Hq, D]"""
        p = self.problem
        q = self.a["q"].view(p.items, p.group, p.head_dim)
        pools = [self.a[n].view(-1, 1, 1, p.head_dim) for n in ("k_pages", "v_pages")]
        if piece.startswith("flashinfer"):
            return self.wrappers[piece].run(q, tuple(pools)).view(p.batch, p.heads, p.head_dim)
        return self.attend_padded(q, pools)

    def attend_padded(self, q, pools):
        """PyTorch alone: every list padded to the longest, the lengths known from the plan."""
        slot = torch.arange(self.longest, device=self.device)
        valid = slot < self.lengths[:, None]
        where = (self.lengths.cumsum(0) - self.lengths)[:, None] + slot
        rows = self.indices[where.clamp(max=self.capacity)].long()
        keys, values = (pool.flatten(1)[rows][:, None] for pool in pools)
        packed = torch.nn.functional.scaled_dot_product_attention(q[:, None], keys, values, attn_mask=valid[:, None, None])
        return packed.view(self.problem.batch, self.problem.heads, -1)

    def run(self, pieces):
        rows = self.choose(pieces["choose"], self.score_pages(pieces["pages"]))
        indptr = self.compact(self.top_p(pieces["top_p"], self.logits(pieces["logits"], rows)), rows)
        if pieces["attend"] in self.wrappers:  # the plan knows the counts it was made for; the kernel reads these
            self.wrappers[pieces["attend"]]._paged_kv_indptr_buf.copy_(indptr)
        self.indptr = indptr
        return self.attend(pieces["attend"])

    def check(self, pieces):
        """The answer is attention over its own lists, which hold most of the mass that top-p asks for.

        Raises AssertionError. Returns what the row says of the kept tokens.
        """
        out, p, mass = self.run(pieces), self.problem, []
        bounds = self.indptr.tolist()
        keys, values = (self.a[n].view(-1, p.head_dim) for n in ("k_pages", "v_pages"))
        for item in (0, p.items - 1):
            rows = self.indices[bounds[item] : bounds[item + 1]].long()
            b, g = divmod(item, p.kv_heads)
            logits = self.soft * self.q[b, g].double() @ keys[rows].double().T
            mass.append((logits.logsumexp(-1) - self.dense_level(keys, b, g)).exp().mean())
            expected, found = logits.softmax(-1) @ values[rows].double(), out[b].view(p.kv_heads, p.group, -1)[g].double()
            error = float((found - expected).norm() / expected.norm())
            if not error <= 2e-2:
                raise AssertionError(f"item {item}: relative L2 error {error:.3g} over its own tokens, allowed 2e-2")
        mean = float(sum(mass) / len(mass))
        if not p.p / 2 <= mean <= 1 + 1e-6:  # candidates alone, badly chosen, weigh a quarter
            raise AssertionError(f"the kept tokens weigh {mean:.3f}, expected about p = {p.p}")
        return {"kept_fraction": bounds[-1] / (p.items * p.tokens), "mass": round(mean, 4)}

    def dense_level(self, keys, b, g):
        """Log of the sum of all weights of sequence b, for the query heads of kv head g."""
        rows = self.rows_of_pages[b, g].long()[:, None] * self.page + self.slots
        return (self.soft * self.q[b, g].double() @ keys[rows.flatten()].double().T).logsumexp(-1)
