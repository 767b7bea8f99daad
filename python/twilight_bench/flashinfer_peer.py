# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""FlashInfer's batch decode over the paged cache as it lies (HND, pages of P tokens), where FlashInfer is installed.

Planned once, outside the time: a serving engine plans a step on the CPU for all layers.
"""

import functools

import torch
from twilight_gpu.verify import Sequence

WORKSPACE = 128 << 20  # bytes, as FlashInfer's documentation recommends


@functools.cache
def library():
    """The package, or the reason why there is none, as text."""
    try:
        import flashinfer
    except Exception as error:  # noqa: BLE001: whatever it needs and does not find is the reason
        return f"flashinfer cannot be imported: {type(error).__name__}: {error}"
    return flashinfer


def version():
    found = library()
    return "" if isinstance(found, str) else found.__version__


def wrapper(layout, tensor_cores):
    buffer = torch.zeros(WORKSPACE, dtype=torch.uint8, device="cuda")  # as FlashInfer asks for its first use
    return library().BatchDecodeWithPagedKVCacheWrapper(buffer, layout, use_tensor_cores=tensor_cores)


def dense(problem, arguments, tensor_cores):
    """A function that attends to everything, over one batch's arguments."""
    table, page = arguments["page_table"], arguments["k_pages"].shape[2]
    batch, pages = table.shape
    indptr = torch.arange(batch + 1, dtype=torch.int32) * pages
    last = torch.full((batch,), problem.tokens - (pages - 1) * page, dtype=torch.int32)
    planned = wrapper("HND", tensor_cores)
    dtype = arguments["q"].dtype
    planned.plan(
        indptr, table.flatten(), last, problem.heads, problem.kv_heads, problem.head_dim, page,
        q_data_type=dtype, kv_data_type=dtype,
    )  # fmt: skip
    return lambda: planned.run(arguments["q"], (arguments["k_pages"], arguments["v_pages"]))


def check(shape, inputs, found):
    """Sequence 0 of the outputs [B, Hq, D] against float64; raises AssertionError."""
    sequence = Sequence(shape, inputs, 0)
    for g in range(shape.kv_heads):
        expected = sequence.attend(g)[0]
        part = found[0, g * shape.group : (g + 1) * shape.group].double()
        error = float((part - expected).norm() / expected.norm())
        if not error <= 2e-2:
            raise AssertionError(f"relative L2 error {error:.3g} of kv head {g}, allowed 2e-2")


def measure(timer, problem, shape, inputs, batches, tensor_cores):
    """batches: arguments of each set. Times of one set; raises where FlashInfer cannot do it."""
    if isinstance(library(), str):
        raise RuntimeError(library())
    calls = [dense(problem, arguments, tensor_cores) for arguments in batches]
    check(shape, inputs, calls[0]())
    return timer.measure(lambda: [call() for call in calls], len(calls))
