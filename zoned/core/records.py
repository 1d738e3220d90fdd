"""Arrows between: what one stage hands to the next. ``node.py`` carries them; nobody else does.

Reading order is the loop's: Access -> Window -> Forecast -> Summary -> Plan -> Order -> outcomes -> Advice.
Everything here is a value: frozen once built, and compared by content. What members tell one another
(members, summaries, facts, holdings) is in ``members``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple, Protocol

from zoned.core.names import Dependency, InstanceKey, Instant, KeyHash, NodeName, Zone


class Source(Enum):
    """Where a read was answered from."""

    LOCAL = "local"  # this zone's store
    PEER = "peer"  # a copy in another zone (or another agent of this one)
    ORIGIN = "origin"
    HOME = "home"  # the origin, by way of the owner


class Reason(Enum):
    """Why a copy was fetched that nobody had asked for yet, or why one is kept or let go."""

    DEMAND = "demand"  # somebody asked
    ASSOCIATION = "association"  # what was just used is usually followed by it
    FORECAST = "forecast"  # predicted demand in this zone
    ELSEWHERE = "elsewhere"  # hot in another zone, and known to come here
    HOME = "home"  # the ring homes it here, and a replica pays
    DRAIN = "drain"  # another zone hands it over
    MIGRATE = "migrate"  # its shard passes to us, who are new
    REFRESH = "refresh"  # will be asked again, and expires soon
    RESTART = "restart"  # was hot before we restarted


GUESSES = (Reason.ASSOCIATION, Reason.FORECAST, Reason.ELSEWHERE, Reason.REFRESH)
"""Reasons that are guesses about demand; the others are asked for. A HOME want says itself whether it is."""


class Access(NamedTuple):
    """One use of an instance in this zone. ``client`` groups the accesses of one user or request."""

    key: InstanceKey
    key_hash: KeyHash
    size: int
    hit: bool
    client: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class DependencyPolicy:
    """What the operator says of one dependency (``[[dependency]]``), as far as the core needs it."""

    name: Dependency
    ttl_s: float | None = None  # None: what the origin says, else default_ttl_s of CacheSettings
    coalesce: str = "auto"  # auto | zone | fabric
    stale_while_revalidate_s: float = 0.0
    stale_if_error_s: float = 0.0
    replicas: int | None = None  # None: ring.replicas
    policy: str = "auto"  # auto | lru | replicate
    max_object_bytes: int = 8 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """The host, as ratios 0..1 of what there is. ``loop_lag_s``: how late the event loop runs."""

    cpu: float = 0.0
    memory: float = 0.0
    network: float = 0.0
    loop_lag_s: float = 0.0


# ---- observe ----------------------------------------------------------------------------------


class DependencyUse(NamedTuple):
    """One dependency in one window: counts, and seconds waited in all."""

    dependency: Dependency
    accesses: int
    hits: int
    bytes: int
    latency_s: float


class InstanceUse(NamedTuple):
    """One instance in one window (only the most used are tracked)."""

    key: InstanceKey
    key_hash: KeyHash
    accesses: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What was used here between two turns. Instances are sorted by accesses, then key."""

    started: Instant
    ended: Instant
    dependencies: tuple[DependencyUse, ...]
    instances: tuple[InstanceUse, ...]
    load: Load


# ---- forecast ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class DependencyForecast:
    """Expected accesses of one dependency in this zone over ``horizon_s`` from when it was made.

    ``quantiles`` are (0.1, 0.5, 0.9); ``model`` names what made it; ``error`` is the recent mean
    absolute error over the mean demand (1.0 = as bad as guessing nothing), None before it is known.
    """

    dependency: Dependency
    horizon_s: float
    mean: float
    quantiles: tuple[float, float, float]
    model: str
    error: float | None


class InstanceDemand(NamedTuple):
    """Expected accesses of one instance in this zone over the shortest horizon, and P(at least one)."""

    key: InstanceKey
    key_hash: KeyHash
    expected: float
    probability: float
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What will be used here, when, how sure. ``instances`` by expected demand, highest first, bounded."""

    made: Instant
    dependencies: tuple[DependencyForecast, ...]
    instances: tuple[InstanceDemand, ...]


class Series(NamedTuple):
    """One dependency's past: accesses per ``step_s``, the last step ending at ``end_s`` (season clock)."""

    dependency: Dependency
    step_s: float
    end_s: float
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FitJob:
    """Series to fit and forecast ``steps`` ahead, within ``budget_s`` seconds of CPU."""

    job: int
    series: tuple[Series, ...]
    steps: int
    budget_s: float


class FittedSeries(NamedTuple):
    """The worker's forecast of one series: per step ahead, the mean and (0.1, 0.5, 0.9) quantiles."""

    dependency: Dependency
    end_s: float
    step_s: float
    model: str
    mean: tuple[float, ...]
    low: tuple[float, ...]
    median: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FitResult:
    """What came of a FitJob; ``failures`` names the series that could not be fitted, and why."""

    fitted: tuple[FittedSeries, ...]
    failures: tuple[tuple[Dependency, str], ...]
    seconds: float


# ---- cache ------------------------------------------------------------------------------------


class Lookup(Enum):
    """What the index says of an instance."""

    HIT = "hit"
    STALE = "stale"  # held, past its time, but may be served while it is revalidated
    MISS = "miss"


class Entry(NamedTuple):
    """One copy in this zone's store. Times on the mono clock; ``expires_s`` None: never."""

    key: InstanceKey
    key_hash: KeyHash
    size: int
    version: str
    stored_s: float
    expires_s: float | None
    reason: Reason
    used: bool  # asked for at least once since it was stored


class Evicted(NamedTuple):
    """A copy that had to go."""

    key: InstanceKey
    key_hash: KeyHash


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """Whether a newcomer was stored, and which copies made room for it."""

    stored: bool
    evicted: tuple[Evicted, ...] = ()


class Contents(Protocol):
    """The cache as planning sees it (read only)."""

    def holds(self, key: InstanceKey) -> bool:
        """Whether this zone's store has a copy that is not expired."""

    def holders(self, hashed: KeyHash) -> tuple[NodeName, ...]:
        """Other members whose digests claim a copy, sorted by name."""

    def entries(self) -> Iterable[Entry]:
        """Every copy here, in eviction order: the next to go first."""

    def capacity_left(self) -> float:
        """Share of the store that is free, 0..1."""

    def directory_sizes(self) -> Mapping[NodeName, int]:
        """How many copies each other member claims."""

    def stay_s(self) -> float | None:
        """How long a copy stays that nobody uses, lately (mono seconds); None: none had to go yet."""


class PrefetchOutcome(NamedTuple):
    """How prefetches of one dependency for one reason have fared, as decayed counts."""

    dependency: Dependency
    reason: Reason
    fetched: float
    used: float
    wasted: float  # evicted or expired unused


# ---- placement --------------------------------------------------------------------------------


class Want(NamedTuple):
    """A copy that this zone had better have. ``value``: expected latency saved, in seconds per MiB."""

    key: InstanceKey
    key_hash: KeyHash
    size: int
    reason: Reason
    value: float
    source: NodeName  # who has it; "" = ask the directory, then the origin
    guess: bool = False  # a HOME copy that nobody ordered: it has to prove itself as a forecast has to
    chance: float = 1.0  # that it is used before it would have to go, as the planner believes; 1: no guess


class PlanLine(NamedTuple):
    """A line of the sharding configuration: so many of a dependency's shards are homed on these zones."""

    dependency: Dependency
    zones: tuple[Zone, ...]
    shards: int
    replicas: int
    reason: str


class HandOver(NamedTuple):
    """Copies that another member is to fetch from us. ``going``: before we let them go."""

    node: NodeName
    keys: tuple[InstanceKey, ...]
    sizes: tuple[int, ...]
    going: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What this agent will fetch, hand over or let go, and why. Wants by value, highest first."""

    made: Instant
    ring_id: str
    paused: bool
    wants: tuple[Want, ...]
    hand_over: tuple[HandOver, ...]
    lines: tuple[PlanLine, ...]
    draining: tuple[Zone, ...]
    drained_ratio: float | None  # when this zone drains: share of its copies that others now hold
    doubtful: tuple[Want, ...] = ()  # guesses that the learner does not trust: not fetched, but watched
    drained: bool = False  # nothing is left to hand over that the others have room for: its traffic may move


class Receiver(NamedTuple):
    """A member that would take so many copies, of so many bytes in all."""

    node: NodeName
    zone: Zone
    instances: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """What giving up a zone would mean now. ``cold``: of its ``instances``, those that no zone which stays
    holds; ``to``: who would take them; ``warm_s``: how long that takes within the budgets;
    ``origin_requests``: what they would cost the origin in the next hour if the zone went unprepared.
    ``exact``: counted in our own store, not estimated from what other agents tell."""

    zone: Zone
    exact: bool
    instances: int
    cold: int
    cold_bytes: int
    to: tuple[Receiver, ...]
    warm_s: float
    origin_requests: float


class Order(NamedTuple):
    """A prefetch to start now."""

    key: InstanceKey
    key_hash: KeyHash
    reason: Reason
    source: NodeName  # "" = nearest holder, else origin


# ---- learning ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What the feedback loop asks of the stages from now on."""

    eviction: str  # which policy the store should use ...
    evictions: Mapping[Dependency, str] = field(default_factory=dict)  # ... but for these dependencies
    # per (dependency, reason): the least confidence or probability that a prefetch must promise; > 1 stops it
    thresholds: Mapping[tuple[Dependency, Reason], float] = field(default_factory=dict)
    refit: tuple[Dependency, ...] = ()  # forecasts whose error has drifted
    # where the store goes back to LRU: what that would hold, next to go first (none: not known)
    recent: tuple[KeyHash, ...] = ()


class ArmScore(NamedTuple):
    """One arm of the learner: what it would have earned on the sampled accesses; ``why`` it is played."""

    arm: str
    requests: int
    hit_ratio: float
    weight: float
    played: bool
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerLine:
    """The ledger of one dependency, or of all (``dependency`` empty), since the agent started."""

    dependency: Dependency
    requests: int
    hits: int
    peer_hits: int  # reads that a copy in another zone answered
    lru_hit_ratio: float
    latency_s: float  # sum over the requests, at the measured means per source
    lru_latency_s: float
    origin_fetches: int
    lru_origin_fetches: float
    peer_transfers: int
    prefetched: int
    prefetch_used: int
    prefetched_bytes: int
    arms: tuple[tuple[str, float], ...] = ()  # seconds that each would have saved over plain LRU
    eviction: str = ""  # which of them its copies go by, and why
    why: str = ""
