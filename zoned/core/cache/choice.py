"""Whom the copies obey: one eviction policy for all, or one for each dependency.

While all go by the same policy, the store holds that policy itself, as if there were no others. Where some
go by their own, it holds `Books`. Copies change over as they are, in their order. Admission is chosen with
the policy: ``value`` refuses what is not worth its room, all others take what comes; guesses have few
places with these.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from zoned.core.cache.holdings import Holdings
from zoned.core.cache.settings import AUTO
from zoned.core.eviction import EVICTIONS, Books, Eviction, Hosting, Value, alone
from zoned.core.names import Dependency, InstanceKey, KeyHash

_NONE: Mapping[Dependency, str] = {}


class Choice:
    """Which policy each dependency's copies go by."""

    __slots__ = ("_free", "_guess_share", "_held", "eviction", "evictions")

    def __init__(self, held: Holdings, chosen: str, guess_share: float) -> None:
        """``chosen``: by the operator, perhaps `AUTO`."""
        self._held = held
        self._free = chosen == AUTO
        self._guess_share = guess_share
        self.eviction = "lru" if self._free else chosen
        """What all go by that have no policy of their own."""
        self.evictions: dict[Dependency, str] = {}
        """Who goes by another."""

    def of(self, dependency: Dependency) -> str:
        """The policy of a dependency."""
        return self.evictions.get(dependency, self.eviction)

    def follow(
        self,
        eviction: str,
        evictions: Mapping[Dependency, str] = _NONE,
        recent: Sequence[KeyHash] = (),
    ) -> bool:
        """The learner's choice, for all, and for those that go by another. False: nothing has changed.

        ``recent``: what LRU would hold, next to go first. Where all go by LRU again, what it would not hold
        goes before that: the way back is as short as it can be."""
        own = {name: other for name, other in evictions.items() if other != eviction}
        for name in (eviction, *own.values()):
            assert name in EVICTIONS, f"unknown eviction {name!r}"
        if not self._free or (eviction == self.eviction and own == self.evictions):
            return False
        self.eviction, self.evictions = eviction, own
        held = self._held
        arm_of = partial(_arm_of, held.index.names, eviction, own)
        if own and isinstance(held.policy, Books):
            held.policy.assign(arm_of)
            held.counters["switches"] += 1
        elif own:
            index = held.index
            numbers = index.dependencies
            held.switch(Books(*held.bounds, held.undivided, index.hashes, numbers, arm_of, held.worth))
        else:
            held.switch(alone(eviction, *held.bounds, held.index.hashes, held.worth), recent)
        return True

    def takes(self, key: InstanceKey, hashed: KeyHash, size: int) -> bool:
        """Whether a copy that is offered would be kept; policies that know no value take everything."""
        taken = self._valued(key, hashed, size)
        return taken is None or taken

    def keeps_guess(self, key: InstanceKey, hashed: KeyHash, size: int) -> bool:
        """Whether a copy that nobody asked for is worth its place. The learnt value weighs what is promised
        against what is known, copy by copy. Where the order of use decides, every guess would push out what
        was used, so there are few places for them, and who waits in one is used or goes before the next."""
        taken, held = self._valued(key, hashed, size), self._held
        if taken is not None:
            return taken
        if isinstance(held.policy, Hosting):
            return held.policy.has_place(size, self._guess_share)
        return held.stay_s() is None or len(held.unproved) + 1 <= self._guess_share * len(held.policy)

    def _valued(self, key: InstanceKey, hashed: KeyHash, size: int) -> bool | None:
        """What the policy ``value`` says to a newcomer; None: it does not go by that."""
        policy: Eviction = self._held.policy
        if isinstance(policy, Books):
            return policy.takes(self.of(key.dependency), hashed, size)
        return policy.takes(hashed, size) if isinstance(policy, Value) else None


def _arm_of(names: list[Dependency], eviction: str, own: Mapping[Dependency, str], number: int) -> str:
    return own.get(names[number], eviction)
