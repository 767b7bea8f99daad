# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Page scores and 4-bit logits in Triton, as somebody would write them who composes Twilight from pieces."""

import torch
import triton
import triton.language as tl


@triton.jit
def page_scores(q, summary, table, out, pages, kv_heads, G: tl.constexpr, D: tl.constexpr, BLOCK: tl.constexpr):
    """Quest's bound of each page, the greatest over a kv head's query heads: out [B * Hkv, pages]."""
    item, b, g = tl.program_id(0), tl.program_id(0) // kv_heads, tl.program_id(0) % kv_heads
    at = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    physical = tl.load(table + b * pages + at, at < pages, 0).to(tl.int64)
    head, d = tl.arange(0, 16), tl.arange(0, D)
    query = tl.load(q + (item * G + head[:, None]) * D + d[None, :], head[:, None] < G, 0.0)
    bounds = summary + ((physical * kv_heads + g) * 2 * D)[None, :] + d[:, None]
    low, high = tl.load(bounds), tl.load(bounds + D)
    value = tl.dot(tl.minimum(query, 0.0).to(low.dtype), low) + tl.dot(tl.maximum(query, 0.0).to(high.dtype), high)
    value = tl.max(tl.where(head[:, None] < G, value, float("-inf")), 0)
    tl.store(out + item * pages + at, value, at < pages)


@triton.jit
def code_logits(
    q, codes, scale, zero, rows, out, count, soft, G: tl.constexpr, D: tl.constexpr, P: tl.constexpr, BLOCK: tl.constexpr
):
    """Logits of the tokens of the listed pages: rows [B * Hkv, count / P] of (page, kv head), out [B * Hkv, G, count]."""
    item = tl.program_id(0)
    at = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    token = tl.load(rows + item * (count // P) + at // P, at < count, 0).to(tl.int64) * P + at % P
    head, half = tl.arange(0, 16), tl.arange(0, D // 2)
    place = q + (item * G + head[:, None]) * D + 2 * half[None, :]
    even, odd = tl.load(place, head[:, None] < G, 0.0), tl.load(place + 1, head[:, None] < G, 0.0)
    packed = tl.load(codes + token[None, :] * (D // 2) + half[:, None])
    step, low = tl.load(scale + token).to(tl.float32), tl.load(zero + token).to(tl.float32)
    dots = tl.dot(even, (packed & 15).to(even.dtype)) + tl.dot(odd, (packed >> 4).to(odd.dtype))
    total = tl.sum(even.to(tl.float32), 1) + tl.sum(odd.to(tl.float32), 1)
    logits = soft * (dots * step[None, :] + total[:, None] * low[None, :])
    where = out + (item * G + head[:, None]) * count + at[None, :]
    tl.store(where, logits, (head[:, None] < G) & (at[None, :] < count))


def score_pages(q, summary, table, group):
    batch, pages = table.shape
    kv_heads, dim = summary.shape[1], summary.shape[-1]
    out = torch.empty(batch * kv_heads, pages, device=q.device, dtype=torch.float32)
    grid = (batch * kv_heads, triton.cdiv(pages, 64))
    page_scores[grid](q, summary, table, out, pages, kv_heads, group, dim, 64)
    return out


def score_tokens(q, codes, scale, zero, rows, group, soft):
    """rows [B * Hkv, K]: physical page * Hkv + kv head."""
    page, dim = codes.shape[2], 2 * codes.shape[3]
    items, count = rows.shape[0], rows.shape[1] * page
    out = torch.empty(items, group, count, device=q.device, dtype=torch.float32)
    code_logits[(items, triton.cdiv(count, 128))](q, codes, scale, zero, rows, out, count, soft, group, dim, page, 128)
    return out
