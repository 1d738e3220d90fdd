"""Least recently used: the seed's policy, and the yardstick that all others are measured against.

One queue; a use moves a key to its young end; the old end goes. An OrderedDict is that queue in C. A plain
dict would do with pop-and-insert, but finding its oldest key means walking over the holes that earlier
evictions left: linear where this is constant.
"""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import Generic

from zoned.core.eviction.policy import K, check_bounds


class Lru(Generic[K]):
    """Least recently used, bounded in objects and bytes."""

    __slots__ = ("_max_bytes", "_max_objects", "_queue", "used_bytes")

    def __init__(self, max_objects: int | None, max_bytes: int | None) -> None:
        check_bounds(max_objects, max_bytes)
        self._max_objects = sys.maxsize if max_objects is None else max_objects
        self._max_bytes = sys.maxsize if max_bytes is None else max_bytes
        self._queue: OrderedDict[K, int] = OrderedDict()  # oldest first; value = size
        self.used_bytes = 0

    def __contains__(self, key: object) -> bool:
        return key in self._queue

    def __len__(self) -> int:
        return len(self._queue)

    def hit(self, key: K) -> bool:
        """Move to the young end."""
        queue = self._queue
        if key in queue:
            queue.move_to_end(key)
            return True
        return False

    def put(self, key: K, size: int) -> list[K]:
        """Take in at the young end; the old end makes room. See ``Eviction.put``."""
        assert key not in self._queue, "put of a key that is held"
        if size > self._max_bytes:
            return [key]
        queue = self._queue
        queue[key] = size
        used = self.used_bytes + size
        evicted: list[K] = []
        while used > self._max_bytes or len(queue) > self._max_objects:
            old, old_size = queue.popitem(last=False)
            used -= old_size
            evicted.append(old)
        self.used_bytes = used
        return evicted

    def remove(self, key: K) -> bool:
        """Forget the key."""
        size = self._queue.pop(key, None)
        if size is None:
            return False
        self.used_bytes -= size
        return True

    def size_of(self, key: K) -> int:
        """The size it was put with."""
        return self._queue[key]

    def order(self) -> Iterator[K]:
        """Least recently used first."""
        return iter(self._queue)

    def adopt(self, items: Iterable[tuple[K, int]]) -> list[K]:
        """Put them in their order: the next to go becomes the least recently used."""
        assert not self._queue, "adopt into a policy that holds something"
        evicted: list[K] = []
        for key, size in items:
            evicted += self.put(key, size)
        return evicted
