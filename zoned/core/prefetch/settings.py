"""Settings of the prefetcher: how much it may move, how fast, and how sure it has to be."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PrefetchSettings:
    """Settings of ``Prefetcher``."""

    enabled: bool = True
    """Off: nothing is fetched ahead of demand. Copies handed over by a draining zone are refused too."""
    refresh: bool = True
    """Fetch anew what is used and about to expire. Off: it expires, and the next read misses."""
    bandwidth_bytes_s: float = 8 << 20
    """Refill of the byte bucket: what prefetching may move per second in the long run. Range > 0. Too high:
    it competes with the reads it is meant to help."""
    link_bandwidth_bytes_s: float | None = None
    """The same over one link: from one other agent, or from one dependency's origin. None: as much as in all.
    Range > 0. Too low: a drain or a warm start that one zone has to feed takes longer."""
    burst_bytes: int = 32 << 20
    """Size of the byte bucket: what may move at once after a quiet time. One instance may overdraw it, so
    that a large one is not stuck for ever; the next then waits until the debt is paid. A link's is smaller as
    its rate is. Range > 0."""
    origin_rate: float = 50.0
    """Prefetches per second that name no holder, so may reach the origin. Range > 0. Too high: origins
    feel zoned as load."""
    origin_burst: float = 100.0
    """How many of those may go at once after a quiet time. Range >= 1."""
    max_in_flight: int = 32
    """Prefetches under way at one time. Range >= 1."""
    in_flight_timeout_s: float = 60.0
    """A prefetch that nobody settled in that time is given up: its place must not be held for ever."""
    max_queue: int = 10_000
    """Wants that wait. When full, the least valuable is dropped and counted. Range >= 1."""
    max_associations: int = 256
    """Places in the lane of associations, which act at once or not at all. Range >= 1."""
    queue_ttl_s: float = 600.0
    """A want that has waited that long is dropped: what made it valuable is over. Range > 0."""
    association_ttl_s: float = 2.0
    """The same for associations, whose worth is gone once the client has asked. Range > 0."""
    max_at_once: int = 4
    """Associations acted on at one access, the surest. Range 1..64."""
    refresh_probability: float = 0.6
    """What the use of a copy that was used in its last life is taken for. A threshold of the learner above it
    stops refreshing that dependency. Range 0..1."""
    saved_s: float = 0.2
    """Seconds that a copy saves at its first use, where the want does not come from a plan (drain, restart,
    refresh, association): an origin's latency. It ranks those against the plan's wants. Range > 0."""
    restart_delay_s: float = 5.0
    """After a restart, how long the warm-up waits for the other members' digests: sooner, everything would
    come from the origins. Range >= 0."""
    restart_min_uses: int = 2
    """Only what had been used that often before the stop is fetched again: most copies never are, and would
    cost more fetches than they spare. Range >= 0."""
    retry_after_s: float = 60.0
    """An instance whose prefetch failed is left alone for so long, whatever the plan says. Range >= 0."""
    max_failed: int = 1024
    """How many failed instances are remembered for that; the oldest is forgotten first. Range >= 1."""
    expected_size_bytes: int = 16_384
    """What an instance of unknown size is taken for, until instances have been seen. Range >= 1."""
    allowance_per_miss: float = 0.04
    """Speculative prefetches allowed per demand miss, beyond those that proved useful. A used prefetch gives
    its token back, since it replaced a miss. So transfers stay within (1 + this) x the misses there would
    have been, and a few. Range 0..1."""
    allowance_start: float = 8.0
    """Tokens at the start, so that the first associations can prove themselves. Each zone has as many, so
    many small zones together may waste many. Range >= 0."""
    association_reserve: float = 4.0
    """Tokens that other guesses leave to associations, once these have lacked some: they have to go at once,
    others can wait, and would take what trickles in. Range >= 0."""
    max_stake: float = 0.1
    """Once associations have lacked tokens, one of probability p stakes 1 - p of a token, and may stake at
    most this share of those left: with one left it has to be 0.9 sure, from four on
    `LearningSettings.association_threshold` is what counts. Range 0.01..1. 1: the last tokens go to whoever
    comes first; lower: tokens lie idle."""
    allowance_max: float = 30.0
    """Most tokens that can be saved up in a quiet time. Over any stretch of misses no more is wasted than
    their share and this. Range >= allowance_start."""
    credit_start: float = 20.0
    """Prefetches that each reason (association, forecast, ...) may try before one of them was used. A use
    earns ``credit_per_use`` more. A waste is known only when the copy is evicted, thousands of prefetches
    later in a large store; this stops a reason that is wrong at once. Range >= 1."""
    credit_per_use: float = 2.0
    """What a used prefetch earns its reason: one that is used 1 time in so many lives on. Range >= 1."""
    credit_per_miss: float = 0.004
    """What each reason gets per demand miss, used or not, to try again by and by. Range 0..1."""
    credit_max: float = 200.0
    """The most credit that a reason can save up. Range >= credit_start."""
    value_floor_bytes: int = 1024
    """Sizes below it count as it when values are compared, or a one-byte instance would beat everything."""

    def __post_init__(self) -> None:
        assert self.bandwidth_bytes_s > 0 and self.burst_bytes > 0 and self.origin_rate > 0
        assert self.link_bandwidth_bytes_s is None or self.link_bandwidth_bytes_s > 0
        assert self.origin_burst >= 1 and self.max_in_flight >= 1 and self.max_queue >= 1
        assert self.credit_max >= self.credit_start >= 1 and self.credit_per_use >= 1
        assert 0.01 <= self.max_stake <= 1.0
        assert self.max_associations >= 1 and self.allowance_max >= self.allowance_start >= 0
