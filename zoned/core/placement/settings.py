"""Settings of placement: when a copy is worth fetching, and how fast a zone hands over."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacementSettings:
    """Settings of ``zoned.core.placement``."""

    enabled: bool = True
    """False (``--ablate placement``): no wants but those of a drain."""
    plan_interval_s: float = 5.0
    """At least this long between two plans, unless the ring, a drain or a pause changed. Range >= 0."""
    max_wants: int = 256
    """Most copies wanted at once; the least valuable are dropped and counted."""
    max_candidates: int = 1024
    """Most instances weighed per plan and reason, by expected demand. Bounds the time of a plan."""
    forecast_threshold: float = 0.5
    """Least P(used here within the horizon) for a FORECAST want, until the learner says otherwise."""
    elsewhere_threshold: float = 0.5
    """The same for ELSEWHERE wants."""
    home_threshold: float = 0.5
    """The same for HOME wants of ``auto`` dependencies: least P(some other zone will ask for it)."""
    adjust_above_error: float = 1.0
    """A forecast whose error rises over this is refitted (``adjust_dependencies``): mean absolute error over
    mean demand; at 1.0 it is as bad as guessing nothing. Range > 0. Lower: more fits, within their budget."""
    transfer_price_s_per_mib: float = 0.01
    """What moving one MiB costs, in seconds of latency. A want must save more than it moves. 0: free."""
    min_saved_s: float = 0.0005
    """Least expected latency saved by a want (0.5 ms): less is noise."""
    min_size_bytes: int = 1024
    """Size that smaller instances (and those of unknown size) are counted as: a transfer has a fixed cost."""
    full_below_free_ratio: float = 0.02
    """A store with less than this free is full: each want then competes with the copy it would push out."""
    marginal_sample: int = 128
    """How many of the copies that go next are looked at for that."""
    displacement_margin: float = 1.1
    """A want must be worth this many times the copy it pushes out: both are estimates."""
    overlap_prior: float = 0.25
    """Belief, before any evidence, that what is hot in another zone is used here too. Range 0..1."""
    overlap_prior_weight: float = 8.0
    """How many instances' worth of evidence that belief counts for."""
    max_hand_over_keys: int = 512
    """Most copies offered per plan while this zone drains."""
    hand_over_batch: int = 128
    """Most copies in one offer."""
    reoffer_after_s: float = 4.0
    """An offered copy that nobody holds yet is offered again after this: a fetch and a digest take a second
    or two. Shorter than that: everything is offered twice."""
    drain_interval_s: float = 1.0
    """At least this long between two plans of a zone that drains: an operator waits. Range >= 0."""
    drain_offers: int = 2
    """A copy offered that often, and still nowhere else after ``reoffer_after_s``, holds up a drain no more:
    the others have no room for it, and waiting makes none. Range >= 1."""
    drained_ratio: float = 0.99
    """Share of the settled copies that are elsewhere, or given up, from which on the zone is drained."""
    warm_within_s: float = 60.0
    """A newcomer takes over all of its shards at the latest so long after it met the pool, warm or not. Range
    >= 0; 0: at once. Shorter: the first misses of large stores go to their former owners. Longer: a slow
    transfer keeps shards with them, which does no harm but to their load."""
    leave_hand_over_s: float = 10.0
    """An agent that leaves for good waits at most so long until others hold what only it held. Range >= 0; 0:
    it goes at once. Longer than what ends the process anyway (systemd's TimeoutStopSec): it never says
    goodbye."""
    drain_settle_s: float = 5.0
    """Copies younger than this do not count in ``drained_ratio``: while clients still read here, what they
    missed a moment ago cannot be elsewhere yet (a plan, an offer, a fetch and a digest take that long)."""
    max_offers_remembered: int = 1 << 18
    """Offers remembered; beyond it the oldest are forgotten (and so may be repeated early)."""
    max_copies_scanned: int = 1 << 20
    """Most of our own copies looked at, hottest first, for a hand-over (about 1 us each)."""
    replicate_interval_s: float = 60.0
    """How often our copies of ``replicate`` dependencies are compared with what their homes hold."""
    max_lines_per_dependency: int = 16
    """Lines of the sharding configuration per dependency; smaller groups are summed in a last line."""
    max_lines: int = 256
    """Lines of the sharding configuration in all."""
