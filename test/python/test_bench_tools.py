# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""scripts/twilight-bench without a GPU: what it compiles, its rows and files, the quality on the trace."""

import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "python"))

from twilight_bench import cli, compiling, configs, pools, problem, quality, results, rows, schedules  # noqa: E402
from twilight_gpu import folder, prepare, traffic  # noqa: E402

COMPILER = Path(os.environ.get("TWILIGHT_BIN", ROOT / "build" / "bin")) / "twilight-compile"
LARGE = problem.LARGE
TIMES = {"median": 500.0, "min": 480.0, "max": 600.0, "p10": 490.0, "p90": 520.0, "repeats": 25}
RUN = {"date": "2025-01-31", "commit": "0123456789abcdef"}
HEAD = {
    "device": "NVIDIA H100 80GB HBM3", "driver": "580.1", "changed": False, "torch": "2.11", "flashinfer": "0.7",
    "chip": "sm_90a", "command": "scripts/twilight-bench --run build/bench", "read_tb_per_s": 3.0,
    "compile_seconds": {"paper": 0.8}, **RUN,
}  # fmt: skip


# --- problems and what is compiled for them ---


def test_shapes_of_the_command_line():
    assert problem.parse_shapes("64x32768,1x4096") == (problem.Problem(64, 32768), problem.Problem(1, 4096))
    for bad in ("64", "64x", "0x32768", "8x-1", "8 x 32"):
        with pytest.raises(ValueError, match="expected BxN"):
            problem.parse_shapes(bad)
    assert problem.chosen(["figures", "figures"]) == problem.FIGURES
    assert problem.chosen(["variants"], "8x4096") == (problem.Problem(8, 4096),)
    assert problem.chosen(["variants"], pick="1,3-4") == (problem.VARIANTS[0], *problem.VARIANTS[2:4])
    for bad in ("0", "8", "2-1", "a", "-2"):
        with pytest.raises(ValueError, match="expected numbers or ranges from 1 to 7"):
            problem.chosen(["variants"], pick=bad)


def test_the_issue_s_figures_and_variants_are_raced():
    assert set(problem.WANTED["paper"]) == {(p.batch, p.tokens) for p in problem.FIGURES}
    assert all(p.heads == 32 for p in problem.FIGURES + problem.VARIANTS)
    assert all(p.variant for p in problem.VARIANTS)
    large = [p for p in problem.VARIANTS if p.batch > 1]
    assert all(p.items >= 132 for p in large)


def test_options_of_the_compiler():
    assert compiling.options_of(configs.PER_OP, LARGE) == compiling.inspected(configs.PAPER, LARGE).options == ("--fuse=false",)
    assert compiling.options_of(configs.PAPER, LARGE) == ("--fuse", "--batch=64", "--tokens=32768")
    chosen = replace(configs.PAPER, schedule=schedules.block(2, 16))
    assert compiling.options_of(chosen, LARGE)[3:] == (
        "--schedule=#twilight.schedule<block, cluster = 2, warps = 16, select_warps = 0, origin = table>",
    )


def test_the_compiler_chooses_the_splits_of_dense_attention_and_short_lists_try_others():
    short = problem.Problem(8, 4096)
    assert compiling.dense_splits(LARGE) == (None,) and compiling.dense_splits(short) == (None, 32, 8, 2)
    chosen, fewer = (compiling.dense(configs.PAPER, short, splits) for splits in (None, 8))
    assert "twilight.splits" not in chosen.text and chosen.options == ("--batch=8", "--tokens=4096")
    assert fewer.text.replace(" {twilight.splits = 8 : i64}", "") == chosen.text != fewer.text and fewer.options == ()


ENTRIES = {
    "per_op": compiling.whole(configs.PER_OP, LARGE),
    "scheduled": compiling.whole(replace(configs.PAPER, schedule=schedules.grid(4)), LARGE),
    "dense": compiling.dense(configs.PAPER, LARGE, 2),
    "dense, chosen": compiling.dense(configs.PAPER, LARGE),
    "fused": compiling.whole(configs.PAPER, LARGE),
}
KERNELS = {"per_op": 7, "scheduled": 7, "dense": 2, "dense, chosen": 2, "fused": 1}


@pytest.mark.parametrize("form", ENTRIES)
def test_the_compiler_takes_them(form, tmp_path):
    if not COMPILER.exists():
        pytest.skip(f"not built: {COMPILER.name}")
    place, entry = folder.Folder(tmp_path), ENTRIES[form]
    assert prepare.compile_text(COMPILER, "sm_90a", place, entry, "stamp") is None
    manifest = place.manifest(entry.text, entry.function, entry.options)
    kernels = json.loads(manifest.read_text())["kernels"]
    assert len(kernels) == KERNELS[form]
    if form.startswith("dense"):  # the second size of the grid is read as the splits
        assert kernels[0]["grid"][1] == {"dense": 2, "dense, chosen": 8}[form]


def test_peers_find_scales_and_zeros():
    """Pieces that users compose read codes, scales and zeros as tensors of their own, and bounds as numbers."""
    for names in (configs.NAMES, ["paper", *configs.COMPOSED], list(configs.COMPOSED), [c.name for c in configs.LAYOUTS]):
        readers = pools.readers(configs.expand(names))
        [place] = [group for group in readers if configs.PEERS in group]
        assert place[-1] is configs.PEERS and place.count(configs.PEERS) == 1
        assert {config.page_size for config in place} == {configs.PAPER.page_size}
    shape, paper = configs.PEERS.shape(LARGE), configs.PAPER.shape(LARGE)
    assert (shape.blocked, shape.planes, shape.bits, shape.summary_format) == (False, False, 4, "bf16")
    assert replace(shape, blocked=True) == paper
    dense = [e for e in compiling.entries({LARGE: ["dense"]}) if e.name.startswith("dense")]
    assert dense and all("blocked" not in entry.text for entry in dense)


def test_formats_reach_the_text():
    text = compiling.whole(configs.OWN["p32-fp8-codes2"], LARGE).text
    assert "page_size = 32" in text and "codes = <bits = 2, blocked>" in text and "#twilight.min_max<f8E5M2>" in text
    assert text.count("{sink = 4 : i64, recent = 16 : i64}") == 2  # select and top_p
    between = configs.OWN["p32-i8-3in16"]
    assert "#twilight.fraction<0.187500>" in compiling.whole(between, LARGE).text and "P = 32, 8-bit bounds, 3/16, 4 bits" in between.formats
    paper = compiling.whole(configs.PAPER, LARGE).text
    assert "bits = 4" in paper and "sink" not in paper and "kv_heads = 8" in paper


def test_each_artifact_is_compiled_once():
    found = compiling.entries(dict.fromkeys(problem.FIGURES, configs.NAMES))
    keys = [folder.text_key(entry.text, entry.options) for entry in found]
    assert len(set(keys)) == len(keys)
    fused = [entry for entry in found if "--fuse" in entry.options]
    assert len(fused) == len(problem.FIGURES) * (1 + sum(config.fused for config in configs.CANDIDATES))
    names = [entry.name for entry in found]
    assert [name for name in names if name.startswith("dense,")] == ["dense, 32 splits", "dense, 8 splits", "dense, 2 splits"]
    assert sum(name.startswith("dense at") for name in names) == len(problem.FIGURES)
    assert folder.text_key("a", ("--fuse",)) != folder.text_key("a") == folder.text_key("a", ())


def test_a_race_reads_each_configuration_s_own_format_once():
    own = configs.expand([*configs.NAMES, *(c.name for c in configs.LAYOUTS)])
    groups = pools.readers(own)
    assert sorted(c.name for group in groups for c in group) == sorted([c.name for c in own] + ["peers"])
    assert [{c.page_size for c in group} for group in groups] == [{16}, {32}]
    assert [[c.name for c in group] for group in pools.readers([configs.OWN["p64-i8"]])] == [["peers"], ["p64-i8"]]
    for group in groups:
        shapes = [config.shape(LARGE) for config in group if config is not configs.PEERS]
        made = [shape for shape, last in zip(shapes, [None, *shapes]) if shape != last]
        assert len(made) == len(set(made))


def test_configurations_by_name():
    assert [c.name for c in configs.expand(["per_op", "flash"])] == ["per_op"]
    assert configs.expand(["i8", "paper"]) == [configs.PAPER, configs.OWN["i8"]]
    assert configs.expand(["best"]) == list(configs.CANDIDATES)
    assert configs.expand(["best", "p64-i8"]) == [configs.OWN["p64-i8"], *configs.CANDIDATES]
    assert configs.expand(["best", "per_op", "planes-per_op"])[:2] == [configs.PER_OP, configs.OWN["planes-per_op"]]
    assert configs.expand(["best", "i8", "fp8"]) == [configs.OWN["fp8"], configs.OWN["i8"]]


# --- rows ---


def test_limit_share_is_the_reading_time_over_the_time():
    assert traffic.limit_share(3_000_000_000, 3.0, 2000.0) == pytest.approx(0.5)


def test_bytes_that_must_be_read():
    tokens = 64 * 8 * 32768
    candidates, kept = tokens // 4, tokens // 100
    assert rows.bytes_of(configs.PAPER, LARGE, candidates, kept) == 32 * tokens + 68 * candidates + 512 * kept
    small = configs.OWN["p32-fp8-codes2"]
    assert rows.bytes_of(small, LARGE, candidates, kept) == 8 * tokens + 36 * candidates + 512 * kept
    coded = configs.OWN["i8"]
    assert rows.bytes_of(coded, LARGE, candidates, kept) == 17 * tokens + 68 * candidates + 512 * kept
    assert rows.dense_bytes(configs.PAPER, LARGE) == 512 * tokens


def timed(config, median, **extras):
    times = {name: value * median / 500 for name, value in TIMES.items()}
    return rows.timed(LARGE, config, times, 900_000_000, 3.0, 0.01, **extras)


def test_a_row_fits_the_schema():
    row = rows.compare([timed("flash", 4000), timed("cudnn", 3000), timed("paper", 500), timed("dense", 2000)])[2]
    assert (row["time_us"], row["spread_us"], row["limit_share"]) == (500.0, 30.0, 0.6)
    assert (row["fastest_dense_us"], row["speedup"]) == (3000.0, 6.0)  # dense is ours, no peer
    assert rows.problems_with(row | RUN) == []


@pytest.mark.parametrize(
    "change, message",
    [
        ({"kv_heads": "8"}, "kv_heads"),
        ({"time_us": None}, "a reason for none"),
        ({"skipped": "no time"}, "a reason for none"),
        ({"limit_share": 2.5}, "limit_share"),
        ({"date": None}, "date"),
    ],
)
def test_rows_that_do_not_fit(change, message):
    found = rows.problems_with(timed("paper", 500) | RUN | change)
    assert len(found) == 1 and message in found[0]


def test_a_missing_column_is_named():
    row = timed("paper", 500) | RUN
    del row["kept_fraction"]
    assert rows.problems_with(row) == ["no kept_fraction"]


def test_nothing_is_skipped_without_a_reason():
    row = rows.skipped(LARGE, "flashinfer", "no such\n package in /usr/lib/x.py, 1/4 of f16/bf16")
    assert row["skipped"] == "no such package in x.py, 1/4 of f16/bf16" and rows.problems_with(row | RUN) == []
    with pytest.raises(ValueError, match="expected the reason"):
        rows.skipped(LARGE, "flashinfer", " \n")


def test_best_is_the_fastest_candidate_of_good_quality():
    paper = timed("paper", 500, mass=0.83, recall=0.9, trace_mass=0.70)
    fast = timed("p32-fp8", 200, mass=0.83, recall=0.9, trace_mass=0.60)
    good = timed("i8", 300, mass=0.82, recall=0.89, trace_mass=0.85)
    slow = timed("i8-eighth", 400, mass=0.84, recall=0.9, trace_mass=0.85)
    coarse = timed("i8-codes2", 100, mass=0.84, recall=0.9, trace_mass=0.85)  # raced where it is named, no candidate
    absent = rows.skipped(LARGE, "p32-i8", "did not compile")
    best = rows.best_of([paper, fast, good, slow, coarse, absent], LARGE)
    assert (best["config"], best["candidate"], best["time_us"]) == ("best", "i8", 300.0)
    itself = rows.best_of([paper, fast, absent], LARGE)  # the fast one's quality does not hold
    assert (itself["candidate"], itself["time_us"]) == ("paper", 500.0)
    none = rows.best_of([rows.skipped(LARGE, "paper", "no memory"), absent], LARGE)
    assert none["time_us"] is None and "p32-i8: did not compile" in none["skipped"]
    assert rows.best_of([paper], LARGE) is None


# --- the file of a device ---


def document(*found):
    return results.document(HEAD, found, {"paper": {"mass": 0.7}})


def test_file_names():
    assert results.slug("NVIDIA H100 80GB HBM3") == "h100-80gb-hbm3"
    assert results.slug("NVIDIA GeForce RTX 4090") == "geforce-rtx-4090"


def test_results_go_through_a_file(tmp_path):
    path = tmp_path / "measurements" / "h100.json"
    written = document(timed("paper", 500), rows.skipped(LARGE, "flashinfer", "not installed"))
    results.save(path, written)
    assert results.load(path) == written
    lines = [line.rstrip(",") for line in path.read_text().splitlines() if '"config"' in line]
    assert [json.loads(line) for line in lines] == written["rows"]  # a row a line
    path.write_text("{}")
    with pytest.raises(ValueError, match="expected results of version 1"):
        results.load(path)


def test_a_document_is_checked():
    with pytest.raises(ValueError, match="found no driver"):
        results.document({k: v for k, v in HEAD.items() if k != "driver"}, [], {})
    with pytest.raises(ValueError, match="paper at B = 64: limit_share"):
        document(timed("paper", 500) | {"limit_share": 7.0})


def test_new_rows_replace_old_ones_of_the_same_problem_and_config():
    old = document(timed("paper", 500), timed("flash", 3000), timed("paper", 2000) | {"p": 0.95})
    new = results.document(HEAD | {"date": "2025-02-01"}, [timed("paper", 450), timed("best", 300)], {"p32": {}})
    found = results.merge(old, new)
    assert [(r["config"], r["p"], r["time_us"], r["date"]) for r in found["rows"]] == [
        ("paper", 0.85, 450.0, "2025-02-01"),
        ("flash", 0.85, 3000.0, "2025-01-31"),
        ("paper", 0.95, 2000.0, "2025-01-31"),
        ("best", 0.85, 300.0, "2025-02-01"),
    ]
    assert found["date"] == "2025-02-01" and set(found["trace"]) == {"paper", "p32"}
    assert results.merge(None, new) == new
    with pytest.raises(ValueError, match="belong into another file"):
        results.merge(old | {"device": "NVIDIA H200"}, new)


def test_later_runs_add_to_the_file_of_the_device(tmp_path):
    path = tmp_path / "h100.json"
    results.saver(path)(document(timed("paper", 500)))
    save = results.saver(path)
    variant = timed("paper", 900) | {"centres": 100, "variant": "5% kept"}
    for found in ([variant], [variant, timed("paper", 450)]):  # a run saves after every problem
        save(document(*found))
    kept = [(row["time_us"], row["variant"]) for row in results.load(path)["rows"]]
    assert kept == [(450.0, ""), (900.0, "5% kept")]
    path.write_text("{}")
    with pytest.raises(ValueError, match="expected results of version 1"):  # before anything is raced
        results.saver(path)


def test_committed_results_fit_the_schema():
    for path in (ROOT / "docs" / "measurements").glob("*.json"):
        found = results.load(path)
        assert path.stem == results.slug(found["device"])
        assert [p for row in found["rows"] for p in rows.problems_with(row)] == []


# --- quality on the trace ---


def small_trace(tokens=96):
    rng = np.random.default_rng(3)
    k, v = (rng.standard_normal((1, tokens, 2, 64)).astype(np.float16) for _ in "kv")
    return rng.standard_normal((1, 4, 64)).astype(np.float16), k, v


def test_keeping_everything_has_all_the_mass():
    found = quality.measure(replace(configs.PAPER, fraction=1.0), 1.0, small_trace())
    assert found == {"mass": 1.0, "mass_min": 1.0, "recall": 1.0, "recall_min": 1.0, "kept_fraction": 1.0}


def test_cheaper_formats_keep_less_of_what_matters():
    trace = small_trace()
    paper, coarse = (quality.measure(c, 0.85, trace) for c in (configs.PAPER, replace(configs.PAPER, bits=2)))
    assert 0 < coarse["recall"] < paper["recall"] < 1
    floors = quality.measure(replace(configs.PAPER, fraction=1.0, sink=48, recent=48), 0.85, trace)
    assert floors["mass"] == 1.0 and floors["kept_fraction"] == 1.0


# --- the command line ---


def test_options():
    options = cli.parse(["--run", "dir", "--only=figures,variants", "--configs=paper,flash,i8"])
    assert options.problems == problem.FIGURES + problem.VARIANTS
    assert all(options.names_of[one] == ["paper", "flash", "i8"] for one in options.problems)
    assert cli.parse(["--variants"]).problems == problem.FIGURES + problem.VARIANTS
    for bad in (["--only=some"], ["--configs=papers"], ["--shapes=1"], ["--run", "a", "--report", "b"], ["--configs=,"], ["--pick=6"],
                ["--tune", "--configs=i8,i8-eighth"]):
        with pytest.raises(SystemExit):
            cli.parse(bad)


def test_configurations_that_are_not_named():
    names = cli.parse(["--only=figures,crossover"]).names_of
    assert names[problem.Problem(64, 8192)] == list(configs.NAMES)
    assert names[problem.Problem(64, 4096)] == list(configs.CROSSOVER)
    assert cli.parse(["--only=crossover"]).names_of[problem.Problem(64, 8192)] == list(configs.CROSSOVER)
    assert cli.parse(["--shapes=64x4096"]).names_of == {problem.Problem(64, 4096): list(configs.NAMES)}
    assert cli.parse(["--tune", "--pick=1"]).names_of == {LARGE: ["paper"]}


def test_problems_are_listed(capsys):
    assert cli.main(["--list", "--only=variants", "--pick=2-3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 and "1 B = 64, N = 32,768, G = 8: about " in lines[0]


def test_report_merges_draws_and_rewrites_the_document(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(cli, "ROOT", tmp_path)
    monkeypatch.setattr(cli, "DOCUMENT", tmp_path / "docs" / "measurements.md")
    cli.DOCUMENT.parent.mkdir()
    cli.DOCUMENT.write_text("before\n<!-- variants: begin -->\nlog's lines\n<!-- variants: end -->\n<!-- raced: begin -->\nold\n<!-- raced: end -->\nafter\n")
    must_read = {"select": 500_000_000, "quantize_score": 300_000_000, "gather_attend": 100_000_000}
    run = tmp_path / "run.json"
    results.save(run, document(*rows.compare([timed("paper", 500, must_read=must_read), timed("flash", 3000)])))
    assert cli.main(["--report", str(run)]) == 0
    text = cli.DOCUMENT.read_text()
    assert "log's lines" in text  # no variant was raced
    assert text.startswith("before\n") and text.endswith("after\n") and "old" not in text
    assert "| `paper` |" in text.replace(" |  |", " |") and "6.00" in text
    folder_of_results = cli.DOCUMENT.parent / "measurements"
    assert json.loads((folder_of_results / "h100-80gb-hbm3.json").read_text())["rows"][0]["config"] == "paper"
    for picture in ("time-b64", "limit-b64", "stages-b64-n32768"):
        assert f"(measurements/h100-80gb-hbm3-{picture}.svg)" in text
        assert (folder_of_results / f"h100-80gb-hbm3-{picture}.svg").is_file()
    long = problem.VARIANTS[-1]
    results.save(run, document(*rows.compare([rows.timed(long, name, TIMES, 10**8, 3.0, 0.01) for name in ("paper", "cudnn")])))
    assert cli.main(["--report", str(run)]) == 0
    variant = "| B = 1, N = 262,144, long | 500.0 µs | 500.0 µs, 1.00x |"
    text = cli.DOCUMENT.read_text()
    assert "log's lines" not in text and text.index("variants: begin") < text.index(variant) < text.index("variants: end")
    table, built_in = tmp_path / "tuning.json", tmp_path / "lib" / "Schedule" / "tables" / "sm_90a.json"
    tuned = schedules.row("sm_90a", LARGE, configs.PAPER, schedules.block(1, 16), TIMES, {**HEAD, **RUN})
    schedules.save(table, [tuned])
    schedules.save(built_in, [tuned | {"batch": 1}])
    assert cli.main(["--report", str(table)]) == 0
    assert [row["batch"] for row in schedules.load(built_in)] == [1, 64]
    assert cli.main(["--report", str(tmp_path / "absent.json")]) == 1
    assert "twilight-bench: error:" in capsys.readouterr().err
