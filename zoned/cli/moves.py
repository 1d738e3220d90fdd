"""``zoned replay --drain ZONE@TIME`` and ``--join ZONE@TIME``: what a move of traffic would cost on this log.

Reading the option and telling the result; the runs themselves are `zoned.simulation.moves`.
"""

from __future__ import annotations

from collections.abc import Iterable

import click
from rich.table import Table

from zoned.config.kinds import Wrong
from zoned.config.units import seconds_of
from zoned.simulation.tolls import Kind, Move, MoveResult, Prepared
from zoned.simulation.trace import Trace
from zoned.status.dashboard.markup import span

_WORDS = {
    Prepared.NOT_AT_ALL: "without the move",
    Prepared.WARM: "with zoned: warmed first",
    Prepared.COLD: "at once, nothing handed over",
}


def moves_of(trace: Trace, drain: str | None, join: str | None) -> list[Move]:
    """The moves that the two options name. Raises BadParameter for what this trace cannot play."""
    asked = ((Kind.DRAIN, drain), (Kind.JOIN, join))
    return [_move(trace, kind, written) for kind, written in asked if written is not None]


def _move(trace: Trace, kind: Kind, written: str) -> Move:
    option = f"--{kind.value}"
    zone, separator, when = written.rpartition("@")
    if not separator or not zone:
        raise click.BadParameter(f"expected ZONE@TIME, got {written!r} (example eu-1@60%)", param_hint=option)
    if zone not in trace.zone_names:
        names = ", ".join(sorted(trace.zone_names))
        raise click.BadParameter(f"no zone {zone!r} in this trace; there are {names}", param_hint=option)
    if len(trace.zone_names) < 3:
        raise click.BadParameter(
            "a move needs at least 3 zones: one that moves, two that go on", param_hint=option
        )
    span_s = trace.ts[-1] - trace.ts[0]
    at_s = _time(when, trace, option)
    if not 0 < at_s < span_s:
        raise click.BadParameter(
            f"{when!r} is not within the trace, which lasts {span(span_s)}", param_hint=option
        )
    return Move(kind, zone, at_s)


def _time(when: str, trace: Trace, option: str) -> float:
    """``"60%"`` of the requests, or a duration from the first one, in seconds from the first one."""
    if when.endswith("%"):
        try:
            share = float(when[:-1]) / 100
        except ValueError:
            share = -1.0
        if 0 < share < 1:
            return trace.ts[int(share * len(trace))] - trace.ts[0]
    else:
        try:
            return seconds_of(when)
        except Wrong:
            pass
    raise click.BadParameter(
        f"expected a time after the @, got {when!r} (example 60%, of the requests, or 12h, from the first)",
        param_hint=option,
    )


def move_lines(result: MoveResult) -> Iterable[str]:
    """The heading of a move's table."""
    move, without = result.move, result.tolls[Prepared.NOT_AT_ALL]
    waited_s = result.tolls[Prepared.WARM].waited_s
    what = "drained" if move.kind is Kind.DRAIN else "joined by its agent"
    yield (
        f"{move.zone} is {what} after {span(move.at_s)}; its clients move"
        f" {span(waited_s)} later. The {without.reads:,} reads that follow:"
    )


def move_table(result: MoveResult) -> Table:
    """The runs beside each other."""
    table = Table(header_style="bold", box=None, padding=(0, 2, 0, 0))
    table.add_column("", no_wrap=True)
    for name in ("origin", "more", "misses", "more", "mean ms", "failed"):
        table.add_column(name, justify="right", no_wrap=True)
    for how, toll in result.tolls.items():
        first = how is Prepared.NOT_AT_ALL
        table.add_row(
            _WORDS[how],
            f"{toll.origin_fetches:,}",
            "" if first else f"{result.extra(how, 'origin_fetches'):+.1%}",
            f"{toll.misses:,}",
            "" if first else f"{result.extra(how, 'misses'):+.1%}",
            f"{toll.mean_latency_ms:.1f}",
            f"{toll.failed:,}",
        )
    return table
