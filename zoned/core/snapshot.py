"""A frozen view of one node, for the status pages, the metrics and the simulation's checkers.

Whoever reads a node from outside reads this and nothing else; it is made on request (``Node.snapshot``),
never kept up to date, so that looking costs nothing while nobody looks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from zoned.core.members import Ages, Member, MemberState, Summary
from zoned.core.names import Address, Dependency, Instant, NodeName, Zone
from zoned.core.records import ArmScore, Forecast, LedgerLine, Plan, PrefetchOutcome, Source, Want


@dataclass(frozen=True, slots=True, kw_only=True)
class RingMemberView:
    """One placement member: its weight, and the share of all shards that it owns first (0..1)."""

    node: NodeName
    zone: Zone
    weight: int
    state: MemberState
    owned_ratio: float
    flipped_ratio: float = 1.0
    """Share of its groups of shards that it has taken over; below 1 while it is a newcomer that warms."""
    warming_since_wall_s: float | None = None
    """Unix seconds; None for who is not warming, or has not told yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Disagreement:
    """A member that computed another ring, what it computed, and since when we know (Unix seconds)."""

    node: NodeName
    ring_id: str
    since_wall_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RingView:
    """The ring as this node computed it. ``epoch`` counts its changes here; it is never compared."""

    ring_id: str
    epoch: int
    members: tuple[RingMemberView, ...]
    disagreeing: tuple[Disagreement, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheView:
    """What the store holds. A limit is None where there is none. ``directory``: copies known, per member."""

    objects: int
    used_bytes: int
    max_objects: int | None
    max_bytes: int | None
    eviction: str
    directory: Mapping[NodeName, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class DependencyView:
    """One dependency since the agent started: counts by source, and seconds waited in all."""

    dependency: Dependency
    accesses: int
    hits: int
    by_source: Mapping[Source, int]
    latency_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One zone by its best agent. ``known_by``: how we know that it holds a copy (``store``: it is ours;
    ``digest``: it said so; "": it does not, as far as we know). ``load`` and ``rtt_s`` are None while
    unknown; ``reasons`` are words for people."""

    zone: Zone
    node: NodeName
    state: MemberState
    http: Address | None
    rtt_s: float | None
    load: float | None
    busy: bool
    known_by: str
    draining: bool
    expected_s: float
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Everything that can be seen of one node at one moment."""

    node: NodeName
    zone: Zone
    made: Instant
    started: Instant
    leaving: bool
    paused: bool
    draining: tuple[Zone, ...]
    drained: bool
    warm_ratio: float
    members: tuple[Member, ...]
    ring: RingView
    plan: Plan | None
    forecast: Forecast | None
    queue: tuple[Want, ...]
    flights: int
    ledger: tuple[LedgerLine, ...]
    arms: tuple[ArmScore, ...]
    outcomes: tuple[PrefetchOutcome, ...]
    cache: CacheView
    dependencies: tuple[DependencyView, ...]
    prices_s: Mapping[Source, float]
    summaries: Mapping[NodeName, Summary]
    ages: Mapping[NodeName, Ages]
    """Of the other zoned agents that are up: how old what we know of them may be."""
    counters: Mapping[str, Mapping[str, float]]
    """Per stage, what it counted: drops, rejections, limits reached."""
