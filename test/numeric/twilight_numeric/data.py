# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Inputs: ragged batches whose sequences are random or adversarial, in a paged cache.

Whatever no op may read is poisoned with NaN: the slots after a sequence's last token and the pages nobody owns.
"""

from dataclasses import dataclass

import numpy as np
from twilight_oracle.append import append
from twilight_oracle.paging import assign_pages, empty_cache

from .shapes import DTYPES, Shape


@dataclass(frozen=True)
class Seq:
    n: int
    kind: str = "random"
    shares: tuple | None = None  # (earlier sequence, its number of first pages that are shared)


@dataclass(frozen=True)
class Batch:
    seqs: tuple
    seed: int = 0

    @property
    def lens(self):
        return [s.n for s in self.seqs]


def standard(page, seed=0):
    """Every length that pages make interesting, and one sequence of every kind."""
    return Batch(
        (
            Seq(5 * page + 3 if page > 1 else 83),
            Seq(0),
            Seq(1),
            Seq(max(1, page - 1)),
            Seq(page),
            Seq(page + 1),
            Seq(211),
            Seq(150, "huge"),
            Seq(100, "equal"),
            Seq(77, "constant"),
            Seq(129, "pairs"),
            Seq(160, "needle"),
            Seq(64, "zero_query"),
            Seq(3 * page + 2, shares=(0, 3)),
            Seq(0),
        ),
        seed,
    )


def random_only(page, seed=0):
    return Batch((Seq(0), Seq(1), Seq(page + 1), Seq(190), Seq(2 * page, shares=(3, 2)), Seq(75)), seed)


def long(seed=0, n=2500):
    return Batch((Seq(n), Seq(n // 2 + 7, "needle")), seed)


def tiny():
    """For the oracle's own tests: small enough to enumerate, with pages of 4."""
    return Batch((Seq(0), Seq(1), Seq(4), Seq(11), Seq(9), Seq(10, shares=(3, 2))), 3)


def draw(shape, kind, n, rng):
    """q [Hq, D], k and v [n, Hkv, D] of one sequence, as float32."""
    size = (n, shape.kv_heads, shape.head_dim)
    q = rng.standard_normal((shape.heads, shape.head_dim)).astype(np.float32)
    k = rng.standard_normal(size).astype(np.float32)
    v = rng.standard_normal(size).astype(np.float32)
    if kind == "huge":  # logits in the thousands
        q = q * 1000
    elif kind == "outlier":  # one channel of the queries far beyond the others, as trained models have them
        q[:, int(rng.integers(shape.head_dim))] *= 64
    elif kind == "spread":  # weights over dozens of octaves
        q = q * 3
    elif kind == "equal":  # ties everywhere
        k = np.repeat(k[:1], n, axis=0)
    elif kind == "constant":  # rows whose code range is empty
        k = np.repeat(k[..., :1], shape.head_dim, axis=-1)
    elif kind == "pairs":  # every key several times, at scattered places
        k = k[rng.integers(0, max(1, n // 3), n)]
    elif kind == "needle":  # one token holds nearly all the mass
        k[rng.integers(n)] = 4 * q[:: shape.group]
    elif kind == "zero_query":
        q = q * 0
    elif kind == "offset":  # a spread that is small beside the mean
        k = k * 0.01 + 3 * rng.standard_normal(size[1:]).astype(np.float32)
    elif kind == "tiny":  # scales at and below the smallest f16
        k = k * np.float32(10) ** rng.uniform(-9, -3, (n, 1, 1)).astype(np.float32)
    elif kind == "beyond":  # channels near the end of f16, others of ordinary size
        far = rng.random(size) < 0.02
        k = np.where(far, np.clip(k * 5e4, -60000, 60000), k)
    elif kind == "nan_page":  # a page whose importance is no number
        k[shape.page_size : 2 * shape.page_size] = np.nan
    elif kind != "random":
        raise ValueError(f"unknown kind of sequence {kind}")
    return q, k, v


def contents(shape, batch):
    """q [B, Hq, D] and, for each sequence, k and v [n, Hkv, D]; all in the cache's number format."""
    dtype = DTYPES[shape.dtype]
    queries, keys, values = [], [], []
    for b, seq in enumerate(batch.seqs):
        q, k, v = draw(shape, seq.kind, seq.n, np.random.default_rng([batch.seed, b]))
        k, v = k.astype(dtype), v.astype(dtype)
        if seq.shares:
            donor, pages = seq.shares
            k[: pages * shape.page_size] = keys[donor][: pages * shape.page_size]
            v[: pages * shape.page_size] = values[donor][: pages * shape.page_size]
        queries.append(q.astype(dtype))
        keys.append(k)
        values.append(v)
    q = np.stack(queries) if queries else np.zeros((0, shape.heads, shape.head_dim), dtype)
    return q, keys, values


def padded(rows, longest):
    """Sequences' [n, ...] arrays as one [B, longest, ...]; rows past n hold zeros."""
    block = np.zeros((len(rows), longest, *rows[0].shape[1:]), rows[0].dtype)
    for b, row in enumerate(rows):
        block[b, : len(row)] = row
    return block


def blank_cache(shape: Shape, batch, capacity=None):
    """A cache of no tokens with pages for capacity[b] of them (default: the batch's own lengths)."""
    shared = {b: s.shares for b, s in enumerate(batch.seqs) if s.shares}
    rng = np.random.default_rng([batch.seed, 10**6])
    lens = batch.lens if capacity is None else capacity
    table, pages = assign_pages(lens, shape.page_size, shared=shared, rng=rng)
    summary = (2, DTYPES[shape.summary_format]) if shape.summary else None
    return empty_cache(
        table,
        pages,
        shape.kv_heads,
        shape.head_dim,
        shape.page_size,
        DTYPES[shape.dtype],
        shape.layout,
        shape.bits,
        summary,
        blocked=shape.blocked,
        planes=shape.planes,
    )


def build(shape, batch, capacity=None):
    """q and the filled cache."""
    q, keys, values = contents(shape, batch)
    cache = blank_cache(shape, batch, capacity)
    if batch.seqs:
        longest = max([1, *batch.lens])
        k, v = padded(keys, longest), padded(values, longest)
        cache = append(cache, k, v, batch.lens, shape.summary or "min_max", shape.bits or 4)
    return q, cache
