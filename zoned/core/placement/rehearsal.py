"""Rehearsal: what would be cold, and where, if a zone were given up now. Nothing is moved by asking.

    copies of the zone  --which nobody who stays holds-->  cold  --first home-->  who would have to take them
                                                            |
                                                            +--expected uses-->  origin requests, if done cold

An agent of that zone knows its own copies exactly. Of another zone's agents we know fingerprints (how many,
and which of them nobody else claims) and the hottest instances by name; sizes and new homes are estimated
from their summaries and the ring. The answer says which of the two it is.

How often is a copy used that no list names? The uses of an hour that hit, less those of the listed copies,
spread over the others: an LRU's tail is flat enough for that. Rejected: asking the zone's own agent over the
network; the question is asked when things go wrong, and then that agent may be the one that is gone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

from zoned.core.members import Summary
from zoned.core.names import Fingerprint, InstanceKey, KeyHash, NodeName, Zone, key_hash, shard_of
from zoned.core.placement.demand import chance_of_use, demand_per_hour
from zoned.core.placement.roster import Roster
from zoned.core.placement.settings import PlacementSettings
from zoned.core.records import Contents, Entry, Forecast, Receiver, Rehearsal
from zoned.core.ring import Ring

MAX_SCANNED = 200_000
"""Claims of other agents looked at for one answer (about 0.2 us each); what is beyond is extrapolated."""


class Claims(Protocol):
    """The directory, as far as this question needs it."""

    def alone(
        self, nodes: Sequence[NodeName], safe: Sequence[NodeName], most: int
    ) -> tuple[int, int, list[Fingerprint]]:
        """(claims of ``nodes`` in all, how many of them were looked at, those of the latter that no member
        of ``safe`` claims)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What is known when the question is asked. ``hit_ratio``: of our own zone; ``fingerprints``: of our own
    copies; ``bandwidth_bytes_s``: what one agent may fetch ahead in a second; ``link_bandwidth_bytes_s``: the
    same from one other agent."""

    roster: Roster
    ring: Ring
    contents: Contents
    claims: Claims
    fingerprints: Iterable[Fingerprint]
    forecast: Forecast | None
    summaries: Mapping[NodeName, Summary]
    hit_ratio: float
    settings: PlacementSettings
    bandwidth_bytes_s: float
    link_bandwidth_bytes_s: float


class _Tally:
    """What has been counted: per new home (copies, bytes), and the uses that would go to the origin."""

    def __init__(self) -> None:
        self.instances = self.cold = 0.0
        self.cold_bytes = self.uses = 0.0
        self.to: dict[NodeName, tuple[float, float]] = {}

    def give(self, node: NodeName, copies: float, size: float) -> None:
        """So many copies of that size in all have to go to that member ("": nobody is left)."""
        self.cold += copies
        self.cold_bytes += size
        if node:
            had = self.to.get(node, (0.0, 0.0))
            self.to[node] = had[0] + copies, had[1] + size


def rehearse(zone: Zone, stage: Stage) -> Rehearsal:
    """What giving up ``zone`` would mean now. ``stage.roster`` must count ``zone`` among the draining."""
    tally, roster = _Tally(), stage.roster
    assert zone in roster.draining, "the rehearsal's roster must not count on the zone that goes"
    own = zone == roster.zone
    others = tuple(sorted(node for node, one in stage.summaries.items() if one.zone == zone))
    if own:
        _own_copies(stage, tally)
    if others:
        _claimed_copies(others, stage, tally)
    busiest = max((size for _, size in tally.to.values()), default=0.0)
    offered = tally.cold / stage.settings.max_hand_over_keys * stage.settings.drain_interval_s
    givers = len(others) + own
    pace_bytes_s = min(stage.bandwidth_bytes_s, stage.link_bandwidth_bytes_s * max(1, givers))
    zones = roster.safe
    return Rehearsal(
        zone=zone,
        exact=own and not others,
        instances=round(tally.instances),
        cold=round(tally.cold),
        cold_bytes=round(tally.cold_bytes),
        to=tuple(
            Receiver(node, zones[node], round(copies), round(size))
            for node, (copies, size) in sorted(tally.to.items())
        ),
        warm_s=max(offered, busiest / pace_bytes_s) if tally.cold else 0.0,
        origin_requests=tally.uses,
    )


def _own_copies(stage: Stage, tally: _Tally) -> None:
    """Our own store, copy by copy."""
    roster, contents, ring = stage.roster, stage.contents, stage.ring
    listed: dict[KeyHash, float] = {}
    hour = 0.0
    if stage.forecast is not None:
        listed = {item.key_hash: item.expected for item in stage.forecast.instances}
        hour = sum(demand_per_hour(stage.forecast).values())
    entries: list[Entry] = list(islice(contents.entries(), stage.settings.max_copies_scanned))
    named = [listed[entry.key_hash] for entry in entries if entry.key_hash in listed]
    tail = _tail(hour * stage.hit_ratio, sum(named), len(entries) - len(named))
    tally.instances += len(entries)
    room = roster.room.copy()
    for entry in reversed(entries):  # hottest first, as they would be offered
        hashed = entry.key_hash
        if not roster.holds_elsewhere(contents.holders(hashed)):
            target = roster.first_home(ring, hashed, shard_of(hashed), entry.size, room)
            room.give(target, entry.size)
            tally.give(target, 1, entry.size)
            tally.uses += chance_of_use(listed.get(hashed, tail))


def _claimed_copies(nodes: Sequence[NodeName], stage: Stage, tally: _Tally) -> None:
    """Other agents' stores, as their digests and summaries tell of them."""
    roster = stage.roster
    held, seen, alone = stage.claims.alone(nodes, sorted(roster.safe), MAX_SCANNED)
    if not seen:
        return
    if roster.zone not in roster.draining:  # ours are safe ones, and no digest names them
        ours = frozenset(stage.fingerprints)
        alone = [fingerprint for fingerprint in alone if fingerprint not in ours]
    told = [stage.summaries[node] for node in nodes]
    size = sum(one.capacity_bytes * one.used_ratio for one in told) / held if held else 0.0
    cold = len(alone) * held / seen
    tally.instances += held
    for node, share in _shares(stage.ring, roster):
        tally.give(node, cold * share, cold * share * size)
    hot = {item.key: item.uses for one in told for item in one.hot}
    hour = sum(demand.hour[1] for one in told for demand in one.demand)
    hit_ratio = sum(one.hit_ratio for one in told) / len(told)
    tail = _tail(hour * hit_ratio, sum(hot.values()), held - len(hot))
    lost = [uses for key, uses in hot.items() if _lost(key, nodes, stage)]
    tally.uses += sum(map(chance_of_use, lost)) + max(0.0, cold - len(lost)) * chance_of_use(tail)


def _lost(key: InstanceKey, nodes: Sequence[NodeName], stage: Stage) -> bool:
    """Whether those members hold an instance that nobody who stays does."""
    roster = stage.roster
    holders = stage.contents.holders(key_hash(key))
    if not any(node in nodes for node in holders) or any(node in roster.safe for node in holders):
        return False
    return roster.zone in roster.draining or not stage.contents.holds(key)


def _shares(ring: Ring, roster: Roster) -> list[tuple[NodeName, float]]:
    """Which share of unknown instances each member who stays would take; nobody takes them if none does."""
    owned = {node: part for node, part in ring.owned_ratio().items() if node in roster.safe}
    whole = sum(owned.values())
    return [(node, part / whole) for node, part in sorted(owned.items())] if whole else [("", 1.0)]


def _tail(hits: float, listed: float, others: int) -> float:
    """Uses in an hour of a copy that no list names."""
    return max(0.0, hits - listed) / others if others > 0 else 0.0
