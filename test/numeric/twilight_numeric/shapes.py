# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Static sizes of a problem, and the names of number formats."""

from dataclasses import dataclass

import ml_dtypes
import numpy as np

DTYPES = {"f16": np.float16, "bf16": ml_dtypes.bfloat16, "f32": np.float32, "f8E5M2": ml_dtypes.float8_e5m2}
DTYPES["i8"] = np.uint8  # codes, of page bounds too


@dataclass(frozen=True)
class Shape:
    kv_heads: int = 2
    group: int = 4  # query heads of a kv head
    head_dim: int = 64
    page_size: int = 16
    dtype: str = "f16"
    layout: str = "hnd"
    summary: str | None = "min_max"
    summary_dtype: str | None = None  # the keys' own where not given
    bits: int | None = 4
    blocked: bool = False  # scales and zeros behind their page's codes
    planes: bool = False  # two high and two low bits of the codes apart

    @property
    def heads(self):
        return self.kv_heads * self.group

    @property
    def summary_format(self):
        return self.summary_dtype or self.dtype

    @property
    def tag(self):
        extra = "" if self.layout == "hnd" else "-nhd"
        return f"{self.dtype}-h{self.kv_heads}x{self.group}-d{self.head_dim}-p{self.page_size}{extra}"


# Shapes that between them pair every group size, head size, page size, number format and layout.
G4 = Shape(2, 4, 64, 16, "f16")
G1 = Shape(3, 1, 128, 16, "bf16")
G3 = Shape(3, 3, 64, 16, "f16", "nhd")
G8 = Shape(1, 8, 128, 32, "bf16")
P1 = Shape(2, 3, 64, 1, "f16")
P32 = Shape(2, 4, 64, 32, "f32", "nhd")
WIDE = Shape(2, 8, 128, 16, "f16", "hnd", "min_max", "f32")
F32 = Shape(2, 1, 128, 16, "f32")
P1_WIDE = Shape(1, 8, 128, 1, "bf16", "nhd", "min_max", "f16")
P64 = Shape(2, 4, 64, 64, "bf16", "nhd")
D96 = Shape(2, 2, 96, 64, "bf16", "nhd")
D256 = Shape(1, 4, 256, 16, "f16")
SHAPES = (G4, G1, G3, G8, P1, P32, WIDE, F32, P1_WIDE)
