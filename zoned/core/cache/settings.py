"""Settings of the cache controller: how much it may hold, for how long, and what it remembers of others."""

from __future__ import annotations

from dataclasses import dataclass

from zoned.core.eviction import EVICTIONS

AUTO = "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheSettings:
    """Settings of ``CacheController``."""

    max_bytes: int | None = 256 << 20
    """Room for the objects' bytes in this agent's store. None: bounded in objects only. Range >= 1.
    Too small: everything is evicted before its second use. It counts bodies, not the index's own memory
    (75 to 110 B an instance, and its key)."""
    max_objects: int | None = None
    """Room in objects. None: bounded in bytes only. Range >= 1."""
    max_tracked_objects: int = 4_000_000
    """Hard limit of the index, whatever ``max_objects`` says: objects of no size would fill memory in spite
    of ``max_bytes``. Range >= 1; a million costs 75 to 110 MB, and the keys."""
    eviction: str = AUTO
    """``auto`` starts as ``lru`` and follows the learner's advice. Any other is fixed."""
    default_ttl_s: float | None = 300.0
    """Time to live where neither the dependency's policy nor the origin says one. None: never expires, which
    is for instances that never change, or whose every change is announced by ``invalidate``."""
    touch_for_peers: bool = True
    """A hit that we serve to another zone counts as a use here, so that the pool keeps its only copy
    (warmth.md: hurence_web closes 110 % of the gap instead of 77). Off: copies are kept for us alone."""
    refresh_min_uses: int = 2
    """A copy is worth a refresh before it expires if it was used since it was stored, and this often in all
    (decayed). Range >= 1. Lower: more origin traffic for copies that nobody asks for again."""
    refresh_within_s: float = 60.0
    """A copy is due for refresh at most so long before it expires. Range >= 0."""
    refresh_share: float = 0.1
    """... and only in so much of the end of its life, so that five minutes do not become four. Range 0..1.
    Larger: safer against slow origins, more fetches per hour."""
    max_refreshes: int = 1000
    """At most so many copies are named as due for refresh per turn, the most used first. 0: never refresh."""
    max_sweep: int = 4096
    """At most so many expired copies are dropped per sweep (once a turn): bounds the pause. Range >= 1."""
    guess_share: float = 0.005
    """Share of the copies that may be guesses which nobody has asked for yet, where the order of use decides
    who goes. Range 0..1. Higher: wrong guesses cost more hits. A full store with less than one place for them
    gets none."""
    guess_cost: float = 0.004
    """Where all goes by LRU: the hits that guesses may cost at most, net of those they bring, as a share of
    plain LRU's misses (see ``stakes``). Range 0..1. An hour may lose twice that share."""
    heat_half_life_s: float = 21_600.0
    """Counts of uses are halved this often, so that the restart list follows the day. Range > 0."""
    outcome_half_life_s: float = 21_600.0
    """Half-life of the fetched / used / wasted counters of prefetches. Shorter: the learner reacts sooner, on
    fewer samples; longer: an old mistake is held against a dependency for days. Range > 0."""
    max_outcomes: int = 4096
    """Limit of (dependency, reason) pairs with counters; events of pairs beyond it are not told apart."""
    max_saved_keys: int = 50_000
    """How many of the hottest keys are saved at a stop, for the warm-up after it, and of how many instances
    the counts that say what a copy is worth (28 B each). Range >= 0."""
    max_directory_fingerprints: int = 2_000_000
    """How many (member, instance) claims of other members we remember, over all of them (some 10 B each).
    Claims beyond it are dropped and counted: their instances come from the origin instead of from a peer."""
    false_claim_wait_s: float = 30.0
    """A member that had no copy, although its digest said so, and whose digest still does after so long,
    holds another instance of the same fingerprint. Range: above what a change takes to reach everybody."""
    max_counts: int = 200_000
    """How many counts of other members' uses we remember, over all of them (about 150 B each)."""

    def __post_init__(self) -> None:
        assert self.eviction == AUTO or self.eviction in EVICTIONS, f"unknown eviction {self.eviction!r}"
        assert self.heat_half_life_s > 0 and self.outcome_half_life_s > 0
        assert self.max_tracked_objects >= 1 and self.max_sweep >= 1 and self.refresh_min_uses >= 1
