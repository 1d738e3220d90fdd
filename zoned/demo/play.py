"""What is played: the trace cut into the past, which the agents learn from, and the day that is lived.

The day is cut into *sessions*: the reads of one client at one moment (an invoice's lines), which are
issued one after the other as fast as they are answered. Sessions keep their distances, divided by the rate.
The end of the trace is played, so that all that the agents learnt from lies before it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from zoned.core.names import InstanceKey
from zoned.simulation.trace import Trace

MAX_RATE = 1000.0
"""Seasons per second at most: beyond it, less than a fetch would lie between sessions."""
MIN_LIVE_S = 24 * 3600.0
MAX_LIVE_S = 36 * 3600.0
PAST_S = 56 * 86400.0
"""How much of the past is preloaded: eight weeks, so that weekly seasons are known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Reads of one client in one zone, one after the other, starting ``at_s`` into the live part."""

    at_s: float
    zone: str
    client: bytes
    keys: tuple[InstanceKey, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Play:
    """The whole programme. ``rate``: trace seconds per real second."""

    past: Trace
    zones: tuple[str, ...]
    capacity: int
    live_from_s: float
    live_s: float
    rate: float
    sessions: tuple[Session, ...]

    @property
    def requests(self) -> int:
        """Reads in the live part."""
        return sum(len(session.keys) for session in self.sessions)


def cut(trace: Trace, seconds: float, share: float) -> Play:
    """Cut a trace so that its last 24 to 36 hours (nearly all of it, if it is shorter) last ``seconds``, or
    longer where that would be faster than ``MAX_RATE``. The live part begins with a read. ``share``: how much
    of all objects a zone's cache holds."""
    end_s, span_s = trace.ts[-1], trace.ts[-1] - trace.ts[0]
    most_s = min(MAX_LIVE_S, span_s * 0.9)
    first_s = next(ts for ts in trace.ts if ts >= end_s - most_s)
    live_s = max(min(MIN_LIVE_S, most_s), end_s - first_s)
    rate = min(MAX_RATE, max(1.0, live_s / seconds))
    live_from_s = end_s - live_s
    live = next(i for i, ts in enumerate(trace.ts) if ts >= live_from_s)
    first = next(i for i, ts in enumerate(trace.ts) if ts >= live_from_s - PAST_S)
    return Play(
        past=_slice(trace, first, live),
        zones=trace.zone_names,
        capacity=trace.capacity(share),
        live_from_s=live_from_s,
        live_s=live_s,
        rate=rate,
        sessions=_sessions(trace, live, live_from_s),
    )


def _slice(trace: Trace, first: int, last: int) -> Trace:
    return replace(
        trace,
        ts=trace.ts[first:last],
        zones=trace.zones[first:last],
        objects=trace.objects[first:last],
        sizes=trace.sizes[first:last],
        clients=trace.clients[first:last],
    )


def _sessions(trace: Trace, live: int, live_from_s: float) -> tuple[Session, ...]:
    groups: dict[tuple[float, int, bytes], list[InstanceKey]] = {}
    for i in range(live, len(trace)):
        group = (trace.ts[i], trace.zones[i], trace.clients[i])
        groups.setdefault(group, []).append(trace.instances[trace.objects[i]])
    return tuple(
        Session(at_s=ts - live_from_s, zone=trace.zone_names[zone], client=client, keys=tuple(keys))
        for (ts, zone, client), keys in sorted(groups.items(), key=lambda group: group[0][0])
    )
