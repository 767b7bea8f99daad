# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Reads what twilight-compile --explain=json printed, checks that it adds up, and prints a line a pipeline.

usage: check_explanation.py < explanation.json
"""

import json
import sys

PARTS = ("launch_us", "latency_us", "memory_us", "occupancy_us", "on_chip_us")


def check(fused):
    """The stages' parts are their times, and their times the whole."""
    for stage in fused.get("stages", []):
        assert abs(sum(stage[part] for part in PARTS) - stage["predicted_us"]) < 0.05, stage
        assert stage["limiter"] in ("memory", "occupancy", "latency", "launches", "on-chip work"), stage
    if "stages" in fused:
        whole = sum(stage["predicted_us"] for stage in fused["stages"]) - fused["overlapped_us"]
        assert abs(whole - fused["predicted_us"]) < 0.1, fused
        assert fused["predicted_us"] > fused["limit_us"] > 0, fused


for pipeline in json.load(sys.stdin):
    for fused in pipeline["fused"]:
        check(fused)
        sizes = [fused["problem"][name] for name in ("batch", "tokens", "kv_heads", "group")]
        print(pipeline["pipeline"], fused["schedule"], f"({fused['because']})", *sizes, f"{len(fused['passed_over'])} passed over")
    for dense in pipeline.get("attend", []):
        check({"stages": [dense["stage"]], "overlapped_us": 0, "predicted_us": dense["stage"]["predicted_us"], "limit_us": 1})
        sizes = [dense[name] for name in ("splits", "origin", "batch", "tokens")]
        print(pipeline["pipeline"], *sizes, f"({dense['because']}),", *(other["splits"] for other in dense["passed_over"]))
    print(pipeline["pipeline"], len(pipeline["kernels"]), "kernels:", *(kernel["op"] for kernel in pipeline["kernels"]))
