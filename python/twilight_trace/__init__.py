# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Makes traces of real attention: the post-RoPE q, k and v of SmolLM2-135M-Instruct over English text.

Run it through ``scripts/make-trace``; docs/trace.md says what a trace holds and how it was checked.
"""


class TraceError(Exception):
    """Something a user can put right; the message says what."""
