# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The dialect's syntax, in one place: each function writes one op into a function's body."""

from twilight_oracle.summaries import coded_bytes

from .shapes import Shape

CACHE_PARTS = ("k_pages", "v_pages", "codes", "scale", "zero", "summary", "page_table", "seq_lens")


class Function:
    """A func.func being written: arguments and results are bound by their twilight.name."""

    def __init__(self, name="case", container="tensor"):
        self.name, self.container = name, container
        self.arguments, self.results, self.body, self.next = [], [], [], 0

    def argument(self, name, kind):
        self.arguments.append((name, kind))
        return f"%{name}"

    def value(self, hint):
        self.next += 1
        return f"%{hint}_{self.next}"

    def line(self, text):
        self.body.append("  " + text)

    def result(self, name, value, kind):
        self.results.append((name, value, kind))

    def text(self):
        arguments = ",\n    ".join(f'%{n}: {k} {{twilight.name = "{n}"}}' for n, k in self.arguments)
        results = ",\n        ".join(f'{k} {{twilight.name = "{n}"}}' for n, _, k in self.results)
        signature = f"func.func @{self.name}(\n    {arguments})"
        if self.results:
            signature += f"\n    -> ({results})"
        values = ", ".join(v for _, v, _ in self.results)
        kinds = ", ".join(k for _, _, k in self.results)
        end = f"  return {values} : {kinds}" if values else "  return"
        return "\n".join([signature + " {", *self.body, end, "}", ""])


def shaped(container, dims, element):
    return f"{container}<{'x'.join('?' if d is None else str(d) for d in dims)}x{element}>"


def tensor(*dims, element):
    return shaped("tensor", dims, element)


def cache_type(shape: Shape):
    layout = (", blocked" if shape.blocked else "") + (", planes" if shape.planes else "")
    extra = f", codes = <bits = {shape.bits}{layout}>" if shape.bits else ""
    if shape.summary:
        extra += f", summary = #twilight.{shape.summary}<{shape.summary_format}>"
    return (
        f"!twilight.cache<kv_heads = {shape.kv_heads}, head_dim = {shape.head_dim}, "
        f"page_size = {shape.page_size}, {shape.dtype}, {shape.layout}{extra}>"
    )


def part_types(shape: Shape, container="tensor"):
    """The cache's parts by name."""
    h, p, d = shape.kv_heads, shape.page_size, shape.head_dim
    page = (None, h, p, d) if shape.layout == "hnd" else (None, p, h, d)
    types = {"k_pages": (page, shape.dtype), "v_pages": (page, shape.dtype)}
    if shape.bits and shape.blocked:
        types["codes"] = ((None, h, p * (d * shape.bits // 8 + 4)), "i8")
    elif shape.bits:
        types["codes"] = ((None, h, p, d * shape.bits // 8), "i8")
        types["scale"] = types["zero"] = ((None, h, p), "f16")
    if shape.summary:
        coded = shape.summary_format == "i8"
        types["summary"] = ((None, h, coded_bytes(2, d)) if coded else (None, h, 2, d), shape.summary_format)
    types["page_table"] = ((None, None), "i32")
    types["seq_lens"] = ((None,), "i32")
    return {name: shaped(container, *types[name]) for name in CACHE_PARTS if name in types}


def query(f, shape):
    return f.argument("q", query_type(shape))


def query_type(shape):
    return tensor(None, shape.heads, shape.head_dim, element=shape.dtype)


def assemble_cache(f, shape):
    parts = " ".join(f"{n}({f.argument(n, k)} : {k})" for n, k in part_types(shape, f.container).items())
    value = f.value("cache")
    f.line(f"{value} = twilight.assemble_cache {parts} -> {cache_type(shape)}")
    return value


def cache_part(f, shape, cache, part):
    value, kind = f.value(part), part_types(shape)[part]
    f.line(f"{value} = twilight.cache_part {part} of {cache} : {cache_type(shape)} -> {kind}")
    return value, kind


def attributes(entries):
    """Non-zero integers as an attribute dictionary, with a leading space."""
    text = ", ".join(f"{k} = {v} : i64" for k, v in entries.items() if v)
    return f" {{{text}}}" if text else ""


def budget(entries):
    """("fraction", 0.25) and its like; a decimal is written without an exponent."""
    value = f"<{entries[1]:f}>" if entries[0] == "fraction" else "".join(f"<{n}>" for n in entries[1:])
    return f"#twilight.{entries[0]}{value}"


def scale_attribute(scale):
    return "" if scale is None else f" {{softmax_scale = {float(scale)!r} : f64}}"


def selection_type(unit, per_head):
    return f"!twilight.selection<{unit}{', query_head' if per_head else ''}>"


def scores_type(per_head, element="f32"):
    parameters = ["query_head"] * per_head + [element] * (element != "f32")
    return f"!twilight.scores<{', '.join(parameters)}>" if parameters else "!twilight.scores"


def select(f, shape, q, cache, s):
    selector = f"#twilight.mean_std<c = {float(s.c)!r}>" if s.selector == "mean_std" else f"#twilight.{s.selector}"
    group = "" if s.group == "max" else f" group({s.group})"
    value, kind = f.value("pages"), selection_type("page", s.group == "per_head")
    f.line(
        f"{value} = twilight.select {q}, {cache} selector({selector}) budget({budget(s.budget)}){group}"
        f"{attributes({'sink': s.sink, 'recent': s.recent})} : {query_type(shape)}, {cache_type(shape)} -> {kind}"
    )
    return value, kind


def quantize_score(f, shape, q, cache, pages, scale=None, fine=None, element="f32"):
    """pages, fine: (value, type)."""
    value, kind = f.value("scores"), scores_type("query_head" in pages[1], element)
    progressive = f" fine({fine[0]} : {fine[1]})" if fine else ""
    f.line(
        f"{value} = twilight.quantize_score {q}, {cache}, {pages[0]}{progressive}{scale_attribute(scale)} : "
        f"{query_type(shape)}, {cache_type(shape)}, {pages[1]} -> {kind}"
    )
    return value, kind


def top_p(f, scores, p, p_kind, rule):
    options = "" if rule.rule == "mass" else f" rule({rule.rule})"
    options += "" if rule.group == "union" else f" group({rule.group})"
    names = ("min_tokens", "max_tokens", "sink", "recent")
    value, kind = f.value("kept"), selection_type("token", rule.group == "per_head" or "query_head" in scores[1])
    f.line(
        f"{value} = twilight.top_p {scores[0]}, {p}{options}{attributes({n: getattr(rule, n) for n in names})} : "
        f"{scores[1]}, {p_kind} -> {kind}"
    )
    return value, kind


def logits(f, shape, scores):
    element = "f16" if "f16" in scores[1] else "f32"
    value, kind = f.value("logits"), tensor(None, shape.heads, None, element=element)
    f.line(f"{value} = twilight.logits {scores[0]} : {scores[1]} -> {kind}")
    return value, kind


def lists_types(rows):
    return tensor(None, rows, None, element="i32"), tensor(None, rows, element="i32")


def selection_parts(f, selection, rows):
    indices, counts = f.value("indices"), f.value("counts")
    kinds = lists_types(rows)
    f.line(f"{indices}, {counts} = twilight.selection_parts {selection[0]} : {selection[1]} -> {kinds[0]}, {kinds[1]}")
    return (indices, kinds[0]), (counts, kinds[1])


def assemble_selection(f, indices, counts, rows, unit, per_head):
    value, kind = f.value("selection"), selection_type(unit, per_head)
    kinds = lists_types(rows)
    f.line(f"{value} = twilight.assemble_selection {indices}, {counts} : {kinds[0]}, {kinds[1]} -> {kind}")
    return value, kind


def count(f, shape, selection, cache, rows):
    value, kind = f.value("count"), lists_types(rows)[1]
    f.line(f"{value} = twilight.count {selection[0]}, {cache} : {selection[1]}, {cache_type(shape)} -> {kind}")
    return value, kind


def attend_types(shape, rows, out):
    return (
        tensor(None, shape.heads, shape.head_dim, element=out),
        tensor(None, shape.heads, element="f32"),
        tensor(None, rows, element="i32"),
    )


def gather_attend(f, shape, q, cache, selection, rows, out="f32", scale=None):
    values, kinds = [f.value(n) for n in ("out", "lse", "counts")], attend_types(shape, rows, out)
    f.line(
        f"{', '.join(values)} = twilight.gather_attend {q}, {cache}, {selection[0]}{scale_attribute(scale)} : "
        f"{query_type(shape)}, {cache_type(shape)}, {selection[1]} -> {kinds[0]} lse {kinds[1]} counts {kinds[2]}"
    )
    return list(zip(values, kinds))


def attend(f, shape, q, cache, out="f32", scale=None):
    values, kinds = [f.value(n) for n in ("out", "lse", "counts")], attend_types(shape, shape.kv_heads, out)
    f.line(
        f"{', '.join(values)} = twilight.attend {q}, {cache}{scale_attribute(scale)} : "
        f"{query_type(shape)}, {cache_type(shape)} -> {kinds[0]} lse {kinds[1]} counts {kinds[2]}"
    )
    return list(zip(values, kinds))


def merge(f, a, b):
    """a, b: ((out, type), (lse, type))."""
    out, lse = f.value("out"), f.value("lse")
    kinds = a[0][1], a[1][1]
    f.line(f"{out}, {lse} = twilight.merge {a[0][0]}, {a[1][0]}, {b[0][0]}, {b[1][0]} : {kinds[0]}, {kinds[1]}")
    return (out, kinds[0]), (lse, kinds[1])


def fused(f, inputs, options, body):
    """What body() writes and returns, [(value, type)], in a twilight.fused over the inputs (value, type)."""
    start = len(f.body)
    results = body()
    value, inner = f.value("fused"), f.body[start:]
    kinds = ", ".join(kind for _, kind in results)
    arguments = ", ".join(f"{v} = {v} : {kind}" for v, kind in inputs)  # inside under the same names
    f.body[start:] = [f"  {value}:{len(results)} = twilight.fused ({arguments}) {options} {{", *inner]
    f.line(f"twilight.yield {', '.join(v for v, _ in results)} : {kinds}")
    f.line(f"}} : {kinds}")
    return [(f"{value}#{i}", kind) for i, (_, kind) in enumerate(results)]


def append(f, shape, cache, k, v, new_lens=None):
    """k, v, new_lens: (value, type)."""
    lens = f" new_lens({new_lens[0]} : {new_lens[1]})" if new_lens else ""
    value = f.value("cache")
    f.line(f"{value} = twilight.append {cache}, {k[0]}, {v[0]}{lens} : {cache_type(shape)}, {k[1]}, {v[1]}")
    return value
