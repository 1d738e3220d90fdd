"""Whom this agent can ask for copies, and in which order: the pool as gossip sees it, turned into routes.

Three things are known here that the ring does not know, because agents see them differently: who is up, how
far each is, and how busy. A member whose load is over ``load_factor`` times the mean is passed over for the
next one (bounded load: Mirrokni, Thorup, Zadimoghaddam 2017); that is a matter of one request, never of the
ring, or loads would move ownership.

After a change of the ring the *former* owner of a shard may still have what the new one lacks. For
``handover_s`` (after the last flip, where a newcomer warms) a miss asks it before the origin, where the
directory names nobody: which is when its holdings have not reached us yet. Who has just started itself has no
former ring; the one without it is that.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping

from zoned.core.actions import Action, Offer
from zoned.core.cache import CacheController
from zoned.core.flight import FlightSettings, Route, RouteQuery, plan_route
from zoned.core.members import Member, MemberState, Summary
from zoned.core.names import Address, Dependency, InstanceKey, KeyHash, NodeName, Zone, shard_of
from zoned.core.records import DependencyPolicy, HandOver, Load
from zoned.core.ring import Ring

_REACHABLE = (MemberState.ALIVE, MemberState.SUSPECT, MemberState.LEAVING)
_FAR_S = 1e9  # a member whose round trip is not known yet is asked last
_MOST_ROUTES = 1024  # kept; a handful of zones makes a few dozen
_NOBODY: Mapping[NodeName, Summary] = {}


def _never(dependency: Dependency) -> bool:
    return False


def serving_load(load: Load) -> float:
    """How near an agent is to the most that it can serve, 0..1. Memory is a stock, not a flow."""
    return max(load.cpu, load.network)


class Peers:
    """The other agents, as far as they can be asked."""

    def __init__(
        self,
        node: NodeName,
        zone: Zone,
        settings: FlightSettings,
        cache: CacheController,
        policies: Mapping[Dependency, DependencyPolicy],
        ring: Ring,
        pays: Callable[[Dependency], bool] = _never,
    ) -> None:
        """``pays``: whether a dependency's misses had better go by way of their homes, where nobody says."""
        self._node = node
        self._zone = zone
        self._settings = settings
        self._holders = cache.holders
        self._claims = cache.directory.claims
        self._coalesce = {name: policy.coalesce for name, policy in policies.items()}
        self._pays = pays
        self._met: tuple[Member, ...] = ()  # whom we know, as told last ...
        self._members: dict[NodeName, Member] = {}  # ... and who of them may be asked
        self._routes: dict[tuple[object, ...], Route] = {}  # those made since then, by what they depend on
        self._summaries = _NOBODY
        self._busy: frozenset[NodeName] = frozenset()
        self._zone_shared = False  # other agents of our zone hold a part of it
        self._distrusted: dict[InstanceKey | Dependency, float] = {}  # until when; the oldest first
        self._former: deque[tuple[Ring, float]] = deque(maxlen=settings.max_former_rings)  # newest first
        self._without_us: Ring | None = None  # made when asked for
        self._young_until_s: float | None = None
        self.counters = {"distrust_forgotten": 0, "asked_former_owner": 0, "passed_over_busy": 0}
        self.ring = ring
        self.serving = ring
        """The ring as it serves: while a newcomer warms, its shards are with their former owners."""

    def turn_to(self, ring: Ring, now_s: float) -> None:
        """The ring to go by from now on (the same one, most often)."""
        until_s = now_s + self._settings.handover_s
        if self._young_until_s is None:
            self._young_until_s = until_s
        while self._former and self._former[-1][1] <= now_s:
            self._former.pop()
        if now_s >= self._young_until_s:
            self._without_us = None  # a table of half a megabyte, never asked again
        if ring is self.ring:
            return
        if now_s >= self._young_until_s:  # before, what we knew of the pool is no ring that anybody went by
            self._former.appendleft((self.ring, until_s))
        self._without_us = None
        self.ring = self.serving = ring

    def serve_by(self, serving: Ring, warming: bool, now_s: float) -> None:
        """Owners are asked by this table, of the ring that we have turned to. ``warming``: somebody takes
        shards over, so former owners are asked for ``handover_s`` more."""
        self.serving = serving
        if not warming:
            return
        until_s = now_s + self._settings.handover_s
        self._former = deque([(ring, until_s) for ring, _ in self._former], maxlen=self._former.maxlen)
        if self._young_until_s is not None and now_s < self._young_until_s:
            self._young_until_s = until_s

    def meet(self, members: tuple[Member, ...], summaries: Mapping[NodeName, Summary] = _NOBODY) -> None:
        """The pool as it is now: whom we may ask, how far they are, and how busy."""
        if members is self._met and summaries is self._summaries:
            return  # so it is at nearly every turn
        self._met = members
        self._routes.clear()
        self._members = {
            m.node: m
            for m in members
            if m.node != self._node and m.state in _REACHABLE and m.peer is not None
        }
        self._zone_shared = any(m.zone == self._zone and m.weight > 0 for m in self._members.values())
        self._summaries = summaries
        loads = {node: serving_load(one.load) for node, one in summaries.items() if node in self._members}
        settings = self._settings
        mean = sum(loads.values()) / len(loads) if loads else 0.0
        bound = max(settings.busy_from, settings.load_factor * mean)
        self._busy = frozenset([node for node, load in loads.items() if load > bound])

    def is_busy(self, node: NodeName) -> bool:
        """Whether that member's load is so far over the mean that others are asked instead."""
        return node in self._busy

    def address_of(self, node: NodeName) -> Address | None:
        """Where that member serves copies; None when it cannot be asked."""
        member = self._members.get(node)
        return None if member is None else member.peer

    def distrust(self, what: InstanceKey | Dependency, now_s: float) -> None:
        """It was invalidated: others may serve the old copy until they hear of it, so they are not asked."""
        until_s = self._distrusted
        until_s.pop(what, None)
        until_s[what] = now_s + self._settings.distrust_s
        while (oldest := next(iter(until_s))) != what:
            if until_s[oldest] > now_s:
                if len(until_s) <= self._settings.max_distrusted:
                    return
                self.counters["distrust_forgotten"] += 1
            del until_s[oldest]

    def route(
        self,
        key: InstanceKey,
        hashed: KeyHash,
        *,
        asker: NodeName,
        prefetch: bool,
        preferred: NodeName,
        now_s: float,
    ) -> Route:
        """Where to look for an instance, first to last (see ``flight.route``)."""
        settings = self._settings
        if not self._distrusted or self._trusted(key, now_s):
            dependency = key[0]
            coalesce = self._coalesce.get(dependency)
            fabric = coalesce == "fabric" or (coalesce == "auto" and self._pays(dependency))
            holders = self._holders(hashed)
            zone_owner = self._zone_owner(hashed) if self._zone_shared else ""
            home = self._fabric_owner(hashed) if fabric else ""
            former = "" if holders else self._former_owner(hashed, now_s)
            query = holders, zone_owner, home, former, asker, prefetch, preferred
        else:
            query = (), "", "", "", asker, prefetch, ""
        route = self._routes.get(query)
        if route is None:
            if len(self._routes) >= _MOST_ROUTES:
                self._routes.clear()
            route = self._routes[query] = plan_route(
                RouteQuery(self._node, *query),
                self._members.__contains__,
                self._distance,
                settings.max_holders,
                settings.origin_tries,
            )
        return route

    def _zone_owner(self, hashed: KeyHash) -> NodeName:
        """The agent of our zone that owns the instance, "" if it is too busy to be asked by way of."""
        owner = self.serving.owner_in_zone(hashed, self._zone)
        if owner is None or not self.is_busy(owner.node):
            return "" if owner is None else owner.node
        self.counters["passed_over_busy"] += 1
        return ""

    def _fabric_owner(self, hashed: KeyHash) -> NodeName:
        """The first on the preference list that is up and not too busy; "" if we are, or nobody is."""
        for member in self.serving.preference_list(shard_of(hashed)):
            if member.node == self._node:
                return ""
            if member.node not in self._members:
                continue
            if not self.is_busy(member.node):
                return member.node
            self.counters["passed_over_busy"] += 1
        return ""

    def _former_owner(self, hashed: KeyHash, now_s: float) -> NodeName:
        """Who owned it before the ring changed, is up, and may hold it; "" if there is nobody to ask."""
        rings = self._former_rings(now_s)
        if not rings:
            return ""
        shared, zone = self._zone_shared, self._zone
        owner = self.ring.owner_in_zone(hashed, zone) if shared else self.ring.owner(hashed)
        for ring in rings:
            former = ring.owner_in_zone(hashed, zone) if shared else ring.owner(hashed)
            if former is None or former == owner or former.node not in self._members:
                continue
            if self._may_hold(former.node):
                self.counters["asked_former_owner"] += 1
                return former.node
        return ""

    def _former_rings(self, now_s: float) -> list[Ring]:
        """The rings that others may have placed copies by lately, the newest first."""
        if self._young_until_s is None or now_s >= self._young_until_s:
            return [ring for ring, until_s in self._former if until_s > now_s] if self._former else []
        if self._without_us is None:
            self._without_us = self.ring.without(self._node)
        return [self._without_us]

    def _may_hold(self, node: NodeName) -> bool:
        """Whether a member could hold what its digest does not claim: it holds something, as it says, and we
        do not know what. Where we know, the directory has spoken."""
        if self._claims(node):
            return False
        told = self._summaries.get(node)
        return told is None or told.used_ratio > 0.0

    def _trusted(self, key: InstanceKey, now_s: float) -> bool:
        until_s = self._distrusted
        return max(until_s.get(key, now_s), until_s.get(key.dependency, now_s)) <= now_s

    def offers(self, hand_over: Iterable[HandOver]) -> list[Action]:
        """Tell each of these members what it had better fetch from us; not those that cannot be asked."""
        return [
            Offer(node=one.node, address=address, keys=one.keys, sizes=one.sizes, going=one.going)
            for one in hand_over
            if (address := self.address_of(one.node)) is not None
        ]

    def _distance(self, node: NodeName) -> tuple[bool, float]:
        """What holders are sorted by: the busy last, then the round trip."""
        rtt_s = self._members[node].rtt_s
        return node in self._busy, _FAR_S if rtt_s is None else rtt_s
