"""Which counts wait to be told, and which the others were told, by instance.

One table of columns, some 25 B an instance: both are looked at together, since what matters is how far a
count is from what the others make of what they were told, which decays there as the count does here. Bounded
in either: of what waits the largest changes stay, of what was told the latest.
"""

from __future__ import annotations

import math
from array import array

import numpy as np
from numpy.typing import NDArray

from zoned.core.fingerprints import Rows, grown
from zoned.core.names import Fingerprint

_FIRST_ROOM = 64
_NONE = -1.0  # in ``waiting``: nothing does


class Told:
    """Columns by row. Times are seconds of the season clock."""

    __slots__ = ("_counts", "_half_life_s", "_limit", "_rows", "_times_s", "_waiting", "waits")

    def __init__(self, half_life_s: float, limit: int) -> None:
        self._half_life_s = half_life_s
        self._limit = limit  # of what waits, and of what was told
        self._rows = Rows(_FIRST_ROOM)
        self._waiting = array("f", [_NONE]) * _FIRST_ROOM
        self._counts = array("f", [0.0]) * _FIRST_ROOM  # told; 0: nothing was
        self._times_s = array("d", [0.0]) * _FIRST_ROOM
        self.waits = 0
        """How many counts wait."""

    def as_of(self, fingerprint: Fingerprint, now_s: float) -> float:
        """What the others make of what they were told, by now."""
        row = self._rows.get(fingerprint)
        if not row:
            return 0.0
        return self._counts[row] * math.exp2(-max(0.0, now_s - self._times_s[row]) / self._half_life_s)

    def wait(self, fingerprint: Fingerprint, count: float) -> None:
        """It is to be told. The caller cuts what is too much (``cut``)."""
        row = self._rows.get(fingerprint)
        if not row:
            if self._rows.full:
                room = grown(self._rows.end, 1 << 31)
                self._rows.widen(room)
                more = room - len(self._counts)
                self._waiting.extend([_NONE] * more)
                self._counts.extend([0.0] * more)
                self._times_s.extend([0.0] * more)
            row = self._rows.add(fingerprint)
        self.waits += self._waiting[row] < 0.0
        self._waiting[row] = count

    def take(self, most: int, now_s: float) -> list[tuple[Fingerprint, float]]:
        """Those whose count is the farthest from what was told, the farthest first: they are told now."""
        names, waiting = self._rows.names, self._waiting
        rows = self._farthest(most, now_s).tolist()
        chosen = [(names[row], waiting[row]) for row in rows]
        for row in rows:
            self._counts[row], self._times_s[row], waiting[row] = waiting[row], now_s, _NONE
        self.waits -= len(rows)
        told = np.flatnonzero(np.frombuffer(self._counts, dtype=np.float32))
        over = len(told) - self._limit
        if over > 0:
            times_s = np.frombuffer(self._times_s)
            oldest = told[np.argsort(times_s[told], kind="stable")[:over]]
            np.frombuffer(self._counts, dtype=np.float32)[oldest] = 0.0
            self._close_up()
        return chosen

    def cut(self, now_s: float) -> int:
        """No more than the limit wait. How many were let go."""
        over = self.waits - self._limit
        if over <= 0:
            return 0
        waiting = np.frombuffer(self._waiting, dtype=np.float32)
        stay = self._farthest(self._limit, now_s)
        kept = waiting[stay]
        waiting[:] = _NONE
        waiting[stay] = kept
        self.waits = len(stay)
        self._close_up()
        return over

    def largest(self, most: int, now_s: float) -> list[tuple[Fingerprint, float]]:
        """What was told and is the most by now, the most first."""
        counts = self._as_of_all(now_s)
        rows = np.argsort(-counts, kind="stable")[:most]
        return [(self._rows.names[row], float(counts[row])) for row in rows.tolist() if counts[row] > 0.0]

    def _as_of_all(self, now_s: float) -> NDArray[np.float64]:
        ages_s = np.maximum(0.0, now_s - np.frombuffer(self._times_s)[: self._rows.end])
        counts = np.frombuffer(self._counts, dtype=np.float32)[: self._rows.end]
        told: NDArray[np.float64] = counts.astype(np.float64) * np.exp2(-ages_s / self._half_life_s)
        return told

    def _farthest(self, most: int, now_s: float) -> NDArray[np.int64]:
        waiting = np.frombuffer(self._waiting, dtype=np.float32)[: self._rows.end]
        rows = np.flatnonzero(waiting >= 0.0)
        change = np.abs(waiting[rows] - self._as_of_all(now_s)[rows])
        return rows[np.argsort(-change, kind="stable")[:most]]

    def _close_up(self) -> None:
        """Rows of which nothing is known any more go."""
        waiting, counts = (np.frombuffer(one, dtype=np.float32) for one in (self._waiting, self._counts))
        times_s = np.frombuffer(self._times_s)
        kept = np.flatnonzero((waiting >= 0.0) | (counts > 0.0))
        left = len(kept) + 1
        for column, nothing in ((waiting, _NONE), (counts, 0.0), (times_s, 0.0)):
            column[1:left] = column[kept]
            column[left:] = nothing
        self._rows.keep(kept)
