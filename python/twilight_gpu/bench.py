# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The benchmark: at each (B, N) the pipeline is first checked, then timed whole and stage by stage, beside its peers."""

import time

import torch

from . import inputs as generated
from . import manifest, peers, pipelines, verify
from .launch import Launch, time_stages
from .targets import TARGET, targets
from .timing import Timer, bandwidth, stream
from .traffic import required_bytes, sets_for

SHAPES = pipelines.BENCH_SIZES
KEPT_RANGE = (0.005, 0.02)


def say(text):
    print(f"  {text}", flush=True)


def inspect_batch(runner, shape, inputs, batch, level, seed_rows, suffix=""):
    """Runs the checked form, the whole one and the dense one over the first batch; raises Mismatch."""
    named, dense = pipelines.named(), pipelines.dense_name(batch, inputs.page_table.shape[1] * shape.page_size)
    arguments = inputs.batch(0, batch) | {"p": level}
    found = {}
    for name, form in (("inspect", f"inspect{suffix}"), ("whole", f"whole{suffix}"), ("dense", dense)):
        artifact = runner.artifact(*named[form])
        call = Launch(artifact, arguments)
        artifact.check_values(call.tensors, stream())
        call()
        torch.cuda.synchronize()
        found[name] = call.outputs
    rule = {"select": pipelines.SELECT, "prune": pipelines.PRUNE, "p": pipelines.P}
    rows = [verify.check_sequence(shape, inputs, b, b, **found, **rule) for b in seed_rows]
    candidates = int((found["inspect"]["page_counts"].long() * shape.page_size).sum())
    return rows, candidates, found["whole"]["counts"].clone()


def accuracy(rows):
    mass = [m for row in rows for m in row["mass"]]
    error = [e for row in rows for e in row["error_to_dense"]]
    return {
        "sequences": [row["sequence"] for row in rows],
        "logits_error": max(row["logits"] for row in rows),
        "out_error_same_tokens": max(row["out"] for row in rows),
        "dense_out_error": max(row["dense_out"] for row in rows),
        "mass_mean": sum(mass) / len(mass),
        "mass_min": min(mass),
        "error_to_dense_mean": sum(error) / len(error),
        "error_to_dense_max": max(error),
    }


def time_layout(runner, timer, name, inputs, batch, sets, level, sampled, read_rate):
    """quantize_score over the same keys in another layout of their codes: its logits checked, then timed."""
    shape, fine = pipelines.LAYOUTS[name]
    inputs, named = generated.in_formats(shape, inputs), pipelines.named()
    generated.check_quantise(shape, inputs)
    inspect = Launch(runner.artifact(*named[f"inspect-{name}"]), inputs.batch(0, batch) | {"p": level})
    inspect()
    torch.cuda.synchronize()
    found = inspect.outputs
    error = max(verify.check_scores(shape, inputs, b, b, found, pipelines.SELECT, fine) for b in sampled)
    tokens_of = lambda counts: int((found[counts].long() * shape.page_size).sum())  # noqa: E731
    fine_tokens = tokens_of("fine_page_counts") if fine else None
    needed = required_bytes(shape, batch, inputs.page_table.shape[1] * shape.page_size, tokens_of("page_counts"), 0, fine_tokens)
    del inspect, found
    whole = runner.artifact(*named[f"whole-{name}"])
    launches = [Launch(whole, inputs.batch(s * batch, batch) | {"p": level}) for s in range(sets)]
    stages = time_stages(timer, launches, needed, read_rate)
    return {"layout": name, "logits_error": error, "stages": [s for s in stages if s["stage"] in TARGET["stages"]]}


def time_half(runner, timer, inputs, batch, sets, level, sampled, read_rate):
    """The pipeline with scores of 16 bits: checked like the one with f32 scores, then timed like it."""
    shape, tokens = pipelines.SHAPE, inputs.page_table.shape[1] * pipelines.SHAPE.page_size
    rows, candidates, counts = inspect_batch(runner, shape, inputs, batch, level, sampled, "-half")
    whole = runner.artifact(*pipelines.named()["whole-half"])
    launches = [Launch(whole, inputs.batch(s * batch, batch) | {"p": level}) for s in range(sets)]
    total = timer.measure(lambda: [call() for call in launches], sets)
    needed = required_bytes(shape, batch, tokens, candidates, int(counts.sum()))
    stages = time_stages(timer, launches, needed, read_rate)
    minimum = sum(needed[s["stage"]] for s in stages if s["stage"] in needed)
    return {
        "kept_share": float(counts.double().mean()) / tokens,
        "accuracy": accuracy(rows),
        "whole": {"us": total, "bytes": minimum, "tb_per_s": minimum / total["median"] / 1e6},
        "stages": [s for s in stages if s["stage"] in ("quantize_score", "top_p")],
    }


def bench_shape(runner, timer, batch, tokens, read_rate, seed=0):
    shape, start = pipelines.SHAPE, time.time()
    sets = sets_for(shape, batch, tokens, runner.driver.info()["l2_bytes"])
    inputs = generated.generate(shape, sets * batch, tokens, seed)
    generated.check_quantise(shape, inputs)
    torch.cuda.synchronize()
    size = torch.cuda.memory_allocated() / 1e9
    say(f"B = {batch}, N = {tokens}: {sets} sets of inputs, {size:.1f} GB, {time.time() - start:.1f} s")

    level = torch.tensor([pipelines.P], device="cuda")
    sampled = sorted({0, batch // 3, batch - 1})
    rows, candidates, counts = inspect_batch(runner, shape, inputs, batch, level, sampled)
    kept = counts.double()
    share = float(kept.mean()) / tokens
    say(f"checked sequences {sampled}; kept {float(kept.mean()):.0f} of {tokens} a kv head ({100 * share:.2f}%)")

    whole = runner.artifact(*pipelines.named()["whole"])
    launches = [Launch(whole, inputs.batch(s * batch, batch) | {"p": level}) for s in range(sets)]
    total = timer.measure(lambda: [call() for call in launches], sets)
    needed = required_bytes(shape, batch, tokens, candidates, int(counts.sum()))
    stages = time_stages(timer, launches, needed, read_rate)
    geometry = manifest.launches(whole.manifest, launches[0].shapes())
    del launches
    layouts = [
        time_layout(runner, timer, name, inputs, batch, sets, level, sampled, read_rate) for name in pipelines.LAYOUTS
    ]
    half = time_half(runner, timer, inputs, batch, sets, level, sampled, read_rate)
    torch.cuda.empty_cache()

    dense = runner.artifact(*pipelines.named()[pipelines.dense_name(batch, tokens)])
    calls = [Launch(dense, inputs.batch(s * batch, batch)) for s in range(sets)]
    own = timer.measure(lambda: [call() for call in calls], sets)
    own_rate = needed["attend"] / own["median"] / 1e6
    del calls
    firsts = [s * batch for s in range(sets)]
    dense_sets = [
        (inputs.q[f : f + batch], inputs.dense("k_pages", f, batch), inputs.dense("v_pages", f, batch)) for f in firsts
    ]
    others = peers.measure(timer, dense_sets)
    baseline = peers.fastest(others)
    minimum = sum(needed[s["stage"]] for s in stages if s["stage"] in needed)
    result = {
        "batch": batch,
        "tokens": tokens,
        "sets": sets,
        "kept": {
            "mean": float(kept.mean()),
            "min": int(kept.min()),
            "max": int(kept.max()),
            "share": share,
            "candidates_share": candidates / (batch * shape.kv_heads * tokens),
        },
        "accuracy": accuracy(rows),
        "whole": {"us": total, "bytes": minimum, "tb_per_s": minimum / total["median"] / 1e6},
        "stages": stages,
        "layouts": layouts,
        "half": half,
        "launches": geometry,
        "attend": {"us": own, "bytes": needed["attend"], "tb_per_s": own_rate, "share": own_rate / read_rate},
        "peers": others,
        "baseline": {"name": baseline[0], "us": baseline[1]} if baseline else None,
        "speedup": baseline[1] / total["median"] if baseline else None,
        "seconds": round(time.time() - start, 1),
    }
    for line in lines_of(result):
        say(line)
    return result


def stage_lines(words, stage):
    share = f", {stage['tb_per_s']:.2f} TB/s, {100 * stage['share']:.0f}%" if "share" in stage else ""
    yield f"  {words}{stage['us']['median']:8.1f} us{share}"
    yield from (f"    {e['kernel']:<40}{e['us']['median']:8.1f} us" for e in stage["each"])


def lines_of(result):
    whole = result["whole"]
    yield f"whole {whole['us']['median']:.1f} us ({whole['us']['min']:.1f} to {whole['us']['max']:.1f})"
    for stage in result["stages"]:
        yield from stage_lines(f"{stage['stage']:<16}", stage)
    for layout in result["layouts"]:
        for stage in layout["stages"]:
            yield from stage_lines(f"codes {layout['layout']:<20}{stage['stage']:<16}", stage)
    yield from (line for stage in result["half"]["stages"] for line in stage_lines(f"f16 scores {stage['stage']:<27}", stage))
    yield f"  f16 scores {'whole':<27}{result['half']['whole']['us']['median']:8.1f} us"
    for name, entry in {"twilight.attend": {"median": result["attend"]["us"]["median"]}, **result["peers"]}.items():
        yield f"  dense {name:<18}" + (f"{entry['median']:8.1f} us" if "median" in entry else entry["unavailable"])
    if result["baseline"]:
        yield f"  {result['speedup']:.2f} times as fast as {result['baseline']['name']}"


def run(runner, shapes=SHAPES, repeats=25):
    timer = Timer(runner.driver, repeats)
    rates = bandwidth(runner.driver, timer)
    torch.cuda.empty_cache()
    say(f"device reads {rates['read_tb_per_s']:.2f} TB/s, copies {rates['copy_tb_per_s']:.2f} TB/s (read and written)")
    results, failures = [], []
    for batch, tokens in shapes:
        try:
            result = bench_shape(runner, timer, batch, tokens, rates["read_tb_per_s"])
        except (AssertionError, RuntimeError) as error:
            failures.append(f"B = {batch}, N = {tokens}: {type(error).__name__}: {error}")
            say(failures[-1])
            continue
        finally:
            torch.cuda.empty_cache()
        results.append(result)
        low, high = KEPT_RANGE
        if not low <= result["kept"]["share"] <= high:
            failures.append(f"B = {batch}, N = {tokens}: kept {result['kept']['share']:.4f}, expected {low} to {high}")
    found = targets(results)
    for row in found:
        reached = "none" if row["found"] is None else f"{row['found']:.2f}"
        say(f"{'reached' if row['reached'] else 'MISSED'}: {row['what']}: {reached}, wanted {row['wanted']}")
    missed = [f"target missed: {row['what']}: {row['found']}, wanted {row['wanted']}" for row in found if not row["reached"]]
    return {"bandwidth": rates, "shapes": results, "targets": found, "missed": missed, "failures": failures}
