# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The paged KV cache: parts as plain arrays, and reading one sequence out of them.

Blocked codes hold a page's scales and zeros behind its codes; scale and zero are then None. With planes, the bytes of a
page's codes are P rows of high planes (two bits of each code), then P rows of low ones.

Shapes: k_pages, v_pages [pages, Hkv, P, D] (hnd) or [pages, P, Hkv, D] (nhd); codes [pages, Hkv, P, D*bits/8] u8, blocked [pages, Hkv, P*(D*bits/8 + 4)];
scale, zero [pages, Hkv, P] f16; summary [pages, Hkv, R, D], coded [pages, Hkv, bytes] u8; page_table [B, max_pages] i32; seq_lens [B] i32.
"""

from dataclasses import dataclass, replace

import numpy as np

from .quantise import pack, unpack
from .summaries import CODED, coded_bytes, decode

PARTS = ("k_pages", "v_pages", "codes", "scale", "zero", "summary", "page_table", "seq_lens")
PLANES = ("high", "low")


@dataclass
class PagedCache:
    page_size: int
    layout: str  # "hnd" or "nhd": the order of k_pages' and v_pages' axes
    k_pages: np.ndarray
    v_pages: np.ndarray
    page_table: np.ndarray
    seq_lens: np.ndarray
    codes: np.ndarray | None = None
    scale: np.ndarray | None = None
    zero: np.ndarray | None = None
    summary: np.ndarray | None = None
    planes: bool = False  # codes of 4 bits in planes of two

    @property
    def batch(self):
        return len(self.seq_lens)

    @property
    def kv_heads(self):
        return self.k_pages.shape[1 if self.layout == "hnd" else 2]

    @property
    def head_dim(self):
        return self.k_pages.shape[-1]

    def num_pages(self, b):
        """Pages that sequence b's tokens occupy."""
        return -(-int(self.seq_lens[b]) // self.page_size)

    def physical(self, b):
        """The physical page of each logical page of sequence b."""
        return self.page_table[b, : self.num_pages(b)]

    def array(self, part):
        """A part with an axis of slots; a view into the block where codes are blocked."""
        if part in PLANES:
            return split_planes(self.array("codes"))[part]
        if part in ("codes", "scale", "zero") and self.codes.ndim == 3:
            return unblock(self.codes, self.page_size)[part]
        return getattr(self, part)

    def code_numbers(self, b, bits=4, coarse=False):
        """Sequence b's codes as numbers [Hkv, N, D]; coarse: what their high planes say, the middle of four codes."""
        if not self.planes:
            return unpack(self.tokens("codes", b), bits).astype(np.float64)
        high, low = (unpack(self.tokens(plane, b), 2).astype(np.float64) for plane in PLANES)
        return 4 * high + (1.5 if coarse else low)

    def write_codes(self, b, n, codes, bits=4):
        """Stores codes [Hkv, D], one a byte, as token n's of sequence b."""
        if not self.planes:
            self.write("codes", b, n, pack(codes, bits))
            return
        for plane, two in zip(PLANES, (codes >> 2, codes & 3)):
            self.write(plane, b, n, pack(two, 2))

    def tokens(self, part, b):
        """Sequence b's tokens of a per-token part, contiguous: [Hkv, N, ...]."""
        pages = self.array(part)[self.physical(b)]
        if part in ("k_pages", "v_pages") and self.layout == "nhd":
            pages = np.swapaxes(pages, 1, 2)
        heads_first = np.moveaxis(pages, 1, 0)  # [Hkv, pages, P, ...]
        flat = heads_first.reshape(heads_first.shape[0], -1, *heads_first.shape[3:])
        return flat[:, : int(self.seq_lens[b])]

    def summaries(self, b):
        """Sequence b's page summaries: [Hkv, pages, R, D]; coded ones as numbers."""
        rows = self.summary[self.physical(b)]
        return np.moveaxis(decode(rows, self.head_dim) if rows.dtype == CODED else rows, 1, 0)

    def slot(self, part, page, offset):
        """Index of one token's row [Hkv, ...] in a per-token part."""
        if part in ("k_pages", "v_pages") and self.layout == "nhd":
            return (page, offset)
        return (page, slice(None), offset)

    def write(self, part, b, n, rows):
        """Stores rows [Hkv, ...] as token n of sequence b."""
        page = int(self.page_table[b, n // self.page_size])
        self.array(part)[self.slot(part, page, n % self.page_size)] = rows

    def copy(self):
        return replace(self, **{p: getattr(self, p).copy() for p in PARTS if getattr(self, p) is not None})

    def parts(self):
        """The parts by their names."""
        return {p: getattr(self, p) for p in PARTS if getattr(self, p) is not None}


def split_planes(codes):
    """Views of codes [pages, Hkv, P, D/2] in planes: high and low [pages, Hkv, P, D/4]."""
    (pages, heads, page_size, row), strides = codes.shape, codes.strides
    halves = np.lib.stride_tricks.as_strided(
        codes, (pages, heads, 2, page_size, row // 2), (*strides[:2], page_size * row // 2, row // 2, 1)
    )
    return {"high": halves[:, :, 0], "low": halves[:, :, 1]}


def unblock(codes, page_size):
    """Views of blocked codes [pages, Hkv, P*(bytes + 4)]: codes [pages, Hkv, P, bytes], scale and zero [pages, Hkv, P]."""
    row = codes.shape[-1] // page_size - 4
    end = page_size * row
    scale, zero = (codes[..., end + i : end + i + 2 * page_size].view(np.float16) for i in (0, 2 * page_size))
    shape, strides = (*codes.shape[:2], page_size, row), (*codes.strides[:2], row, 1)
    return {"codes": np.lib.stride_tricks.as_strided(codes, shape, strides), "scale": scale, "zero": zero}


def assign_pages(seq_lens, page_size, capacity=None, shared=None, rng=None, spare=1):
    """A page table [B, max_pages] and the number of physical pages.

    capacity[b] tokens get pages (default: seq_lens). shared = {b: (a, m)}: the first m pages of b are those of a.
    Physical pages are shuffled by rng; `spare` more belong to nobody, and the table's unused entries point at them.
    """
    capacity = seq_lens if capacity is None else capacity
    counts = [-(-int(n) // page_size) for n in capacity]
    logical, used = [], 0
    for b, count in enumerate(counts):
        donor, prefix = (shared or {}).get(b, (None, 0))
        head = logical[donor][:prefix] if prefix else []
        fresh = count - len(head)
        logical.append(head + list(range(used, used + fresh)))
        used += fresh
    total = used + max(spare, 1)
    order = np.arange(total) if rng is None else rng.permutation(total)
    table = np.full((len(counts), max([1, *counts])), order[total - 1], np.int32)
    for b, pages in enumerate(logical):
        table[b, : len(pages)] = order[pages] if pages else []
    return table, total


def empty_cache(
    table, pages, kv_heads, head_dim, page_size, dtype, layout="hnd", bits=4, summary=None, poison=np.nan, blocked=False, planes=False
):
    """A cache of no tokens whose every slot holds `poison`, so that reading what was never written shows.

    summary = (rows, dtype) or None.
    """
    per_page = (kv_heads, page_size, head_dim) if layout == "hnd" else (page_size, kv_heads, head_dim)
    cache = PagedCache(
        page_size,
        layout,
        np.full((pages, *per_page), poison, dtype),
        np.full((pages, *per_page), poison, dtype),
        table,
        np.zeros(len(table), np.int32),
        planes=planes,
    )
    if bits and blocked:
        cache.codes = np.full((pages, kv_heads, page_size * (head_dim * bits // 8 + 4)), 0xA5, np.uint8)
        for part in ("scale", "zero"):
            cache.array(part)[:] = poison
    elif bits:
        cache.codes = np.full((pages, kv_heads, page_size, head_dim * bits // 8), 0xA5, np.uint8)
        cache.scale = np.full((pages, kv_heads, page_size), poison, np.float16)
        cache.zero = np.full((pages, kv_heads, page_size), poison, np.float16)
    if summary:
        rows, summary_dtype = summary
        if summary_dtype == CODED:
            cache.summary = np.full((pages, kv_heads, coded_bytes(rows, head_dim)), 0xFF, CODED)
        else:
            cache.summary = np.full((pages, kv_heads, rows, head_dim), poison, summary_dtype)
    return cache


def permute_pages(cache, rng):
    """The same cache with its physical pages, and the table with them, in another order."""
    total = len(cache.k_pages)
    order = rng.permutation(total)  # page i moves to order[i]
    moved = cache.copy()
    for part in ("k_pages", "v_pages", "codes", "scale", "zero", "summary"):
        if getattr(cache, part) is not None:
            getattr(moved, part)[order] = getattr(cache, part)
    moved.page_table = order[cache.page_table].astype(np.int32)
    return moved


def take_sequences(cache, rows):
    """The cache of some of the sequences, over the same pool."""
    return replace(cache, page_table=cache.page_table[rows].copy(), seq_lens=cache.seq_lens[rows].copy())
