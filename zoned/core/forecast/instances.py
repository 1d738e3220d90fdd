"""The instances whose use is counted: a bounded table of columns, one slot per instance.

Columns are numpy arrays so that rates of all instances are computed at once; keys, hashes and sizes are
lists. Where there is more than one number per slot, slots are the last axis: numpy's loops then run along
thousands of slots instead of a few numbers (three times as fast). Slots are dense: when the table is full,
the eighth with the least decayed use goes and the rest closes up, so pruning costs little per newcomer.
Which dependency (row of the forecaster) a slot belongs to is a column as well.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from zoned.core.forecast.decay import DAY
from zoned.core.names import InstanceKey, KeyHash

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]
Singles: TypeAlias = NDArray[np.float32]  # most of the table's memory; counts need no more digits

_FIRST_ROOM = 256


class Instances:
    """Slots and columns."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.slots: dict[InstanceKey, int] = {}
        self.keys: list[InstanceKey] = []
        self.hashes: list[KeyHash] = []
        self.sizes: list[int] = []
        room = min(_FIRST_ROOM, limit)
        self._row: Ints = np.zeros(room, dtype=np.int64)
        self._fast: Floats = np.zeros(room)
        self._slow: Floats = np.zeros(room)
        self._day: Singles = np.zeros((DAY, room), dtype=np.float32)
        self._said: Singles = np.zeros((2, room), dtype=np.float32)
        self._came: Floats = np.zeros(room)
        self.pruned = 0

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def rows(self) -> Ints:
        """The dependency's row of each slot."""
        return self._row[: len(self.keys)]

    @property
    def fast(self) -> Floats:
        """Counts with the short half-life, in the unit of their Decay."""
        return self._fast[: len(self.keys)]

    @property
    def slow(self) -> Floats:
        """Counts with the long half-life, in the unit of their Decay."""
        return self._slow[: len(self.keys)]

    @property
    def day(self) -> Singles:
        """(24, slots) counts per hour of day, in the unit of their Decay."""
        return self._day[:, : len(self.keys)]

    @property
    def said(self) -> Singles:
        """(2, slots): expected in the running hour when it began, by the long count and by the fresh one; 0:
        nothing was promised."""
        return self._said[:, : len(self.keys)]

    @property
    def came(self) -> Floats:
        """Accesses in the running hour."""
        return self._came[: len(self.keys)]

    @property
    def full(self) -> bool:
        """Whether the next newcomer needs pruning first."""
        return len(self.keys) >= self.limit

    def track(self, key: InstanceKey, hashed: KeyHash, row: int, size: int) -> int:
        """The slot of a newcomer, all counts zero; the table is not full."""
        slot = len(self.keys)
        self.slots[key] = slot
        self.keys.append(key)
        self.hashes.append(hashed)
        self.sizes.append(size)
        if slot >= len(self._row):
            self._resize(min(2 * len(self._row), self.limit))
        self._row[slot] = row
        return slot

    def _resize(self, room: int) -> None:
        for name in ("_row", "_fast", "_slow", "_day", "_said", "_came"):
            old = getattr(self, name)
            more = np.zeros((*old.shape[:-1], room - old.shape[-1]), dtype=old.dtype)
            setattr(self, name, np.concatenate([old, more], axis=-1))

    def prune(self, use: Floats) -> None:
        """Let the eighth go that has the least ``use``; among equals the youngest slots."""
        count = len(self.keys)
        order = np.argsort(-use, kind="stable")
        self.keep(np.sort(order[: count - max(1, count // 8)]))

    def drop_row(self, row: int) -> None:
        """Let all instances of one dependency go."""
        kept = np.flatnonzero(self.rows != row)
        if len(kept) < len(self.keys):
            self.keep(kept)

    def keep(self, kept: Ints) -> None:
        """Keep these slots (ascending), let the others go."""
        count, left = len(self.keys), len(kept)
        self.pruned += count - left
        places = kept.tolist()
        self.keys = [self.keys[i] for i in places]
        self.hashes = [self.hashes[i] for i in places]
        self.sizes = [self.sizes[i] for i in places]
        self.slots = {key: slot for slot, key in enumerate(self.keys)}
        for column in (self._row, self._fast, self._slow, self._day, self._said, self._came):
            column[..., :left] = column[..., kept]
            column[..., left:] = 0
