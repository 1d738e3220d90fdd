"""Where wants come from: each function weighs one kind of evidence and yields copies that gain.

    FORECAST    our own history says that it will be used here
    ELSEWHERE   it is hot in other zones, and what is hot there comes here too (``demand``)
    HOME        the ring homes it here, and a replica is ordered (``replicate``) or pays (``auto``)

What the learner does not trust is named all the same, with its chance: the planner sorts it out, and what
becomes of it is how trust is won (``learning.foresight``).

A want is never for an instance that is here already, that the policy keeps from being fetched ahead, or
that another agent of this zone looks after. Cheap tests come first: of a thousand instances a few are wanted.

Likely *before it would have to go again*: a store that turns over in ten minutes gains nothing from what is
used within the hour. How long a copy stays that nobody uses is measured by the cache: where most requests
are first ones, a forecast that is right about the hour says little about those minutes.

When does a HOME copy pay under ``auto``? While a holder anywhere can serve the other zones, one more copy
saves them nothing; so only where nobody holds what the other zones will ask for, and then only at the
first home: it spares them the origin's latency, at the price of room here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from heapq import nlargest
from itertools import islice

from zoned.core.names import Dependency, InstanceKey, KeyHash, NodeName, shard_of
from zoned.core.placement.cost import Prices
from zoned.core.placement.demand import Demand, chance_of_use, chance_within, expected_for
from zoned.core.placement.policy import REPLICATE, Policies
from zoned.core.placement.roster import Roster
from zoned.core.placement.settings import PlacementSettings
from zoned.core.records import Contents, Reason, Want
from zoned.core.ring import Ring

_SURELY = 1.0 - 1e-9  # below that share of a threshold, no rounding can have been the reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What one plan looks at; nothing of it changes while it is made."""

    demand: Demand
    ring: Ring
    contents: Contents
    roster: Roster
    prices: Prices
    policies: Policies
    learnt: Mapping[tuple[Dependency, Reason], float]
    settings: PlacementSettings
    owned: Ring  # ``ring`` is as it serves; this one is whose the shards are, and where they go
    warming: Mapping[NodeName, int]  # newcomers' groups of shards that others still serve, as masks
    stay: float = 1.0  # share of an hour, the forecast's horizon, for which a copy stays that nobody uses

    def threshold(self, dependency: Dependency, reason: Reason) -> float:
        """The least probability for a want of that kind."""
        return self.policies.threshold(dependency, reason, self.learnt)

    def watched(self, dependency: Dependency, reason: Reason) -> float:
        """The same for one that is only watched: what is not tried must be able to prove itself, too."""
        return min(self.threshold(dependency, reason), self.policies.threshold(dependency, reason, {}))

    def candidate(self, key: InstanceKey, key_hash: KeyHash, size: int) -> bool:
        """Whether it is ours to fetch at all: allowed, absent, and looked after by this agent."""
        return (
            self.policies.allows(key.dependency, size)
            and not self.contents.holds(key)
            and self.roster.mine(self.ring, key_hash)
        )

    def weigh(
        self,
        key: InstanceKey,
        key_hash: KeyHash,
        size: int,
        reason: Reason,
        chance: float,
        saved_s: float | None = None,
        source: NodeName = "",
    ) -> Want | None:
        """A want, if fetching gains enough when the next use comes with that probability. ``saved_s``: what
        a use then saves, if it is not the way to the nearest holder, or else the origin."""
        prices = self.prices
        if saved_s is None:
            saved_s = prices.from_peer_s if self.contents.holders(key_hash) else prices.from_origin_s
        mib = prices.mib(size)
        gain_s = chance * saved_s - prices.transfer_s_per_mib * mib
        if gain_s < self.settings.min_saved_s:
            return None
        return Want(key, key_hash, size, reason, gain_s / mib, source, chance=chance)


def forecast_wants(scene: Scene) -> Iterator[Want]:
    """What this zone's own history expects: this agent's forecast, and what its siblings tell of theirs."""
    least_of = {name: scene.watched(name, Reason.FORECAST) for name in scene.demand.names}
    stay, bar = scene.stay, _SURELY * min(least_of.values(), default=0.0)
    items = islice(scene.demand.own.values(), scene.settings.max_candidates)
    # Within the hour is likelier than within a part of it: spare most of them the power.
    for item in [item for item in items if item.probability >= bar]:
        key, least = item.key, least_of[item.key.dependency]
        chance = chance_within(item.probability, stay)
        if chance >= least and scene.candidate(key, item.key_hash, item.size):
            want = scene.weigh(key, item.key_hash, item.size, Reason.FORECAST, chance)
            if want is not None:
                yield want
    for dependency in sorted(scene.demand.siblings):
        yield from _sibling_wants(scene, dependency, scene.watched(dependency, Reason.FORECAST))


def _sibling_wants(scene: Scene, dependency: Dependency, least: float) -> Iterator[Want]:
    """Instances that other agents of this zone are asked for and this one looks after."""
    stay = scene.stay
    need = expected_for(least) / stay / 2  # our own part comes on top
    pool = scene.demand.siblings[dependency]
    for hashed, uses in _most_used(pool, need, scene.settings.max_candidates):
        own = scene.demand.own.get(hashed)
        chance = chance_of_use(stay * (uses + (own.expected if own is not None else 0.0)))
        hot = scene.demand.hot[hashed]
        if chance >= least and scene.candidate(hot.key, hashed, hot.size):
            want = scene.weigh(hot.key, hashed, hot.size, Reason.FORECAST, chance)
            if want is not None:
                yield want


def elsewhere_wants(scene: Scene) -> Iterator[Want]:
    """What is hot in the other zones and expected here."""
    for dependency in sorted(scene.demand.elsewhere):
        yield from _elsewhere(scene, dependency, scene.watched(dependency, Reason.ELSEWHERE))


def _elsewhere(scene: Scene, dependency: Dependency, least: float) -> Iterator[Want]:
    demand, settings = scene.demand, scene.settings
    scale = demand.scale(dependency)
    pool = demand.elsewhere[dependency]
    stay = scene.stay
    need = expected_for(least) / (scale * stay) if scale > 0 else expected_for(1.0)
    candidates = _most_used(pool, need, settings.max_candidates)
    own = demand.own
    # Below what our own list reaches down to, absence from it says nothing of overlap.
    telling = [hashed for hashed, uses in candidates if uses * scale >= demand.floor]
    overlap = demand.overlap(dependency, sum(hashed in own for hashed in telling), len(telling), settings)
    if demand.moving:
        listed = dict(candidates)
        moved = {hashed: uses for hashed, uses in pool.items() if hashed in demand.moving}
        candidates = list((listed | moved).items())
    elif overlap < least:
        return  # even certain use elsewhere would not be likely enough here
    history = scene.threshold(dependency, Reason.FORECAST)
    for hashed, uses in candidates:
        chance = overlap * chance_of_use(uses * scale * stay)
        if demand.moving:
            chance = 1.0 - (1.0 - chance) * (1.0 - chance_of_use(stay * demand.moving.get(hashed, 0.0)))
        known = own.get(hashed)
        if chance < least or (known is not None and chance_within(known.probability, stay) >= history):
            continue
        hot = demand.hot[hashed]
        if scene.candidate(hot.key, hashed, hot.size):
            want = scene.weigh(hot.key, hashed, hot.size, Reason.ELSEWHERE, chance)
            if want is not None:
                moves = hashed in demand.moving  # what used to follow says nothing of what a drain sends here
                yield want._replace(chance=1.0) if moves else want


def home_wants(scene: Scene) -> Iterator[tuple[Want, bool]]:
    """Replicas that the ring homes in this zone; True with those that were ordered, whatever they gain."""
    for dependency in sorted(scene.demand.elsewhere):
        if scene.policies.kind(dependency) != REPLICATE:
            for want in _paying_homes(scene, dependency):
                yield want, False
    for dependency in scene.policies.replicated:
        for want in _ordered_homes(scene, dependency):
            yield want, True


def _paying_homes(scene: Scene, dependency: Dependency) -> Iterator[Want]:
    """Where we are the first home of what others will ask for and nobody holds."""
    if scene.prices.between_s < scene.settings.min_saved_s:
        return
    need = expected_for(scene.watched(dependency, Reason.HOME)) / scene.stay
    first, zone = scene.ring.first_owners(), scene.roster.zone
    ours = [member.zone == zone for member in scene.ring.members]
    holders = scene.contents.holders
    pool = scene.demand.elsewhere[dependency]
    homed = {hashed: uses for hashed, uses in pool.items() if uses >= need and ours[first[shard_of(hashed)]]}
    for hashed, uses in _most_used(homed, need, scene.settings.max_candidates):
        if holders(hashed):
            continue
        hot = scene.demand.hot[hashed]
        if scene.candidate(hot.key, hashed, hot.size):
            chance, saved_s = chance_of_use(uses * scene.stay), scene.prices.between_s
            want = scene.weigh(hot.key, hashed, hot.size, Reason.HOME, chance, saved_s)
            if want is not None:
                yield want._replace(guess=True)


def _ordered_homes(scene: Scene, dependency: Dependency) -> Iterator[Want]:
    """All that is known of a replicated dependency and homed here, the most used first."""
    demand, ring, zone = scene.demand, scene.ring, scene.roster.zone
    replicas = scene.policies.replicas(dependency, ring)
    known = dict(demand.elsewhere.get(dependency, {}))
    for item in demand.own.values():
        if item.key.dependency == dependency:
            known[item.key_hash] = known.get(item.key_hash, 0.0) + item.expected
    for hashed, uses in _most_used(known, 0.0, scene.settings.max_candidates):
        if zone not in ring.homes(hashed, replicas):
            continue
        hot = demand.hot.get(hashed) or demand.own[hashed]
        if scene.candidate(hot.key, hashed, hot.size):
            value = chance_of_use(uses) * scene.prices.from_origin_s / scene.prices.mib(hot.size)
            yield Want(hot.key, hashed, hot.size, Reason.HOME, value, "")


def _most_used(pool: Mapping[KeyHash, float], need: float, limit: int) -> list[tuple[KeyHash, float]]:
    """At most ``limit`` of those with at least ``need`` uses, the most used first when there are more."""
    found = [pair for pair in pool.items() if pair[1] >= need]
    return found if len(found) <= limit else nlargest(limit, found, key=lambda pair: (pair[1], pair[0]))
