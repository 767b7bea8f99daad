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
    scale: torch.Tensor | None  # None where the codes are blocked
    zero: torch.Tensor | None
    summary: torch.Tensor
    page_table: torch.Tensor  # [S, pages of one]
    seq_lens: torch.Tensor  # [S]

    def batch(self, first, count):
        """Arguments by name of `count` sequences from `first` on, over the whole pool."""
        rows = slice(first, first + count)
        names = ("k_pages", "v_pages", "codes", "scale", "zero", "summary")
        pool = {n: getattr(self, n) for n in names if getattr(self, n) is not None}
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
    """keys [..., D] -> codes [..., D], one a byte, scale [...], zero [...], bit for bit as the oracle's quantise."""
    top = 2**bits - 1
    k = keys.float()
    low, high = k.amin(-1), k.amax(-1)
    # A divisor on the device: by a number of the host, PyTorch multiplies with its rounded inverse.
    scale = ((high - low) / torch.full((), float(top), device=k.device)).half()
    zero = low.half()
    step = scale.float()[..., None]
    flat = step == 0
    steps = torch.round((k - zero.float()[..., None]) / torch.where(flat, 1.0, step))
    return torch.where(flat, 0.0, steps.clamp(0, top)).to(torch.uint8), scale, zero


def pack(codes, bits):
    """Codes [..., D] -> [..., D * bits / 8]"""
    per_byte = 8 // bits
    packed = codes[..., 0::per_byte].clone()
    for i in range(1, per_byte):
        packed |= codes[..., i::per_byte] << (bits * i)
    return packed


def stored(shape, keys):
    """keys [pages, Hkv, P, D] -> codes, scale and zero as a cache of the shape holds them; the last two None if blocked."""
    codes, scale, zero = quantise(keys, shape.bits)
    if shape.planes:
        packed = torch.cat([pack(codes >> 2, 2), pack(codes & 3, 2)], 2).reshape(*codes.shape[:3], -1)
    else:
        packed = pack(codes, shape.bits)
    if not shape.blocked:
        return packed, scale, zero
    return torch.cat([packed.flatten(2), *(part.contiguous().view(torch.uint8) for part in (scale, zero))], -1), None, None


def coded_keys(shape, codes, scale=None, zero=None):
    """The reverse: codes [..., P, D] and coarse ones (of high planes alone: 4 * high + 1.5), scale, zero [..., P], all float64.

    Of single heads or pages too: what is before the last axes of the parts stays.
    """
    page, dim = shape.page_size, shape.head_dim
    size = page * dim * shape.bits // 8
    if shape.blocked:
        scale, zero = codes[..., size:].contiguous().view(torch.float16).unflatten(-1, (2, page)).unbind(-2)
        codes = codes[..., :size]
    else:
        codes = codes.flatten(-2)

    def unpack(data, bits):
        split = [(data >> shift) & (2**bits - 1) for shift in range(0, 8, bits)]
        return torch.stack(split, -1).reshape(*data.shape[:-1], page, dim).double()

    if shape.planes:
        high, low = (unpack(half, 2) for half in (codes[..., : size // 2], codes[..., size // 2 :]))
        numbers, coarse = 4 * high + low, 4 * high + 1.5
    else:
        numbers = coarse = unpack(codes, shape.bits)
    return numbers, coarse, scale.double(), zero.double()


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
    """Inputs of `sequences` sequences of `tokens` tokens, which must be a multiple of the page size: the same tokens in pages
    of any size, so that what two page sizes keep can be compared."""
    page, heads, dim = shape.page_size, shape.kv_heads, shape.head_dim
    each = tokens // page
    if each * page != tokens:
        raise ValueError(f"expected a multiple of {page} tokens, found {tokens}")
    # Which pages there are depends on their size: their order comes from a generator of its own.
    generator, of_pages = (torch.Generator(device=device).manual_seed(s) for s in (seed, seed + 1))
    pages, dtype = sequences * each, TORCH[shape.dtype]
    table = torch.randperm(pages, device=device, generator=of_pages).to(torch.int32).view(sequences, each)
    k = torch.empty(pages, heads, page, dim, device=device, dtype=dtype)
    v = torch.empty_like(k)
    q = torch.empty(sequences, heads * shape.group, dim, device=device, dtype=dtype)
    for s in range(sequences):
        query, keys = clustered(shape, tokens, generator, device, centres)
        q[s] = query.to(dtype)
        values = torch.randn(tokens, heads, dim, device=device, generator=generator)
        for pool, rows in ((k, keys), (v, values)):
            pool[table[s].long()] = rows.view(each, page, heads, dim).transpose(1, 2).to(dtype)
    lens = torch.full((sequences,), tokens, device=device, dtype=torch.int32)
    return Inputs(q, k, v, *derived(shape, k), table, lens)


def derived(shape, k):
    """codes, scale, zero and summary of a pool of keys."""
    (pages, heads, page, dim), device = k.shape, k.device
    row = dim * shape.bits // 8
    codes_shape = (page * (row + 4),) if shape.blocked else (page, row)
    codes = torch.empty(pages, heads, *codes_shape, device=device, dtype=torch.uint8)
    scale, zero = (None if shape.blocked else torch.empty(pages, heads, page, device=device, dtype=torch.float16) for _ in "sz")
    summary = torch.empty(pages, heads, *bounds_of(shape), device=device, dtype=TORCH[shape.summary_format])
    for start in range(0, pages, CHUNK):
        part = slice(start, start + CHUNK)
        for whole, piece in zip((codes, scale, zero), stored(shape, k[part])):
            if whole is not None:
                whole[part] = piece
        summary[part] = summarise(k[part], shape.summary_format)
    return codes, scale, zero, summary


def bounds_of(shape):
    """Shape of a page's bounds for one kv head."""
    return (coded_bytes(2, shape.head_dim),) if shape.summary_format == "i8" else (2, shape.head_dim)


def in_formats(shape, inputs):
    """The same keys and values with the shape's codes and bounds."""
    codes, scale, zero, summary = derived(shape, inputs.k_pages)
    return replace(inputs, codes=codes, scale=scale, zero=zero, summary=summary)


def check_quantise(shape, inputs, pages=64):
    """Compares a few pages' codes, scales and zeros with the oracle's, byte by byte; raises AssertionError."""
    import ml_dtypes
    import numpy as np
    from twilight_oracle.append import append
    from twilight_oracle.paging import empty_cache

    kind = {torch.bfloat16: ml_dtypes.bfloat16, torch.float16: np.float16}[inputs.k_pages.dtype]
    keys = inputs.k_pages[:pages].cpu().view(torch.int16).numpy().view(kind)
    count, (heads, page, dim) = len(keys), keys.shape[1:]
    table = np.arange(count, dtype=np.int32)[None]
    layout = {"bits": shape.bits, "blocked": shape.blocked, "planes": shape.planes}
    tokens = keys.transpose(0, 2, 1, 3).reshape(1, count * page, heads, dim)
    expected = append(empty_cache(table, count, heads, dim, page, kind, **layout), tokens, tokens, bits=shape.bits)
    for name in ("codes", "scale", "zero"):
        if getattr(inputs, name) is None:
            continue
        a, b = getattr(inputs, name)[:pages].cpu().numpy(), getattr(expected, name)
        if not np.array_equal(a, b):
            raise AssertionError(f"the benchmark's {name} differ from the oracle's in {(a != b).sum()} entries")
