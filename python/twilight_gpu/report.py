# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Results of a run as Markdown.

usage: python -m twilight_gpu.report RESULTS.json [--into docs/measurements.md]

With --into, the text between the file's two 'measured' comments is replaced.
"""

import argparse
import json
import pathlib

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


def number(value, digits=2):
    return "–" if value is None else f"{value:,.{digits}f}"


def percent(value, digits=0):
    return "–" if value is None else f"{100 * value:.{digits}f}%"


def us(times):
    return f"{times['median']:,.1f} ({times['min']:,.1f} to {times['max']:,.1f})"


def megabytes(value):
    return number(value / 1e6, 1)


def table(head, rows):
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return [*lines, *(f"| {' | '.join(str(cell) for cell in row)} |" for row in rows), ""]


def machine(results):
    device = results["device"]
    name = f"{device['name']}, {device['multiprocessors']} SMs, {device['memory_bytes'] / 2**30:.0f} GiB"
    commit = results["commit"][:12] + (", with uncommitted changes" if results.get("changed") else "")
    rows = [
        ("device", name),
        ("driver", results["driver"]),
        ("PyTorch", results.get("torch") or "–"),
        ("compiled for", results["chip"]),
        ("commit", commit),
        ("date", results["date"]),
        ("command", f"`{results['command']}`"),
    ]
    return table(("", ""), rows)


def times(shape):
    title = f"### B = {shape['batch']}, N = {shape['tokens']:,}"
    rows, whole = [], shape["whole"]
    for stage in shape["stages"]:
        bytes_needed = megabytes(stage["bytes"]) if "bytes" in stage else "–"
        rows.append(
            (
                f"`{stage['stage']}`",
                stage["kernels"],
                us(stage["us"]),
                bytes_needed,
                number(stage.get("tb_per_s")),
                percent(stage.get("share")),
            )
        )
        rows += [(f"– `{e['kernel']}`", 1, us(e["us"]), "", "", "") for e in stage["each"]]
    for layout in shape.get("layouts", []):
        for stage in layout["stages"]:
            name = f"`{stage['stage']}`, codes {layout['layout']}"
            rate, share = number(stage.get("tb_per_s")), percent(stage.get("share"))
            rows.append((name, stage["kernels"], us(stage["us"]), megabytes(stage["bytes"]), rate, share))
    half = shape.get("half")
    for stage in half["stages"] if half else []:
        size = megabytes(stage["bytes"]) if "bytes" in stage else "–"
        rate, share = number(stage.get("tb_per_s")), percent(stage.get("share"))
        rows.append((f"`{stage['stage']}`, f16 scores", stage["kernels"], us(stage["us"]), size, rate, share))
    kernels = sum(s["kernels"] for s in shape["stages"])
    rows.append(("**whole pipeline**", kernels, us(whole["us"]), megabytes(whole["bytes"]), number(whole["tb_per_s"]), ""))
    if half:
        wide = half["whole"]
        row = (us(wide["us"]), megabytes(wide["bytes"]), number(wide["tb_per_s"]), "")
        rows.append(("**whole pipeline**, f16 scores", kernels, *row))
    own = shape["attend"]
    own_row = (us(own["us"]), megabytes(own["bytes"]), number(own["tb_per_s"]), percent(own["share"]))
    rows.append(("dense: `twilight.attend`", "", *own_row))
    for name, entry in shape["peers"].items():
        if "median" in entry:
            rate = own["bytes"] / entry["median"] / 1e6
            rows.append((f"dense: PyTorch {name}", "", us(entry), megabytes(own["bytes"]), number(rate), ""))
    head = ("", "kernels", "µs: median (least to most)", "MB it must read", "TB/s over them", "of read bandwidth")
    lines = [title, "", *table(head, rows)]
    absent = [f"{name} ({entry['unavailable']})" for name, entry in shape["peers"].items() if "unavailable" in entry]
    if shape["baseline"]:
        lines += [f"**{number(shape['speedup'])} times** as fast as the fastest dense kernel, {shape['baseline']['name']}."]
    if absent:
        lines += [f"Not available: {'; '.join(absent)}."]
    return [*lines, *kept_and_accuracy(shape), ""]


def kept_and_accuracy(shape):
    kept, accuracy = shape["kept"], shape["accuracy"]
    return [
        f"Kept: {number(kept['mean'], 0)} tokens a kv head ({kept['min']} to {kept['max']}), {percent(kept['share'], 2)}"
        f" of the cached, from {percent(kept['candidates_share'], 1)} candidates. Exact mass of the kept tokens, over"
        f" the query heads of sequences {', '.join(map(str, accuracy['sequences']))}: mean"
        f" {number(accuracy['mass_mean'], 4)}, least {number(accuracy['mass_min'], 4)}. Relative L2 error of `out`:"
        f" {accuracy['out_error_same_tokens']:.1e} against float64 over the same tokens, mean"
        f" {number(accuracy['error_to_dense_mean'], 3)} (most {number(accuracy['error_to_dense_max'], 3)}) against"
        " dense attention."
    ]


def benchmark(bench):
    rates = bench["bandwidth"]
    lines = [
        "## Times",
        "",
        f"Read bandwidth of the device: {number(rates['read_tb_per_s'])} TB/s over {rates['bytes'] / 2**30:.0f} GiB (a copy:"
        f" {number(rates['copy_tb_per_s'])} TB/s, read and written).",
        "",
    ]
    for shape in bench["shapes"]:
        lines += times(shape)
    if bench["targets"]:
        rows = [(r["what"], r["wanted"], number(r["found"]), "yes" if r["reached"] else "**no**") for r in bench["targets"]]
        lines += ["### Figures to reach, at B = 64, N = 32,768", "", *table(("", "wanted", "found", "reached"), rows)]
    return lines


def resources(pipelines, bench):
    """ptxas's report, with the launches' shared memory where the benchmark ran them."""
    dynamic = {k["name"]: k for shape in (bench or {}).get("shapes", []) for k in shape["launches"]}
    rows = []
    for pipeline in ("whole", "dense", "trace", "trace-append"):
        for name, k in pipelines.get(pipeline, {}).items():
            launch = dynamic.get(name) if pipeline == "whole" else None
            shared = k["static_shared"] + (launch["shared_bytes"] if launch else 0)
            block = launch["block"][0] if launch else "–"
            rows.append((pipeline, f"`{name}`", block, k["registers"], k["spill_stores"] + k["spill_loads"], shared))
    if not rows:
        return []
    head = ("pipeline", "kernel", "threads", "registers", "spill bytes", "shared bytes")
    return ["## Registers, spills and shared memory", "", *table(head, rows)]


def trace(part):
    rows = []
    for r in part["rows"]:
        mass, error = (", ".join(number(x, 3) for x in r[key]) for key in ("mass", "error"))
        rows.append((r["layer"], r["kv_head"], r["cached"], r["candidates"], r["kept"], mass, error))
    head = ("layer", "kv head", "cached", "candidates", "kept", "exact mass, each query head", "error against dense, each")
    return [f"## The recorded trace, p = {part['p']}", "", *table(head, rows)]


def checks(parts):
    rows = []
    if "numeric" in parts:
        n = parts["numeric"]
        said = f"{n['right']} of {n['cases']} right, each run twice bit for bit, {n['replayed']} also through a CUDA graph"
        rows.append(("numeric cases against the float64 oracle", said))
        rows.append(("kernels with local memory", f"{len(n['local_memory'])} of {n['kernels']}"))
    for tool, entry in parts.get("sanitize", {}).get("tools", {}).items():
        rows.append((f"compute-sanitizer {tool}, {parts['sanitize']['cases']} cases", "clean" if entry["clean"] else "**not clean**"))
    return ["## Checks", "", *table(("", "found"), rows)] if rows else []


def markdown(results):
    parts = results["parts"]
    lines = machine(results)
    lines += checks(parts)
    if parts.get("bench", {}).get("bandwidth"):
        lines += benchmark(parts["bench"])
    lines += resources(results.get("resources", {}), parts.get("bench"))
    if parts.get("trace", {}).get("rows"):
        lines += trace(parts["trace"])
    if results["failures"]:
        lines += ["## Failures", "", *(f"- {' '.join(str(f).split())[:500]}" for f in results["failures"]), ""]
    return "\n".join(lines).rstrip() + "\n"


def insert(document, text, opening=BEGIN, closing=END):
    """The document with what was measured between its two comments."""
    begin, end = document.find(opening), document.find(closing)
    if begin < 0 or end < begin:
        raise ValueError(f"expected the lines '{opening}' and '{closing}', in this order")
    return document[: begin + len(opening)] + "\n\n" + text + "\n" + document[end:]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=pathlib.Path)
    parser.add_argument("--into", type=pathlib.Path)
    options = parser.parse_args()
    text = markdown(json.loads(options.results.read_text()))
    if options.into:
        options.into.write_text(insert(options.into.read_text(), text))
    else:
        print(text, end="")


if __name__ == "__main__":
    main()
