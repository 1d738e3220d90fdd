"""The ring as SVG: an arc per member, as long as what it owns, coloured by zone; dim when it is not alive."""

from __future__ import annotations

from math import cos, pi, sin

from zoned.core.members import MemberState
from zoned.core.snapshot import RingView
from zoned.status.dashboard.markup import Markup, tag, text

SIZE = 220
_RADIUS = 90.0
_CENTRE = SIZE / 2
_GAP = 0.006  # of the circle, between arcs
_HUES = (205, 28, 140, 280, 345, 55, 175, 315, 95, 240)


def hues(ring: RingView) -> dict[str, int]:
    """A hue for each zone, the same for everybody who sees the same zones."""
    zones = sorted({member.zone for member in ring.members})
    return {zone: _HUES[index % len(_HUES)] for index, zone in enumerate(zones)}


def ring_picture(ring: RingView) -> Markup:
    """The picture, with names as tooltips; what it shows is in the table beside it too."""
    colours = hues(ring)
    start = 0.0
    arcs = []
    for member in ring.members:
        share = member.owned_ratio
        if share > 0:
            alive = member.state is MemberState.ALIVE
            arcs.append(
                tag(
                    "path",
                    tag("title", f"{member.node} ({member.zone}): {100 * share:.1f} %, {member.state.value}"),
                    d=_arc(start, start + max(share - _GAP, share / 2)),
                    stroke=f"hsl({colours[member.zone]} 60% 50%)",
                    opacity="1" if alive else "0.35",
                )
            )
        start += share
    label = tag("text", ring.ring_id[:8] or "no ring", x=_CENTRE, y=_CENTRE - 2, class_="id")
    count = tag("text", f"epoch {ring.epoch}", x=_CENTRE, y=_CENTRE + 18)
    return tag("svg", *arcs, label, count, viewBox=f"0 0 {SIZE} {SIZE}", role="img", class_="ring")


def _arc(start: float, end: float) -> str:
    """A stroke from ``start`` to ``end`` (shares of the circle, clockwise from the top)."""
    if end - start >= 0.99:  # SVG draws no arc from a point to itself: a circle is two halves
        return f"{_move(0.0)} {_line(0.5, False)} {_line(0.9999, False)}"
    return f"{_move(start)} {_line(end, end - start > 0.5)}"


def _point(share: float) -> str:
    angle = 2 * pi * share
    return f"{_CENTRE + _RADIUS * sin(angle):.2f} {_CENTRE - _RADIUS * cos(angle):.2f}"


def _move(share: float) -> str:
    return f"M {_point(share)}"


def _line(share: float, large: bool) -> str:
    return f"A {_RADIUS} {_RADIUS} 0 {int(large)} 1 {_point(share)}"


def swatch(zone: str, colours: dict[str, int]) -> Markup:
    """A zone's name with its colour."""
    dot = tag("i", style=f"background:hsl({colours.get(zone, 0)} 60% 50%)")
    return Markup(f"{dot}{text(zone)}")
