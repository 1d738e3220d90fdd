"""Shadows: what other eviction policies would have held, played on the same accesses.

A shadow holds hashes and sizes, no bytes. One table gives each instance that any arm holds a slot, and the
arms order slots: an instance is looked up once for all of them, and costs some 20 bytes in the table and as
many in each arm. All arms see the same accesses: full information, which is why a plain Hedge beats every
bandit here (a bandit sees only the arm it played).

Up to ``sample_objects`` the shadow is exact. A larger store is shadowed on a *spatial* sample (SHARDS,
Waldspurger et al., FAST 2015): keys whose hash falls below a threshold, all of their accesses, in a store
scaled by the same rate. Only misses are scaled up; everything else counts as a hit. That is SHARDS-adj:
a sample that happens to have too many or too few of the hottest keys, which always hit, is put right.
The ledger does better still, since it knows how each access really went (see `Tuner.access`).
Where the store is bounded in bytes alone the number of objects is not known beforehand, so the rate starts
at 1 and is halved whenever a shadow holds more than twice the sample: the smaller sample is part of the
larger one, so the shadow keeps what it knows.

Copies expire in a shadow as they do in the store (``lifetime``), or short-lived instances would make LRU
look far better than it can be. They expire when they are next asked for; until then they take room, as in
any cache that expires lazily. Rejected: sampling every n-th access (breaks every reuse distance).

What an arm's copies *spare* other zones is told from what these say anyway, so that it counts alike for what
we hold and for what only a shadow does: an instance that is new in another zone's digest was just fetched
there, and one that is used there and in nobody's digest is fetched each time. If nobody else held it, an arm
that has it spares one way to the origin. Rejected: counting what we are asked for. Nobody asks for what we do
not hold, and who asks again and again only does so because we hold it: that made whichever arm was in play
look better than any other.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from functools import partial
from math import inf

from zoned.core.eviction import ArmOf, Book, Books, Eviction, Slot, Table, Worth, make
from zoned.core.names import Fingerprint, KeyHash

_POSITIONS = 1 << 24  # of a key in the sample; bits 20-43 of the hash: apart from the shard's (48-63)
_SHIFT = 20
_STAYS = 2.0  # stores' worth of LRU's misses: for about so long another zone would have kept a copy
RIVAL = -1
"""The index of an arm that is a mix of others: it is not in the misses by dependency."""

Cost = tuple[float, float, float]
"""(misses, those another zone served, ways to the origin spared): what an arm has cost so far."""


class Misses:
    """The misses of each arm on one dependency; ``near``: those of them that another zone serves. ``number``:
    the dependency's, where it has one of its own."""

    __slots__ = ("all", "near", "number")

    def __init__(self, arms: int, number: int = 0) -> None:
        self.all = [0.0] * arms
        self.near = [0.0] * arms
        self.number = number

    def add(self, other: Misses) -> None:
        """Take over another dependency's."""
        self.all = [mine + theirs for mine, theirs in zip(self.all, other.all, strict=True)]
        self.near = [mine + theirs for mine, theirs in zip(self.near, other.near, strict=True)]


class Arm:
    """One policy's shadow. ``misses`` are scaled to all accesses; ``near``: those another zone serves;
    ``spared``: ways to the origin that its copies spare other zones."""

    __slots__ = ("cache", "empty", "expires", "hit", "index", "misses", "name", "near", "put", "spared")

    def __init__(self, index: int, name: str, empty: Callable[[], Eviction]) -> None:
        """``empty``: makes a book of what is held, for the sample as it is then."""
        self.index = index
        self.name = name
        self.empty = empty
        self.misses = self.near = self.spared = 0.0
        self.expires: array[float] | None = None
        """Mono seconds by slot, of what is held; None until a copy does expire."""
        self.replace(empty())

    @property
    def cost(self) -> Cost:
        """What it has cost so far."""
        return self.misses, self.near, self.spared

    def replace(self, cache: Eviction) -> None:
        """Go on with another book of what is held."""
        self.cache = cache
        self.hit, self.put = cache.hit, cache.put  # bound once: they are called at every access

    def reserve(self, slots: int) -> None:
        """Room for the slots below that number."""
        self.cache.reserve(slots)
        if self.expires is not None:
            self.expires.extend(array("d", (inf,)) * max(0, slots - len(self.expires)))

    def lives(self, slot: Slot, expires_s: float | None, slots: int) -> None:
        """A copy that is about to be taken expires then (None: never). ``slots``: how many are reserved."""
        if self.expires is None:
            self.expires = array("d", (inf,)) * slots
        self.expires[slot] = inf if expires_s is None else expires_s


class Shadow:
    """All arms, on one sample."""

    __slots__ = (
        "_arms",
        "_bytes",
        "_find",
        "_holders",
        "_limit",
        "_numbers",
        "_objects",
        "_playing",
        "_quiet",
        "_salt",
        "_size_count",
        "_size_sum",
        "_table",
        "_threshold",
        "_worth",
        "scale",
    )

    def __init__(
        self,
        names: Sequence[str],
        capacity_objects: int | None,
        capacity_bytes: int | None,
        sample_objects: int,
        salt: int,
        worth: Worth | None = None,
    ) -> None:
        """``salt`` picks which keys are sampled, so that no key is outside of every agent's sample.
        ``worth``: what copies are worth, for an arm of that policy."""
        self._worth = worth
        self._objects = capacity_objects
        self._bytes = capacity_bytes
        self._limit = 2 * sample_objects if capacity_objects is None else None
        self._salt = salt % _POSITIONS
        rate = 1.0 if capacity_objects is None else min(1.0, sample_objects / capacity_objects)
        self._threshold = max(1, round(rate * _POSITIONS))
        self.scale = _POSITIONS / self._threshold
        """How many accesses one in the sample stands for."""
        self._table = Table()
        self._find = self._table.find
        self._holders = bytearray()  # by slot: how many arms hold it; as long as what is reserved
        self._numbers = array("H")  # by slot: whose it is
        self._arms = [Arm(index, name, partial(self._empty, name)) for index, name in enumerate(names)]
        self._playing = list(self._arms)  # and what is played besides
        self._quiet = array("d")  # by slot: before so many misses of LRU, a use elsewhere is not counted
        self._size_sum = 0
        self._size_count = 0

    @property
    def rate(self) -> float:
        """Share of the keys that is sampled."""
        return self._threshold / _POSITIONS

    @property
    def copies(self) -> float:
        """How many copies LRU would hold in the whole store."""
        return len(self._arms[0].cache) * self.scale

    @property
    def arms(self) -> Sequence[Arm]:
        """The arms in the order of their names; the first is LRU."""
        return self._arms

    def access(
        self,
        hashed: KeyHash,
        size: int,
        ttl_s: float | None,
        now_s: float,
        near: bool = False,
        dependency: Misses | None = None,
    ) -> float | None:
        """[hot] Play one access; ``size`` 0 = not known, ``near``: another zone would serve a miss. Misses
        are counted for their ``dependency``, too.

        Returns how many LRU misses it stands for (0 or `scale`), None if it is not in the sample.
        """
        if ((hashed >> _SHIFT) ^ self._salt) % _POSITIONS >= self._threshold:
            return None
        missed, scale, slot = 0.0, self.scale, self._find(hashed)
        expires_s = None if ttl_s is None else now_s + ttl_s
        for arm in self._playing:
            if slot >= 0 and arm.hit(slot):
                if arm.expires is None or arm.expires[slot] >= now_s:
                    continue
                arm.cache.remove(slot)
                self._holders[slot] -= 1
            if missed == 0.0:  # the first arm that misses
                size = self._sized(size)
                missed = scale if arm is self._arms[0] else -1.0
                if slot < 0:
                    slot = self._enter(hashed, 0 if dependency is None else dependency.number)
            arm.misses += scale
            if near:
                arm.near += scale
            if dependency is not None and arm.index >= 0:
                dependency.all[arm.index] += scale
                if near:
                    dependency.near[arm.index] += scale
            self._take(arm, slot, size, expires_s)
        if missed:
            self._settle(slot)
        return missed if missed > 0.0 else 0.0

    def needed(self, fingerprint: Fingerprint, now_s: float, kept: bool) -> None:
        """Another zone wanted what, as far as is known, no other but perhaps this one held: each arm that has
        it spares one way to the origin. ``kept``: that zone holds a copy since, and claims it."""
        slot = self._table.of(fingerprint)
        if slot < 0 or self._arms[0].misses < self._quiet[slot]:
            return
        if not kept:
            self._quiet[slot] = self._arms[0].misses + _STAYS * self.copies
        for arm in self._playing:
            if slot in arm.cache and (arm.expires is None or arm.expires[slot] > now_s):
                arm.spared += self.scale

    def recent(self) -> tuple[KeyHash, ...]:
        """What LRU holds of the sample, next to go first."""
        hashes = self._table.hashes
        return tuple([hashes[slot] for slot in self._arms[0].cache.order()])

    def apart(self, one: Arm, other: Arm) -> float:
        """How many copies the arm ``other`` holds that the arm ``one`` does not."""
        mine, theirs = one.cache, other.cache
        return self.scale * sum([slot in theirs and slot not in mine for slot in range(len(self._holders))])

    def drop(self, hashed: KeyHash) -> None:
        """No copy of it may be used any more."""
        slot = self._find(hashed)
        if slot < 0:
            return
        for arm in self._playing:
            arm.cache.remove(slot)
        self._holders[slot] = 0
        self._table.release(slot)

    def rival(self, arm_of: ArmOf, start: Arm) -> Arm:
        """Play another arm from now on, in which each dependency goes by the policy that ``arm_of`` names for
        its number. It starts with what ``start`` holds."""

        def empty() -> Books:
            objects, size = _scaled(self._objects, self.rate), _scaled(self._bytes, self.rate)
            hashes, numbers = self._table.hashes, self._numbers
            return Books(objects, size, self._empty, hashes, numbers, arm_of, self._worth)

        arm, held = Arm(RIVAL, "mix", empty), start.cache
        arm.cache.reserve(len(self._holders))
        lost = arm.cache.adopt([(slot, held.size_of(slot)) for slot in held.order()])
        assert not lost, "the bounds are the same"
        for slot in held.order():
            self._holders[slot] += 1
        arm.expires = None if start.expires is None else start.expires[:]
        self._playing.append(arm)
        return arm

    def leave(self, arm: Arm) -> None:
        """Play that rival no more."""
        assert arm.index == RIVAL, "the arms are played for ever"
        self._playing.remove(arm)
        for slot in arm.cache.order():
            self._holders[slot] -= 1
            if not self._holders[slot]:
                self._table.release(slot)

    def _enter(self, hashed: KeyHash, number: int) -> Slot:
        """A slot for what no arm holds."""
        slot = self._table.add(hashed)
        if slot >= len(self._holders):
            self._holders.extend(bytes(slot // 8 + 16))
            self._numbers.extend(array("H", bytes(2 * (len(self._holders) - len(self._numbers)))))
            self._quiet.extend(array("d", bytes(8 * (len(self._holders) - len(self._quiet)))))
            for arm in self._playing:
                arm.reserve(len(self._holders))
        self._numbers[slot] = number
        self._quiet[slot] = 0.0
        return slot

    def _take(self, arm: Arm, slot: Slot, size: int, expires_s: float | None) -> None:
        holders = self._holders
        holders[slot] += 1
        if expires_s is not None or arm.expires is not None:
            arm.lives(slot, expires_s, len(holders))
        for gone in arm.put(slot, size):
            holders[gone] -= 1
            if not holders[gone] and gone != slot:  # which other arms may still take
                self._table.release(gone)

    def _settle(self, slot: Slot) -> None:
        """All arms have taken what they wanted."""
        if not self._holders[slot]:
            self._table.release(slot)
        if self._limit is not None:
            self._fit_sample()

    @property
    def mean_size(self) -> float:
        """Bytes of what was asked for, on average; 0 while no size is known."""
        return self._size_sum / self._size_count if self._size_count else 0.0

    def _sized(self, size: int) -> int:
        """The size, or the mean of the sizes seen where it is not known (else it would take no room)."""
        if size > 0:
            self._size_sum += size
            self._size_count += 1
            return size
        return self._size_sum // self._size_count if self._size_count else 1

    def _fit_sample(self) -> None:
        """Halve the sample while a shadow is larger than it should be."""
        assert self._limit is not None
        while self._threshold > 1 and max([len(arm.cache) for arm in self._playing]) > self._limit:
            self._threshold //= 2
            self.scale = _POSITIONS / self._threshold
            for arm in self._playing:
                self._thin(arm)

    def _thin(self, arm: Arm) -> None:
        before, salt, threshold = arm.cache, self._salt, self._threshold
        after, hashes, holders = arm.empty(), self._table.hashes, self._holders
        after.reserve(len(holders))
        after.adopt(
            [
                (slot, before.size_of(slot))
                for slot in before.order()
                if ((hashes[slot] >> _SHIFT) ^ salt) % _POSITIONS < threshold
            ]
        )
        for slot in before.order():
            if slot not in after:
                holders[slot] -= 1
                if not holders[slot]:
                    self._table.release(slot)
        arm.replace(after)

    def _empty(self, name: str) -> Book:
        objects, size = _scaled(self._objects, self.rate), _scaled(self._bytes, self.rate)
        return make(name, objects, size, self._table.hashes, self._worth)


def grown(before: Cost, now: Cost, part: float) -> float:
    """What an arm has cost between two moments, in misses; a miss that another zone serves costs 1 - ``part``
    of one, and a way to the origin that a copy spares others saves as much."""
    return now[0] - before[0] - part * (now[1] - before[1] + now[2] - before[2])


def _scaled(capacity: int | None, rate: float) -> int | None:
    return None if capacity is None else max(1, round(capacity * rate))
