"""A learnt value of each copy: the least valuable goes, and a newcomer has to be worth more than it.

What a copy is worth is ``worth``'s business; this class only keeps the book. The least of 8 candidates goes,
which on real traces is as good as the least of all; the candidates are the next 8 under a hand that walks
round, so that every copy is looked at, and a run repeats without a die. A newcomer that is not worth a margin
more than what it would push out is refused: swapping equals costs transfers and gains nothing.

Rejected: a heap (values change while nobody touches them: counts decay, other zones take and drop copies),
and random candidates (equal, and a die more). Papers: Beckmann et al., LHD, NSDI 2018 (value as hit
density, sampled); the last copy: Feeley et al., SOSP 1995.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable, Iterator

from zoned.core.eviction.policy import check_bounds
from zoned.core.eviction.worth import Worth
from zoned.core.names import FINGERPRINT_MASK, KeyHash

CANDIDATES = 8
MARGIN = 1.25  # a newcomer has to be worth so many times what it pushes out
_WALKED = 256  # so many of ``order`` are exactly those under the hand; the rest is sorted once


class Value:
    """By learnt value, bounded in objects and bytes; with a bound in bytes, by value per byte."""

    __slots__ = (
        "_by_bytes",
        "_hand",
        "_max_bytes",
        "_max_objects",
        "_members",
        "_places",
        "_rows",
        "_sizes",
        "_worth",
        "used_bytes",
    )

    def __init__(self, max_objects: int | None, max_bytes: int | None, worth: Worth) -> None:
        check_bounds(max_objects, max_bytes)
        self._max_objects = sys.maxsize if max_objects is None else max_objects
        self._max_bytes = sys.maxsize if max_bytes is None else max_bytes
        self._by_bytes = max_bytes is not None
        self._worth = worth
        self._members: list[KeyHash] = []
        self._sizes: list[int] = []
        self._rows = array("I")  # where the demand had them last, to be looked at before they are looked up
        self._places: dict[KeyHash, int] = {}
        self._hand = 0
        self.used_bytes = 0

    def __contains__(self, key: object) -> bool:
        return key in self._places

    def __len__(self) -> int:
        return len(self._members)

    def hit(self, key: KeyHash) -> bool:
        """Whether it is held; the use itself is the demand's to count."""
        return key in self._places

    def put(self, key: KeyHash, size: int) -> list[KeyHash]:
        """Take it in if it is worth more than what has to go for it. See ``Eviction.put``."""
        assert key not in self._places, "put of a key that is held"
        if size > self._max_bytes:
            return [key]
        room = self._max_bytes - size
        if self.used_bytes <= room and len(self._members) < self._max_objects:
            self._add(key, size)
            return []
        worth = self._worth.of(key)
        evicted: list[KeyHash] = []
        removed: list[int] = []
        cost = 0.0
        while self.used_bytes > room or len(self._members) >= self._max_objects:
            place, value = self._least()
            cost += value
            if worth <= MARGIN * cost:
                for gone, gone_size in zip(evicted, removed, strict=True):
                    self._add(gone, gone_size)
                return [key]
            evicted.append(self._members[place])
            removed.append(self._sizes[place])
            self._remove(place)
        self._add(key, size)
        return evicted

    def takes(self, key: KeyHash, size: int) -> bool:
        """Whether ``put`` would take it now, as far as one candidate tells: asked before it is fetched."""
        if self.used_bytes + size <= self._max_bytes and len(self._members) < self._max_objects:
            return True
        if not self._members or size > self._max_bytes:
            return False
        place, least, _ = self._least_of(self._members, self._sizes, self._rows, self._hand)
        worth = self._worth.of(key)
        if self._by_bytes:
            return worth / (size or 1) > MARGIN * least / (self._sizes[place] or 1)
        return worth > MARGIN * least

    def remove(self, key: KeyHash) -> bool:
        """Forget the key."""
        place = self._places.get(key)
        if place is None:
            return False
        self._remove(place)
        return True

    def size_of(self, key: KeyHash) -> int:
        """The size it was put with."""
        return self._sizes[self._places[key]]

    def order(self) -> Iterator[KeyHash]:
        """The first few as the hand would take them, then by value."""
        members, sizes, hints, hand = self._members[:], self._sizes[:], self._rows[:], self._hand
        walked = 0
        while members and walked < _WALKED:
            place, _, hand = self._least_of(members, sizes, hints, hand)
            walked += 1
            yield members[place]
            last, last_size, hint = members.pop(), sizes.pop(), hints.pop()
            if place < len(members):
                members[place], sizes[place], hints[place] = last, last_size, hint
        if members:
            of = self._worth.of
            ranked = sorted(zip(map(of, members), range(len(members)), strict=True))
            for _, place in ranked:
                yield members[place]

    def adopt(self, items: Iterable[tuple[KeyHash, int]]) -> list[KeyHash]:
        """Take all that fits, the last first: the next to go are the first to be left out."""
        assert not self._members, "adopt into a policy that holds something"
        left_out: list[KeyHash] = []
        for key, size in reversed(list(items)):
            if self.used_bytes + size > self._max_bytes or len(self._members) >= self._max_objects:
                left_out.append(key)
            else:
                self._add(key, size)
        return left_out[::-1]

    def _least(self) -> tuple[int, float]:
        """(place, value) of the least valuable of the next candidates; the hand moves on."""
        place, value, self._hand = self._least_of(self._members, self._sizes, self._rows, self._hand)
        return place, value

    def _least_of(
        self, members: list[KeyHash], sizes: list[int], hints: array[int], hand: int
    ) -> tuple[int, float, int]:
        """[hot] ``Worth.of`` written out: the directory is asked only where that can decide."""
        worth, demand = self._worth, self._worth.demand
        rows, names, own, others = demand.rows, demand.rows.names, demand.own, demand.others
        near_s, far_s, elsewhere, promised = worth.near_s, worth.far_s, worth.elsewhere, worth.promised
        held = len(members)
        if hand >= held:
            hand = 0
        best, least, least_value, place = hand, float("inf"), 0.0, hand
        for _ in range(min(CANDIDATES, held)):
            key = members[place]
            row = hints[place]
            if names[row] != key & FINGERPRINT_MASK:
                row = hints[place] = rows.get(key & FINGERPRINT_MASK)
            rate = own[row]
            if promised and key in promised:
                promise = promised[key]
                if promise[0] > rate and promise[1] > demand.clock:
                    rate = promise[0]
            value = near_s * rate
            rank = value / (sizes[place] or 1) if self._by_bytes else value
            if rank < least:
                if not elsewhere(key):
                    value += far_s * (rate + others[row])
                    rank = value / (sizes[place] or 1) if self._by_bytes else value
                if rank < least:
                    best, least, least_value = place, rank, value
            place = place + 1 if place + 1 < held else 0
        return best, least_value, place

    def _add(self, key: KeyHash, size: int) -> None:
        self._places[key] = len(self._members)
        self._members.append(key)
        self._sizes.append(size)
        self._rows.append(0)
        self.used_bytes += size

    def _remove(self, place: int) -> None:
        """The last takes the place of who goes."""
        members, sizes, hints = self._members, self._sizes, self._rows
        self.used_bytes -= sizes[place]
        del self._places[members[place]]
        last, last_size, hint = members.pop(), sizes.pop(), hints.pop()
        if place < len(members):
            members[place], sizes[place], hints[place] = last, last_size, hint
            self._places[last] = place
