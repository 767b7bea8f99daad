# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""A matrix of pipelines as MLIR: every pair of values of two of its factors occurs in one of them."""

import collections
import itertools
import sys

KV_HEADS = 2
FACTORS = {
    "head_dim": (64, 128),
    "group": (1, 3, 4, 8),
    "element": ("f16", "bf16"),
    "page_size": (1, 16, 32),
    "layout": ("hnd", "nhd"),
    "selector": ("quest", "mean_std"),
    "lists": ("shared", "kept_per_head", "per_head"),  # of neither step, of top_p's result, of both
    "prune": ("mass", "floors", "caps", "threshold"),
}
PRUNE = {
    "mass": "",
    "floors": " {min_tokens = 32 : i64, sink = 4 : i64, recent = 64 : i64}",
    "caps": " {min_tokens = 8 : i64, max_tokens = 256 : i64}",
    "threshold": " {max_tokens = 512 : i64, recent = 16 : i64}",
}
SUMMARY = {"quest": "min_max", "mean_std": "mean_var"}
SELECTOR = {"quest": "#twilight.quest", "mean_std": "#twilight.mean_std<c = 1.0>"}


def rows():
    """Combinations, each picked for the most pairs that none before it had, then for values seldom seen so far."""

    def pairs(row):
        return set(itertools.combinations(zip(FACTORS, row), 2))

    everything = {row: pairs(row) for row in itertools.product(*FACTORS.values())}
    missing, seen, picked = set().union(*everything.values()), collections.Counter(), []
    while missing:
        best = max(
            everything,
            key=lambda row: (len(everything[row] & missing), -sum(seen[item] for item in zip(FACTORS, row))),
        )
        missing -= everything[best]
        seen.update(zip(FACTORS, best))
        picked.append(dict(zip(FACTORS, best)) | formats(len(picked), *best))
    return picked


def formats(i, head_dim, group, element, page_size, layout, selector, *rest):
    """Formats that the i-th combination has instead of 16-bit bounds, 4-bit codes and f32 scores: each in turn."""
    bounds, bits = (None, "f8E5M2", "i8")[(i // 5 + 1) % 3], (None, 2, 8, None)[(i + i // 4) % 4]
    other = {}
    if bounds and selector == "quest":
        other["bounds"] = bounds
    if bits:
        other["bits"] = bits
    elif i % 2 and page_size >= 4:
        other["block"] = "blocked"
    # Codes in planes, read whole or only of fine pages.
    if not bits and (planes := ("fine", None, "planes")[i // 4 % 3]):
        other["planes"] = planes
    if i // 2 % 2:
        other["scores"] = "f16"
    return other


def name(row):
    return "-".join(str(value) for value in row.values())


class Texts:
    """The functions of one combination; together they hold every kernel there is."""

    def __init__(self, row):
        self.__dict__.update({"bounds": row["element"], "bits": 4, "block": "", "planes": "", "scores": "f32"} | row)
        self.heads = KV_HEADS * self.group
        h, p, d, e = KV_HEADS, self.page_size, self.head_dim, self.element
        self.pages = f"tensor<?x{h}x{p}x{d}x{e}>" if self.layout == "hnd" else f"tensor<?x{p}x{h}x{d}x{e}>"
        row_bytes = d * self.bits // 8
        self.coefficients, self.codes = f"tensor<?x{h}x{p}xf16>", f"tensor<?x{h}x{p}x{row_bytes}xi8>"
        if self.block:
            self.codes = f"tensor<?x{h}x{p * (row_bytes + 4)}xi8>"
        self.q, self.new = f"tensor<?x{self.heads}x{d}x{e}>", f"tensor<?x?x{h}x{d}x{e}>"
        self.summary = f"tensor<?x{h}x{2 * d + 16}xi8>" if self.bounds == "i8" else f"tensor<?x{h}x2x{d}x{self.bounds}>"

    def assemble(self, kind, extra=""):
        return (
            f"  %c = twilight.assemble_cache k_pages(%k : {self.pages}) v_pages(%v : {self.pages}) {extra}"
            f" page_table(%t : tensor<?x?xi32>) seq_lens(%n : tensor<?xi32>) -> {kind}\n"
        )

    def text(self):
        plain = f"kv_heads = {KV_HEADS}, head_dim = {self.head_dim}, page_size = {self.page_size}, {self.element}, {self.layout}"
        summary = f"#twilight.{SUMMARY[self.selector]}<{self.bounds}>"
        block = (", blocked" if self.block else "") + (", planes" if self.planes else "")
        aliases = (
            f"!plain = !twilight.cache<{plain}>\n"
            f"!cache = !twilight.cache<{plain}, codes = <bits = {self.bits}{block}>, summary = {summary}>\n"
        )
        parts = f"%k: {self.pages}, %v: {self.pages}, %t: tensor<?x?xi32>, %n: tensor<?xi32>"
        apart = "" if self.block else f"%s: {self.coefficients}, %z: {self.coefficients}, "
        derived = f"%codes: {self.codes}, {apart}%m: {self.summary}"
        given = "" if self.block else f" scale(%s : {self.coefficients}) zero(%z : {self.coefficients})"
        whole = self.assemble(
            "!cache",
            f"codes(%codes : {self.codes}){given} summary(%m : {self.summary})",
        )
        return "\n".join(
            (
                aliases,
                self.decode(parts, derived, whole),
                self.paged(parts),
                self.dense(parts),
                f"func.func @append({parts}, {derived}, %nk: {self.new}, %nv: {self.new}) {{\n{whole}"
                f"  %d = twilight.append %c, %nk, %nv : !cache, {self.new}, {self.new}\n  return\n}}",
                f"func.func @append_plain({parts}, %nk: {self.new}, %nv: {self.new}, %l: tensor<?xi32>) {{\n"
                f"{self.assemble('!plain')}  %d = twilight.append %c, %nk, %nv new_lens(%l : tensor<?xi32>)"
                f" : !plain, {self.new}, {self.new}\n  return\n}}",
            )
        )

    def outs(self, element):
        return f"tensor<?x{self.heads}x{self.head_dim}x{element}>", f"tensor<?x{self.heads}xf32>"

    def decode(self, parts, derived, whole):
        per_head, kept = self.lists == "per_head", self.lists != "shared"
        lists = ", query_head" if per_head else ""
        pages = f"!twilight.selection<page{lists}>"
        scores = f"!twilight.scores<{'query_head, ' if per_head else ''}{self.scores}>"
        tokens = f"!twilight.selection<token{', query_head' if kept else ''}>"
        p = f"tensor<{self.heads}xf32>" if self.lists == "kept_per_head" else "f32"
        rule = "threshold" if self.prune == "threshold" else "mass"
        rows = self.heads if kept else KV_HEADS
        candidates = f"tensor<?x{self.heads if per_head else KV_HEADS}xi32>"
        out, lse = self.outs("f32")
        group = f'group({"per_head" if per_head else "max"}) {{sink = 4 : i64, recent = 64 : i64}} : {self.q}, !cache -> {pages}'
        select = f"twilight.select %q, %c selector({SELECTOR[self.selector]})"
        second = f"  %f = {select} budget(#twilight.fraction<0.0625>) {group}\n" if self.planes == "fine" else ""
        fine = f" fine(%f : {pages})" if self.planes == "fine" else ""
        return f"""func.func @decode(%q: {self.q}, {parts}, {derived}, %p: {p})
    -> ({out}, {lse}, tensor<?x{rows}xi32>, {candidates}) {{
{whole}  %u = {select} budget(#twilight.fraction<0.25>)
      {group}
{second}  %x = twilight.quantize_score %q, %c, %u{fine} : {self.q}, !cache, {pages} -> {scores}
  %y = twilight.top_p %x, %p rule({rule}) group({"per_head" if kept else "union"}){PRUNE[self.prune]}
      : {scores}, {p} -> {tokens}
  %o, %e, %w = twilight.gather_attend %q, %c, %y : {self.q}, !cache, {tokens}
      -> {out} lse {lse} counts tensor<?x{rows}xi32>
  %b = twilight.count %u, %c : {pages}, !cache -> {candidates}
  return %o, %e, %w, %b : {out}, {lse}, tensor<?x{rows}xi32>, {candidates}
}}"""

    def paged(self, parts):
        out, _ = self.outs(self.element)
        return f"""func.func @paged(%q: {self.q}, {parts}) -> {out} {{
{self.assemble("!plain")}  %u = twilight.select %q, %c selector(#twilight.window) budget(#twilight.all)
      {{sink = 4 : i64, recent = 64 : i64}} : {self.q}, !plain -> !twilight.selection<page>
  %o = twilight.gather_attend %q, %c, %u : {self.q}, !plain, !twilight.selection<page> -> {out}
  return %o : {out}
}}"""

    def dense(self, parts):
        out, lse = self.outs(self.element)
        return f"""func.func @dense(%q: {self.q}, {parts}, %a: {out}, %l: {lse}) -> ({out}, {lse}) {{
{self.assemble("!plain")}  %o, %e = twilight.attend %q, %c : {self.q}, !plain -> {out} lse {lse}
  %r, %s = twilight.merge %o, %e, %a, %l : {out}, {lse}
  return %r, %s : {out}, {lse}
}}"""


if __name__ == "__main__":
    # usage: pipelines.py 64-8-f16-16-hnd-quest-shared-mass [FORMAT=VALUE...], values in the order of FACTORS
    others = dict(argument.split("=") for argument in sys.argv[2:])
    words = dict(zip(FACTORS, sys.argv[1].split("-")))
    print(Texts({factor: type(FACTORS[factor][0])(word) for factor, word in words.items()} | others).text())
