# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Bytes that each stage must read, and the limit they set."""

BOUND_BYTES = {"f16": 2, "bf16": 2, "f8E5M2": 1, "i8": 1}
FACTOR_BYTES = 8  # scale and zero of a row of i8 bounds


def required_bytes(shape, batch, tokens, candidates, kept, fine=None):
    """What each stage must read, by op (the bytes of docs/measurements.md).

    candidates, kept, fine: tokens of the whole batch; fine: of the candidates, those scored from all bits (None: all).
    Of the others the low planes are not read. `blocked` is the same bytes in another place.
    """
    row = shape.head_dim * 2  # 16-bit keys and values
    bounds = shape.head_dim * BOUND_BYTES[shape.summary_format] + FACTOR_BYTES * (shape.summary_format == "i8")
    coarse = 0 if fine is None else candidates - fine
    everything = batch * shape.kv_heads * tokens
    return {
        "select": everything // shape.page_size * 2 * bounds,
        "quantize_score": candidates * (shape.head_dim * shape.bits // 8 + 4) - coarse * (shape.head_dim // 4),
        "top_p": 0,
        "gather_attend": kept * 2 * row,
        "attend": everything * 2 * row,
    }


def limit_share(bytes_needed, read_tb_per_s, time_us):
    """The time that reading would take at the measured read bandwidth, over the time that was taken."""
    return bytes_needed / (read_tb_per_s * 1e6) / time_us


def sets_for(shape, batch, tokens, l2_bytes):
    """How many batches to rotate among, so that a stage cannot find its inputs in the L2."""
    bounds = required_bytes(shape, batch, tokens, 0, 0)["select"]
    return max(3, min(6, -(-4 * l2_bytes // bounds)))  # three: launches follow each other as they do in use
