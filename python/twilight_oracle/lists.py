# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Selections: ragged lists, their padded form, and the tokens that pages stand for."""

import numpy as np


def to_padded(lists, rows, fill=-1):
    """lists[b][row] -> indices [B, rows, longest] i32 (padded with `fill`) and counts [B, rows] i32."""
    longest = max([1] + [len(entries) for per_row in lists for entries in per_row])
    indices = np.full((len(lists), rows, longest), fill, np.int32)
    counts = np.zeros((len(lists), rows), np.int32)
    for b, per_row in enumerate(lists):
        for r, entries in enumerate(per_row):
            indices[b, r, : len(entries)] = entries
            counts[b, r] = len(entries)
    return indices, counts


def from_padded(indices, counts):
    """The reverse of to_padded; entries past a count are not looked at."""
    return [
        [indices[b, r, : counts[b, r]].astype(np.int64) for r in range(counts.shape[1])] for b in range(counts.shape[0])
    ]


def page_slots(pages, page_size):
    """Token position of every slot of the listed pages, in candidate order (positions past N_b included)."""
    return (np.asarray(pages, np.int64)[:, None] * page_size + np.arange(page_size)).reshape(-1)


def page_tokens(pages, page_size, length):
    """The tokens of the listed pages, ascending for ascending pages; slots past the sequence do not exist."""
    slots = page_slots(pages, page_size)
    return slots[slots < length]


def pages_to_tokens(lists, page_size, seq_lens):
    return [[page_tokens(p, page_size, int(n)) for p in per_row] for per_row, n in zip(lists, seq_lens)]


def row_of_head(head, rows, query_heads):
    """Which list query head `head` reads: its own, or its kv head's."""
    return head * rows // query_heads


def everything(cache, rows):
    """All tokens of every sequence."""
    return [[np.arange(int(n)) for _ in range(rows)] for n in cache.seq_lens]
