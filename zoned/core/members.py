"""The pool as its members tell one another: who is there, what they hold and expect, what all must know.

These travel, so others make them too; the records of our own loop are in ``records``. Gossip turns
packets into ``News``, and ``node`` carries each kind to the stages that it concerns. Frozen once built.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from zoned.core.names import Address, Dependency, Fingerprint, InstanceKey, NodeName, Zone
from zoned.core.records import Load

RESTARTING = "(restarting)"
"""Accuser of a member that said itself that it goes down for a moment; no member's name has brackets."""


class MemberState(Enum):
    """What SWIM and Serf say of a member."""

    ALIVE = "alive"
    SUSPECT = "suspect"
    FAILED = "failed"
    LEAVING = "leaving"
    LEFT = "left"


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One member of the pool as this agent sees it. Not every member is a zoned agent (``role``)."""

    node: NodeName
    zone: Zone
    role: str  # "zoned", or whatever a Serf agent calls itself
    state: MemberState
    incarnation: int
    weight: int  # capacity class, 0 for members that hold nothing
    gossip: Address
    peer: Address | None  # where it serves other agents
    http: Address | None
    since_wall_s: float  # when it entered this state, as we learnt it
    accuser: NodeName  # who said that it failed ("" if nobody did)
    rtt_s: float | None  # measured or estimated round trip from here
    keys: tuple[str, ...] = ()  # fingerprints of its keys of gossip, first the one that seals
    udp_ok: bool | None = None  # whether it answered the last probe by UDP; None: not tried yet
    tcp_ok: bool | None = None  # and the last stream of ours to it


class HotInstance(NamedTuple):
    """One instance another zone uses much: accesses expected there in the next hour; size in bytes."""

    key: InstanceKey
    uses: float
    size: int


class DependencyDemand(NamedTuple):
    """A forecast as it travels: accesses over the next hour (quantiles) and the next day (mean)."""

    dependency: Dependency
    hour: tuple[float, float, float]
    day: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What one agent tells the others about its zone; the newest replaces the one before."""

    node: NodeName
    zone: Zone
    made_wall_s: float
    ring_id: str
    load: Load
    capacity_bytes: int
    capacity_objects: int
    used_ratio: float
    hit_ratio: float
    demand: tuple[DependencyDemand, ...]
    hot: tuple[HotInstance, ...]
    draining: bool = False
    drained: bool = False  # the others hold what this zone held: its traffic may move
    warming: int = 0  # a newcomer's groups of shards that their former owners still serve (``ring.serving``)
    warming_since_wall_s: float = 0.0


class Fact(NamedTuple):
    """What anyone may say and all must come to know. Newest (clock, then origin) wins per (kind, subject)."""

    kind: str  # drain | pause | invalidate | out
    subject: str  # zone, "*", dependency[:key], node
    value: str
    clock: int  # Lamport
    origin: NodeName


class Ages(NamedTuple):
    """Seconds since what we know of another agent was confirmed: by news of it, or because somebody else was
    found to know the same."""

    summary_s: float
    holdings_s: float


class MemberChanged(NamedTuple):
    """News from gossip: a member entered another state (or is new: ``before`` None)."""

    member: Member
    before: MemberState | None


class HoldingsHeard(NamedTuple):
    """News from gossip: what another agent's cache gained and lost. ``reset``: ``held`` is all it has."""

    node: NodeName
    held: tuple[Fingerprint, ...]
    dropped: tuple[Fingerprint, ...]
    reset: bool


class CountsHeard(NamedTuple):
    """News from gossip: how much some instances are used at another agent, as decayed accesses (half-life
    ``forecast.recent_half_life_s``, season clock; within 5 %). Its other counts stay as told, and decay."""

    node: NodeName
    fingerprints: tuple[Fingerprint, ...]
    counts: tuple[float, ...]


class Follower(NamedTuple):
    """An instance that followed another: how often, and after how many seconds in all."""

    key: InstanceKey
    support: int
    lag_s: float


class Sighting(NamedTuple):
    """An instance that occurred so often at an agent since it told of it last, and what followed it."""

    key: InstanceKey
    times: int
    followers: tuple[Follower, ...]


class PairsHeard(NamedTuple):
    """News from gossip: what followed what at another agent."""

    node: NodeName
    sightings: tuple[Sighting, ...]


class SummaryHeard(NamedTuple):
    """News from gossip: another agent's newest summary."""

    summary: Summary


class FactHeard(NamedTuple):
    """News from gossip: a fact newer than what we knew."""

    fact: Fact


News = MemberChanged | HoldingsHeard | CountsHeard | PairsHeard | SummaryHeard | FactHeard
