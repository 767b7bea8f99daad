# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Cases of several runs whose outputs must agree bit for bit, whatever the numbers are."""

from dataclasses import dataclass

import numpy as np
from twilight_oracle import selection
from twilight_oracle.paging import permute_pages, take_sequences

from .case import Run, cache_inputs, canonical, read_cache, require_same_outputs
from .compare import require
from .decode import Decode


@dataclass
class Invariant(Decode):
    """A full pipeline, run again with the same or changed inputs."""

    def changed(self, q, cache):
        """Further runs: (what, rows, q, cache); rows of the first run's batch they must agree with."""
        raise NotImplementedError

    def runs(self):
        first = self.inputs()
        more = self.changed(first["q"], read_cache(self.shape, first))
        return [Run(self.text(), first)] + [Run(self.text(), self.with_p(cache_inputs(q, c))) for _, _, q, c in more]

    def check(self, inputs, outputs):
        self.check_run(inputs[0], outputs[0])
        clean = [canonical(o, self.real_slots(i, o)) for i, o in zip(inputs, outputs)]
        variants = self.changed(inputs[0]["q"], read_cache(self.shape, inputs[0]))
        for (what, rows, _, _), found in zip(variants, clean[1:]):
            self.agree(what, found, {name: value[rows] for name, value in clean[0].items()})

    def agree(self, what, found, expected):
        require_same_outputs(what, found, expected)


class Repeat(Invariant):
    def changed(self, q, cache):
        return [("a second run", slice(None), q, cache)]


class Permuted(Invariant):
    def changed(self, q, cache):
        rng = np.random.default_rng([self.batch.seed, 5])
        return [("with physical pages in another order", slice(None), q, permute_pages(cache, rng))]


class Alone(Invariant):
    """Sequences by themselves, in pairs, and in the opposite order."""

    def changed(self, q, cache):
        batch = cache.batch
        groups = [[0], [batch - 1], [batch // 2, 1], list(range(batch))[::-1]]
        return [(f"sequences {rows} only", rows, q[rows], take_sequences(cache, rows)) for rows in groups]


class Louder(Invariant):
    """Values times 4 (exact in every format here) give outputs times 4 and change nothing else."""

    def changed(self, q, cache):
        louder = cache.copy()
        louder.v_pages = (cache.v_pages * 4).astype(cache.v_pages.dtype)
        return [("with values times 4", slice(None), q, louder)]

    def agree(self, what, found, expected):
        error = np.abs(found.pop("out").astype(np.float64) / 4 - expected["out"].astype(np.float64))
        limit = 1e-6 * np.abs(expected.pop("out").astype(np.float64)).max(axis=-1, keepdims=True)
        require((error <= limit).all(), f"{what}: out / 4 differs by {error.max()}")
        require_same_outputs(what, found, expected)


class Unreachable(Invariant):
    """NaN in K and V of every page that is no candidate: the full-precision pass must not notice.

    For batches that share no pages.
    """

    def changed(self, q, cache):
        poisoned = cache.copy()
        pages = selection.select_pages(self.select, q, cache)
        for b in range(cache.batch):
            for g in range(cache.kv_heads):
                out = np.setdiff1d(np.arange(cache.num_pages(b)), pages[b][g])
                for n in (out[:, None] * cache.page_size + np.arange(cache.page_size)).reshape(-1):
                    if n < cache.seq_lens[b]:
                        self.spoil(poisoned, b, g, int(n))
        return [("with NaN in the pages that are no candidates", slice(None), q, poisoned)]

    def spoil(self, cache, b, g, n):
        index = cache.slot("k_pages", int(cache.page_table[b, n // cache.page_size]), n % cache.page_size)
        cache.k_pages[index][g] = np.nan
        cache.v_pages[index][g] = np.nan
