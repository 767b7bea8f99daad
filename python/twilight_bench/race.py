# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The race at one problem: our configurations checked and timed, then the peers, over the same inputs."""

import time
import traceback

import torch
from twilight_gpu import inputs as generated
from twilight_gpu import manifest, peers
from twilight_gpu.folder import text_key
from twilight_gpu.launch import Launch, time_stages
from twilight_gpu.prepare import headline
from twilight_gpu.traffic import required_bytes, sets_for

from . import checks, compiling, composed_race, flashinfer_peer, pools, rows
from .configs import COMPOSED, PAPER, PEERS, expand

FAILURES = (AssertionError, RuntimeError, ValueError, KeyError, OSError, NotImplementedError)


def say(text):
    print(f"  {text}", flush=True)


def alive():
    """Whether the process's CUDA context still works: a kernel that faults takes it along."""
    try:
        return torch.ones(1, device="cuda").item() == 1
    except RuntimeError:
        return False


class Artifacts:
    """What was prepared, by entry; what did not compile says why."""

    def __init__(self, runner, not_compiled):
        self.runner, self.not_compiled = runner, not_compiled

    def of(self, entry):
        failed = self.not_compiled.get(text_key(entry.text, entry.options))
        if failed:
            raise RuntimeError(f"did not compile: {headline(failed['error'])}")
        return self.runner.artifact(entry.text, entry.function, entry.options)


def line_of(row):
    """A row as the run's progress shows it."""
    if row["skipped"]:
        return f"{row['config']:<24} skipped: {row['skipped']}"
    speedup = f"{row['speedup']:6.2f}x" if row["speedup"] else " " * 7
    share = f"{100 * row['limit_share']:4.0f}% of the limit"
    mass = f", mass {row['mass']:.3f}, recall {row['recall']:.3f}" if "recall" in row else ""
    return f"{row['config']:<24}{row['time_us']:9.1f} us (spread {row['spread_us']:.1f}) {speedup} {share}{mass}"


class Race:
    def __init__(self, runner, timer, quick, read_tb_per_s, index, log):
        """timer: for what is reported; quick: of few repeats, for choosing among alternatives. log: file of failures."""
        self.artifacts, self.timer, self.quick = Artifacts(runner, index["not_compiled"]), timer, quick
        self.l2_bytes = runner.driver.info()["l2_bytes"]
        self.read_rate, self.log, self.trace = read_tb_per_s, log, index["trace"]

    def run(self, problem, names):
        """The rows of a problem, all of them with a time or with the reason why not."""
        start, found, own = time.time(), [], expand(names)
        self.sets = sets_for(PAPER.shape(problem), problem.batch, problem.tokens, self.l2_bytes)
        self.sampled = sorted({0, problem.batch // 3, problem.batch - 1})
        print(f"==> {problem.name}: {self.sets} sets of inputs", flush=True)
        for configs in pools.readers(own):
            found += self.of_page_size(problem, configs, names)
            torch.cuda.empty_cache()
        best = rows.best_of(found, problem) if "best" in names else None
        found = rows.compare(found + [best] * bool(best))
        for row in found:
            say(line_of(row))
        say(f"{time.time() - start:.0f} s")
        return found

    def of_page_size(self, problem, configs, names):
        """Everything that reads a cache of this page size."""
        self.level = torch.tensor([problem.p], device="cuda")
        found, shape, pool = [], None, None
        for config in configs:
            if config.shape(problem) != shape:
                shape = config.shape(problem)
                pool = self.generate(problem, shape) if pool is None else generated.in_formats(shape, pool)
            generated.check_quantise(shape, pool)
            if config is PEERS:
                found += self.of_peers(problem, pool, names)
            else:
                found.append(self.guarded(problem, config.name, self.of_config, config, pool))
        return found

    def generate(self, problem, shape):
        return generated.generate(shape, self.sets * problem.batch, problem.tokens, centres=problem.centres)

    def guarded(self, problem, name, function, *arguments):
        """A row; what goes wrong becomes the reason why it has no time, and the others still run."""
        try:
            return function(problem, *arguments)
        except FAILURES as error:
            with self.log.open("a") as file:
                file.write(f"{name} at {problem.name}:\n{traceback.format_exc()}\n")
            if not alive():
                raise  # nothing after it would mean anything
            return rows.skipped(problem, name, str(error) or type(error).__name__)

    def batches(self, problem, pool):
        return [pool.batch(s * problem.batch, problem.batch) | {"p": self.level} for s in range(self.sets)]

    def of_config(self, problem, config, pool):
        raced, inspected = (self.artifacts.of(form(config, problem)) for form in (compiling.whole, compiling.inspected))
        batches = self.batches(problem, pool)
        found, parts = checks.run(raced, batches[0]), checks.run(inspected, batches[0])
        quality = checks.check(config, problem, pool, self.sampled, parts, found)
        candidates = int((parts["page_counts"].long() * config.page_size).sum())
        counts = found["counts"].clone()
        # Of one ranking, fine pages are candidates too.
        fine = int((parts["fine_page_counts"].long() * config.page_size).sum()) if config.fine else None
        needed = required_bytes(config.shape(problem), problem.batch, problem.tokens, candidates, int(counts.sum()), fine)
        calls = [Launch(raced, arguments) for arguments in batches]
        times = self.timer.measure(lambda: [call() for call in calls], len(calls))
        for name, value in found.items():  # what was timed is what was checked
            if not torch.equal(value.view(torch.uint8), calls[0].outputs[name].view(torch.uint8)):
                raise AssertionError(f"{name} of a replayed graph differs from the checked run's")
        stages = time_stages(self.timer, calls, needed, self.read_rate) if len(raced.stages()) > 1 else []
        kernels = [{"name": k.name, "registers": k.registers, "local": k.spill_bytes} for k in raced.kernels]
        return rows.timed(
            problem, config.name, times,
            rows.bytes_of(config, problem, candidates, int(counts.sum()), fine), self.read_rate,
            float(counts.double().mean()) / problem.tokens,
            formats=config.formats, page_size=config.page_size, codes_bits=config.bits,
            bounds=config.bounds or problem.dtype, sets=self.sets, kernels=kernels,
            stages=[{"stage": s["stage"], "us": round(s["us"]["median"], 2)} for s in stages],
            must_read={name: value for name, value in needed.items() if name not in ("attend", "top_p")},
            **quality, **{f"trace_{name}": value for name, value in self.trace.get(config.name, {}).items()},
        )  # fmt: skip

    def of_peers(self, problem, pool, names):
        batches, found = self.batches(problem, pool), []
        if "dense" in names:
            found.append(self.guarded(problem, "dense", self.of_dense, pool))
        if set(names) & set(peers.BACKENDS):
            found += self.of_torch(problem, pool, [name for name in peers.BACKENDS if name in names])
        for name, tensor_cores in (("flashinfer", False), ("flashinfer_tensor_cores", True)):
            if name in names:
                found.append(self.guarded(problem, name, self.of_flashinfer, name, pool, batches, tensor_cores))
        for name, with_triton in zip(COMPOSED, (False, True)):
            if name in names:
                found.append(self.guarded(problem, name, self.of_composed, name, batches, with_triton))
                torch.cuda.empty_cache()
        return found

    def reads_everything(self, problem, name, times, **extras):
        needed = rows.dense_bytes(PAPER, problem)
        return rows.timed(problem, name, times, needed, self.read_rate, 1.0, sets=self.sets, **extras)

    def of_dense(self, problem, pool):
        """twilight.attend with the compiler's splits, and where lists are short with those that suit it best."""
        batches = [pool.batch(s * problem.batch, problem.batch) for s in range(self.sets)]
        found = {}
        for splits in compiling.dense_splits(problem):
            artifact = self.artifacts.of(compiling.dense(PEERS, problem, splits))
            calls = [Launch(artifact, arguments) for arguments in batches]
            calls[0]()
            flashinfer_peer.check(PEERS.shape(problem), pool, calls[0].outputs["out"])
            _, used, _ = manifest.launches(artifact.manifest, calls[0].shapes())[0]["grid"]
            if used not in found:
                found[used] = self.timer.measure(lambda calls=calls: [call() for call in calls], self.sets)
        used, times = min(found.items(), key=lambda item: item[1]["median"])
        return self.reads_everything(problem, "dense", times, form=f"{used} splits")

    def of_torch(self, problem, pool, backends):
        """PyTorch's kernels over contiguous K and V: of each backend the faster form."""
        firsts = [s * problem.batch for s in range(self.sets)]
        sets = [
            (pool.q[f : f + problem.batch], *(pool.dense(n, f, problem.batch) for n in ("k_pages", "v_pages")))
            for f in firsts
        ]
        times, found = peers.measure(self.timer, sets, backends), []
        for backend in backends:
            forms = {form: times[form] for form in (backend, f"{backend} packed")}
            fastest = peers.fastest(forms)
            if fastest is None:
                reasons = "; ".join(f"{form}: {entry['unavailable']}" for form, entry in forms.items())
                found.append(rows.skipped(problem, backend, reasons))
            else:
                found.append(self.reads_everything(problem, backend, forms[fastest[0]], form=fastest[0]))
        return found

    def of_flashinfer(self, problem, name, pool, batches, tensor_cores):
        times = flashinfer_peer.measure(self.timer, problem, PEERS.shape(problem), pool, batches, tensor_cores)
        return self.reads_everything(problem, name, times)

    def of_composed(self, problem, name, batches, with_triton):
        times, extras, kept = composed_race.measure(self.timer, self.quick, problem, batches, with_triton)
        candidates = problem.items * -(-problem.tokens // PAPER.page_size // 4) * PAPER.page_size
        fraction = kept["kept_fraction"]
        needed = rows.bytes_of(PAPER, problem, candidates, round(fraction * problem.items * problem.tokens))
        return rows.timed(problem, name, times, needed, self.read_rate, fraction, sets=self.sets, mass=kept["mass"], **extras)
