"""S3-FIFO (Yang et al., SOSP 2023): a small queue on probation, a main queue, and ghosts.

Most instances are asked for once. They enter the small queue (a tenth of the room) and fall out of it soon,
leaving only their name among the ghosts. What is used while on probation moves to the main queue, and so
does at once whoever comes back while its ghost is remembered. In the main queue a use adds to a counter
(up to 3), and the hand takes one off each time it comes round; at zero the key goes.

Both queues are FIFO, so an OrderedDict each is enough: a hit writes one number. With ``max_bytes`` the small
queue's share is a tenth of the bytes (also a tenth of the objects where both are bounded), and the ghosts
stand for at most as many bytes, and objects, as the store. A newcomer that is by itself larger than the
small queue is not thrown out by its own arrival: the main queue makes room instead.

Beyond the paper, a key that is *removed* (expired, invalidated) after it had proved itself leaves a ghost:
a time to live of five minutes must not send the hottest instances back to probation every five minutes.
"""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import Generic

from zoned.core.eviction.policy import K, check_bounds

SMALL_SHARE = 10  # the small queue has 1/10 of the room
_USED = 3  # the two low bits count uses, capped at 3; the rest of a value is the size


class S3Fifo(Generic[K]):
    """S3-FIFO, bounded in objects and bytes."""

    __slots__ = (
        "_ghost_bytes",
        "_ghosts",
        "_main",
        "_max_bytes",
        "_max_objects",
        "_small",
        "_small_bytes",
        "_small_max_bytes",
        "_small_max_objects",
        "used_bytes",
    )

    def __init__(self, max_objects: int | None, max_bytes: int | None) -> None:
        check_bounds(max_objects, max_bytes)
        self._max_objects = sys.maxsize if max_objects is None else max_objects
        self._max_bytes = sys.maxsize if max_bytes is None else max_bytes
        self._small_max_objects = max(1, self._max_objects // SMALL_SHARE)
        self._small_max_bytes = max(1, self._max_bytes // SMALL_SHARE)
        self._small: OrderedDict[K, int] = OrderedDict()  # oldest first; value = size * 4 + uses
        self._main: OrderedDict[K, int] = OrderedDict()
        self._ghosts: OrderedDict[K, int] = OrderedDict()  # value = size
        self._small_bytes = 0
        self._ghost_bytes = 0
        self.used_bytes = 0

    def __contains__(self, key: object) -> bool:
        return key in self._main or key in self._small

    def __len__(self) -> int:
        return len(self._main) + len(self._small)

    def hit(self, key: K) -> bool:
        """Count the use, up to three."""
        queue = self._main
        value = queue.get(key)
        if value is None:
            queue = self._small
            value = queue.get(key)
            if value is None:
                return False
        if value & _USED != _USED:
            queue[key] = value + 1
        return True

    def put(self, key: K, size: int) -> list[K]:
        """Take in on probation, or into the main queue if its ghost is known. See ``Eviction.put``."""
        assert key not in self, "put of a key that is held"
        if size > self._max_bytes:
            return [key]
        ghost_size = self._ghosts.pop(key, None)
        if ghost_size is None:
            self._small[key] = size << 2
            self._small_bytes += size
        else:
            self._ghost_bytes -= ghost_size
            self._main[key] = size << 2
        self.used_bytes += size
        if self.used_bytes <= self._max_bytes and len(self._main) + len(self._small) <= self._max_objects:
            return []
        return self._make_room(1 if ghost_size is None else 0)

    def _make_room(self, newcomers: int) -> list[K]:
        """Evict until within bounds; the small queue keeps its last ``newcomers`` keys."""
        small, main = self._small, self._main
        evicted: list[K] = []
        while self.used_bytes > self._max_bytes or len(small) + len(main) > self._max_objects:
            over = len(small) > self._small_max_objects or self._small_bytes > self._small_max_bytes
            if not main or (over and len(small) > newcomers):
                self._try_small(evicted)
            else:
                key, value = main.popitem(last=False)
                if value & _USED:
                    main[key] = value - 1
                else:
                    self.used_bytes -= value >> 2
                    evicted.append(key)
        return evicted

    def _try_small(self, evicted: list[K]) -> None:
        """The oldest on probation passes into the main queue, or goes."""
        key, value = self._small.popitem(last=False)
        size = value >> 2
        self._small_bytes -= size
        if value & _USED:
            self._main[key] = size << 2
        else:
            self.used_bytes -= size
            evicted.append(key)
            self._remember(key, size)

    def _remember(self, key: K, size: int) -> None:
        """Leave a ghost; the oldest ghosts fade."""
        ghosts = self._ghosts
        ghosts[key] = size
        self._ghost_bytes += size
        while len(ghosts) > self._max_objects or self._ghost_bytes > self._max_bytes:
            _, gone = ghosts.popitem(last=False)
            self._ghost_bytes -= gone

    def remove(self, key: K) -> bool:
        """Forget the key; it leaves a ghost if it was in the main queue or used on probation."""
        value = self._main.pop(key, None)
        proved = value is not None
        if value is None:
            value = self._small.pop(key, None)
            if value is None:
                return False
            self._small_bytes -= value >> 2
            proved = value & _USED != 0
        self.used_bytes -= value >> 2
        if proved:
            self._remember(key, value >> 2)
        return True

    def size_of(self, key: K) -> int:
        """The size it was put with."""
        value = self._main.get(key)
        return (self._small[key] if value is None else value) >> 2

    def order(self) -> Iterator[K]:
        """What the small queue has too much of, then the main queue by uses, then the rest on probation."""
        objects, size = len(self._small), self._small_bytes
        excess = 0  # how many of the small queue go before the main queue is looked at
        passed: list[K] = []  # of those: used, so they end up behind the main queue with no uses
        for key, value in self._small.items():
            if objects <= self._small_max_objects and size <= self._small_max_bytes:
                break
            objects, size, excess = objects - 1, size - (value >> 2), excess + 1
            if value & _USED:
                passed.append(key)
            else:
                yield key
        for uses in range(_USED + 1):
            for key, value in self._main.items():
                if value & _USED == uses:
                    yield key
            if uses == 0:
                yield from passed
        for place, key in enumerate(self._small):
            if place >= excess:
                yield key

    def adopt(self, items: Iterable[tuple[K, int]]) -> list[K]:
        """The older ones become the main queue, the youngest tenth of the room is on probation.

        Everything on probation would make the policy a plain FIFO for a whole turnover.
        """
        assert not len(self), "adopt into a policy that holds something"
        young: list[tuple[K, int]] = []
        main: list[tuple[K, int]] = []
        objects = size = 0
        for pair in reversed(list(items)):
            objects, size = objects + 1, size + pair[1]
            fits = objects <= self._small_max_objects and size <= self._small_max_bytes and not main
            (young if fits else main).append(pair)
        for key, key_size in reversed(main):
            self._main[key] = key_size << 2
            self.used_bytes += key_size
        for key, key_size in reversed(young):
            self._small[key] = key_size << 2
            self._small_bytes += key_size
            self.used_bytes += key_size
        return self._make_room(0)
