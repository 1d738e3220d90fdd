"""A learnt value of each copy: the least valuable goes, and a newcomer has to be worth more than it.

What a copy is worth is ``worth``'s business; this class only keeps the book. The least of 6 candidates goes,
which on real traces is as good as the least of 8, or of all (of 4, a percent more is fetched); the candidates
are the next 6 under a hand that walks round, so that every copy is looked at, and a run repeats without a
die. A newcomer that is not worth a margin more than what it would push out is refused: swapping equals costs
transfers and gains nothing.

Rejected: a heap (values change while nobody touches them: counts decay, other zones take and drop copies),
and random candidates (equal, and a die more). Papers: Beckmann et al., LHD, NSDI 2018 (value as hit
density, sampled); the last copy: Feeley et al., SOSP 1995.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable, Iterator, Sequence

from zoned.core.eviction.policy import Slot, check_bounds
from zoned.core.eviction.queues import widened
from zoned.core.eviction.worth import Worth
from zoned.core.names import FINGERPRINT_MASK, KeyHash

CANDIDATES = 6
MARGIN = 1.25  # a newcomer has to be worth so many times what it pushes out
_NO_PLACE = -1
_WALKED = 256  # so many of ``order`` are exactly those under the hand; the rest is sorted once


class Value:
    """By learnt value, bounded in objects and bytes; with a bound in bytes, by value per byte."""

    __slots__ = (
        "_by_bytes",
        "_hand",
        "_hashes",
        "_max_bytes",
        "_max_objects",
        "_members",
        "_places",
        "_rows",
        "_sizes",
        "_worth",
        "used_bytes",
    )

    def __init__(
        self, max_objects: int | None, max_bytes: int | None, hashes: Sequence[KeyHash], worth: Worth
    ) -> None:
        """``hashes``: the owner's column; ``worth``: what copies are worth, by hash."""
        check_bounds(max_objects, max_bytes)
        self._max_objects = sys.maxsize if max_objects is None else max_objects
        self._max_bytes = sys.maxsize if max_bytes is None else max_bytes
        self._by_bytes = max_bytes is not None
        self._worth = worth
        self._hashes = hashes
        self._members = array("i")  # the slots held, by place
        self._rows = array("I")  # where the demand had them last, to be looked at before they are looked up
        self._places = array("i")  # by slot
        self._sizes = array("I")  # by slot
        self._hand = 0
        self.used_bytes = 0

    def __contains__(self, slot: Slot) -> bool:
        return self._places[slot] >= 0

    def __len__(self) -> int:
        return len(self._members)

    def reserve(self, slots: int) -> None:
        """Room for the slots below that number."""
        missing = slots - len(self._places)
        if missing > 0:
            self._places.extend(array("i", (_NO_PLACE,)) * missing)
            self._sizes.frombytes(bytes(missing * self._sizes.itemsize))

    def hit(self, slot: Slot) -> bool:
        """[hot] Whether it is held; the use itself is the demand's to count."""
        return self._places[slot] >= 0

    def put(self, slot: Slot, size: int) -> list[Slot]:
        """Take it in if it is worth more than what has to go for it. See ``Eviction.put``."""
        assert self._places[slot] < 0, "put of a slot that is held"
        if size > self._max_bytes:
            return [slot]
        room = self._max_bytes - size
        if self.used_bytes <= room and len(self._members) < self._max_objects:
            self._add(slot, size)
            return []
        worth = self._worth.of(self._hashes[slot])
        evicted: list[Slot] = []
        cost = 0.0
        while self.used_bytes > room or len(self._members) >= self._max_objects:
            place, value = self._least()
            cost += value
            if worth <= MARGIN * cost:
                for gone in evicted:
                    self._add(gone, self._sizes[gone])
                return [slot]
            evicted.append(self._members[place])
            self._remove(place)
        self._add(slot, size)
        return evicted

    def shed(self) -> Slot:
        """The least valuable of the next candidates goes."""
        place, _ = self._least()
        slot = self._members[place]
        self._remove(place)
        return slot

    def bound(self, max_objects: int | None, max_bytes: int | None) -> None:
        """Other bounds from now on, not below what is held."""
        check_bounds(max_objects, max_bytes)
        self._max_objects = sys.maxsize if max_objects is None else max_objects
        self._max_bytes = sys.maxsize if max_bytes is None else max_bytes

    def takes(self, hashed: KeyHash, size: int) -> bool:
        """Whether ``put`` would take it now, as far as one candidate tells: asked before it is fetched."""
        if self.used_bytes + size <= self._max_bytes and len(self._members) < self._max_objects:
            return True
        if not self._members or size > self._max_bytes:
            return False
        place, least, _ = self._least_of(self._members, self._rows, self._hand)
        worth = self._worth.of(hashed)
        if self._by_bytes:
            return worth / (size or 1) > MARGIN * least / (self._sizes[self._members[place]] or 1)
        return worth > MARGIN * least

    def remove(self, slot: Slot) -> bool:
        """Forget the slot."""
        place = self._places[slot]
        if place < 0:
            return False
        self._remove(place)
        return True

    def size_of(self, slot: Slot) -> int:
        """The size it was put with."""
        return self._sizes[slot]

    def order(self) -> Iterator[Slot]:
        """The first few as the hand would take them, then by value."""
        members, hints, hand = self._members[:], self._rows[:], self._hand
        walked = 0
        while members and walked < _WALKED:
            place, _, hand = self._least_of(members, hints, hand)
            walked += 1
            yield members[place]
            last, hint = members.pop(), hints.pop()
            if place < len(members):
                members[place], hints[place] = last, hint
        if members:
            of, hashes = self._worth.of, self._hashes
            ranked = sorted([(of(hashes[slot]), place) for place, slot in enumerate(members)])
            for _, place in ranked:
                yield members[place]

    def adopt(self, items: Iterable[tuple[Slot, int]]) -> list[Slot]:
        """Take all that fits, the last first: the next to go are the first to be left out."""
        assert not self._members, "adopt into a policy that holds something"
        left_out: list[Slot] = []
        for slot, size in reversed(list(items)):
            if self.used_bytes + size > self._max_bytes or len(self._members) >= self._max_objects:
                left_out.append(slot)
            else:
                self._add(slot, size)
        return left_out[::-1]

    def _least(self) -> tuple[int, float]:
        """(place, value) of the least valuable of the next candidates; the hand moves on."""
        place, value, self._hand = self._least_of(self._members, self._rows, self._hand)
        return place, value

    def _least_of(self, members: array[int], hints: array[int], hand: int) -> tuple[int, float, int]:
        """[hot] ``Worth.of`` written out: the directory is asked only where that can decide."""
        worth, demand = self._worth, self._worth.demand
        hashes, sizes, by_bytes = self._hashes, self._sizes, self._by_bytes
        rows, names, own, others = demand.rows, demand.rows.names, demand.own, demand.others
        near_s, far_s, elsewhere, promised = worth.near_s, worth.far_s, worth.elsewhere, worth.promised
        held = len(members)
        if hand >= held:
            hand = 0
        best, least, least_value, place = hand, float("inf"), 0.0, hand
        for _ in range(min(CANDIDATES, held)):
            slot = members[place]
            key = hashes[slot]
            row = hints[place]
            if names[row] != key & FINGERPRINT_MASK:
                row = hints[place] = rows.get(key & FINGERPRINT_MASK)
            rate = own[row]
            if promised and key in promised:
                promise = promised[key]
                if promise[0] > rate and promise[1] > demand.clock:
                    rate = promise[0]
            value = near_s * rate
            rank = value / (sizes[slot] or 1) if by_bytes else value
            if rank < least:
                if not elsewhere(key):
                    value += far_s * (rate + others[row])
                    rank = value / (sizes[slot] or 1) if by_bytes else value
                if rank < least:
                    best, least, least_value = place, rank, value
            place = place + 1 if place + 1 < held else 0
        return best, least_value, place

    def _add(self, slot: Slot, size: int) -> None:
        self._places[slot] = len(self._members)
        self._members.append(slot)
        self._rows.append(0)
        try:
            self._sizes[slot] = size
        except OverflowError:
            self._sizes = widened(self._sizes, slot, size)
        self.used_bytes += size

    def _remove(self, place: int) -> None:
        """The last takes the place of who goes."""
        members, places, hints = self._members, self._places, self._rows
        slot, last, hint = members[place], members.pop(), hints.pop()
        self.used_bytes -= self._sizes[slot]
        places[slot] = _NO_PLACE
        if place < len(members):
            members[place], hints[place] = last, hint
            places[last] = place
