"""Whom this agent can ask for copies, and in which order: the pool as gossip sees it, turned into routes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from zoned.core.actions import Action, Offer
from zoned.core.cache import CacheController
from zoned.core.flight import FlightSettings, Route, RouteQuery, plan_route
from zoned.core.members import Member, MemberState
from zoned.core.names import Address, Dependency, InstanceKey, KeyHash, NodeName, Zone
from zoned.core.records import DependencyPolicy, HandOver
from zoned.core.ring import Ring

_REACHABLE = (MemberState.ALIVE, MemberState.SUSPECT, MemberState.LEAVING)
_FAR_S = 1e9  # a member whose round trip is not known yet is asked last


class Peers:
    """The other agents, as far as they can be asked. ``ring`` is set by whoever settles it."""

    def __init__(
        self,
        node: NodeName,
        zone: Zone,
        settings: FlightSettings,
        cache: CacheController,
        policies: Mapping[Dependency, DependencyPolicy],
        ring: Ring,
    ) -> None:
        self._node = node
        self._zone = zone
        self._settings = settings
        self._holders = cache.holders
        self._policies = policies
        self._members: dict[NodeName, Member] = {}
        self._zone_shared = False  # other agents of our zone hold a part of it
        self._distrusted: dict[InstanceKey | Dependency, float] = {}  # until when; the oldest first
        self.counters = {"distrust_forgotten": 0}
        self.ring = ring

    def meet(self, members: tuple[Member, ...]) -> None:
        """The pool as it is now: whom we may ask, and how far they are."""
        self._members = {
            m.node: m
            for m in members
            if m.node != self._node and m.state in _REACHABLE and m.peer is not None
        }
        self._zone_shared = any(m.zone == self._zone and m.weight > 0 for m in self._members.values())

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
        query = RouteQuery(self._node, (), "", "", asker, prefetch, "")
        if not self._distrusted or self._trusted(key, now_s):
            policy = self._policies.get(key.dependency)
            zone_owner = self.ring.owner_in_zone(hashed, self._zone) if self._zone_shared else None
            home = self.ring.owner(hashed) if policy is not None and policy.coalesce == "fabric" else None
            query = query._replace(
                holders=self._holders(hashed),
                zone_owner=zone_owner.node if zone_owner is not None else "",
                fabric_owner=home.node if home is not None else "",
                preferred=preferred,
            )
        return plan_route(
            query, self._members.__contains__, self._distance_s, settings.max_holders, settings.origin_tries
        )

    def _trusted(self, key: InstanceKey, now_s: float) -> bool:
        until_s = self._distrusted
        return max(until_s.get(key, now_s), until_s.get(key.dependency, now_s)) <= now_s

    def offers(self, hand_over: Iterable[HandOver]) -> list[Action]:
        """Tell each of these members what it had better fetch from us; not those that cannot be asked."""
        return [
            Offer(node=one.node, address=address, keys=one.keys, sizes=one.sizes)
            for one in hand_over
            if (address := self.address_of(one.node)) is not None
        ]

    def _distance_s(self, node: NodeName) -> float:
        rtt_s = self._members[node].rtt_s
        return _FAR_S if rtt_s is None else rtt_s
