"""The copies themselves: index, eviction order, digest and prefetch outcomes, changed together or not at all.

Every way in and out of the store passes through ``store`` and ``forget``, so that the four cannot drift
apart: a slot has a place in the eviction order, a claim in the digest while it is fresh, and if it was
prefetched, exactly one of *used* and *wasted* follows its *fetched*.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import NamedTuple

from zoned.core.cache.digest import DigestChanges
from zoned.core.cache.index import ANNOUNCED, REASON_BITS, REASON_SHIFT, REASONS, USED, Index
from zoned.core.cache.outcomes import Outcomes
from zoned.core.cache.settings import AUTO, CacheSettings
from zoned.core.cache.stakes import Stakes
from zoned.core.eviction import Book, Eviction, Hosting, Worth, alone, make
from zoned.core.names import (
    FINGERPRINT_MASK,
    Dependency,
    Fingerprint,
    InstanceKey,
    KeyHash,
    fingerprint_of,
)
from zoned.core.records import Entry, Evicted, Reason

_PROVED = (Reason.DRAIN, Reason.MIGRATE, Reason.HOME)
"""Copies that another zone gives up, or that the ring homes here, were used elsewhere: they need not prove
themselves again, or a hand-over of many would push itself out."""
_STAY_MEMORY = 64  # evictions behind the mean stay of a copy that nobody uses


class Copy(NamedTuple):
    """A copy that is to be stored; ``number`` is its dependency's in the index, times on the mono clock.
    ``guess``: until the first use nothing but a promise speaks for it."""

    key: InstanceKey
    key_hash: KeyHash
    number: int
    size: int
    version: str
    expires_s: float
    reason: Reason
    guess: bool


class Holdings:
    """What the store holds, as far as we know."""

    def __init__(self, settings: CacheSettings, worth: Worth | None = None) -> None:
        self._settings = settings
        self.worth = worth
        first = "lru" if settings.eviction == AUTO else settings.eviction
        self.index = Index()
        self._reserved = 0  # slots that the policy has room for
        tracked, objects = settings.max_tracked_objects, settings.max_objects
        self.bounds = tracked if objects is None else min(objects, tracked), settings.max_bytes
        self.policy: Eviction = alone(first, *self.bounds, self.index.hashes, worth)
        self.digest = DigestChanges()
        self.counters: dict[str, int] = {
            "admitted": 0, "replaced": 0, "refused": 0, "evicted": 0, "expired": 0, "dropped": 0,
            "collisions": 0, "switches": 0,
        }  # fmt: skip
        self.outcomes = Outcomes(settings.outcome_half_life_s, settings.max_outcomes, self.counters)
        self._uses: dict[tuple[Dependency, Reason], int] = {}
        self.unproved: dict[KeyHash, None] = {}
        """Guesses that wait for their first use, oldest first."""
        self._stakes = Stakes(settings.guess_cost, self.counters)
        self._missed = 0  # by readers, here
        self._stay_s = 0.0
        self._stays = 0  # how many are behind it, up to _STAY_MEMORY

    def store(self, copy: Copy, now_s: float) -> tuple[bool, list[Evicted]]:
        """Take a copy in, in place of an older one if there is: (it stayed, who had to go)."""
        evicted: list[Evicted] = []
        found = self.index.table.find(copy.key_hash)
        slot = found if found >= 0 else None
        if slot is not None and self.index.find(copy.key, copy.key_hash) is None:
            self.counters["collisions"] += 1  # another instance of the same hash: there is room for one
            evicted.append(self.forget(slot, now_s))
            slot = None
        fresh = slot is None
        if slot is None:
            slot = self.index.add(copy.key_hash, copy.key.key, copy.number)
            self._missed += copy.reason is Reason.DEMAND
        if isinstance(self.policy, Hosting):
            self._stakes.settle(self.policy, self._missed, now_s)
        pushed = self._place(copy, slot, fresh)
        stayed = True
        for other in pushed:
            if other == slot:
                stayed = False
                continue
            evicted.append(self._push_out(other, now_s))
        if not stayed:
            self.counters["refused"] += 1
            if fresh:
                self.index.release(slot)
            else:
                evicted.append(self.forget(slot, now_s, placed=False))
            return False, evicted
        self._write(copy, slot, fresh, now_s)
        return True, evicted

    def _push_out(self, slot: int, now_s: float) -> Evicted:
        """A copy had to make room. If it was never used, its age tells how long one may wait for its use."""
        self.counters["evicted"] += 1
        if not self.index.flags[slot] & USED:
            self._stays = min(self._stays + 1, _STAY_MEMORY)
            self._stay_s += (now_s - self.index.stored_s[slot] - self._stay_s) / self._stays
        return self.forget(slot, now_s, placed=False)

    def stay_s(self) -> float | None:
        """How long a copy stays that nobody uses, lately; None: none had to go yet."""
        return self._stay_s if self._stays else None

    def _place(self, copy: Copy, slot: int, fresh: bool) -> list[int]:
        """Give the copy its place in the eviction order; whose slots that pushed out, perhaps its own."""
        policy = self.policy
        guess = copy.guess
        if fresh:
            if slot >= self._reserved:
                self._reserved = slot + slot // 8 + 16
                policy.reserve(self._reserved)
        elif policy.size_of(slot) == copy.size:
            if copy.reason is Reason.DEMAND:  # a refresh is no use
                policy.hit(slot)
            return []
        else:
            guess = guess and isinstance(policy, Hosting) and slot in policy.guests
            policy.remove(slot)
        if guess and isinstance(policy, Hosting):
            return policy.lodge(slot, copy.size)
        pushed = policy.put(slot, copy.size)
        if fresh and copy.reason in _PROVED:
            policy.hit(slot)
        return pushed

    def _write(self, copy: Copy, slot: int, fresh: bool, now_s: float) -> None:
        """Fill in the columns of a copy that has its place."""
        index, dependency = self.index, copy.key.dependency
        if fresh:
            self.counters["admitted"] += 1
            index.heat[slot] = copy.reason is Reason.DEMAND
        else:
            self.counters["replaced"] += 1
            if copy.reason is Reason.DEMAND and not index.flags[slot] & USED:
                self.used(slot, now_s)  # asked for while it was on its way
            self._settle(slot, now_s)
        index.versions[slot] = copy.version
        index.stored_s[slot] = now_s
        index.expires_s[slot] = copy.expires_s
        if not index.flags[slot] & ANNOUNCED:
            self.digest.gain(fingerprint_of(copy.key_hash))
        index.flags[slot] = REASON_BITS[copy.reason] | ANNOUNCED
        if copy.guess and copy.reason is not Reason.REFRESH:
            self.unproved[copy.key_hash] = None
        if copy.reason is not Reason.DEMAND:
            self.outcomes.fetched(dependency, copy.reason, now_s)

    def forget(self, slot: int, now_s: float, placed: bool = True) -> Evicted:
        """A copy is gone from the store (or must go). ``placed``: the eviction order still has it."""
        index = self.index
        hashed = index.hashes[slot]
        if placed:
            self.policy.remove(slot)
        self.silence(slot)
        self._settle(slot, now_s)
        self.unproved.pop(hashed, None)
        gone = Evicted(index.instance(slot), hashed)
        index.release(slot)
        return gone

    def expire(self, slot: int, now_s: float) -> Evicted:
        """The copy's time is over."""
        self.counters["expired"] += 1
        return self.forget(slot, now_s)

    def drop(self, slot: int, now_s: float) -> Evicted:
        """The copy is invalid, or the store lost it."""
        self.counters["dropped"] += 1
        return self.forget(slot, now_s)

    def refuse(self, key: InstanceKey, hashed: KeyHash, now_s: float) -> list[Evicted]:
        """What was fetched is not kept; neither is the older copy that it was to replace."""
        self.counters["refused"] += 1
        slot = self.index.find(key, hashed)
        return [] if slot is None else [self.forget(slot, now_s)]

    def silence(self, slot: int) -> None:
        """Our digest does not claim this copy any more."""
        flags = self.index.flags[slot]
        if flags & ANNOUNCED:
            self.index.flags[slot] = flags & ~ANNOUNCED
            self.digest.lose(fingerprint_of(self.index.hashes[slot]))

    def used(self, slot: int, now_s: float) -> None:
        """The first use of a copy since it was stored: a prefetch, if it was one, has proved right."""
        flags = self.index.flags[slot]
        self.index.flags[slot] = flags | USED
        reason = REASONS[flags >> REASON_SHIFT]
        if reason is not Reason.DEMAND:
            self.unproved.pop(self.index.hashes[slot], None)
            dependency = self.index.names[self.index.dependencies[slot]]
            self.outcomes.used(dependency, reason, now_s)
            if len(self._uses) < self._settings.max_outcomes or (dependency, reason) in self._uses:
                self._uses[dependency, reason] = self._uses.get((dependency, reason), 0) + 1

    def _settle(self, slot: int, now_s: float) -> None:
        """The copy's time is over: if it was prefetched and nobody asked, that was a waste."""
        flags = self.index.flags[slot]
        reason = REASONS[flags >> REASON_SHIFT]
        if reason is not Reason.DEMAND and not flags & USED:
            self.outcomes.wasted(self.index.names[self.index.dependencies[slot]], reason, now_s)

    def take_uses(self) -> tuple[tuple[Dependency, Reason, int], ...]:
        """(dependency, reason, how many prefetched copies were first used) since last time."""
        taken = tuple((dependency, reason, count) for (dependency, reason), count in self._uses.items())
        self._uses.clear()
        return taken

    def entry(self, slot: int) -> Entry:
        """The record of one copy."""
        return self.index.entry(slot, self.policy.size_of(slot))

    def entries(self) -> Iterator[Entry]:
        """Every copy, the next to be evicted first. Lazy; nothing may change while it is used."""
        return (self.entry(slot) for slot in self.policy.order())

    def fingerprints(self) -> Iterator[Fingerprint]:
        """All that our digest claims: the copies not known to be expired. Lazy."""
        flags, hashes = self.index.flags, self.index.hashes
        return (hashes[slot] & FINGERPRINT_MASK for slot in self.index.live() if flags[slot] & ANNOUNCED)

    def capacity_left(self) -> float:
        """Share of the store that is free, in objects or in bytes, whichever is less; 1.0 if unbounded."""
        objects, size = self._settings.max_objects, self._settings.max_bytes
        return min(
            1.0 if objects is None else 1.0 - len(self.policy) / objects,
            1.0 if size is None else 1.0 - self.policy.used_bytes / size,
        )

    def switch(self, policy: Eviction, last: Sequence[KeyHash] = ()) -> None:
        """Another eviction policy, empty and of the same bounds, takes the copies over as they are (about 1
        us each). ``last``: who goes after all others, in that order; else they keep their order."""
        old = self.policy
        policy.reserve(self._reserved)
        find = self.index.table.find
        behind = {slot: None for hashed in last if (slot := find(hashed)) >= 0}
        order = chain([slot for slot in old.order() if slot not in behind], behind)
        lost = policy.adopt((slot, old.size_of(slot)) for slot in order)
        assert not lost, "a policy with the same bounds holds the same copies"
        self.policy = policy
        self.counters["switches"] += 1

    def undivided(self, eviction: str) -> Book:
        """An empty policy that may share the room with others."""
        return make(eviction, *self.bounds, self.index.hashes, self.worth)
