# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The benchmark's inputs, made on the GPU with PyTorch: clustered keys in a paged cache, codes and summaries of them.

Keys come in segments of 32 tokens around a centre; 512 centres recur at random places. A query is a sum of four centres
and some noise, so that p = 0.85 keeps about 1% of the tokens at any length: 4 of 512 centres. Every sequence has pages
of its own.
"""

from dataclasses import dataclass, replace

import torch
from twilight_oracle.summaries import coded_bytes

from .pipelines import CENTRES

SEGMENT, CENTRES_IN_QUERY = 32, 4
KEY_NOISE, QUERY_NOISE = 0.5, 0.3
CHUNK = 4096  # pages at a time, in float32
TORCH = {"bf16": torch.bfloat16, "f16": torch.float16, "f8E5M2": torch.float8_e5m2, "i8": torch.uint8}


@dataclass
class Inputs:
    """Sequences of one length; parts as in docs/runtime.md, all on the device."""

    q: torch.Tensor  # [S, Hkv * G, D]
    k_pages: torch.Tensor  # [pages, Hkv, P, D]
    v_pages: torch.Tensor
    codes: torch.Tensor
    scale: torch.Tensor
    zero: torch.Tensor
    summary: torch.Tensor
    page_table: torch.Tensor  # [S, pages of one]
    seq_lens: torch.Tensor  # [S]

    def batch(self, first, count):
        """Arguments by name of `count` sequences from `first` on, over the whole pool."""
        rows = slice(first, first + count)
        pool = {n: getattr(self, n) for n in ("k_pages", "v_pages", "codes", "scale", "zero", "summary")}
        return pool | {n: getattr(self, n)[rows] for n in ("q", "page_table", "seq_lens")}

    def dense(self, name, first, count):
        """Keys or values as [B, Hkv, N, D], contiguous: the same memory, read in the pool's order.

        For timing dense kernels; which sequence's tokens they are is no matter there.
        """
        pages, kv_heads, page, dim = self.k_pages.shape
        tokens = self.page_table.shape[1] * page
        pool = getattr(self, name).view(len(self.seq_lens), kv_heads, tokens, dim)
        return pool[first : first + count]


def clustered(shape, tokens, generator, device, count=CENTRES):
    """q [Hkv * G, D], keys [N, Hkv, D] in float32."""
    heads, dim, segments = shape.kv_heads, shape.head_dim, -(-tokens // SEGMENT)
    draw = {"device": device, "generator": generator}
    centres = torch.randn(count, heads, dim, **draw)
    which = torch.randperm(segments, **draw) % count
    keys = centres[which].repeat_interleave(SEGMENT, 0)[:tokens]
    keys = keys + KEY_NOISE * torch.randn(tokens, heads, dim, **draw)
    q = QUERY_NOISE * torch.randn(heads, shape.group, dim, **draw)
    head = torch.arange(heads, device=device)[:, None]
    for _ in range(CENTRES_IN_QUERY):
        chosen = torch.randint(0, count, (heads, shape.group), **draw)
        q += (0.75 + 0.25 * torch.rand(heads, shape.group, 1, **draw)) * centres[chosen, head]
    return q.reshape(heads * shape.group, dim), keys


def quantise(keys, bits=4):
    """keys [..., D] -> codes [..., D * bits / 8], scale [...], zero [...], bit for bit as the oracle's quantise and pack."""
    top = 2**bits - 1
    k = keys.float()
    low, high = k.amin(-1), k.amax(-1)
    # A divisor on the device: by a number of the host, PyTorch multiplies with its rounded inverse.
    scale = ((high - low) / torch.full((), float(top), device=k.device)).half()
    zero = low.half()
    step = scale.float()[..., None]
    flat = step == 0
    steps = torch.round((k - zero.float()[..., None]) / torch.where(flat, 1.0, step))
    codes = torch.where(flat, 0.0, steps.clamp(0, top)).to(torch.uint8)
    per_byte = 8 // bits
    packed = codes[..., 0::per_byte].clone()
    for i in range(1, per_byte):
        packed |= codes[..., i::per_byte] << (bits * i)
    return packed, scale, zero


def summarise(keys, summary_format):
    """keys [pages, Hkv, P, D] -> bounds [pages, Hkv, 2, D] or coded bytes, bit for bit as the oracle's min_max."""
    low, high = keys.amin(2), keys.amax(2)
    if summary_format == "i8":
        return coded(low.float(), high.float())
    if summary_format == "f8E5M2":
        every = torch.arange(256, dtype=torch.uint8, device=keys.device).view(torch.float8_e5m2).float()
        numbers = every[~every.isnan()].unique()  # ascending, with both infinities
        low = numbers[torch.searchsorted(numbers, low.float(), side="right") - 1]
        high = numbers[torch.searchsorted(numbers, high.float())]
    return torch.stack([low, high], 2).to(TORCH[summary_format])


def coded(low, high):
    """Finite bounds [..., D] -> [..., 2 * D + 16] bytes: codes of the minima, of the maxima, scale and zero of each."""
    codes, factors = [], []
    for row, up in ((low, False), (high, True)):
        zero = row.amin(-1, keepdim=True)
        span = row.amax(-1, keepdim=True) - zero
        raised = span / torch.full((), 255.0, device=row.device) * (1 + 2.0**-22)
        scale = torch.where(span == 0, 0.0, raised.clamp(min=2.0**-126))
        steps = (row - zero) / torch.where(scale == 0, 1.0, scale)
        code = (steps.ceil() if up else steps.floor()).clamp(0, 255)
        number = (scale.double() * code + zero.double()).float()
        code += (number < row).float() if up else -(number > row).float()
        codes.append(code.to(torch.uint8))
        factors += [scale, zero]
    return torch.cat([*codes, torch.cat(factors, -1).view(torch.uint8)], -1)


def decoded(data, dim):
    """Coded bounds [..., 2 * D + 16] -> [..., 2, D] in float64, of what was rounded to float32 once."""
    codes = data[..., : 2 * dim].unflatten(-1, (2, dim)).double()
    factors = data[..., 2 * dim :].contiguous().view(torch.float32).unflatten(-1, (2, 2, 1)).double()
    return (factors[..., 0, :] * codes + factors[..., 1, :]).float().double()


def generate(shape, sequences, tokens, seed=0, device="cuda", centres=CENTRES):
    """Inputs of `sequences` sequences of `tokens` tokens, which must be a multiple of the page size."""
    page, heads, dim = shape.page_size, shape.kv_heads, shape.head_dim
    each = tokens // page
    if each * page != tokens:
        raise ValueError(f"expected a multiple of {page} tokens, found {tokens}")
    generator = torch.Generator(device=device).manual_seed(seed)
    pages, dtype = sequences * each, TORCH[shape.dtype]
    table = torch.randperm(pages, device=device, generator=generator).to(torch.int32).view(sequences, each)
    k = torch.empty(pages, heads, page, dim, device=device, dtype=dtype)
    v = torch.empty_like(k)
    q = torch.empty(sequences, heads * shape.group, dim, device=device, dtype=dtype)
    for s in range(sequences):
        query, keys = clustered(shape, tokens, generator, device, centres)
        q[s] = query.to(dtype)
        where = table[s].long()
        k[where] = keys.view(each, page, heads, dim).transpose(1, 2).to(dtype)
        v[where] = torch.randn(each, heads, page, dim, device=device, generator=generator).to(dtype)
    lens = torch.full((sequences,), tokens, device=device, dtype=torch.int32)
    return Inputs(q, k, v, *derived(shape, k), table, lens)


def derived(shape, k):
    """codes, scale, zero and summary of a pool of keys."""
    (pages, heads, page, dim), device = k.shape, k.device
    codes = torch.empty(pages, heads, page, dim * shape.bits // 8, device=device, dtype=torch.uint8)
    scale = torch.empty(pages, heads, page, device=device, dtype=torch.float16)
    zero = torch.empty_like(scale)
    summary = torch.empty(pages, heads, *bounds_of(shape), device=device, dtype=TORCH[shape.summary_format])
    for start in range(0, pages, CHUNK):
        part = slice(start, start + CHUNK)
        codes[part], scale[part], zero[part] = quantise(k[part], shape.bits)
        summary[part] = summarise(k[part], shape.summary_format)
    return codes, scale, zero, summary


def bounds_of(shape):
    """Shape of a page's bounds for one kv head."""
    return (coded_bytes(2, shape.head_dim),) if shape.summary_format == "i8" else (2, shape.head_dim)


def in_formats(shape, inputs):
    """The same keys and values with the shape's codes and bounds."""
    codes, scale, zero, summary = derived(shape, inputs.k_pages)
    return replace(inputs, codes=codes, scale=scale, zero=zero, summary=summary)


def check_quantise(inputs, pages=64, bits=4):
    """Compares a few pages' codes with the oracle's; raises AssertionError."""
    import ml_dtypes
    import numpy as np
    from twilight_oracle.quantise import pack
    from twilight_oracle.quantise import quantise as expected_of

    kind = {torch.bfloat16: ml_dtypes.bfloat16, torch.float16: np.float16}[inputs.k_pages.dtype]
    keys = inputs.k_pages[:pages].cpu().view(torch.int16).numpy().view(kind)
    codes, scale, zero = expected_of(keys, bits)
    found = [t[:pages].cpu().numpy() for t in (inputs.codes, inputs.scale, inputs.zero)]
    for name, a, b in zip(("codes", "scale", "zero"), found, (pack(codes, bits), scale, zero)):
        if not np.array_equal(a, b):
            raise AssertionError(f"the benchmark's {name} differ from the oracle's in {(a != b).sum()} entries")
