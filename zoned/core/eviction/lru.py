"""Least recently used: the seed's policy, and the yardstick that all others are measured against.

One queue; a use moves a slot to its young end; the old end goes.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator

from zoned.core.eviction.policy import Slot, check_bounds
from zoned.core.eviction.queues import NOWHERE, Queues

_END = -1


class Lru:
    """Least recently used, bounded in objects and bytes."""

    __slots__ = ("_held", "_max_bytes", "_max_objects", "_older", "_queues", "_younger", "used_bytes")

    def __init__(self, max_objects: int | None, max_bytes: int | None) -> None:
        check_bounds(max_objects, max_bytes)
        self._max_objects = sys.maxsize if max_objects is None else max_objects
        self._max_bytes = sys.maxsize if max_bytes is None else max_bytes
        self._queues = Queues(1)
        self._older, self._younger = self._queues.older, self._queues.younger
        self._held = 0
        self.used_bytes = 0

    def __contains__(self, slot: Slot) -> bool:
        return self._younger[slot] != NOWHERE

    def __len__(self) -> int:
        return self._held

    def reserve(self, slots: int) -> None:
        """Room for the slots below that number."""
        self._queues.reserve(slots)

    def hit(self, slot: Slot) -> bool:
        """[hot] Move to the young end. (``Queues.remove`` and ``append`` written out.)"""
        older, younger = self._older, self._younger
        after = younger[slot]
        if after < 0:  # the youngest already, or not held
            return after == _END
        before, last = older[slot], older[_END]
        younger[before], older[after] = after, before
        younger[last] = older[_END] = slot
        older[slot], younger[slot] = last, _END
        return True

    def put(self, slot: Slot, size: int) -> list[Slot]:
        """Take in at the young end; the old end makes room. See ``Eviction.put``."""
        assert self._younger[slot] == NOWHERE, "put of a slot that is held"
        if size > self._max_bytes:
            return [slot]
        queues = self._queues
        queues.append(_END, slot, size)
        used, held = self.used_bytes + size, self._held + 1
        evicted: list[Slot] = []
        while used > self._max_bytes or held > self._max_objects:
            old = self._younger[_END]
            queues.remove(old)
            used -= queues.sizes[old]
            held -= 1
            evicted.append(old)
        self.used_bytes, self._held = used, held
        return evicted

    def shed(self) -> Slot:
        """The old end goes."""
        old = self._younger[_END]
        self.remove(old)
        return old

    def bound(self, max_objects: int | None, max_bytes: int | None) -> None:
        """Other bounds from now on, not below what is held."""
        check_bounds(max_objects, max_bytes)
        self._max_objects = sys.maxsize if max_objects is None else max_objects
        self._max_bytes = sys.maxsize if max_bytes is None else max_bytes

    def remove(self, slot: Slot) -> bool:
        """Forget the slot."""
        if self._younger[slot] == NOWHERE:
            return False
        self._queues.remove(slot)
        self.used_bytes -= self._queues.sizes[slot]
        self._held -= 1
        return True

    def size_of(self, slot: Slot) -> int:
        """The size it was put with."""
        return self._queues.sizes[slot]

    def order(self) -> Iterator[Slot]:
        """Least recently used first."""
        return self._queues.walk(_END)

    def adopt(self, items: Iterable[tuple[Slot, int]]) -> list[Slot]:
        """Put them in their order: the next to go becomes the least recently used."""
        assert not self._held, "adopt into a policy that holds something"
        evicted: list[Slot] = []
        for slot, size in items:
            evicted += self.put(slot, size)
        return evicted
