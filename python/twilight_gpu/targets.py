# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The figures that the benchmark's pipeline is to reach."""

TARGET = {"shape": (64, 32768), "speedup": 4.0, "share": 0.7, "stages": ("select", "quantize_score")}


def targets(results):
    """The figures to reach, each with what was found: [{"what", "wanted", "found", "reached"}]"""
    at = next((r for r in results if (r["batch"], r["tokens"]) == TARGET["shape"]), None)
    if at is None:
        return []
    speedup = {"what": "whole pipeline against the fastest dense kernel", "wanted": TARGET["speedup"], "found": at["speedup"]}
    rows = [speedup]
    for name in TARGET["stages"]:
        found = [s["share"] for s in at["stages"] if s["stage"] == name and "share" in s]
        what = f"{name}, share of the read bandwidth"
        rows.append({"what": what, "wanted": TARGET["share"], "found": found[0] if len(found) == 1 else None})
        # With scores of f16 it is another format of the same op: a row of its own, the reader judges.
        found = [s["share"] for s in at.get("half", {}).get("stages", []) if s["stage"] == name and "share" in s]
        if found:
            rows.append({"what": f"{name} with f16 scores, share of the read bandwidth", "wanted": TARGET["share"], "found": found[0]})
    return [row | {"reached": row["found"] is not None and row["found"] >= row["wanted"]} for row in rows]
