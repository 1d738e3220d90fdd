"""A made-up day for ``zoned simulate``: Zipf-popular instances, zones out of phase, sessions that repeat.

Not meant to flatter anybody: use ``zoned replay`` on real logs for figures. It is meant to keep every stage
busy (hits, misses, associations, a moving mix of dependencies) while faults are injected.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from math import pi, sin
from random import Random
from typing import NamedTuple

from zoned.core.names import InstanceKey


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadSettings:
    """What the users of all zones do."""

    reads_per_zone_s: float = 2.0
    """Mean reads per second and zone; each zone swings around it."""
    swing: float = 0.7
    """How far: 0 steady .. 1 down to nothing."""
    period_s: float = 1200.0
    """Length of a made-up day; zones are spread evenly over its phases."""
    dependencies: tuple[str, ...] = ("catalog", "pricing", "profiles")
    instances: int = 1500
    """Per dependency."""
    skew: float = 0.9
    """Zipf exponent."""
    session_reads: int = 3
    """Reads of one client in a row; a session's later instances follow from its first."""
    session_gap_s: float = 0.8


class UserRead(NamedTuple):
    """One read to come: when (mono seconds), in which zone, of what, by whom."""

    at_s: float
    zone: int
    key: InstanceKey
    client: bytes


def reads(settings: WorkloadSettings, zones: int, seconds: float, rng: Random) -> Iterator[UserRead]:
    """All reads in the order of time."""
    popularity = list(accumulate((rank + 1) ** -settings.skew for rank in range(settings.instances)))
    pending: list[UserRead] = []
    sessions = 0
    now_s = 0.0
    peak = 1 + settings.swing  # sessions are drawn at the peak's rate, and thinned to each zone's phase
    rate = settings.reads_per_zone_s * peak * zones / settings.session_reads
    while True:
        now_s += rng.expovariate(rate)
        pending.sort(reverse=True)
        while pending and (pending[-1].at_s <= now_s or now_s >= seconds):
            yield pending.pop()
        if now_s >= seconds:
            return
        zone = rng.randrange(zones)
        phase = 2 * pi * (now_s / settings.period_s + zone / zones)
        if rng.random() > (1 + settings.swing * sin(phase)) / peak:
            continue
        sessions += 1
        name = settings.dependencies[rng.randrange(len(settings.dependencies))]
        first = bisect(popularity, rng.random() * popularity[-1])
        for step in range(settings.session_reads):
            number = (first * (step + 1) + step * 7) % settings.instances
            key = InstanceKey(name, b"item-%d" % number)
            pending.append(UserRead(now_s + step * settings.session_gap_s, zone, key, b"s%d" % sessions))
