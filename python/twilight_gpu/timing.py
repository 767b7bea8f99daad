# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Times on the device: CUDA graph replays between events, after the caches were emptied; and what memory can give.

Before each replay a kernel reads memory of its own through the L2, so that nothing of the inputs is left in it, and so
that the replay is queued before its start event is reached: a launch's cost on the host stays outside.
"""

import json
import statistics
import time

import torch

from .runtime import Artifact, Tensor

# A kernel that only reads, 16 bytes a load: `unroll` loads in flight in each thread, neighbours side by side.
READ_PTX = """.version 7.4
.target sm_80
.address_size 64
.visible .entry read_all(.param .u64 data, .param .u64 found, .param .u32 rounds)
{{
  .reg .pred %p<3>; .reg .b32 %r<{registers}>; .reg .b64 %d<4>;
  ld.param.u64 %d0, [data]; ld.param.u64 %d1, [found]; ld.param.u32 %r0, [rounds];
  cvta.to.global.u64 %d0, %d0; cvta.to.global.u64 %d1, %d1;
  mov.u32 %r1, %ctaid.x; mov.u32 %r2, %ntid.x; mov.u32 %r3, %tid.x;
  mad.lo.u32 %r1, %r1, %r2, %r3; mul.wide.u32 %d2, %r1, 16; add.s64 %d0, %d0, %d2;
  mov.u32 %r4, 0;
  setp.eq.u32 %p0, %r0, 0; @%p0 bra DONE;
AGAIN:
{loads}
{mix}
  add.s64 %d0, %d0, {step}; sub.u32 %r0, %r0, 1; setp.ne.u32 %p1, %r0, 0; @%p1 bra AGAIN;
DONE:
  setp.eq.u32 %p2, %r4, 0x9e3779b9; @%p2 st.global.u32 [%d1], %r4;
  ret;
}}
"""
THREADS = 512
# Seconds of replays before those that count. Work of another kind, such as making inputs, leaves an H100 with a lower
# clock, which rises by a tenth within 10 to 80 ms of these.
WARM = 0.12


def read_kernel(driver, blocks, unroll):
    stride = blocks * THREADS * 16
    names = [[f"%r{5 + 4 * u + i}" for i in range(4)] for u in range(unroll)]
    loads = "\n".join(
        f"  ld.global.nc.L1::no_allocate.v4.u32 {{{', '.join(n)}}}, [%d0+{u * stride}];" for u, n in enumerate(names)
    )
    mix = "\n".join(f"  xor.b32 %r4, %r4, {register};" for n in names for register in n)
    ptx = READ_PTX.format(registers=5 + 4 * unroll, loads=loads, mix=mix, step=unroll * stride)
    rounds = ["floordiv", "vectors", unroll * blocks * THREADS]
    manifest = {
        "twilight_manifest": 1,
        "twilight_version": "0.1.0",
        "pipeline": "read_all",
        "chip": "sm_80",
        "ptx": "read_all.ptx",
        "ptx_version": "7.4",
        "arguments": [
            {"name": "data", "kind": "input", "dtype": "i32", "shape": ["vectors", 4]},
            {"name": "found", "kind": "output", "dtype": "i32", "shape": [4]},
        ],
        "workspace": {"bytes": 0, "alignment": 256},
        "kernels": [
            {
                "name": "read_all",
                "op": "read",
                "grid": [blocks, 1, 1],
                "block": [THREADS, 1, 1],
                "shared_bytes": 0,
                "arguments": [{"pointer": "data"}, {"pointer": "found"}, {"i32": rounds}],
            }
        ],
    }
    return Artifact(driver, text=(json.dumps(manifest), ptx))


def stream():
    return torch.cuda.current_stream().cuda_stream


def summary(times):
    """Of times in ascending order."""
    last = len(times) - 1
    tenths = {f"p{t}": times[round(t / 100 * last)] for t in (10, 90)}
    return {"median": statistics.median(times), "min": times[0], "max": times[-1], **tenths, "repeats": len(times)}


class Reader:
    """Reads a buffer from end to end."""

    def __init__(self, driver, data, blocks, unroll):
        self.artifact = read_kernel(driver, blocks, unroll)
        rounds = data.numel() * data.element_size() // (unroll * blocks * THREADS * 16)
        self.bytes = rounds * unroll * blocks * THREADS * 16
        self.found = torch.zeros(4, device=data.device, dtype=torch.int32)
        vectors = data.numel() * data.element_size() // 16
        self.tensors = {"data": Tensor(data.data_ptr(), "i32", (vectors, 4), data), "found": Tensor.of(self.found)}

    def __call__(self):
        self.artifact.launch(self.tensors, stream=stream())


class Timer:
    def __init__(self, driver, repeats=25):
        self.repeats = repeats
        info = driver.info()
        scratch = torch.empty(max(256 << 20, 6 * info["l2_bytes"]), device="cuda", dtype=torch.uint8).random_()
        self.flush = Reader(driver, scratch, 4 * info["multiprocessors"], 4)

    def capture(self, function):
        """A graph of what the function launches on the current stream."""
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(2):  # plans, modules and workspaces are made here, not under capture
                function()
        torch.cuda.current_stream().wait_stream(side)
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            function()
        return graph.replay

    def warm_up(self, run):
        begun = time.monotonic()
        while time.monotonic() - begun < WARM:
            for _ in range(3):
                self.flush()
                run()
            torch.cuda.synchronize()

    def measure(self, function, parts=1, captured=True):
        """Microseconds of one of `parts` equal parts of the function: median, min, max, 10th and 90th percentile."""
        run = self.capture(function) if captured else function
        self.warm_up(run)
        pairs = []
        for _ in range(self.repeats):
            self.flush()
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            start.record()
            run()
            end.record()
            pairs.append((start, end))
        torch.cuda.synchronize()
        times = sorted(a.elapsed_time(b) * 1e3 / parts for a, b in pairs)
        return summary(times)


def bandwidth(driver, timer, gigabytes=8):
    """Read bandwidth of a plain kernel in TB/s (the best of a few shapes), and a copy's, read and written."""
    words = gigabytes * (1 << 30) // 8
    data = torch.empty(words, device="cuda", dtype=torch.int64).random_()
    processors, found = driver.info()["multiprocessors"], []
    for blocks, unroll in ((2, 8), (4, 4), (4, 8)):
        reader = Reader(driver, data, blocks * processors, unroll)
        time = timer.measure(reader)
        rate = reader.bytes / time["median"] / 1e6
        found.append({"blocks_per_sm": blocks, "loads": unroll, "tb_per_s": rate, "us": time})
    half = words // 2
    copy = timer.measure(lambda: data[half:].copy_(data[:half]))
    return {
        "bytes": data.numel() * 8,
        "read_tb_per_s": max(f["tb_per_s"] for f in found),
        "read_kernels": found,
        "copy_tb_per_s": 2 * half * 8 / copy["median"] / 1e6,
    }
