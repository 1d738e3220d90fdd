"""Plots as SVG, without a script or a library: lines over axes that end in round numbers, and bars.

A report is mailed and opened years later, on a machine without a network, so a picture is text in the page.
Rejected: matplotlib (60 MB for two plots) and scripts from elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import floor, log10
from typing import NamedTuple

from zoned.status.dashboard.markup import Markup, tag

WIDTH, HEIGHT = 720, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 12, 26
_TICKS = 5
_NAMES, _VALUES, _BAR, _GAP = 250, 70, 18, 6
_LONGEST = 40  # characters of a name beside its bars


class Series(NamedTuple):
    """One line: its name, colour and (x, y) points in the order of x."""

    name: str
    colour: str
    points: Sequence[tuple[float, float]]
    strong: bool = False


def line_plot(
    series: Sequence[Series], x_text: Callable[[float], str], y_text: Callable[[float], str]
) -> Markup:
    """A plot of all series; y begins at 0. Nothing to plot: an empty frame."""
    points = [point for one in series for point in one.points]
    x_low = min((x for x, _ in points), default=0.0)
    x_high = max((x for x, _ in points), default=1.0)
    y_step = _round_step(max((y for _, y in points), default=1.0) / _TICKS)
    y_high = y_step * _TICKS
    wide, high = WIDTH - _LEFT - _RIGHT, HEIGHT - _TOP - _BOTTOM

    def place(x: float, y: float) -> tuple[float, float]:
        across = (x - x_low) / (x_high - x_low) if x_high > x_low else 0.0
        return _LEFT + wide * across, _TOP + high * (1 - y / y_high)

    drawn: list[Markup] = []
    for tick in range(_TICKS + 1):
        value = y_step * tick
        _, y = place(x_low, value)
        drawn.append(tag("path", d=f"M{_LEFT} {y:.1f}H{WIDTH - _RIGHT}", class_="grid"))
        drawn.append(tag("text", y_text(value), x=_LEFT - 6, y=f"{y + 4:.1f}", class_="y"))
    for tick in range(_TICKS):
        value = x_low + (x_high - x_low) * tick / (_TICKS - 1)
        x, _ = place(value, 0.0)
        side = "start" if tick == 0 else "end" if tick == _TICKS - 1 else "middle"
        drawn.append(tag("text", x_text(value), x=f"{x:.1f}", y=HEIGHT - 8, text_anchor=side))
    for one in series:
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in (place(*point) for point in one.points))
        if path:
            weight = "2.4" if one.strong else "1.3"
            drawn.append(
                tag("path", tag("title", one.name), d=f"M{path}", stroke=one.colour, stroke_width=weight)
            )
    return tag("svg", *drawn, viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", class_="plot")


class Bar(NamedTuple):
    """One bar: how long it is, what is written after it, its colour."""

    value: float
    text: str
    colour: str


def bar_plot(rows: Sequence[tuple[str, Sequence[Bar]]]) -> Markup:
    """Named rows of bars, all on one scale from zero; negative ones go to the left of it."""
    values = [bar.value for _, bars in rows for bar in bars]
    low, high = min([0.0, *values]), max([0.0, *values])
    wide = WIDTH - _NAMES - 2 * _VALUES
    scale = wide / (high - low) if high > low else 0.0
    zero = _NAMES + _VALUES - low * scale
    drawn: list[Markup] = []
    y = 0
    for name, bars in rows:
        shown = name if len(name) <= _LONGEST else name[: _LONGEST - 1] + "…"
        drawn.append(tag("text", shown, tag("title", name), x=0, y=f"{y + _BAR * len(bars) / 2 + 4:.1f}"))
        for bar in bars:
            left, length = zero + min(0.0, bar.value) * scale, max(1.0, abs(bar.value) * scale)
            box = {"x": f"{left:.1f}", "width": f"{length:.1f}", "y": y + 2, "height": _BAR - 4}
            drawn.append(tag("rect", **box, fill=bar.colour))
            at, side = (left + length + 5, "start") if bar.value >= 0 else (left - 5, "end")
            drawn.append(tag("text", bar.text, x=f"{at:.1f}", y=y + _BAR - 5, text_anchor=side))
            y += _BAR
        y += _GAP
    drawn.append(tag("path", d=f"M{zero:.1f} 0V{y}", class_="grid"))
    return tag("svg", *drawn, viewBox=f"0 0 {WIDTH} {max(1, y)}", role="img", class_="plot")


def _round_step(least: float) -> float:
    """The least of 1, 2, 2.5, 5 x a power of ten that is not below ``least``."""
    if least <= 0:
        return 0.2
    power = 10.0 ** floor(log10(least))
    return next(step * power for step in (1.0, 2.0, 2.5, 5.0, 10.0) if step * power >= least * (1 - 1e-9))
