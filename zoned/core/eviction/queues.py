"""Queues of slots: doubly linked lists in two columns of 4 bytes, and the sizes of what is queued in a third.

A slot is in one of the queues or in none, so all queues of a policy share the columns. Each queue has an end,
numbered -1, -2, ..: the columns' last places, which Python finds by just these numbers. It links the youngest
to the oldest, so that no operation has to ask whether there is somebody on the one or the other side.

An operation costs a few tenths of a microsecond, three times as much as an OrderedDict's, and 12 bytes a slot
instead of some 200 with the boxed integers. Rejected: a ring of slots in the order of use, with holes (faster
for LRU, but it has to be swept, and removal from the middle needs the place).
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator

NOWHERE = -9
"""In ``younger``: the slot is in no queue. Below every end's number."""


class Queues:
    """Some queues; ``younger`` and ``older`` are each slot's (or end's) neighbours, an end is below 0. The
    columns are public: a hot path reads them directly."""

    __slots__ = ("_ends", "older", "sizes", "younger")

    def __init__(self, count: int) -> None:
        assert 0 < count < -NOWHERE
        self._ends = count
        self.older = array("i", range(-count, 0))  # an empty queue: its end is its own neighbour
        self.younger = array("i", range(-count, 0))
        self.sizes = array("I")

    def reserve(self, slots: int) -> None:
        """Make room for the slots below that number."""
        missing = slots - len(self.sizes)
        if missing > 0:
            ends, nowhere = self._ends, array("i", (NOWHERE,)) * missing
            self.older[-ends:-ends] = nowhere
            self.younger[-ends:-ends] = nowhere
            self.sizes.frombytes(bytes(missing * self.sizes.itemsize))

    def append(self, end: int, slot: int, size: int) -> None:
        """[hot] The slot, which is in no queue, becomes the youngest of the queue with that end."""
        older, younger = self.older, self.younger
        last = older[end]
        younger[last] = older[end] = slot
        older[slot], younger[slot] = last, end
        try:
            self.sizes[slot] = size
        except OverflowError:
            self.sizes = widened(self.sizes, slot, size)

    def remove(self, slot: int) -> None:
        """[hot] Out of the queue that it is in."""
        before, after = self.older[slot], self.younger[slot]
        self.younger[before] = after
        self.older[after] = before
        self.younger[slot] = NOWHERE

    def walk(self, end: int, start: int | None = None, until: int | None = None) -> Iterator[int]:
        """The slots of a queue, oldest first; from ``start`` on, up to but without ``until``. Lazy."""
        younger = self.younger
        slot = younger[end] if start is None else start
        while slot >= 0 and slot != until:
            yield slot
            slot = younger[slot]


def widened(sizes: array[int], slot: int, size: int) -> array[int]:
    """The column of sizes with one of 4 GiB or more in it: from then on 8 bytes each."""
    wide = array("Q", sizes)
    wide[slot] = size
    return wide
