# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""scripts/gpu-check without a GPU: the runtime's binding over the stand-in for libcuda, and all that reads and reports."""

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "python"))

from twilight_gpu import cli, folder, manifest, numeric, pipelines, precompiled, report, resources, sanitize  # noqa: E402
from twilight_gpu import call as calls  # noqa: E402
from twilight_gpu import prepare, runtime, trace, worker  # noqa: E402
from twilight_numeric.imitate import imitate  # noqa: E402

MANIFEST = ROOT / "test" / "Runtime" / "data" / "dense_attend.json"
PTX = MANIFEST.with_suffix(".ptx")
BUILD = Path(os.environ.get("TWILIGHT_BIN", ROOT / "build" / "bin")).parent
LIBRARY = BUILD / "lib" / "libtwilight-runtime.so"
FAKE = BUILD / "lib" / "libfake_cuda.so"


# --- the manifest's expressions ---


def test_expressions():
    symbols = {"B": 3, "pages": 10}
    assert manifest.evaluate(["*", "B", ["ceildiv", "pages", 4]], symbols) == 9
    assert manifest.evaluate(["max", ["-", "B", 5], ["floordiv", -7, 2]], symbols) == -2
    assert manifest.evaluate(["min", ["+", "B", 1], 8], symbols) == 4


@pytest.mark.parametrize(
    "expression, message",
    [("T", "no value for the symbol 'T'"), (["pow", 1, 2], "with op one of"), (["floordiv", 1, 0], "by zero"), (1.5, "found 1.5")],
)
def test_bad_expressions(expression, message):
    with pytest.raises(ValueError, match=message):
        manifest.evaluate(expression, {"B": 1})


def test_launches_at_given_shapes():
    shapes = {"q": (2, 8, 64), "page_table": (2, 5), "k_pages": (9, 2, 16, 64)}
    found = manifest.launches(MANIFEST.read_text(), shapes)
    assert [(k["name"], k["op"], k["grid"]) for k in found] == [
        ("dense_attend_split", "twilight.attend", [2, 2, 8]),
        ("dense_attend_merge", "twilight.merge", [2, 8, 1]),
    ]
    with pytest.raises(ValueError, match="B is 3 here and 2 before"):
        manifest.launches(MANIFEST.read_text(), shapes | {"page_table": (3, 5)})


# --- the runtime's binding ---


@pytest.fixture
def driver():
    for needed in (LIBRARY, FAKE):
        if not needed.exists():
            pytest.skip(f"not built: {needed.name}")
        if b"__asan_init" in needed.read_bytes():
            pytest.skip(f"{needed.name} is instrumented: this Python cannot load it; runtime-tests run it instead")
    return runtime.Driver(str(LIBRARY), str(FAKE))


def dense_inputs():
    rng = np.random.default_rng(0)
    k, v = (rng.standard_normal((9, 2, 16, 64)).astype(np.float16) for _ in "kv")
    q = rng.standard_normal((2, 8, 64)).astype(np.float16)
    lens = {"page_table": np.arange(6, dtype=np.int32).reshape(2, 3), "seq_lens": np.array([48, 3], np.int32)}
    return {"q": q, "k_pages": k, "v_pages": v} | lens


def test_artifact_of_the_stand_in(driver):
    info = driver.info()
    assert (info["name"], info["compute_major"], info["multiprocessors"]) == ("Fake GPU", 9, 132)
    artifact = runtime.Artifact(driver, MANIFEST)
    assert [a.kind for a in artifact.arguments] == ["input"] * 5 + ["output"] * 2
    assert artifact.stages() == {"twilight.attend": [(0, 1)], "twilight.merge": [(1, 1)]}
    assert artifact.kernels[0].registers == 40
    artifact.close()


def test_call_copies_poisons_and_asks_for_shapes(driver):
    inputs = dense_inputs()
    with calls.Call(runtime.Artifact(driver, MANIFEST), inputs, poison=0x3C) as call:
        assert call.workspace.bytes == 2 * 16640
        assert call.tensors["out"].shape == (2, 8, 64) and call.tensors["lse"].shape == (2, 8)
        for name, array in inputs.items():
            np.testing.assert_array_equal(call.read(call.tensors[name]), array)
        call.write({"seq_lens": np.array([1, 2], np.int32)})
        call.capture()
        call.replay()
        call.launch(first=1, count=1)
        found = call.outputs()
        assert sorted(found) == ["lse", "out"]
        assert (found["out"].view(np.uint8) == 0x3C).all()  # the stand-in runs no kernels
        assert call.read(call.tensors["seq_lens"]).tolist() == [1, 2]


def test_what_the_runtime_refuses(driver):
    artifact = runtime.Artifact(driver, MANIFEST)
    with pytest.raises(runtime.RuntimeFailure, match="seq_lens") as caught:
        calls.run_once(artifact, dense_inputs() | {"seq_lens": np.array([1, 2, 3], np.int32)})
    assert not caught.value.device_lost
    with pytest.raises(KeyError, match="no input named \\['q'\\]"):
        calls.run_once(artifact, {k: v for k, v in dense_inputs().items() if k != "q"})
    with pytest.raises(TypeError, match="float64"):
        calls.run_once(artifact, dense_inputs() | {"q": np.zeros((2, 8, 64))})
    with pytest.raises(FileNotFoundError, match="TWILIGHT_RUNTIME"):
        runtime.find_library("/nowhere/lib.so")


# --- the folder that travels ---


def test_folder_finds_artifacts_by_text(tmp_path):
    place = folder.Folder(tmp_path)
    with pytest.raises(FileNotFoundError, match="--prepare"):
        place.index()
    key = folder.text_key("text a")
    place.write_index({"not_compiled": {key: {"name": "a", "error": "no such op"}}})
    with pytest.raises(FileNotFoundError, match="did not compile: no such op"):
        place.manifest("text a", "case")
    with pytest.raises(FileNotFoundError, match="run --prepare again"):
        place.manifest("text b", "case")
    place.place("text b").mkdir(parents=True)
    (place.place("text b") / "case.json").write_text("{}")
    assert place.manifest("text b", "case").name == "case.json"


def test_compiling_is_remembered_and_refusals_are_kept(tmp_path):
    compiler, calls_made = tmp_path / "compiler", tmp_path / "calls"
    compiler.write_text(
        f'#!/bin/sh\necho x >>{calls_made}\ngrep -q bad "$1" && {{ echo "expected better" >&2; exit 1; }}\necho "{{}}" >"$4/case.json"\n'
    )
    compiler.chmod(0o755)
    place = folder.Folder(tmp_path / "gpu")
    stamp = prepare.fingerprint(compiler, "sm_90a")
    for _ in range(2):
        assert prepare.compile_text(compiler, "sm_90a", place, folder.Entry("a", "good", "case"), stamp) is None
    assert prepare.compile_text(compiler, "sm_90a", place, folder.Entry("b", "bad", "case"), stamp) == "expected better"
    assert prepare.compile_text(compiler, "sm_90a", place, folder.Entry("a", "good", "other"), "changed").startswith("expected other.json")
    assert calls_made.read_text().count("x") == 3


def test_what_the_compiler_says_first():
    text = "a/b.mlir:3:4: error: expected better\n  %0 = op\n ^\na/b.mlir:9:1: error: more\n"
    assert prepare.headline(text) == "expected better"
    assert prepare.headline("Unknown argument\nTry: --help") == "Unknown argument"


def test_every_pipeline_has_one_text_and_append_works_in_place():
    entries = pipelines.everything()
    assert len({(entry.text, entry.options) for entry in entries}) == len(entries)
    options = {entry.name: entry.options for entry in entries}
    apart = {name: found for name, found in options.items() if name in pipelines.named() and not name.startswith("trace")}
    assert {found[0] for found in apart.values()} == {"--fuse=false"}
    assert [name for name, found in apart.items() if len(found) > 1] == ["dense-1x131072", "dense-8x32768", "dense-64x32768"]
    assert apart[pipelines.dense_name(8, 32768)][1:] == ("--batch=8", "--tokens=32768") and pipelines.dense_name(8, 1) == "dense"
    assert options["trace"] == options["bare-bench"] == ()  # as users compile
    cases = pipelines.numeric_cases()
    assert not set(sanitize.CASES) - set(cases)
    assert all("memref<" in text for name, c in cases.items() if name.startswith("append") for text in pipelines.texts_of(c))
    for name in ("append-f16-h2x4-d64-p16", "alone-f16-h2x4-d64-p16", "merge-f16-h3x3-d64-p16-nhd"):
        assert {run.text for run in cases[name].runs()} == set(pipelines.texts_of(cases[name]))


# --- numeric cases ---


class Imitation:
    """A runner whose kernels are the oracle's; `spoil` changes an output in place."""

    artifacts = {}

    def __init__(self, case, spoil=lambda outputs, poison: None):
        self.case, self.spoil, self.runs = case, spoil, case.runs()

    def run(self, text, inputs, function, poison):
        number = next(i for i, r in enumerate(self.runs) if r.text == text and same(r.inputs, inputs))
        outputs = {name: value.copy() for name, value in imitate(self.case, number, inputs).items()}
        self.spoil(outputs, poison)
        return outputs


def same(a, b):
    return a.keys() == b.keys() and all(a[n].tobytes() == b[n].tobytes() for n in a)


@pytest.fixture
def no_replay(monkeypatch):
    monkeypatch.setattr(precompiled, "can_change", lambda case, inputs: False)


def verdict(name, spoil=lambda outputs, poison: None):
    case = pipelines.numeric_cases()[name]
    return worker.verdict_of(case, Imitation(case, spoil))


@pytest.mark.parametrize("name", ["bare-bench", "append-f16-h2x4-d64-p16", "merge-f16-h3x3-d64-p16-nhd"])
def test_right_outputs_pass(name, no_replay):
    found = verdict(name)
    assert (found["verdict"], found["message"]) == ("right", "")


def test_wrong_outputs_are_named(no_replay):
    def spoil(outputs, poison):
        outputs["out"][0, 3] *= 1.1

    found = verdict("bare-bench", spoil)
    assert found["verdict"] == "wrong" and "out[0, 3]" in found["message"]


def test_outputs_that_depend_on_garbage_are_wrong(no_replay):
    def spoil(outputs, poison):
        outputs["lse"][0, 0] += 1e-6 * (poison == precompiled.POISONS[1])

    found = verdict("bare-bench", spoil)
    assert found["verdict"] == "wrong" and "a second time" in found["message"]


def test_changed_lengths_are_shorter():
    lens = np.array([0, 1, 2, 700], np.int32)
    found = precompiled.changed({"seq_lens": lens, "p": np.float32(0.5)})
    assert found["seq_lens"].tolist() == [0, 0, 1, 466] and found["seq_lens"].dtype == np.int32
    assert found["p"] == np.float32(0.3)


class FakeWorker:
    """Dies on one case, finds another one wrong."""

    made = 0

    def __init__(self, path):
        FakeWorker.made += 1

    def ask(self, name):
        if "quest" in name:
            return None
        kernel = {"name": "k", "op": "twilight.attend", "registers": 90, "local": 8 * ("long" in name), "shared": 0}
        verdict = "wrong" if name.startswith("attend-out16") else "right"
        return {"case": name, "verdict": verdict, "message": "out: expected 1, found 2", "lost": False, "kernels": [kernel]}

    def end(self):
        return -11


def test_numeric_run_survives_workers_that_die(capsys):
    FakeWorker.made = 0
    found = numeric.run(Path("gpu"), workers=1, only="attend-", make_worker=FakeWorker)
    assert found["wrong"] == 1 and found["error"] == 0 and found["right"] == found["cases"] - 1
    assert found["local_memory"] == ["twilight.attend in attend-long-bf16-h1x8-d128-p32: 8 bytes"]
    assert found["failures"] == ["attend-out16-f16-h2x4-d64-p16: out: expected 1, found 2"]
    found = numeric.run(Path("gpu"), workers=2, only="select-quest-t", make_worker=FakeWorker)
    assert found["error"] == found["cases"] == 2 and "ended with status -11" in found["failures"][0]
    assert "out: expected 1, found 2" in capsys.readouterr().out


# --- the trace ---


def test_trace_rows(monkeypatch):
    lens = np.array([40, 23], np.int32)
    rng = np.random.default_rng(1)
    k, v = (rng.standard_normal((2, 40, 3, 64)).astype(np.float16) for _ in "kv")
    q = rng.standard_normal((2, 9, 64)).astype(np.float16)
    from twilight_oracle import attention
    from twilight_oracle.append import append

    before = trace.blank([40, 40])
    after = append(before, k, v, lens)
    everything, lse, counts = attention.attend(q, after)
    outputs = {"out": everything * 1.5, "lse": lse + np.log(0.5), "counts": counts, "candidates": counts}
    rows = trace.rows_of(after, q, outputs, [5, 15])
    assert [(r["layer"], r["kv_head"], r["cached"], r["kept"]) for r in rows[2:4]] == [(5, 2, 40, 40), (15, 0, 23, 23)]
    assert all(r["mass"] == [0.5] * 3 and r["error"] == [0.5] * 3 for r in rows)
    assert len(trace.table(rows)) == 7
    trace.check_append(before, append(before, k, v, None), k, v)


# --- what tools say ---

PTXAS = """ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function 'case_attend' for 'sm_90a'
ptxas info    : Function properties for case_attend
    8 bytes stack frame, 12 bytes spill stores, 16 bytes spill loads
ptxas info    : Used 128 registers, used 1 barriers, 8 bytes cumulative stack size, 4096 bytes smem
ptxas info    : Compiling entry function 'case_merge' for 'sm_90a'
ptxas info    : Function properties for case_merge
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 24 registers, used 0 barriers
"""


def test_ptxas_report():
    found = resources.parse(PTXAS)
    assert found["case_merge"] == {"registers": 24, "stack": 0, "spill_stores": 0, "spill_loads": 0, "static_shared": 0}
    assert found["case_attend"]["static_shared"] == 4096
    assert resources.spilling(found) == ["case_attend: 12 bytes of spill stores, 16 of loads"]


CLEAN = f"{sanitize.DONE}\n========= ERROR SUMMARY: 0 errors\n"
RACE = f"{sanitize.DONE}\n========= RACECHECK SUMMARY: {{}} hazards displayed ({{}} errors, {{}} warnings)\n"


def test_sanitizer_summaries():
    assert sanitize.verdict("memcheck", CLEAN, 0) == ""
    assert sanitize.verdict("racecheck", RACE.format(0, 0, 0), 0) == ""
    assert "1 reported" in sanitize.verdict("racecheck", RACE.format(1, 0, 1), 0)
    bad = "========= COMPUTE-SANITIZER\n========= Invalid __global__ read of size 16 bytes\n" + CLEAN.replace("0 err", "3 err")
    assert sanitize.verdict("memcheck", bad, 1) == "memcheck: 3 reported, the first: Invalid __global__ read of size 16 bytes"
    assert "did not finish" in sanitize.verdict("memcheck", CLEAN.replace(sanitize.DONE, ""), 1)
    assert "no summary" in sanitize.verdict("synccheck", "Killed", 137)


# --- the command line and the report ---


def test_options():
    options = cli.parse(["--run", "gpu", "--only=bench", "--shapes=8x32768,1x4096"])
    assert options.only == ["bench"] and options.shapes == [(8, 32768), (1, 4096)]
    for bad in (["--only=tests"], ["--shapes=8"], ["--run", "a", "--prepare", "b"]):
        with pytest.raises(SystemExit):
            cli.parse(bad)


def test_recorded_command():
    arguments = ["--run", f"{ROOT}/build/gpu", "--out", "somewhere", "--only=bench", "--out=elsewhere"]
    assert cli.command_of(arguments) == "scripts/gpu-check --run build/gpu --only=bench"


def test_a_part_that_raises_is_a_failure(monkeypatch, capsys):
    def broken(*_):
        raise RuntimeError("the device\nfell off")

    monkeypatch.setattr(cli, "run_part", broken)
    assert cli.guarded("bench", None, None, None, None)["failures"] == ["RuntimeError: the device\nfell off"]
    assert "FAILED: RuntimeError: the device fell off" in capsys.readouterr().out


def results():
    us = {"median": 400.0, "min": 390.0, "max": 420.5, "repeats": 25}
    select = {"stage": "select", "kernels": 2, "us": us, "bytes": 10**9, "tb_per_s": 2.5, "share": 0.83}
    select["each"] = [{"kernel": "case_choose", "us": us}]
    shape = {
        "batch": 64, "tokens": 32768, "sets": 1, "seconds": 9,
        "kept": {"mean": 330.2, "min": 200, "max": 512, "share": 0.0101, "candidates_share": 0.25},
        "accuracy": {
            "sequences": [0, 63], "logits_error": 1e-5, "out_error_same_tokens": 2e-6, "dense_out_error": 1e-6,
            "mass_mean": 0.83, "mass_min": 0.8, "error_to_dense_mean": 0.2, "error_to_dense_max": 0.4,
        },
        "whole": {"us": us, "bytes": 2 * 10**9, "tb_per_s": 5.0},
        "stages": [select, {"stage": "top_p", "kernels": 1, "us": us, "each": []}],
        "layouts": [{"layout": "planes-fine", "logits_error": 1e-5, "stages": [select | {"bytes": 6 * 10**8}]}],
        "half": {"kept_share": 0.01, "whole": {"us": us, "bytes": 2 * 10**9, "tb_per_s": 5.0}, "stages": [select | {"stage": "quantize_score"}]},
        "launches": [{"name": "case_select", "op": "twilight.select", "grid": [1, 1, 1], "block": [256, 1, 1], "shared_bytes": 1024}],
        "attend": {"us": us, "bytes": 8 * 10**9, "tb_per_s": 2.9, "share": 0.97},
        "peers": {"flash": us | {"median": 3160.0}, "efficient": {"unavailable": "no kernel"}},
        "baseline": {"name": "flash", "us": 3160.0}, "speedup": 7.9,
    }  # fmt: skip
    kernel = {"registers": 96, "stack": 0, "spill_stores": 0, "spill_loads": 0, "static_shared": 512}
    row = {"layer": 5, "kv_head": 0, "cached": 1700, "candidates": 432, "kept": 53, "mass": [0.8, 0.9, 0.85], "error": [0.1] * 3}
    return {
        "command": "scripts/gpu-check --run build/gpu", "date": "2025-01-31", "chip": "sm_90a", "commit": "0123456789abcdef",
        "changed": False, "device": {"name": "GPU", "multiprocessors": 132, "memory_bytes": 80 * 2**30}, "driver": "580.1",
        "torch": "2.11", "resources": {"whole": {"case_select": kernel}}, "failures": ["bench: target\nmissed"],
        "parts": {
            "numeric": {"right": 142, "cases": 142, "replayed": 90, "kernels": 700, "local_memory": []},
            "sanitize": {"cases": 23, "tools": {"memcheck": {"clean": True}, "racecheck": {"clean": False}}},
            "trace": {"p": 0.85, "rows": [row]},
            "bench": {
                "bandwidth": {"read_tb_per_s": 3.0, "copy_tb_per_s": 2.9, "bytes": 8 << 30},
                "shapes": [shape],
                "targets": [{"what": "select, share", "wanted": 0.7, "found": 0.83, "reached": True}],
            },
        },
    }  # fmt: skip


def test_report():
    text = report.markdown(json.loads(json.dumps(results())))
    for expected in (
        "| `select` | 2 | 400.0 (390.0 to 420.5) | 1,000.0 | 2.50 | 83% |",
        "| – `case_choose` | 1 | 400.0 (390.0 to 420.5) |",
        "| `select`, codes planes-fine | 2 | 400.0 (390.0 to 420.5) | 600.0 | 2.50 | 83% |",
        "| `top_p` | 1 | 400.0 (390.0 to 420.5) | – | – | – |",
        "| `quantize_score`, f16 scores | 2 | 400.0 (390.0 to 420.5) | 1,000.0 | 2.50 | 83% |",
        "| **whole pipeline**, f16 scores | 3 | 400.0 (390.0 to 420.5) | 2,000.0 | 5.00 |",
        "| dense: PyTorch flash |  | 3,160.0 (390.0 to 420.5) | 8,000.0 | 2.53 |",
        "**7.90 times** as fast as the fastest dense kernel, flash.",
        "Not available: efficient (no kernel).",
        "| whole | `case_select` | 256 | 96 | 0 | 1536 |",
        "| compute-sanitizer racecheck, 23 cases | **not clean** |",
        "| 5 | 0 | 1700 | 432 | 53 | 0.800, 0.900, 0.850 | 0.100, 0.100, 0.100 |",
        "- bench: target missed",
    ):
        assert expected in text, expected
    for line in (line for line in text.splitlines() if line.startswith("|---")):
        assert set(line) == {"|", "-"}


def test_report_of_a_run_that_found_nothing():
    empty = results() | {"parts": {"bench": {"failures": ["no GPU"]}}, "resources": {}}
    assert "## Failures" in report.markdown(empty)


def test_report_goes_between_the_comments():
    document = (ROOT / "docs" / "measurements.md").read_text()
    once = report.insert(document, "measured\n")
    assert report.insert(once, "measured\n") == once and "measured\n" in once
    with pytest.raises(ValueError, match="measured: begin"):
        report.insert("nothing", "")
