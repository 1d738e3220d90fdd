"""What follows when a fetch ends: keep what it brought, answer who waits, count what it was.

The cache says whether the newcomer stays and who goes for it; this module carries that to the store, the
waiting reads, the prefetcher's budget and the ledger.
"""

from __future__ import annotations

from math import inf

from zoned.core.actions import Action, AnswerPeer, Discard, Keep, Refuse, Serve, ServeFetched
from zoned.core.events import FetchOutcome
from zoned.core.flight import Landing
from zoned.core.flight.flight import Waiter
from zoned.core.names import InstanceKey, Instant, KeyHash, fingerprint_of
from zoned.core.records import Access, Reason, Source
from zoned.core.stages import Stages


class Landings:
    """Ends flights, and accounts for reads."""

    def __init__(self, stages: Stages) -> None:
        self._observer = stages.observer
        self._tuner = stages.tuner
        self._cache = stages.cache
        self._prefetcher = stages.prefetcher
        self._chronicle = stages.chronicle
        self._duplicates = stages.duplicates
        self.counters = {"stale_for_error": 0, "not_kept_invalidated": 0}

    def land(self, landing: Landing, ring_id: str, now: Instant) -> list[Action]:
        """A flight ended, one way or the other."""
        flight = landing.flight
        for node in flight.false_holders:
            self._cache.false_positive(node, flight.key_hash, now.mono_s)
        good = landing.outcome is FetchOutcome.OK
        if flight.reason is not Reason.DEMAND:
            giver = landing.node if landing.source is Source.PEER else ""
            self._prefetcher.settled(flight.key, good, landing.size, now, giver)
        if not good:
            return self._failed(landing, ring_id, now)
        if flight.reason is Reason.DEMAND and landing.source is not Source.PEER:
            self._count_duplicates(landing, now)
        return [*self._keep(landing, now), *self._serve(landing, ring_id, now)]

    def account(
        self,
        key: InstanceKey,
        hashed: KeyHash,
        size: int,
        client: bytes,
        source: Source,
        latency_s: float,
        now: Instant,
        times: int = 1,
        shared: bool = False,
    ) -> None:
        """Count an answered read (or so many equal ones), here and in the shadow of what plain LRU would have
        done with it. ``shared``: what answers it was fetched for another read, or ahead. [hot]"""
        hit = source is Source.LOCAL
        self._observer.access(Access(key, hashed, size, hit, client), times)
        self._observer.served(key.dependency, source, latency_s, times)
        self._chronicle.read(hashed, source, times, now)
        near = bool(self._cache.holders(hashed)) if hit else source is Source.PEER
        self._tuner.access(key, hashed, size, now, hit, near, times)
        self._tuner.served(key.dependency, source, times, shared)

    def _count_duplicates(self, landing: Landing, now: Instant) -> None:
        """Whether others fetched it as well shows in their digests; not if we fetched it for one of them."""
        flight = landing.flight
        if not any(waiter.peer for waiter in flight.waiters):
            prices_s = self._observer.price(Source.PEER), self._observer.price(Source.ORIGIN)
            one = fingerprint_of(flight.key_hash)
            self._duplicates.fetched(flight.key.dependency, one, landing.node, prices_s, now.mono_s)

    def _keep(self, landing: Landing, now: Instant) -> list[Action]:
        flight = landing.flight
        key, hashed = flight.key, flight.key_hash
        if flight.reason is not Reason.DEMAND:
            self._tuner.fetched(flight.reason, key.dependency, landing.size, landing.source)
        if flight.poisoned:
            self.counters["not_kept_invalidated"] += 1
            self._chronicle.went(hashed, "came, not kept: it was invalidated meanwhile", now)
            return []
        from_peer = landing.source is Source.PEER
        admission = self._cache.admit(
            key, hashed, landing.size, landing.version, landing.ttl_s, flight.reason, now, from_peer,
            asked=bool(flight.waiters),
        )  # fmt: skip
        self._chronicle.came(hashed, flight.reason, landing.source, landing.node, admission.stored, now)
        actions: list[Action] = []
        if admission.stored:
            actions.append(Keep(key=key, fetch=landing.fetch, ttl_s=landing.ttl_s))
            if not from_peer:
                self._note_lifetime(key, hashed)
            if flight.waiters and flight.reason is not Reason.DEMAND:
                self._cache.lookup(key, hashed, now)  # asked for while it was on its way: that is a use
        if admission.evicted:
            for evicted in admission.evicted:
                self._chronicle.gave_way(evicted.key_hash, key, now)
            actions.append(Discard(keys=tuple([evicted.key for evicted in admission.evicted])))
        return actions

    def _serve(self, landing: Landing, ring_id: str, now: Instant) -> list[Action]:
        """Answer all who wait with what came."""
        flight = landing.flight
        latency_s = max(landing.latency_s, now.mono_s - flight.started_s)
        life = self._cache.life(flight.key, flight.key_hash)
        expires_s = 0.0 if life is None else life[1]
        actions: list[Action] = []
        shared = flight.reason is not Reason.DEMAND
        for waiter in flight.waiters:
            if waiter.peer:
                actions.append(self._forward(waiter, landing, ring_id, now))
                continue
            actions.append(
                ServeFetched(
                    request=waiter.request,
                    fetch=landing.fetch,
                    source=landing.source,
                    node=landing.node,
                    expires_s=expires_s,
                )
            )
            waited_s = latency_s - (waiter.since_s - flight.started_s)
            self.account(
                flight.key, flight.key_hash, landing.size, waiter.client, landing.source, waited_s, now,
                shared=shared,
            )  # fmt: skip
            shared = True
        return actions

    def _forward(self, waiter: Waiter, landing: Landing, ring_id: str, now: Instant) -> AnswerPeer:
        """Answer another agent, for whom we fetched as the owner."""
        key = landing.flight.key
        entry = self._cache.entry(key, landing.flight.key_hash)
        ttl_s = landing.ttl_s
        if entry is not None and entry.expires_s is not None:
            ttl_s = max(0.0, entry.expires_s - now.mono_s)
        return AnswerPeer(
            request=waiter.request,
            key=key,
            outcome=FetchOutcome.OK,
            ring_id=ring_id,
            fetch=landing.fetch,
            version=landing.version,
            ttl_s=ttl_s,
            detail="origin" if landing.source is Source.ORIGIN else "",
        )

    def _failed(self, landing: Landing, ring_id: str, now: Instant) -> list[Action]:
        flight = landing.flight
        gone = landing.outcome is FetchOutcome.NOT_FOUND
        self._chronicle.failed(flight.key_hash, flight.reason, landing.outcome.value, now)
        stale = None if gone else self._cache.stale_for_error(flight.key, now)
        actions: list[Action] = []
        if gone and self._cache.drop(flight.key, flight.key_hash):
            self._tuner.dropped(flight.key_hash)  # the origin has none: neither plain LRU nor we may serve it
            actions.append(Discard(keys=(flight.key,)))
        for waiter in flight.waiters:
            if waiter.peer:
                actions.append(
                    AnswerPeer(
                        request=waiter.request,
                        key=flight.key,
                        outcome=landing.outcome,
                        ring_id=ring_id,
                        detail=landing.detail,
                    )
                )
            elif stale is not None:
                actions.append(Serve(request=waiter.request, key=flight.key, stale=True))
                waited_s = now.mono_s - waiter.since_s
                self.account(
                    flight.key, flight.key_hash, stale.size, waiter.client, Source.LOCAL, waited_s, now
                )
                self.counters["stale_for_error"] += 1
            else:
                actions.append(Refuse(request=waiter.request, outcome=landing.outcome, detail=landing.detail))
        return actions

    def _note_lifetime(self, key: InstanceKey, hashed: KeyHash) -> None:
        """The shadows expire their copies as the store does."""
        life = self._cache.life(key, hashed)
        if life is not None:
            stored_s, expires_s = life
            self._tuner.lifetime(key.dependency, None if expires_s == inf else expires_s - stored_s)
