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
    load_factor: float = 1.25
    """A member with more than so many times the mean load is passed over for the next holder or owner. Range
    > 1. Lower: even loads, longer ways."""
    busy_from: float = 0.5
    """... but not below this load (0..1, the greater of CPU and network): a calm pool takes the nearest."""
    handover_s: float = 60.0
    """After a change of the ring a miss asks a shard's former owner before the origin for so long. Range >=
    0. It need only cover the time until the holdings of all have reached all."""
    max_former_rings: int = 3
    """Former rings remembered for that (1 to 2 MB each). Range >= 1."""
    hedge_after_s: float = 1.0
    """When an attempt takes longer than this, the next one starts beside it; the first answer wins."""
    duplicate_window_s: float = 3.0
    """What another member holds so soon after we had it from the origin it fetched there as well. Range:
    above twice ``gossip.holdings_flush_s``. Longer: copies that were passed on count as duplicates."""
    duplicate_memory: float = 300.0
    """Fetches over which duplicates fade. Range > 1. Shorter: a burst sends all misses by their homes."""
    least_duplicate_fetches: float = 20.0
    """Before so many nothing is said of a dependency. Range 1..duplicate_memory / 2."""
    max_duplicate_fetches: int = 4096
    """Fetches that may still turn out to be duplicates; the oldest are forgotten early."""
    max_duplicate_lines: int = 1024
    """Dependencies whose duplicates are counted; those of further ones are not (and that is counted)."""
    max_flights: int = 4096
    """Fetches under way at once; a read over it is refused (and counted), a prefetch waits."""
    max_waiters: int = 4096
    """Reads waiting on one fetch; one more is refused (and counted)."""
    distrust_s: float = 10.0
    """After an invalidation, what it named is asked of the origin only, for so long: others may not have
    heard of it yet. Range: above what a fact takes to reach everybody. Longer: more origin fetches."""
    max_distrusted: int = 4096
    """Invalidations remembered for that; beyond it the oldest are forgotten early (and counted)."""
