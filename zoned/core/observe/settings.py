"""Settings of the observe stage: how much is remembered, and what a read costs before one was timed.

The priors are the reference model of the project's studies (local 1 ms, another zone 80 ms, origin
200 ms): only their order matters, and only until the first reads have been timed.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ObserveSettings:
    """Settings of `Observer`."""

    max_instances: int = 8192
    """Most used instances that a window hands on. Range 1..1e6. While a window is open twice as many are
    counted before the least used are dropped. Lower: rare instances vanish from forecasts; higher: memory
    (about 300 bytes each) and a longer sort at each turn."""
    max_dependencies: int = 256
    """Dependencies counted by name; further ones share the line ``_other``. Range 1..1e5. The line of a
    dependency is never given up, since its totals only ever grow."""
    prior_hit_s: float = 0.001
    """Assumed latency of a local read until one was timed. Range > 0."""
    prior_peer_s: float = 0.080
    """Assumed latency of a read from another zone until one was timed. Range > 0."""
    prior_origin_s: float = 0.200
    """Assumed latency of a read from the origin until one was timed. Range > 0. By way of a home zone it
    is assumed to take peer + origin."""
    price_memory_reads: int = 1000
    """A price is the plain mean of its source's first so many reads, then an exponential mean with weight
    1 / so many per read. Range 1..1e6. Lower: prices jump with single slow reads; higher: a slower link is
    noticed late."""
    hit_ratio_memory_accesses: int = 1000
    """Accesses that the hit ratio of our summary looks back on. Range >= 1. Lower: news at every turn."""
