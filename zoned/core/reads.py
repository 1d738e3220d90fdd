"""The path of a read: look up, join a flight, land. It runs at once, outside the turn.

Composed of stages that do not know one another. The cache says whether we hold it; ``peers`` whom to ask; the
flight desk keeps one fetch per instance; ``landings`` does what follows. This module only carries answers
between them.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from math import inf

from zoned.core.actions import Action, AnswerPeer, AskAgain, Discard, Refuse, Serve
from zoned.core.events import (
    AccessBatch,
    FetchDone,
    FetchOutcome,
    LocalHits,
    Offered,
    PeerRead,
    Purpose,
    Read,
    StoreLost,
)
from zoned.core.flight import FlightDesk
from zoned.core.flight.flight import Waiter
from zoned.core.landings import Landings
from zoned.core.names import (
    Dependency,
    InstanceKey,
    Instant,
    KeyHash,
    NodeName,
    fingerprint_of,
    key_hash,
)
from zoned.core.peers import Peers
from zoned.core.promises import Association
from zoned.core.records import Lookup, Reason, Source
from zoned.core.settings import NodeSettings
from zoned.core.stages import Stages


class Reads:
    """Reads of clients and peers, and the prefetches, of one node."""

    def __init__(self, settings: NodeSettings, stages: Stages, peers: Peers) -> None:
        self._stages = stages
        self._cache = stages.cache
        self._observer = stages.observer
        self._prefetcher = stages.prefetcher
        holds, keeps = stages.cache.holds, stages.cache.keeps_guess
        self._orders = partial(stages.prefetcher.orders, holds=holds, keeps=keeps, nearest=self._nearest)
        self._analyzer = stages.analyzer
        self._worth = stages.worth
        self._peers = peers
        self._landings = Landings(stages)
        self._worth_keeping = settings.learning.keep_threshold
        self._likely = settings.learning.association_threshold
        self.thresholds: Mapping[tuple[Dependency, Reason], float] = stages.tuner.never
        self.flights = FlightDesk(settings.flight, peers.address_of)
        self._counts = dict.fromkeys(
            ("late_prefetches", "offers_declined", "stale_served", "peer_reads", "peer_not_held", "lost"), 0
        )

    @property
    def counters(self) -> dict[str, int]:
        """What was served how, and what was lost, since the start."""
        return {**self._counts, **self._landings.counters, **self._peers.counters}

    # ---- reads ----------------------------------------------------------------------------------

    def read(self, event: Read, now: Instant) -> list[Action]:
        """A client of this zone wants an instance."""
        key = event.key
        hashed = key_hash(key)
        self._worth.used(hashed)
        found = self._cache.lookup(key, hashed, now)
        if found is not Lookup.MISS:
            actions = self._serve(event, hashed, found is Lookup.STALE, now)
        else:
            self._prefetcher.missed()
            actions = self._join(key, hashed, Waiter(event.request, event.client, False, now.mono_s), "", now)
            self._associate(key, hashed, event.client, now)
        return actions + self.prefetches(now)

    def _serve(self, event: Read, hashed: KeyHash, stale: bool, now: Instant) -> list[Action]:
        """Answer a read from our store."""
        key = event.key
        entry = self._cache.entry(key, hashed)
        assert entry is not None
        price_s = self._observer.price(Source.LOCAL)
        self._landings.account(key, hashed, entry.size, event.client, Source.LOCAL, price_s, now)
        armed = self._associate(key, hashed, event.client, now)
        expires_s = inf if entry.expires_s is None else entry.expires_s
        serve = Serve(request=event.request, key=key, stale=stale, expires_s=expires_s, armed=armed)
        if not stale:
            return [serve]
        self._counts["stale_served"] += 1
        return [serve, *self._fetch_ahead(key, hashed, Reason.REFRESH, "", now)]

    def peer_read(self, event: PeerRead, now: Instant) -> list[Action]:
        """Another agent wants our copy, or wants us to get one as its owner."""
        self._counts["peer_reads"] += 1
        self._stages.agreement.heard(event.sender, event.ring_id, now)
        hashed = key_hash(event.key)
        if self._stages.duplicates:
            self._stages.duplicates.asked(fingerprint_of(hashed))
        touch = event.purpose is not Purpose.PREFETCH
        entry = self._cache.peer_lookup(event.key, hashed, now, touch)
        if touch:
            self._worth.asked(hashed)
        if entry is None and event.purpose is Purpose.OWNER:
            waiter = Waiter(event.request, b"", True, now.mono_s)
            return self._join(event.key, hashed, waiter, event.sender, now)
        ring_id = self._peers.ring.ring_id
        if entry is None:
            self._counts["peer_not_held"] += 1
            not_held = FetchOutcome.NOT_HELD
            return [AnswerPeer(request=event.request, key=event.key, outcome=not_held, ring_id=ring_id)]
        return [
            AnswerPeer(
                request=event.request,
                key=event.key,
                outcome=FetchOutcome.OK,
                ring_id=ring_id,
                version=entry.version,
                ttl_s=None if entry.expires_s is None else max(0.0, entry.expires_s - now.mono_s),
            )
        ]

    def fetch_done(self, event: FetchDone, now: Instant) -> list[Action]:
        """An attempt of a flight ended."""
        if event.ring_id:
            self._stages.agreement.heard(self.flights.asked(event.fetch), event.ring_id, now)
        landing, actions = self.flights.done(event, now.mono_s)
        if landing is not None:
            actions += self._landings.land(landing, self._peers.ring.ring_id, now)
            actions += self.prefetches(now)
        return actions

    def expire(self, now: Instant) -> list[Action]:
        """Move on what waited long enough."""
        landings, actions = self.flights.expire(now.mono_s)
        for landing in landings:
            actions += self._landings.land(landing, self._peers.ring.ring_id, now)
        return actions

    # ---- what is not a read ---------------------------------------------------------------------

    def accesses(self, event: AccessBatch, now: Instant) -> list[Action]:
        """Uses that did not come through us: they teach, and may call for what follows them."""
        for access in event.accesses:
            self._observer.access(access)
            self._worth.used(access.key_hash)
            self._associate(access.key, access.key_hash, access.client, now)
        return self.prefetches(now)

    def local_hits(self, event: LocalHits, now: Instant) -> list[Action]:
        """Reads that the world answered from our store by itself: they count like any other."""
        price_s = self._observer.price(Source.LOCAL)
        for key, hashed, times in event.uses:
            size = self._cache.used(key, hashed, times, now)
            self._landings.account(key, hashed, size, b"", Source.LOCAL, price_s, now, times)
        armed = [s.key for s in event.steps if self._associate(s.key, s.key_hash, s.client, now)]
        actions = self.prefetches(now)
        return [AskAgain(keys=tuple(armed)), *actions] if armed else actions

    def store_lost(self, event: StoreLost, now: Instant) -> list[Action]:
        """The store does not have what we believed it to hold."""
        for key in event.keys:
            self._counts["lost"] += self._cache.drop(key, key_hash(key))
        return []

    def offered(self, event: Offered, reason: Reason, now: Instant) -> list[Action]:
        """Another agent hands copies over: fetch what we lack and would keep, in its order; nothing from one
        that we could not ask (we have just started, say): the origin would have to give it. If it gives them
        up, they are worth what last copies are, even where gossip has not told of that yet."""
        if event.going:
            self._stages.gives_up(event.sender, now)
        known = self._peers.address_of(event.sender) is not None
        takes, offered = self._cache.takes, zip(event.keys, event.sizes, strict=True)
        kept = [(key, size) for key, size in offered if known and takes(key, key_hash(key), size)]
        self._counts["offers_declined"] += len(event.keys) - len(kept)
        keys, sizes = tuple([key for key, _ in kept]), tuple([size for _, size in kept])
        self._prefetcher.offered(keys, sizes, event.sender, now, reason)
        return self.prefetches(now)

    def invalidate(self, dependency: Dependency, key: InstanceKey | None, now: Instant) -> list[Action]:
        """No copy of that instance, or of all the dependency, may be served from here any more."""
        self._peers.distrust(dependency if key is None else key, now.mono_s)
        if key is None:
            self.flights.poison(lambda one: one.dependency == dependency)
            gone = self._cache.drop_dependency(dependency)
            for evicted in gone:
                self._stages.tuner.dropped(evicted.key_hash)
                self._stages.chronicle.went(evicted.key_hash, "invalidated", now)
            return [Discard(keys=tuple([evicted.key for evicted in gone]))] if gone else []
        hashed = key_hash(key)
        self.flights.poison(lambda one: one == key)
        self._stages.tuner.dropped(hashed)
        if not self._cache.drop(key, hashed):
            return []
        self._stages.chronicle.went(hashed, "invalidated", now)
        return [Discard(keys=(key,))]

    def sweep(self, now: Instant) -> list[Action]:
        """Once a turn: let expired copies go, and tell the ledger which prefetches were used."""
        for dependency, reason, count in self._cache.take_uses():
            self._stages.tuner.prefetch_used(dependency, reason, count)
            self._prefetcher.used(reason, count)
        self._cache.directory.judge(now.mono_s)
        return self.let_go(now)

    def let_go(self, now: Instant) -> list[Action]:
        """Copies whose time is over leave the store, and the digest."""
        gone = self._cache.sweep(now)
        for evicted in gone:
            self._stages.chronicle.went(evicted.key_hash, "expired", now)
        return [Discard(keys=tuple([evicted.key for evicted in gone]))] if gone else []

    # ---- prefetch -------------------------------------------------------------------------------

    def prefetches(self, now: Instant) -> list[Action]:
        """Start what the prefetcher's budget allows now."""
        actions: list[Action] = []
        for order in self._orders(now):
            actions += self._fetch_ahead(order.key, order.key_hash, order.reason, order.source, now)
        return actions

    def _nearest(self, key: InstanceKey, hashed: KeyHash, now_s: float) -> NodeName:
        """Whom a prefetch of it would ask first; "" for the origin."""
        return self._peers.route(key, hashed, asker="", prefetch=True, preferred="", now_s=now_s)[0].node

    def _fetch_ahead(
        self, key: InstanceKey, hashed: KeyHash, reason: Reason, source: NodeName, now: Instant
    ) -> list[Action]:
        """Fetch what nobody waits for, unless it is on its way already."""
        actions: list[Action] = []
        flight = None
        if self.flights.find(key) is None:
            steps = self._peers.route(
                key, hashed, asker="", prefetch=True, preferred=source, now_s=now.mono_s
            )
            ring_id = self._peers.ring.ring_id
            flight, actions = self.flights.start(key, hashed, steps, reason, ring_id, now.mono_s)
        if flight is None:
            self._prefetcher.settled(key, False, 0, now)
        return actions

    # ---- inside ---------------------------------------------------------------------------------

    def _associate(self, key: InstanceKey, hashed: KeyHash, client: bytes, now: Instant) -> bool:
        """Learn from an access, and fetch what is likely to follow it; whether anything may."""
        following = self._analyzer.access(key, hashed, client, now)
        if not following:
            return False
        tuner, worth_keeping, likely, missing = self._stages.tuner, self._worth_keeping, self._likely, []
        judged, agreeing = tuner.judged, self._analyzer.agreeing
        for one, held in tuner.doubtful(following, self._here, now[0]):
            probability = one.confidence if held else judged(one, agreeing, now)
            if probability >= worth_keeping:
                self._worth.promise(one.key_hash, probability)
                if probability >= likely and not held:
                    missing.append(one._replace(confidence=probability))
        if missing:
            missing.sort(key=_surest_first)
            self._prefetcher.associated(missing, self.thresholds, now)
        return True

    def _here(self, key: InstanceKey, hashed: KeyHash) -> bool:
        """[hot] Whether we hold it, or it is on its way."""
        return self._cache.holds(key, hashed) or self.flights.find(key) is not None

    def _join(
        self, key: InstanceKey, hashed: KeyHash, waiter: Waiter, asker: NodeName, now: Instant
    ) -> list[Action]:
        """Wait for the flight of that instance, starting one where there is none."""
        actions: list[Action] = []
        flight = self.flights.find(key)
        ring_id = self._peers.ring.ring_id
        if flight is None:
            steps = self._peers.route(
                key, hashed, asker=asker, prefetch=False, preferred="", now_s=now.mono_s
            )
            flight, actions = self.flights.start(key, hashed, steps, Reason.DEMAND, ring_id, now.mono_s)
        elif flight.reason is not Reason.DEMAND and not flight.waiters:
            self._counts["late_prefetches"] += 1
        if flight is not None and self.flights.wait(flight, waiter):
            return actions
        failed, busy = FetchOutcome.FAILED, "too many fetches under way"
        if waiter.peer:
            refusal = AnswerPeer(
                request=waiter.request, key=key, outcome=failed, ring_id=ring_id, detail=busy
            )
            return [*actions, refusal]
        return [*actions, Refuse(request=waiter.request, outcome=failed, detail=busy)]


def _surest_first(one: Association) -> float:
    return -one.confidence
