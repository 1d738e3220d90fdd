"""Ghosts: the hashes of copies that are gone, in the order in which they went; the oldest fade.

A slot may be another instance's by now, so a ghost goes by its hash, in a table of its own. What bounds
ghosts is what bounds copies, and none is ever used: an ``Lru`` over that table keeps them. 36 to 44 bytes a
ghost, where an ordered dictionary took 200.
"""

from __future__ import annotations

from zoned.core.eviction.lru import Lru
from zoned.core.eviction.table import Table
from zoned.core.names import KeyHash


class Ghosts:
    """At most so many hashes, which stand for at most so many bytes."""

    __slots__ = ("_order", "_table")

    def __init__(self, max_objects: int | None, max_bytes: int | None) -> None:
        self._table = Table()
        self._order = Lru(max_objects, max_bytes)

    def __len__(self) -> int:
        return len(self._table)

    def add(self, hashed: KeyHash, size: int) -> None:
        """A copy of that size is gone; no ghost of it may be there."""
        table = self._table
        slot = table.add(hashed)
        self._order.reserve(table.room)
        for gone in self._order.put(slot, size):
            table.release(gone)

    def bound(self, max_objects: int | None, max_bytes: int | None) -> None:
        """Other bounds from now on; the oldest fade when the next comes."""
        self._order.bound(max_objects, max_bytes)

    def take(self, hashed: KeyHash) -> bool:
        """Whether there is a ghost of it, which there is not any more after that."""
        slot = self._table.find(hashed)
        if slot < 0:
            return False
        self._order.remove(slot)
        self._table.release(slot)
        return True
