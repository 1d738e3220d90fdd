"""What the store and the learner's shadows ask of an eviction policy.

An eviction policy orders *slots*: small numbers that the owner of a table of instances gives out (the
store's index, a shadow, a trace). So it needs no dictionary of its own: what it knows of a copy lies in a
few columns at the slot, 8 to 17 bytes instead of the 150 to 300 of an ordered dictionary with its boxed
integers, and the owner looks an instance up once for all policies that share its table. It holds no values
and knows no time, so the same class keeps the real store's order and plays a shadow in ``learning``; a
shadow that used other code than the store would score something that does not exist.

The owner makes room before it uses a new slot (``reserve``), and does not give a slot to another instance
while the policy holds it. ``hashes`` is the owner's column of the instances' hashes, by slot: for policies
that remember who was there, or ask what a copy is worth.

Bounded in objects, in bytes, in both or in neither (None). With ``max_bytes=None`` the three plain policies
are, step by step, those of the reference simulator (tests hold them against naive twins). Rejected: one
class with a strategy object inside (a call more on every access), and a heap for all policies (log n where
queues are O(1)).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol, TypeAlias

Slot: TypeAlias = int


class Eviction(Protocol):
    """An eviction order over slots. Sizes are bytes >= 0; nothing is stored beyond the two bounds."""

    @property
    def used_bytes(self) -> int:
        """Sum of the sizes held."""

    def __contains__(self, slot: Slot) -> bool:
        """Whether ``slot`` is held (ghosts are not)."""

    def __len__(self) -> int:
        """How many slots are held."""

    def reserve(self, slots: int) -> None:
        """The owner is going to use slots 0 .. ``slots`` - 1: no other may be named to the policy."""

    def hit(self, slot: Slot) -> bool:
        """``slot`` was used: move or mark it. False, and no change, when it is not held."""

    def put(self, slot: Slot, size: int) -> list[Slot]:
        """Take in ``slot`` (which must not be held) and return whom that pushed out, first gone first.

        One larger than ``max_bytes`` is not taken: the answer is ``[slot]``. S3-FIFO may also push out
        the newcomer itself, as the reference does, when it returns from the ghosts into a main queue
        where everyone else was used since: so a caller asks ``slot in evicted`` to know if it stayed.
        """

    def remove(self, slot: Slot) -> bool:
        """Forget ``slot`` for another cause than room (expired, invalidated). False when it is not held."""

    def size_of(self, slot: Slot) -> int:
        """The size that ``slot``, which must be held or have gone just now, was put with."""

    def order(self) -> Iterator[Slot]:
        """The slots held in the order they would go if nothing were used or taken in any more.

        Lazy: the first few are cheap. The policy must not change while the iterator is used.
        """

    def adopt(self, items: Iterable[tuple[Slot, int]]) -> list[Slot]:
        """Fill an empty policy with (slot, size) pairs, next to go first (another policy's order).

        Returns whom that pushed out: none, when the bounds are those of the policy they come from.
        """


class Book(Eviction, Protocol):
    """An order that shares a store's room with others (``books``): it gives way when it is told to."""

    def shed(self) -> Slot:
        """Who is next to go has to go now, whether there is room or not. Not of an empty policy."""

    def bound(self, max_objects: int | None, max_bytes: int | None) -> None:
        """Other bounds from now on, not below what is held."""


def check_bounds(max_objects: int | None, max_bytes: int | None) -> None:
    """Bounds are positive where given: a store for nothing is a wrong setting, not a policy."""
    assert max_objects is None or max_objects >= 1, f"max_objects must be >= 1, got {max_objects}"
    assert max_bytes is None or max_bytes >= 1, f"max_bytes must be >= 1, got {max_bytes}"
