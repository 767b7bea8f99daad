# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Low-bit keys: asymmetric codes for each token and kv head, bit for bit as the format says.

zero = f16(min), scale = f16((max - min) / (2^bits - 1)) and code = clamp(rint((k - zero) / scale), 0, 2^bits - 1), in
float32 and with the zero and scale as stored. A row whose stored scale is 0 has code 0.
"""

import numpy as np


def quantise(keys, bits=4):
    """keys [..., D] -> codes [..., D] u8 (one a byte), scale [...] f16, zero [...] f16."""
    k = keys.astype(np.float32)
    top = 2**bits - 1
    low, high = k.min(-1), k.max(-1)
    zero = low.astype(np.float16)
    scale = ((high - low) / np.float32(top)).astype(np.float16)
    stored_zero, stored_scale = zero.astype(np.float32)[..., None], scale.astype(np.float32)[..., None]
    flat = stored_scale == 0
    steps = (k - stored_zero) / np.where(flat, np.float32(1), stored_scale)
    codes = np.where(flat, np.float32(0), np.clip(np.rint(steps), 0, top))
    return codes.astype(np.uint8), scale, zero


def pack(codes, bits=4):
    """Codes [..., D] -> bytes [..., D*bits/8]; the lower dim lies in the lower bits."""
    per_byte = 8 // bits
    split = codes.reshape(*codes.shape[:-1], codes.shape[-1] // per_byte, per_byte).astype(np.uint8)
    packed = np.zeros(split.shape[:-1], np.uint8)
    for i in range(per_byte):
        packed |= split[..., i] << np.uint8(bits * i)
    return packed


def unpack(packed, bits=4):
    """Bytes [..., D*bits/8] -> codes [..., D]."""
    shifts = np.arange(0, 8, bits, dtype=np.uint8)
    codes = (packed[..., None] >> shifts) & np.uint8(2**bits - 1)
    return codes.reshape(*packed.shape[:-1], packed.shape[-1] * len(shifts))


def dequantise(packed, scale, zero, bits=4):
    """Stored codes -> keys [..., D] in float64."""
    codes = unpack(packed, bits).astype(np.float64)
    return scale.astype(np.float64)[..., None] * codes + zero.astype(np.float64)[..., None]
