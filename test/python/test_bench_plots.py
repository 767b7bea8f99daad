# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The plots and the tuning table of scripts/twilight-bench."""

import re
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "python"))

from twilight_bench import configs, plots, problem, report, rows, schedules, svg, variants  # noqa: E402

NAMESPACE = "{http://www.w3.org/2000/svg}"
TIMES = {"median": 500.0, "min": 480.0, "max": 600.0, "p10": 490.0, "p90": 520.0}


def row(config, batch, tokens, time_us, **extras):
    one = problem.Problem(batch, tokens)
    times = {name: value * time_us / 500 for name, value in TIMES.items()}
    return rows.timed(one, config, times, int(time_us * 1.5e6), 3.0, 0.01, **extras)


# --- charts ---


def test_ticks():
    assert svg.nice_ticks(0.93) == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1.0])
    assert svg.nice_ticks(500) == [0, 100, 200, 300, 400, 500]
    assert svg.log_ticks(30, 3100) == [20, 50, 100, 200, 500, 1000, 2000, 5000]
    assert svg.log_ticks(100, 100) == [100]
    for wrong in ((0, 1), (2, 1)):
        with pytest.raises(ValueError, match="expected 0 < least"):
            svg.log_ticks(*wrong)
    with pytest.raises(ValueError, match="positive"):
        svg.nice_ticks(0)


def test_lines_lie_where_their_values_are():
    chart = svg.lines_chart("Time <B = 1>", {"paper": [(8192, 10), (32768, 100)], "flash": [(32768, 1000)]}, log_y=True)
    root = ElementTree.fromstring(chart)
    circles = [tuple(float(c.get(k)) for k in ("cx", "cy")) for c in root.iter(f"{NAMESPACE}circle")]
    assert len(circles) == 3
    (x1, y1), (x2, y2), (x3, y3) = circles
    assert x1 < x2 == x3 and y1 > y2 > y3
    assert y1 - y2 == pytest.approx(y2 - y3, abs=0.2)  # a factor of ten each
    words = [t.text for t in root.iter(f"{NAMESPACE}text")]
    assert "Time <B = 1>" in words and "8k" in words and "1,000" in words
    assert svg.lines_chart("a", {"c": [(1024, 0.5)]}, percent=True).count("50%") == 1
    with pytest.raises(ValueError, match="no values to draw in 'empty'"):
        svg.lines_chart("empty", {})


def test_bars_are_as_long_as_their_values():
    chart = svg.bars_chart("stages", "us", [("a", [("select", 30), ("attend", 10)]), ("b", [("select", 60)])])
    root = ElementTree.fromstring(chart)
    bars = [(float(r.get("width")), r.get("fill")) for r in root.iter(f"{NAMESPACE}rect") if r.get("height") == "22"]
    (first, colour), (second, other), (third, same) = bars
    assert first == pytest.approx(3 * second, abs=0.2) and third == pytest.approx(2 * first, abs=0.2)
    assert colour == same != other
    with pytest.raises(ValueError, match="no bars"):
        svg.bars_chart("none", "us", [])


def test_the_same_results_draw_the_same_plots():
    found = {"rows": [row("paper", 8, 32768, 90, must_read={"select": 10**8}), row("flash", 8, 32768, 360)], "read_tb_per_s": 3.0}
    first = plots.everything(found)
    assert first == plots.everything(found)
    assert [name for name, _, _ in first] == ["time-b8", "limit-b8", "stages-b8-n32768"]
    for _, _, chart in first:
        ElementTree.fromstring(chart)


def test_plots_leave_out_variants_and_skipped_rows():
    usual = row("paper", 8, 32768, 90)
    other = usual | {"dtype": "f16"}
    absent = rows.skipped(problem.Problem(8, 32768), "flash", "none")
    assert plots.plain([usual, other, absent]) == [usual]
    assert plots.series([usual, row("flash", 1, 4096, 20)], 8, "time_us") == {"paper": [(32768, 90.0)]}


def test_a_fused_bar_is_its_bytes_and_the_rest():
    one = row("paper", 8, 32768, 100, must_read={"select": 90_000_000, "gather_attend": 30_000_000})
    assert plots.stages_of(one, 3.0) == [
        ("select", pytest.approx(30)), ("gather_attend", pytest.approx(10)), ("beyond its bytes", pytest.approx(60)),
    ]  # fmt: skip
    assert plots.label_of(one) == "paper, reading"
    assert plots.stages_of(one | {"stages": [{"stage": "select", "us": 55.0}]}, 3.0) == [("select", 55.0)]
    steps = [{"stage": name, "us": 10.0} for name in ("pages", "choose", "logits", "top_p", "compact", "attend")]
    composed = row("composed", 8, 32768, 60, pieces={"choose": "torch"}, stages=steps)
    assert dict(plots.stages_of(composed, 3.0)) == {"select": 20, "quantize_score": 10, "top_p": 20, "gather_attend": 10}
    assert plots.label_of(composed) == "composed"


# --- the report ---


def results_of(found):
    head = {"device": "GPU", "driver": "1", "torch": "2", "flashinfer": "", "commit": "abcdef0123456789", "changed": True}
    head |= {"date": "2025-01-31", "command": "c", "read_tb_per_s": 3.0, "compile_seconds": {"paper": 0.81, "per_op": None}}
    return head | {"rows": [{"commit": head["commit"], "date": head["date"]} | row for row in found]}


def test_report_says_what_was_reached_missed_and_skipped():
    ours = row("paper", 64, 32768, 400, mass=0.83, recall=0.91, trace_mass=0.7, trace_recall=0.5, formats="P = 16")
    best = row("best", 64, 32768, 350, candidate="bounds8")
    composed = row("composed", 64, 32768, 2000, pieces={"choose": "torch"})
    skipped = rows.skipped(problem.LARGE, "flashinfer", "not installed")
    text = report.markdown(results_of(rows.compare([ours, best, composed, skipped, row("cudnn", 64, 32768, 3600)])))
    for expected in (
        "| PyTorch, FlashInfer | 2, none |",
        "abcdef012345, with uncommitted changes",
        "| MLIR to PTX, one core | `paper` 0.81 s, `per_op` – s |",
        "| B = 64, N = 32,768 | 3,600 | 9.00 of 8 | 10.29 of 12 (missed) | – | 5.00 | – | 50% |",
        "| `paper` | P = 16 | 400.0 (24.0) | 9.00 | 600.0 | 50% | 1.00% | 0.830, 0.910 | 0.700, 0.500 |",
        "| `best`: bounds8 |",
        "| `composed` | choose: torch | 2,000.0 (120.0) |",
        "Skipped: `flashinfer` (not installed).",
    ):
        assert expected in text, expected
    widths = {len(re.findall(r"(?<!\\)\|", line)) for line in text.splitlines() if line.startswith("| `")}
    assert widths == {10}


def test_rows_of_earlier_runs_are_named():
    earlier = {"commit": "9876543210fedcba", "date": "2025-01-30"}
    mixed = [row("paper", 64, 32768, 400), row("p64-i8", 64, 32768, 300, **earlier), row("cudnn", 64, 32768, 3600, **earlier)]
    text = report.markdown(results_of(mixed))
    assert "`cudnn`, `p64-i8` at commit 9876543210fe, 2025-01-30." in text and "abcdef012345, 2025" not in text
    assert "All at commit 9876543210fe, 2025-01-30." in report.markdown(results_of(mixed[1:]))


def test_variants_have_a_table_of_their_own():
    one, other = problem.VARIANTS[1], problem.VARIANTS[-1]
    run = {"commit": "abcdef0123456789", "date": "2025-01-31"}
    timed = lambda of, name, us, **more: rows.timed(of, name, {k: v * us / 500 for k, v in TIMES.items()}, 600_000_000, 3.0, 0.01, **more) | run  # noqa: E731
    found = rows.compare([timed(one, "paper", 400), timed(one, "best", 300, candidate="i8"), timed(one, "cudnn", 1200)])
    found += rows.compare([rows.skipped(other, "paper", "no memory") | run, timed(other, "flash", 90)])
    lines = variants.markdown([*found, row("paper", 64, 32768, 400, **run)]).splitlines()
    assert lines[2:] == [
        "| B = 64, N = 32,768, G = 8 | 1,200.0 µs | 400.0 µs, 3.00x | 300.0 µs, 4.00x: i8 | – | 50% | abcdef012345, 2025-01-31 |",
        "| B = 1, N = 262,144, long | 90.0 µs | skipped | – | – | – | abcdef012345, 2025-01-31 |",
        "",
        f"Not raced: {'; '.join(one.name for one in (problem.VARIANTS[0], *problem.VARIANTS[2:-1]))}.",
    ]
    assert variants.markdown([row("paper", 64, 32768, 400, **run)]) == ""
    whole = report.markdown(results_of([*found, row("paper", 64, 32768, 400)]))
    summary, _, details = whole.partition("### ")
    assert "| B = 64, N = 32,768 |" in summary and "G = 8" not in summary and "B = 64, N = 32,768, G = 8" in details


def test_figures_come_first():
    found = report.by_problem([row("paper", 1, 4096, 9), row("paper", 8, 32768, 9), row("paper", 64, 32768, 9)])
    assert [key[:2] for key in found] == [(64, 32768), (8, 32768), (1, 4096)]


# --- the tuning table ---


def tuned(batch, time_us, device="A", **changes):
    provenance = {"device": device, "driver": "1", "date": "2025-01-31", "commit": "abc"}
    one = problem.Problem(batch, 32768)
    times = {"median": time_us, "p10": time_us - 1, "p90": time_us + 1}
    return schedules.row("sm_90a", one, configs.PAPER, schedules.block(1, 16), times, provenance) | changes


def test_a_table_row():
    assert tuned(8, 90.0) == {
        "chip": "sm_90a", "batch": 8, "tokens": 32768, "kv_heads": 8, "group": 4, "head_dim": 128, "page_size": 16,
        "codes_bits": 4, "bounds": "bf16", "time_us": 90.0, "spread_us": 2.0, "device": "A", "driver": "1",
        "schedule": "#twilight.schedule<block, cluster = 1, warps = 16, select_warps = 0, origin = table>",
        "date": "2025-01-31", "commit": "abc",
    }  # fmt: skip


def test_tables_merge_by_problem_and_device(tmp_path):
    old = [tuned(8, 90.0), tuned(64, 400.0), tuned(8, 70.0, device="B")]
    found = schedules.merge(old, [tuned(8, 80.0), tuned(1, 30.0)])
    assert [(r["batch"], r["device"], r["time_us"]) for r in found] == [(1, "A", 30.0), (8, "A", 80.0), (8, "B", 70.0), (64, "A", 400.0)]
    assert schedules.merge(found, []) == found
    path = tmp_path / "tuning.json"
    assert schedules.load(path) == []
    schedules.save(path, found)
    assert schedules.load(path) == found
    with pytest.raises(ValueError, match="none of schedule"):
        schedules.merge(old, [{k: v for k, v in tuned(8, 1.0).items() if k != "schedule"}])


def test_candidate_schedules_fit_the_attribute():
    for one in problem.FIGURES:
        found = schedules.candidates(one)
        assert len(set(found)) == len(found) > 3
        for text in found:
            numbers = dict(re.findall(r"(\w+) = (\d+)", text))
            if "cluster" in numbers:
                assert 1 <= int(numbers.get("resident", 1)) <= 4
                blocks = int(numbers.get("spread", 1))
                assert blocks == 1 or int(numbers["cluster"]) == 1 and numbers["select_warps"] == "0"
                assert blocks == 1 or blocks <= 32 and one.items * blocks <= schedules.PROCESSORS
                assert int(numbers["cluster"]) == 1 or numbers["select_warps"] == "0"
                assert int(numbers["warps"]) + int(numbers["select_warps"]) <= 32
                assert one.items * int(numbers["cluster"]) <= 1024
    assert any("grid" in text for text in schedules.candidates(problem.Problem(1, 131072)))
    assert "#twilight.schedule<block, cluster = 1, spread = 16, warps = 8, select_warps = 0, origin = table>" in (
        schedules.candidates(problem.Problem(1, 131072))
    )
    many = schedules.candidates(problem.LARGE)
    assert not any("spread" in text for text in many)
    assert "#twilight.schedule<block, cluster = 1, warps = 8, select_warps = 0, resident = 2, origin = table>" in many
    assert not any("resident" in text for text in schedules.candidates(problem.Problem(1, 131072)))
    entries = schedules.entries({problem.LARGE: ["paper"]})
    assert len(entries) == 1 + len(schedules.candidates(problem.LARGE))
    assert sum(any(o.startswith("--schedule=") for o in e.options) for e in entries) == len(entries) - 1


def test_schedules_that_spill_are_not_chosen():
    quiet, spilling = SimpleNamespace(name="a", spill_bytes=0), SimpleNamespace(name="b", spill_bytes=4)
    schedules.require_registers([quiet])
    with pytest.raises(RuntimeError, match="b uses 4 bytes"):
        schedules.require_registers([quiet, spilling])


def test_formats_are_tuned_each_by_itself():
    assert [c.name for c in schedules.tunable(["paper", "per_op", "flash", "i8-eighth", "p32-i8"])] == ["paper", "i8-eighth", "p32-i8"]
    with pytest.raises(ValueError, match="i8 and i8-eighth have the same formats"):
        schedules.tunable(["i8", "i8-eighth"])
    found = schedules.entries({problem.LARGE: ["paper", "p32-i8"]})
    assert len(found) == 2 * (1 + len(schedules.candidates(problem.LARGE)))
