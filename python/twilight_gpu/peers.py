# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""PyTorch's dense attention kernels over contiguous K and V [B, Hkv, N, D]: what the pipeline has to beat.

Each backend is timed as users call it (32 query heads, enable_gqa) and with a kv head's query heads packed as if they
were positions, which some kernels run faster; the fastest of all is the baseline.
"""

import warnings

import torch
import torch.nn.functional as functional
from torch.nn.attention import SDPBackend, sdpa_kernel

BACKENDS = {
    "flash": SDPBackend.FLASH_ATTENTION,
    "cudnn": SDPBackend.CUDNN_ATTENTION,
    "efficient": SDPBackend.EFFICIENT_ATTENTION,
}


def attend(q, k, v, packed):
    """q [B, Hq, D]."""
    batch, heads, dim = q.shape
    if packed:
        return functional.scaled_dot_product_attention(q.view(batch, k.shape[1], -1, dim), k, v)
    return functional.scaled_dot_product_attention(q.view(batch, heads, 1, dim), k, v, enable_gqa=True)


def check(q, k, v, packed):
    """The peer computes attention: sequence 0 in float64. Raises AssertionError."""
    found = attend(q, k, v, packed).reshape(q.shape)[0].double()
    group = q.shape[1] // k.shape[1]
    for g in range(k.shape[1]):
        heads = slice(g * group, (g + 1) * group)
        weights = (q[0, heads].double() @ k[0, g].double().T / q.shape[-1] ** 0.5).softmax(-1)
        expected = weights @ v[0, g].double()
        error = float((found[heads] - expected).norm() / expected.norm())
        if not error <= 2e-2:
            raise AssertionError(f"relative L2 error {error:.3g} of kv head {g}, allowed 2e-2")


def measure_captured(timer, function, parts):
    """As a graph where the backend can be captured, else launch by launch."""
    try:
        return timer.measure(function, parts)
    except RuntimeError:
        torch.cuda.synchronize()
        return timer.measure(function, parts, captured=False) | {"captured": False}


def measure(timer, sets, backends=tuple(BACKENDS)):
    """sets: [(q, k, v)]. {name: times of one set, or why it has none}"""
    found = {}
    for backend in backends:
        for packed in (False, True):
            name = backend + (" packed" if packed else "")

            def run_all(packed=packed):
                for q, k, v in sets:
                    attend(q, k, v, packed)

            with sdpa_kernel(BACKENDS[backend]), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the reasons why a backend refuses; the error says that it does
                try:
                    check(*sets[0], packed)
                    found[name] = measure_captured(timer, run_all, len(sets))
                except (RuntimeError, AssertionError) as error:
                    torch.cuda.synchronize()
                    found[name] = {"unavailable": str(error).strip().splitlines()[0][:200]}
    return found


def fastest(found):
    """(name, microseconds) of the fastest peer; None where none ran."""
    times = {name: entry["median"] for name, entry in found.items() if "median" in entry}
    return min(times.items(), key=lambda item: item[1]) if times else None
