# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""A small writer of charts as SVG text: lines over a logarithmic axis, and stacked bars. No package needed.

The same numbers give the same bytes, so that a plot in the repository changes only with its data.
"""

import math
from xml.sax.saxutils import escape

COLOURS = ("#1b6ca8", "#c8553d", "#2a9d5c", "#8e5ea2", "#c9971c", "#5f6b7a", "#d4709b", "#45b5c4", "#7a4f2b", "#9aa5b1")
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 720, 400, 68, 190, 44, 52
STYLE = "font-family='system-ui, sans-serif' font-size='12' fill='#24292f'"


def text(x, y, words, anchor="start", extra=""):
    return f"<text x='{x:.1f}' y='{y:.1f}' text-anchor='{anchor}' {extra}>{escape(str(words))}</text>"


def line(x1, y1, x2, y2, colour="#d0d7de", width=1):
    return f"<line x1='{x1:.1f}' y1='{y1:.1f}' x2='{x2:.1f}' y2='{y2:.1f}' stroke='{colour}' stroke-width='{width}'/>"


def frame(title, body, height=HEIGHT):
    head = f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {height}' {STYLE}>"
    background = f"<rect width='{WIDTH}' height='{height}' fill='#ffffff'/>"
    return "\n".join([head, background, text(LEFT, 24, title, extra="font-size='15' font-weight='600'"), *body, "</svg>", ""])


def nice_ticks(top, count=5):
    """Round numbers from 0 to at least top."""
    if not top > 0:
        raise ValueError(f"expected a positive greatest value, found {top}")
    raw = top / count
    power = 10 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= raw * (1 - 1e-9))
    return [step * i for i in range(math.ceil(top / step - 1e-9) + 1)]


def log_ticks(low, high):
    """1, 2 and 5 times powers of ten that span [low, high]."""
    if not 0 < low <= high:
        raise ValueError(f"expected 0 < least <= greatest, found {low} and {high}")
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    every = [m * 10.0**p for p in powers for m in (1, 2, 5)]
    first = max(i for i, tick in enumerate(every) if tick <= low * (1 + 1e-9))
    last = min((i for i, tick in enumerate(every) if tick >= high * (1 - 1e-9)), default=len(every) - 1)
    return every[first : last + 1]


def short(value):
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:g}"


def tokens(value):
    return f"{value // 1024}k" if value % 1024 == 0 else str(value)


def lines_chart(title, series, log_y=False, percent=False):
    """series: {name: [(x, y)]}; x is logarithmic to base 2. A single point is drawn as a point."""
    points = [point for values in series.values() for point in values]
    if not points:
        raise ValueError(f"no values to draw in '{title}'")
    xs = sorted({x for x, _ in points})
    ys = [y for _, y in points]
    ticks = log_ticks(min(ys), max(ys)) if log_y else nice_ticks(max(ys))
    low, high = (math.log(ticks[0]), math.log(ticks[-1])) if log_y else (0, ticks[-1])
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM

    def place_x(x):
        span = math.log2(xs[-1] / xs[0]) or 1
        return LEFT + 16 + (right - LEFT - 32) * (math.log2(x / xs[0]) / span if len(xs) > 1 else 0.5)

    def place_y(y):
        return bottom - (bottom - TOP) * ((math.log(y) if log_y else y) - low) / ((high - low) or 1)

    body = []
    for tick in ticks:
        label = f"{100 * tick:.0f}%" if percent else short(tick)
        body += [line(LEFT, place_y(tick), right, place_y(tick)), text(LEFT - 8, place_y(tick) + 4, label, "end")]
    body += [text(place_x(x), bottom + 18, tokens(x), "middle") for x in xs]
    body += [text((LEFT + right) / 2, HEIGHT - 12, "cached tokens N", "middle")]
    for (name, values), colour in zip(series.items(), cycle()):
        placed = [(place_x(x), place_y(y)) for x, y in sorted(values)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in placed)
        body.append(f"<polyline points='{path}' fill='none' stroke='{colour}' stroke-width='2'/>")
        body += [f"<circle cx='{x:.1f}' cy='{y:.1f}' r='3.5' fill='{colour}'/>" for x, y in placed]
    return frame(title, body + legend(series, right + 14))


def cycle():
    while True:
        yield from COLOURS


def legend(names, x):
    body = []
    for i, (name, colour) in enumerate(zip(names, cycle())):
        y = TOP + 8 + 20 * i
        body += [f"<rect x='{x}' y='{y - 9}' width='12' height='12' fill='{colour}'/>", text(x + 18, y + 1, name)]
    return body


def bars_chart(title, unit, bars):
    """Stacked horizontal bars. bars: [(label, [(part, value)])]; a part has one colour throughout."""
    parts = list(dict.fromkeys(part for _, values in bars for part, _ in values))
    totals = [sum(value for _, value in values) for _, values in bars]
    if not totals:
        raise ValueError(f"no bars to draw in '{title}'")
    colours = dict(zip(parts, cycle()))
    left, right = 190, WIDTH - RIGHT - 20
    height = TOP + BOTTOM + max(34 * len(bars), 20 * len(parts) - BOTTOM + 10)
    ticks = nice_ticks(max(totals))

    def place(value):
        return left + (right - left) * value / ticks[-1]

    bottom = height - BOTTOM
    body = [line(place(t), TOP, place(t), bottom) for t in ticks]
    body += [text(place(t), bottom + 18, short(t), "middle") for t in ticks]
    body += [text((left + right) / 2, height - 12, unit, "middle")]
    for i, (label, values) in enumerate(bars):
        y, at = TOP + 34 * i + 6, 0.0
        body.append(text(left - 8, y + 15, label, "end"))
        for part, value in values:
            x, wide = place(at), place(at + value) - place(at)
            body.append(f"<rect x='{x:.1f}' y='{y}' width='{wide:.1f}' height='22' fill='{colours[part]}'/>")
            at += value
        body.append(text(place(at) + 6, y + 15, short(round(at, 1))))
    return frame(title, body + legend(parts, right + 60), height)
