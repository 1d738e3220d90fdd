"""Shadows: what other eviction policies would have held, played on the same accesses.

A shadow holds keys and sizes, no bytes, so it costs about 150 bytes an instance and a microsecond an
access. All arms see the same accesses: full information, which is why a plain Hedge beats every bandit
here (a bandit sees only the arm it played).

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
"""

from __future__ import annotations

from collections.abc import Sequence

from zoned.core.eviction import Eviction, Worth, make
from zoned.core.names import KeyHash

_POSITIONS = 1 << 24  # of a key in the sample; bits 20-43 of the hash: apart from the shard's (48-63)
_SHIFT = 20


class Misses:
    """The misses of each arm on one dependency; ``near``: those of them that another zone serves."""

    __slots__ = ("all", "near")

    def __init__(self, arms: int) -> None:
        self.all = [0.0] * arms
        self.near = [0.0] * arms

    def add(self, other: Misses) -> None:
        """Take over another dependency's."""
        self.all = [mine + theirs for mine, theirs in zip(self.all, other.all, strict=True)]
        self.near = [mine + theirs for mine, theirs in zip(self.near, other.near, strict=True)]


class Arm:
    """One policy's shadow. ``misses`` are scaled to all accesses; ``near``: those another zone serves;
    ``spared``: ways to the origin that its copies spare other zones."""

    __slots__ = ("cache", "expires", "hit", "index", "misses", "name", "near", "spared")

    def __init__(self, index: int, name: str, cache: Eviction[KeyHash]) -> None:
        self.index = index
        self.name = name
        self.misses = self.near = self.spared = 0.0
        self.expires: dict[KeyHash, float] = {}  # mono seconds; only copies that do expire
        self.replace(cache)

    def replace(self, cache: Eviction[KeyHash]) -> None:
        """Go on with another book of what is held."""
        self.cache = cache
        self.hit = cache.hit  # bound once: it is called at every access

    def take(self, hashed: KeyHash, size: int, expires_s: float | None) -> None:
        """Fetch a copy that was not there."""
        expires = self.expires
        if expires_s is not None:
            expires[hashed] = expires_s
        gone = self.cache.put(hashed, size)
        if gone and expires:
            for key in gone:
                expires.pop(key, None)

    def drop(self, hashed: KeyHash) -> None:
        """Forget a copy: it expired, or was invalidated."""
        self.cache.remove(hashed)
        self.expires.pop(hashed, None)


class Shadow:
    """All arms, on one sample."""

    __slots__ = (
        "_arms",
        "_bytes",
        "_limit",
        "_objects",
        "_salt",
        "_size_count",
        "_size_sum",
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
        self._arms = [Arm(index, name, self._empty(name)) for index, name in enumerate(names)]
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
        missed, scale = 0.0, self.scale
        expires_s = None if ttl_s is None else now_s + ttl_s
        for arm in self._arms:
            if arm.hit(hashed):
                if not arm.expires or arm.expires.get(hashed, now_s) >= now_s:
                    continue
                arm.drop(hashed)
            if missed == 0.0:  # the first arm that misses
                size = self._sized(size)
                missed = scale if arm is self._arms[0] else -1.0
            arm.misses += scale
            if near:
                arm.near += scale
            if dependency is not None:
                dependency.all[arm.index] += scale
                if near:
                    dependency.near[arm.index] += scale
            arm.take(hashed, size, expires_s)
        if missed and self._limit is not None:
            self._fit_sample()
        return missed if missed > 0.0 else 0.0

    def asked(self, hashed: KeyHash) -> None:
        """Another zone asks for what only this zone holds: an arm that has it spares that zone the origin."""
        if ((hashed >> _SHIFT) ^ self._salt) % _POSITIONS >= self._threshold:
            return
        for arm in self._arms:
            if hashed in arm.cache:
                arm.spared += self.scale

    def drop(self, hashed: KeyHash) -> None:
        """No copy of it may be used any more."""
        for arm in self._arms:
            arm.drop(hashed)

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
        while self._threshold > 1 and max([len(arm.cache) for arm in self._arms]) > self._limit:
            self._threshold //= 2
            self.scale = _POSITIONS / self._threshold
            for arm in self._arms:
                self._thin(arm)

    def _thin(self, arm: Arm) -> None:
        before, salt, threshold = arm.cache, self._salt, self._threshold
        after = self._empty(arm.name)
        after.adopt(
            [
                (key, before.size_of(key))
                for key in before.order()
                if ((key >> _SHIFT) ^ salt) % _POSITIONS < threshold
            ]
        )
        arm.expires = {key: at_s for key, at_s in arm.expires.items() if key in after}
        arm.replace(after)

    def _empty(self, name: str) -> Eviction[KeyHash]:
        return make(name, _scaled(self._objects, self.rate), _scaled(self._bytes, self.rate), self._worth)


def _scaled(capacity: int | None, rate: float) -> int | None:
    return None if capacity is None else max(1, round(capacity * rate))
