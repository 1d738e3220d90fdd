"""Row numbers by fingerprint: what a dictionary would do, at a tenth of its memory.

What is known of an instance lies in columns at its row; this finds the row. A dictionary of Python's ints
takes some 110 B an entry (the slot, the boxed fingerprint, the boxed row). Here the fingerprint is a column
of 4 B, and an open-addressed index of row numbers, 2 B each up to 65,534 rows and 4 B above, is filled to
three quarters at most (less where that is asked for, while places are short). Who collides goes on in strides
of its own fingerprint's upper half (double hashing), so no run of neighbours grows, and whoever makes up keys
to collide has to make both halves agree. A look-up takes some 0.2 us, five times a dictionary's, so who looks
at the same instance again and again keeps its row as a hint: it is right as long as ``names[hint]`` is the
fingerprint.

Rows are given out as 1, 2, 3, ...; row 0 is nobody's and means "unknown". Whoever forgets many at once says
which rows stay (``keep``), and the rest closes up. Whoever forgets one at a time gives its row to the next
(``rename``): the index then still leads to the row from its former place, which is harmless, as the name
there is another one, until so many of these have gathered that the index is made anew. Room grows by a
quarter. Rejected: a power of two of rooms (on the average a third of all memory is air).
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from zoned.core.names import Fingerprint

Ints: TypeAlias = npt.NDArray[np.int64]
Words: TypeAlias = npt.NDArray[np.uint32]

NOBODY = 0
_SHORT = 1 << 16  # an index of fewer rows takes 2 B a place
_LEAST_PLACES = 64
_LOAD = 0.75  # of the index's places; two thirds of that when it is made anew


def grown(room: int, most: int) -> int:
    """The next size of columns that are full: a quarter more, at most ``most``, which is above ``room``."""
    return min(most, room + max(64, room // 4))


class Rows:
    """Which row an instance has. Row 0 is nobody's."""

    __slots__ = ("_count", "_dropped", "_filled", "_load", "_most", "index", "mask", "names")

    def __init__(self, room: int, load: float = _LOAD) -> None:
        """``room``: how many rows the columns have at first, nobody's included. ``load``: the share of the
        index's places that may lead somewhere, as long as these take 2 B; less where most who are looked for
        are not there."""
        self._load = load
        self._most = 0  # places that may lead somewhere
        self.names = array("I", bytes(4 * room))
        """The fingerprint by row, 0 where there is none; as long as the columns beside it."""
        self._count = 1
        self._dropped = False  # whether rows in use may be nobody's
        self._filled = 0  # places of the index that lead somewhere
        self.index = array("H")
        self.mask = 0
        self._rebuild()

    def __len__(self) -> int:
        return self._count - 1

    def __contains__(self, fingerprint: object) -> bool:
        return isinstance(fingerprint, int) and self.get(fingerprint) != NOBODY

    def __iter__(self) -> Iterator[Fingerprint]:
        """All fingerprints, by row."""
        return iter(self.names[1 : self._count])

    @property
    def end(self) -> int:
        """One more than the last row in use."""
        return self._count

    @property
    def full(self) -> bool:
        """Whether the columns have no room for one more."""
        return self._count >= len(self.names)

    def get(self, fingerprint: Fingerprint) -> int:
        """[hot] Its row, or 0."""
        index, mask, names = self.index, self.mask, self.names
        place = fingerprint & mask
        row = index[place]
        if not row or names[row] == fingerprint:
            return row
        stride = fingerprint >> 16 | 1
        while row and names[row] != fingerprint:
            place = (place + stride) & mask
            row = index[place]
        return row

    def add(self, fingerprint: Fingerprint) -> int:
        """The row of a newcomer, which has none yet; there is room."""
        row = self._count
        self.names[row] = fingerprint
        self._count = row + 1
        if row == _SHORT:
            self._rebuild()
        else:
            self._lead(fingerprint, row)
        return row

    def rename(self, row: int, fingerprint: Fingerprint) -> None:
        """The row of one that is forgotten is given to a newcomer."""
        self.names[row] = fingerprint
        self._lead(fingerprint, row)

    def drop(self, row: int) -> None:
        """Nobody has this row, until it is given to somebody. No instance's fingerprint may be 0 then."""
        self.names[row] = NOBODY
        self._dropped = True

    def _lead(self, fingerprint: Fingerprint, row: int) -> None:
        self._filled += 1
        if self._filled > self._most:
            self._rebuild()
            return
        index, mask, stride = self.index, self.mask, fingerprint >> 16 | 1
        place = fingerprint & mask
        while index[place]:
            place = (place + stride) & mask
        index[place] = row

    def widen(self, room: int) -> None:
        """The columns have so many rows now."""
        names = array("I", bytes(4 * room))
        names[: self._count] = self.names[: self._count]
        self.names = names

    def keep(self, kept: Ints) -> None:
        """Only these rows stay (ascending, without nobody's), and are 1, 2, 3, ... from now on."""
        names = np.frombuffer(self.names, dtype=np.uint32)
        left = len(kept) + 1
        names[1:left] = names[kept]
        names[left : self._count] = 0
        self._count = left
        self._rebuild()

    def _rebuild(self) -> None:
        """The index anew, as large as it has to be. All who have no place yet try the next one of theirs at
        once; of those who want the same, the last gets it."""
        places, load = _LEAST_PLACES, self._load if self._count <= _SHORT else _LOAD
        while 3 * self._count > 2 * load * places:
            places *= 2
        self._most = int(load * (places - 1))
        kind = "H" if self._count <= _SHORT else "I"
        self.index = array(kind, bytes(places * (2 if kind == "H" else 4)))
        self.mask = mask = places - 1
        index = np.frombuffer(self.index, dtype=np.uint16 if kind == "H" else np.uint32)
        rows = np.arange(1, self._count, dtype=index.dtype)
        names: Words = np.frombuffer(self.names, dtype=np.uint32)[1 : self._count]
        if self._dropped:
            rows, names = rows[names != NOBODY], names[names != NOBODY]
        self._filled = len(rows)
        place, stride = names & np.uint32(mask), names >> np.uint32(16) | np.uint32(1)
        while len(rows):
            free = index[place] == 0
            index[place[free]] = rows[free]
            waiting = index[place] != rows
            rows, stride = rows[waiting], stride[waiting]
            place = (place[waiting] + stride) & np.uint32(mask)
