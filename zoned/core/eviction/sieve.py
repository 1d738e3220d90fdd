"""SIEVE (Zhang et al., NSDI 2024): one queue, a mark per key, and a hand that sweeps from old to young.

A use only marks. When room is needed the hand looks at the key it points to: marked, it loses the mark
and stays where it is; unmarked, it goes. Newcomers enter at the young end, so the hand separates those
that survived a sweep (behind it) from those not yet looked at (ahead of it).

That is also how it is built here: the queue is cut at the hand into two OrderedDicts, ``_behind`` and
``_ahead``. The hand's step is "pop the front of ahead; append it behind, or evict it", a newcomer is
appended ahead, and when nothing is ahead the two swap roles: the hand is back at the old end. No linked
list of Python objects, which would cost twice the memory and time (measured against the reference's three
dicts). Unlike in CLOCK, a survivor is not put back at the young end; that is SIEVE's whole point.
"""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import Generic

from zoned.core.eviction.policy import K, check_bounds


class Sieve(Generic[K]):
    """SIEVE, bounded in objects and bytes."""

    __slots__ = ("_ahead", "_behind", "_max_bytes", "_max_objects", "used_bytes")

    def __init__(self, max_objects: int | None, max_bytes: int | None) -> None:
        check_bounds(max_objects, max_bytes)
        self._max_objects = sys.maxsize if max_objects is None else max_objects
        self._max_bytes = sys.maxsize if max_bytes is None else max_bytes
        # Oldest first in both; value = size * 2 + mark. Together behind + ahead is the queue, old to young.
        self._behind: OrderedDict[K, int] = OrderedDict()
        self._ahead: OrderedDict[K, int] = OrderedDict()
        self.used_bytes = 0

    def __contains__(self, key: object) -> bool:
        return key in self._ahead or key in self._behind

    def __len__(self) -> int:
        return len(self._ahead) + len(self._behind)

    def hit(self, key: K) -> bool:
        """Mark it."""
        part = self._ahead
        value = part.get(key)
        if value is None:
            part = self._behind
            value = part.get(key)
            if value is None:
                return False
        if not value & 1:
            part[key] = value | 1
        return True

    def put(self, key: K, size: int) -> list[K]:
        """Let the hand make room, then take in at the young end. See ``Eviction.put``."""
        assert key not in self, "put of a key that is held"
        if size > self._max_bytes:
            return [key]
        room = self._max_bytes - size
        evicted: list[K] = []
        while self.used_bytes > room or len(self._ahead) + len(self._behind) >= self._max_objects:
            evicted.append(self._sweep())
        self._ahead[key] = size * 2
        self.used_bytes += size
        return evicted

    def _sweep(self) -> K:
        """Advance the hand to the next unmarked key and evict it."""
        while True:
            key, value = self._ahead.popitem(last=False)
            if not value & 1:
                self.used_bytes -= value >> 1
                self._wrap()
                return key
            self._behind[key] = value - 1
            self._wrap()

    def _wrap(self) -> None:
        """Nothing is ahead of the hand: it is back at the old end."""
        if not self._ahead:
            self._ahead, self._behind = self._behind, self._ahead

    def remove(self, key: K) -> bool:
        """Forget the key; a hand that pointed to it points to the next younger one."""
        value = self._ahead.pop(key, None)
        if value is None:
            value = self._behind.pop(key, None)
            if value is None:
                return False
        self.used_bytes -= value >> 1
        self._wrap()
        return True

    def size_of(self, key: K) -> int:
        """The size it was put with."""
        value = self._ahead.get(key)
        return (self._behind[key] if value is None else value) >> 1

    def order(self) -> Iterator[K]:
        """Unmarked ahead, unmarked behind, then in the second and third sweep those that lose their mark."""
        for mark in (0, 1):
            for part in (self._ahead, self._behind):
                for key, value in part.items():
                    if value & 1 == mark:
                        yield key

    def adopt(self, items: Iterable[tuple[K, int]]) -> list[K]:
        """Put them in their order, unmarked, the hand at the next to go."""
        assert not len(self), "adopt into a policy that holds something"
        evicted: list[K] = []
        for key, size in items:
            evicted += self.put(key, size)
        return evicted
