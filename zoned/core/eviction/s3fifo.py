"""S3-FIFO (Yang et al., SOSP 2023): a small queue on probation, a main queue, and ghosts.

Most instances are asked for once. They enter the small queue (a tenth of the room) and fall out of it soon,
leaving only their name among the ghosts. What is used while on probation moves to the main queue, and so
does at once whoever comes back while its ghost is remembered. In the main queue a use adds to a counter
(up to 3), and the hand takes one off each time it comes round; at zero the key goes.

A hit writes one byte. With ``max_bytes`` the small queue's share is a tenth of the bytes (also a tenth of
the objects where both are bounded), and the ghosts stand for at most as many bytes, and objects, as the
store. A newcomer that is by itself larger than the small queue is not thrown out by its own arrival: the
main queue makes room instead.

Beyond the paper, a copy that is *removed* (expired, invalidated) after it had proved itself leaves a ghost:
a time to live of five minutes must not send the hottest instances back to probation every five minutes.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence

from zoned.core.eviction.ghosts import Ghosts
from zoned.core.eviction.policy import Slot, check_bounds
from zoned.core.eviction.queues import Queues
from zoned.core.names import KeyHash

SMALL_SHARE = 10  # the small queue has 1/10 of the room
_MAIN, _SMALL = -1, -2  # the ends of the queues
_USED = 3  # the two low bits of a slot's state count uses, capped at 3 ...
_IN_MAIN, _IN_SMALL = 4, 8  # ... and these say where it is; 0: not held


class S3Fifo:
    """S3-FIFO, bounded in objects and bytes."""

    __slots__ = (
        "_ghosts",
        "_hashes",
        "_held",
        "_max_bytes",
        "_max_objects",
        "_queues",
        "_small",
        "_small_bytes",
        "_small_max_bytes",
        "_small_max_objects",
        "_state",
        "used_bytes",
    )

    def __init__(self, max_objects: int | None, max_bytes: int | None, hashes: Sequence[KeyHash]) -> None:
        """``hashes``: the owner's column."""
        self._hashes = hashes
        self._queues = Queues(2)
        self._state = bytearray()
        self._ghosts = Ghosts(max_objects, max_bytes)
        self.bound(max_objects, max_bytes)
        self._held = self._small = 0  # how many in all, and on probation
        self._small_bytes = 0
        self.used_bytes = 0

    def __contains__(self, slot: Slot) -> bool:
        return self._state[slot] != 0

    def __len__(self) -> int:
        return self._held

    def reserve(self, slots: int) -> None:
        """Room for the slots below that number."""
        self._queues.reserve(slots)
        self._state.extend(bytes(max(0, slots - len(self._state))))

    def hit(self, slot: Slot) -> bool:
        """[hot] Count the use, up to three."""
        state = self._state[slot]
        if state & _USED != _USED:
            if not state:
                return False
            self._state[slot] = state + 1
        return True

    def put(self, slot: Slot, size: int) -> list[Slot]:
        """Take in on probation, or into the main queue if its ghost is known. See ``Eviction.put``."""
        assert not self._state[slot], "put of a slot that is held"
        if size > self._max_bytes:
            return [slot]
        known = self._ghosts.take(self._hashes[slot])
        if known:
            self._enter_main(slot, size)
        else:
            self._enter_small(slot, size)
        self._held += 1
        self.used_bytes += size
        if self.used_bytes <= self._max_bytes and self._held <= self._max_objects:
            return []
        return self._make_room(0 if known else 1)

    def _enter_main(self, slot: Slot, size: int) -> None:
        self._queues.append(_MAIN, slot, size)
        self._state[slot] = _IN_MAIN

    def _enter_small(self, slot: Slot, size: int) -> None:
        self._queues.append(_SMALL, slot, size)
        self._state[slot] = _IN_SMALL
        self._small += 1
        self._small_bytes += size

    def _make_room(self, newcomers: int) -> list[Slot]:
        """Evict until within bounds; the small queue keeps its last ``newcomers`` slots."""
        evicted: list[Slot] = []
        while self.used_bytes > self._max_bytes or self._held > self._max_objects:
            self._try(newcomers, evicted)
        return evicted

    def _try(self, newcomers: int, evicted: list[Slot]) -> None:
        younger = self._queues.younger
        over = self._small > self._small_max_objects or self._small_bytes > self._small_max_bytes
        if younger[_MAIN] < 0 or (over and self._small > newcomers):
            self._try_small(younger[_SMALL], evicted)
        else:
            self._try_main(younger[_MAIN], evicted)

    def shed(self) -> Slot:
        """Who is next to go, as when room is made."""
        evicted: list[Slot] = []
        while not evicted:
            self._try(0, evicted)
        return evicted[0]

    def bound(self, max_objects: int | None, max_bytes: int | None) -> None:
        """Other bounds from now on, not below what is held: for the small queue and the ghosts, too."""
        check_bounds(max_objects, max_bytes)
        self._max_objects = sys.maxsize if max_objects is None else max_objects
        self._max_bytes = sys.maxsize if max_bytes is None else max_bytes
        self._small_max_objects = max(1, self._max_objects // SMALL_SHARE)
        self._small_max_bytes = max(1, self._max_bytes // SMALL_SHARE)
        self._ghosts.bound(max_objects, max_bytes)

    def _try_main(self, slot: Slot, evicted: list[Slot]) -> None:
        """The oldest of the main queue gives a use for another round, or goes."""
        queues = self._queues
        queues.remove(slot)
        size, state = queues.sizes[slot], self._state[slot]
        if state & _USED:
            queues.append(_MAIN, slot, size)
            self._state[slot] = state - 1
        else:
            self._left(slot, size)
            evicted.append(slot)

    def _try_small(self, slot: Slot, evicted: list[Slot]) -> None:
        """The oldest on probation passes into the main queue, or goes."""
        queues = self._queues
        queues.remove(slot)
        size = queues.sizes[slot]
        self._small -= 1
        self._small_bytes -= size
        if self._state[slot] & _USED:
            self._enter_main(slot, size)
        else:
            self._left(slot, size)
            evicted.append(slot)
            self._ghosts.add(self._hashes[slot], size)

    def _left(self, slot: Slot, size: int) -> None:
        self._state[slot] = 0
        self._held -= 1
        self.used_bytes -= size

    def remove(self, slot: Slot) -> bool:
        """Forget the slot; it leaves a ghost if it was in the main queue or used on probation."""
        state = self._state[slot]
        if not state:
            return False
        queues = self._queues
        queues.remove(slot)
        size = queues.sizes[slot]
        if state & _IN_SMALL:
            self._small -= 1
            self._small_bytes -= size
        self._left(slot, size)
        if state != _IN_SMALL:
            self._ghosts.add(self._hashes[slot], size)
        return True

    def size_of(self, slot: Slot) -> int:
        """The size it was put with."""
        return self._queues.sizes[slot]

    def order(self) -> Iterator[Slot]:
        """What the small queue has too much of, then the main queue by uses, then the rest on probation."""
        queues, state = self._queues, self._state
        objects, size = self._small, self._small_bytes
        rest: Slot | None = None  # the first of the small queue that does not go before the main queue does
        passed: list[Slot] = []  # of those before: used, so they end up behind the main queue with no uses
        for slot in queues.walk(_SMALL):
            if objects <= self._small_max_objects and size <= self._small_max_bytes:
                rest = slot
                break
            objects, size = objects - 1, size - queues.sizes[slot]
            if state[slot] & _USED:
                passed.append(slot)
            else:
                yield slot
        for uses in range(_USED + 1):
            for slot in queues.walk(_MAIN):
                if state[slot] & _USED == uses:
                    yield slot
            if uses == 0:
                yield from passed
        if rest is not None:
            yield from queues.walk(_SMALL, rest)

    def adopt(self, items: Iterable[tuple[Slot, int]]) -> list[Slot]:
        """The older ones become the main queue, the youngest tenth of the room is on probation.

        Everything on probation would make the policy a plain FIFO for a whole turnover.
        """
        assert not self._held, "adopt into a policy that holds something"
        young: list[tuple[Slot, int]] = []
        main: list[tuple[Slot, int]] = []
        objects = size = 0
        for pair in reversed(list(items)):
            objects, size = objects + 1, size + pair[1]
            fits = objects <= self._small_max_objects and size <= self._small_max_bytes and not main
            (young if fits else main).append(pair)
        for slot, slot_size in reversed(main):
            self._enter_main(slot, slot_size)
        for slot, slot_size in reversed(young):
            self._enter_small(slot, slot_size)
        self._held, self.used_bytes = objects, size
        return self._make_room(0)
