"""Settings of the flight desk: how long a fetch may take, and how many there may be."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class FlightSettings:
    """Limits of fetches. Longest wait: (max_holders + 1) peer_timeout_s + origin_tries origin_timeout_s."""

    peer_timeout_s: float = 2.0
    """One attempt at another agent. Too low: busy peers send us to the origin; too high: dead ones delay."""
    origin_timeout_s: float = 10.0
    """One attempt at the origin, to the last byte."""
    origin_tries: int = 2
    """Attempts at the origin when it fails (not when it says that there is no such instance)."""
    max_holders: int = 3
    """Other zones asked, nearest first, before the owner or the origin is."""
    hedge_after_s: float = 1.0
    """When an attempt takes longer than this, the next one starts beside it; the first answer wins."""
    max_flights: int = 4096
    """Fetches under way at once; a read over it is refused (and counted), a prefetch waits."""
    max_waiters: int = 4096
    """Reads waiting on one fetch; one more is refused (and counted)."""
    distrust_s: float = 10.0
    """After an invalidation, what it named is asked of the origin only, for so long: others may not have
    heard of it yet. Range: above what a fact takes to reach everybody. Longer: more origin fetches."""
    max_distrusted: int = 4096
    """Invalidations remembered for that; beyond it the oldest are forgotten early (and counted)."""
