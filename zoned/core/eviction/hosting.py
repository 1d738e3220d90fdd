"""LRU with a few guests: guesses get places of their own, and none of them costs more than one hit.

A copy that was fetched ahead must push something out. Put at the young end of LRU's order it goes on
pushing until it has sunk through the whole store: where the store holds just what is needed, each miss
pushes out what is asked for next, and one wrong guess costs as many hits as there are copies. So guests stand
beside the order. Of LRU's own order the store keeps the *top*, all but as many copies as there are guests;
of those that had to go for guests it remembers the names, in their order (they are where LRU's order goes
on). At every read then

    asked for a guest      LRU would have missed: a hit is gained, the guest is now one of all others
    asked for a name       LRU would have hit: a hit is lost, and the oldest guest goes in place of the next
    asked for another      LRU misses as well, and nobody pays for it

After each of the three the store again holds the top of LRU's order and the guests that are left. So there
is a loss for each guest at most, whatever is asked for; and a loss is seen as it happens, in a store of any
size, without a shadow. In a store bounded in bytes a guest counts for as many as its size is of a mean
copy's, and all this is about so.

A guest that has waited while as many copies came as the store holds is *stale*: in LRU's order, too, it would
have gone by now. It is the next to go.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from zoned.core.eviction.lru import Lru
from zoned.core.eviction.policy import Slot, check_bounds
from zoned.core.names import KeyHash


class _Guest(NamedTuple):
    size: int
    came: int  # by the number of copies that had come


class _Names:
    """Where LRU's order goes on: what it would hold besides, next to go first. At most about as many as there
    are guests."""

    __slots__ = ("_sizes", "bytes")

    def __init__(self) -> None:
        self._sizes: dict[KeyHash, int] = {}
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._sizes)

    def add(self, hashed: KeyHash, size: int) -> None:
        """The last of those held has to go."""
        self.take(hashed)
        self._sizes[hashed] = size
        self.bytes += size

    def take(self, hashed: KeyHash) -> bool:
        """Whether it is one of them, which it is no more after that."""
        size = self._sizes.pop(hashed, None)
        if size is None:
            return False
        self.bytes -= size
        return True

    def fade(self, objects: int, size: int) -> None:
        """Only so many, of so many bytes, are what LRU would hold."""
        sizes = self._sizes
        while sizes and (len(sizes) > objects or self.bytes > size):
            self.bytes -= sizes.pop(next(iter(sizes)))


class Hosting:
    """An `Eviction`: least recently used, and guests. ``hashes``: the owner's column."""

    __slots__ = (
        "_came",
        "_guest_bytes",
        "_hashes",
        "_hit",
        "_main",
        "_max_bytes",
        "_max_objects",
        "_names",
        "gained",
        "guests",
        "lost",
        "places",
    )

    def __init__(self, max_objects: int | None, max_bytes: int | None, hashes: Sequence[KeyHash]) -> None:
        check_bounds(max_objects, max_bytes)
        self._max_objects = sys.maxsize if max_objects is None else max_objects
        self._max_bytes = sys.maxsize if max_bytes is None else max_bytes
        self._hashes = hashes
        self._main = Lru(None, None)  # LRU's order, as far as we hold it; who goes is decided here
        self._hit = self._main.hit
        self.guests: dict[Slot, _Guest] = {}
        """Who waits for the first use, oldest first. To look at."""
        self._guest_bytes = 0
        self._names = _Names()
        self._came = 0
        self.places = 0.0
        """How many guests may stand where others would, which the owner sets; in free room there may be any
        number. Those above it are the first to go."""
        self.lost = self.gained = 0
        """How many hits guests have cost, and how many they brought."""

    def __contains__(self, slot: Slot) -> bool:
        return slot in self._main or slot in self.guests

    def __len__(self) -> int:
        return len(self._main) + len(self.guests)

    @property
    def used_bytes(self) -> int:
        """Sum of the sizes held."""
        return self._main.used_bytes + self._guest_bytes

    def reserve(self, slots: int) -> None:
        """Room for the slots below that number."""
        self._main.reserve(slots)

    def hit(self, slot: Slot) -> bool:
        """[hot] Move to the young end; a guest that is used is none any more."""
        return self._hit(slot) or self._arrives(slot)

    def put(self, slot: Slot, size: int) -> list[Slot]:
        """Take in at the young end what was asked for. See ``Eviction.put``."""
        assert slot not in self, "put of a slot that is held"
        if size > self._max_bytes:
            return [slot]
        evicted: list[Slot] = []
        if self._names.take(self._hashes[slot]):
            self.lost += 1
            if self.guests:
                evicted.append(self._dismiss())
        self._came += 1
        while self._over(1, size):
            too_many = self._is_stale() or not len(self._main) or self._weight(0, 0) > self.places
            evicted.append(self._dismiss() if too_many else self._displace())
        self._main.put(slot, size)
        self._names.fade(self._max_objects - len(self._main), self._max_bytes - self._main.used_bytes)
        return evicted

    def lodge(self, slot: Slot, size: int) -> list[Slot]:
        """Take in what nobody has asked for; older guests go where there are not places for all. Without a
        place, nor free room, it is not taken: the answer is ``[slot]``."""
        assert slot not in self, "put of a slot that is held"
        if size > self._max_bytes or (
            self._over(1, size) and self._weight(1, size, alone=True) > self.places
        ):
            return [slot]
        evicted: list[Slot] = []
        while self._over(1, size):
            too_many = self._is_stale() or not len(self._main) or self._weight(1, size) > self.places
            evicted.append(self._dismiss() if too_many and self.guests else self._displace())
        self.guests[slot] = _Guest(size, self._came)
        self._guest_bytes += size
        return evicted

    def has_place(self, size: int, share: float) -> bool:
        """Whether one more guest of that size would be taken without sending away one that may still be used,
        and if not more than that share of the copies are to be guests."""
        return not self._over(1, size) or self._weight(1, size) <= min(self.places, share * len(self))

    def renew(self, slot: Slot) -> bool:
        """A guest is of use where it is, but not to us: it stays one, as the youngest. False: it is none."""
        guest = self.guests.pop(slot, None)
        if guest is None:
            return False
        self.guests[slot] = _Guest(guest.size, self._came)
        return True

    def remove(self, slot: Slot) -> bool:
        """Forget the slot."""
        guest = self.guests.pop(slot, None)
        if guest is None:
            return self._main.remove(slot)
        self._guest_bytes -= guest.size
        self._names.take(self._hashes[slot])  # LRU would have to let it go, too
        return True

    def size_of(self, slot: Slot) -> int:
        """The size it was put with."""
        guest = self.guests.get(slot)
        return self._main.size_of(slot) if guest is None else guest.size

    def order(self) -> Iterator[Slot]:
        """Guests, then the least recently used first."""
        yield from self.guests
        yield from self._main.order()

    def adopt(self, items: Iterable[tuple[Slot, int]]) -> list[Slot]:
        """Put them in their order; none is a guest. Who goes next becomes the least recently used."""
        assert not len(self), "adopt into a policy that holds something"
        for slot, size in items:
            self._main.put(slot, size)
        evicted: list[Slot] = []
        while self._over(0, 0):
            evicted.append(self._main.shed())
        return evicted

    # ---- inside ---------------------------------------------------------------------------------

    def _over(self, objects: int, size: int) -> bool:
        return len(self) + objects > self._max_objects or self.used_bytes + size > self._max_bytes

    def _weight(self, objects: int, size: int, alone: bool = False) -> float:
        """How many copies' room the guests take with so much more; ``alone``: that by itself."""
        if not alone:
            objects, size = objects + len(self.guests), size + self._guest_bytes
        if self._max_bytes == sys.maxsize or not self.used_bytes:
            return float(objects)
        return max(float(objects), size * len(self) / self.used_bytes)

    def _is_stale(self) -> bool:
        """Whether the oldest guest is."""
        for guest in self.guests.values():
            return self._came - guest.came >= len(self._main)
        return False

    def _arrives(self, slot: Slot) -> bool:
        """A guest was asked for."""
        guest = self.guests.pop(slot, None)
        if guest is None:
            return False
        self._guest_bytes -= guest.size
        self._main.put(slot, guest.size)
        self._came += 1
        self.gained += not self._names.take(self._hashes[slot])
        self._names.fade(self._max_objects - len(self._main), self._max_bytes - self._main.used_bytes)
        return True

    def _dismiss(self) -> Slot:
        """The oldest guest goes."""
        slot = next(iter(self.guests))
        self._guest_bytes -= self.guests.pop(slot).size
        return slot

    def _displace(self) -> Slot:
        """The least recently used goes; LRU alone, with the guests' room, would still have it."""
        slot = self._main.shed()
        self._names.add(self._hashes[slot], self._main.size_of(slot))
        return slot
