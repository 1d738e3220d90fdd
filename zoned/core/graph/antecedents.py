"""The instances that may be followed: how often each occurred, in the order of last use.

Columns by row, 30 B an instance beside its name, which a prediction has to name and which is kept as it came.
The order is a ring of row numbers through row 0: before it the newest, behind it the oldest, which gives its
row to the next newcomer when the table is full. Rejected: an ordered dictionary of objects (some 270 B each).
"""

from __future__ import annotations

from array import array

from zoned.core.fingerprints import NOBODY, Rows, grown
from zoned.core.names import FINGERPRINT_MASK, InstanceKey, KeyHash

MOST = 65_535
"""No count is above."""
_FIRST_ROOM = 64
_NO_KEY = InstanceKey("", b"")


class Antecedents:
    """Rows and columns. The columns are public to the graph stage."""

    __slots__ = ("_limit", "counts", "heads", "keys", "lengths", "newer", "older", "rows", "untold")

    def __init__(self, limit: int) -> None:
        self._limit = limit + 1  # with nobody's row
        self.rows = Rows(_FIRST_ROOM)
        self.keys: list[InstanceKey] = [_NO_KEY]
        self.counts = array("H", [0])
        self.untold = array("H", [0])  # occurrences that other zones were not told of
        self.heads = array("I", [0])  # the newest of its pairs
        self.lengths = array("H", [0])  # how many pairs it has
        short = "H" if limit < 1 << 16 else "I"
        self.newer, self.older = array(short, [0]), array(short, [0])

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def oldest(self) -> int:
        """The row whose last use is the longest ago; 0 if there is none."""
        return self.newer[NOBODY]

    @property
    def full(self) -> bool:
        """Whether the next newcomer takes the oldest one's row."""
        return self.rows.end >= self._limit

    def find(self, hashed: KeyHash) -> int:
        """[hot] Its row, or 0."""
        return self.rows.get(hashed & FINGERPRINT_MASK or 1)

    def insert(self, key: InstanceKey, hashed: KeyHash) -> int:
        """The row of a newcomer, which is the newest, all counts zero. When full, the oldest one's: nothing
        may hang on that any more."""
        fingerprint = hashed & FINGERPRINT_MASK or 1
        if self.full:
            row = self.oldest
            self._unlink(row)
            assert not self.heads[row], "its pairs went first"
            self.rows.rename(row, fingerprint)
            self.keys[row] = key
            self.counts[row] = self.untold[row] = 0
        else:
            if self.rows.full:
                self.rows.widen(grown(self.rows.end, self._limit))
            row = self.rows.add(fingerprint)
            self.keys.append(key)
            for column in (self.counts, self.untold, self.heads, self.lengths, self.newer, self.older):
                column.append(0)
        self._link(row)
        return row

    def use(self, row: int) -> None:
        """[hot] It is the newest now."""
        if self.newer[row]:
            self._unlink(row)
            self._link(row)

    def _unlink(self, row: int) -> None:
        older, newer = self.older[row], self.newer[row]
        self.newer[older], self.older[newer] = newer, older

    def _link(self, row: int) -> None:
        newest = self.older[NOBODY]
        self.newer[newest] = self.older[NOBODY] = row
        self.older[row], self.newer[row] = newest, NOBODY
