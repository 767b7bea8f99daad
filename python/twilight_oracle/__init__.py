# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What the twilight ops mean, in NumPy float64: a test tool, independent of the compiler and written for reading.

Storage (pages, codes, summaries) keeps the cache's own number formats; everything computed from it is float64.
A selection is `lists[b][row]`, an ascending integer array for each sequence and list, where a list belongs to a kv head
(rows = Hkv) or to a query head (rows = Hq).
"""

from . import append, attention, lists, merge, paging, quantise, scores, selection, summaries, top_p  # noqa: F401
