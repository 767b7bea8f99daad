# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Which caches a race makes, and who reads which."""

from .configs import PEERS


def readers(own):
    """[configurations that read the same keys, in pages of one size]: ours in the order of their formats, so that none is made
    twice. PEERS, behind ours of its page size, stands for all that reads scales and zeros of their own, or none: the peers."""
    of_size = {PEERS.page_size: []}
    for config in own:
        of_size.setdefault(config.page_size, []).append(config)
    for configs in of_size.values():
        configs.sort(key=lambda config: (config.bounds, config.bits, config.blocked, config.planes))
    of_size[PEERS.page_size].append(PEERS)
    return [of_size[size] for size in sorted(of_size)]
