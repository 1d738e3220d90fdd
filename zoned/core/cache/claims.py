"""Masks by fingerprint: a bit for each member that claims a copy.

Columns of rows that the fingerprint finds. Masks are as wide as the highest bit given out, a byte for up to
eight members, so an instance takes 10 to 16 B. A row without a bit is nobody's and is given to the next
newcomer. The rows are 256 partitions, every 256th row one of them, for work that must not be done all at
once.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator

from zoned.core.fingerprints import Rows, grown
from zoned.core.names import FINGERPRINT_MASK, Fingerprint, KeyHash

PARTITIONS = 256
_ZERO = 0x9E3779B1  # what the fingerprint 0 is taken for: rows that nobody has are named 0
_FIRST_ROOM = 256
_LOAD = 0.375  # most who are asked for are claimed by nobody: each place on the way to an empty one costs
_MOST_ROWS = 1 << 31
_WIDTHS = "BHIQ"  # 8, 16, 32, 64 members; masks of more are numbers of any size


class Claims:
    """Which bits are set for an instance. Whoever sets them bounds how many there are."""

    __slots__ = ("_free", "_masks", "_rows", "staying")

    def __init__(self) -> None:
        self._rows = Rows(_FIRST_ROOM, _LOAD)
        self._masks: array[int] | list[int] = array("B", bytes(_FIRST_ROOM))  # by row
        self._free = array("I")  # rows that nobody has
        self.staying = 0
        """The bits of members that do not give up what they hold."""

    def of(self, fingerprint: Fingerprint) -> int:
        """[hot] Its mask; 0 where nobody claims it."""
        return self._masks[self._rows.get(fingerprint or _ZERO)]

    def lasting(self, hashed: KeyHash) -> int:
        """[hot] Not 0 where a member claims a copy that is there to stay. ``Rows.get`` written out as far as
        its first place: a dozen times at each miss this is the price of what copies are worth."""
        rows, fingerprint = self._rows, hashed & FINGERPRINT_MASK or _ZERO
        row = rows.index[fingerprint & rows.mask]
        if row and rows.names[row] != fingerprint:
            row = rows.get(fingerprint)
        return self._masks[row] & self.staying

    def add(self, fingerprint: Fingerprint, flag: int) -> None:
        """Set a bit, for which there is room (``widen``)."""
        row = self._rows.get(fingerprint or _ZERO) or self._row(fingerprint or _ZERO)
        self._masks[row] |= flag

    def clear(self, fingerprint: Fingerprint, flags: int) -> int:
        """Take these bits away. How many of them were set."""
        row = self._rows.get(fingerprint or _ZERO)
        mask = self._masks[row]
        gone = mask & flags
        if gone:
            self._masks[row] = mask ^ gone
            if mask == gone:
                self._rows.drop(row)
                self._free.append(row)
        return gone.bit_count()

    def partition(self, number: int) -> Iterator[tuple[Fingerprint, int]]:
        """(fingerprint, mask) of one of ``PARTITIONS``; bits may be taken away meanwhile."""
        masks, names = self._masks, self._rows.names
        for row in range(number or PARTITIONS, self._rows.end, PARTITIONS):  # row 0 is nobody's
            if masks[row]:
                yield names[row], masks[row]

    def widen(self, bit: int) -> None:
        """Masks have room for that bit from now on."""
        masks = self._masks
        if isinstance(masks, array) and bit >= 8 * masks.itemsize:
            wider = [kind for kind in _WIDTHS if bit < 8 * array(kind).itemsize]
            self._masks = array(wider[0], masks) if wider else masks.tolist()

    def _row(self, fingerprint: Fingerprint) -> int:
        if self._free:
            row = self._free.pop()
            self._rows.rename(row, fingerprint)
            return row
        if self._rows.full:
            room = grown(self._rows.end, _MOST_ROWS)
            self._rows.widen(room)
            self._masks.extend([0] * (room - len(self._masks)))
        return self._rows.add(fingerprint)
