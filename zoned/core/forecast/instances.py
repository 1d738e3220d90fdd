"""The instances whose use is counted: a bounded table of columns, one slot per instance.

Columns are numpy arrays so that rates of all instances are computed at once; some 110 B an instance beside
its name. Where there is more than one number per slot, slots are the last axis: numpy's loops then run along
thousands of slots instead of a few numbers (three times as fast). Slots are dense: when the table is full,
the eighth with the least decayed use goes and the rest closes up, so pruning costs little per newcomer. Which
dependency (row of the forecaster) a slot belongs to is a column as well. Days
are a table of their own (`days.py`).
"""

from __future__ import annotations

from array import array
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from zoned.core.fingerprints import Rows, grown
from zoned.core.forecast.days import Days
from zoned.core.names import FINGERPRINT_MASK, InstanceKey, KeyHash

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]
Singles: TypeAlias = NDArray[np.float32]  # counts need no more digits

_FIRST_ROOM = 256
_MOST_BYTES = 0xFFFFFFFF  # of a size; what is larger is taken for it


class Instances:
    """Slots and columns."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        room = min(_FIRST_ROOM, limit)
        self._places = Rows(room + 1)  # slots are counted from 0, rows from 1
        self.keys: list[InstanceKey] = []
        self.hashes = array("Q")
        self.sizes = array("I")
        self._row = np.zeros(room, dtype=np.int32)
        self._fast: Singles = np.zeros(room, dtype=np.float32)
        self._slow: Singles = np.zeros(room, dtype=np.float32)
        self.days = Days(room)
        self._said: Singles = np.zeros((2, room), dtype=np.float32)
        self._came: Singles = np.zeros(room, dtype=np.float32)
        self._used = np.zeros(room, dtype=np.bool_)
        self.slots = [0]
        """How many each row has."""
        self.pruned = 0

    def __len__(self) -> int:
        return len(self.keys)

    def find(self, hashed: KeyHash) -> int:
        """Its slot; -1: it is not tracked."""
        return self._places.get(hashed & FINGERPRINT_MASK) - 1

    @property
    def rows(self) -> NDArray[np.int32]:
        """The dependency's row of each slot."""
        return self._row[: len(self.keys)]

    @property
    def fast(self) -> Singles:
        """Counts with the short half-life, in the unit of their Decay."""
        return self._fast[: len(self.keys)]

    @property
    def slow(self) -> Singles:
        """Counts with the long half-life, in the unit of their Decay."""
        return self._slow[: len(self.keys)]

    @property
    def said(self) -> Singles:
        """(2, slots): expected in the running hour when it began, by the long count and by the fresh one; 0:
        nothing was promised."""
        return self._said[:, : len(self.keys)]

    @property
    def came(self) -> Singles:
        """Accesses in the running hour."""
        return self._came[: len(self.keys)]

    @property
    def used(self) -> NDArray[np.bool_]:
        """Whether it was used since that was last asked."""
        return self._used[: len(self.keys)]

    @property
    def full(self) -> bool:
        """Whether the next newcomer needs pruning first."""
        return len(self.keys) >= self.limit

    # ---- slots --------------------------------------------------------------------------------

    def track(self, key: InstanceKey, hashed: KeyHash, row: int, size: int) -> int:
        """The slot of a newcomer, all counts zero; the table is not full."""
        slot = len(self.keys)
        if slot >= len(self._row):
            self._resize(grown(slot, self.limit))
        self._places.add(hashed & FINGERPRINT_MASK)
        self.keys.append(key)
        self.hashes.append(hashed)
        self.sizes.append(min(size, _MOST_BYTES))
        self._row[slot] = row
        if row >= len(self.slots):
            self.slots += [0] * (row + 1 - len(self.slots))
        self.slots[row] += 1
        return slot

    def resized(self, slot: int, size: int) -> None:
        """Its size is another one."""
        self.sizes[slot] = min(size, _MOST_BYTES)

    def _resize(self, room: int) -> None:
        self._places.widen(room + 1)
        self.days.widen(room)
        for name in ("_row", "_fast", "_slow", "_said", "_came", "_used"):
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
        self.hashes = array("Q", [self.hashes[i] for i in places])
        self.sizes = array("I", [self.sizes[i] for i in places])
        self._places.keep(kept + 1)
        self.days.keep(kept)
        for column in (self._row, self._fast, self._slow, self._said, self._came, self._used):
            column[..., :left] = column[..., kept]
            column[..., left:] = 0
        self.slots = np.bincount(self.rows, minlength=1).tolist()
