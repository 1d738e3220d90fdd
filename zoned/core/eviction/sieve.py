"""SIEVE (Zhang et al., NSDI 2024): one queue, a mark per slot, and a hand that sweeps from old to young.

A use only marks. When room is needed the hand looks at the slot it points to: marked, it loses the mark and
stays where it is; unmarked, it goes. Newcomers enter at the young end, so the hand separates those that
survived a sweep (behind it) from those not yet looked at (ahead of it). Past the young end it begins again
at the old one. Unlike in CLOCK, a survivor is not put back at the young end; that is SIEVE's whole point.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator

from zoned.core.eviction.policy import Slot, check_bounds
from zoned.core.eviction.queues import Queues

_END = -1
_UNMARKED, _MARKED = 1, 2  # states of a slot; 0: not held


class Sieve:
    """SIEVE, bounded in objects and bytes."""

    __slots__ = ("_hand", "_held", "_max_bytes", "_max_objects", "_queue", "_state", "used_bytes")

    def __init__(self, max_objects: int | None, max_bytes: int | None) -> None:
        check_bounds(max_objects, max_bytes)
        self._max_objects = sys.maxsize if max_objects is None else max_objects
        self._max_bytes = sys.maxsize if max_bytes is None else max_bytes
        self._queue = Queues(1)
        self._state = bytearray()
        self._hand = _END  # the next slot to be looked at; at the end: the oldest one
        self._held = 0
        self.used_bytes = 0

    def __contains__(self, slot: Slot) -> bool:
        return self._state[slot] != 0

    def __len__(self) -> int:
        return self._held

    def reserve(self, slots: int) -> None:
        """Room for the slots below that number."""
        self._queue.reserve(slots)
        self._state.extend(bytes(max(0, slots - len(self._state))))

    def hit(self, slot: Slot) -> bool:
        """[hot] Mark it."""
        if self._state[slot]:
            self._state[slot] = _MARKED
            return True
        return False

    def put(self, slot: Slot, size: int) -> list[Slot]:
        """Let the hand make room, then take in at the young end. See ``Eviction.put``."""
        assert not self._state[slot], "put of a slot that is held"
        if size > self._max_bytes:
            return [slot]
        room = self._max_bytes - size
        evicted: list[Slot] = []
        while self.used_bytes > room or self._held >= self._max_objects:
            evicted.append(self._sweep())
        self._queue.append(_END, slot, size)
        self._state[slot] = _UNMARKED
        self._held += 1
        self.used_bytes += size
        return evicted

    def shed(self) -> Slot:
        """The hand goes on until somebody has gone."""
        return self._sweep()

    def bound(self, max_objects: int | None, max_bytes: int | None) -> None:
        """Other bounds from now on, not below what is held."""
        check_bounds(max_objects, max_bytes)
        self._max_objects = sys.maxsize if max_objects is None else max_objects
        self._max_bytes = sys.maxsize if max_bytes is None else max_bytes

    def _sweep(self) -> Slot:
        """Advance the hand to the next unmarked slot and evict it."""
        state, younger = self._state, self._queue.younger
        hand = self._hand
        while True:
            if hand == _END:
                hand = younger[_END]
            if state[hand] == _UNMARKED:
                self._hand = hand
                self.remove(hand)
                return hand
            state[hand] = _UNMARKED
            hand = younger[hand]

    def remove(self, slot: Slot) -> bool:
        """Forget the slot; a hand that pointed to it points to the next younger one."""
        if not self._state[slot]:
            return False
        queue = self._queue
        if self._hand == slot:
            self._hand = queue.younger[slot]
        queue.remove(slot)
        self._state[slot] = 0
        self._held -= 1
        self.used_bytes -= queue.sizes[slot]
        return True

    def size_of(self, slot: Slot) -> int:
        """The size it was put with."""
        return self._queue.sizes[slot]

    def order(self) -> Iterator[Slot]:
        """Unmarked ahead, unmarked behind, then in the second and third sweep those that lose their mark."""
        hand, state = self._hand, self._state
        for mark in (_UNMARKED, _MARKED):
            if hand != _END:
                yield from [slot for slot in self._queue.walk(_END, hand) if state[slot] == mark]
            yield from [slot for slot in self._queue.walk(_END, until=hand) if state[slot] == mark]

    def adopt(self, items: Iterable[tuple[Slot, int]]) -> list[Slot]:
        """Put them in their order, unmarked, the hand at the next to go."""
        assert not self._held, "adopt into a policy that holds something"
        evicted: list[Slot] = []
        for slot, size in items:
            evicted += self.put(slot, size)
        return evicted
