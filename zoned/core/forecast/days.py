"""Days of instances: how much of each one's use was at what hour of day, in few digits.

Most of what is known of an instance are these 24 counts, of which few digits matter: they are kept as square
roots in sixteenths, 16 bits each. That is right to a sixteenth at one use and to a thousandth at a thousand,
up to four million. What an hour adds is gathered as a float and rounded once, at its end; added use by use,
the many of a hot instance would all be rounded away. Rejected: half floats (numpy takes four times as long to
sum them).

The sums over all hours of day are asked for at every hour, when one of the 24 is another: they are kept, and
that one is taken out and put in again. This is exact, as 256ths are in doubles, so nothing drifts.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from zoned.core.forecast.decay import DAY

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]
Singles: TypeAlias = NDArray[np.float32]
Rooted: TypeAlias = NDArray[np.uint16]
Rows: TypeAlias = NDArray[np.int32]

_STEPS = 16.0  # per unit of a square root
_MOST_STEPS = 65_535.0


def summed(rows: Rows, counts: Floats | Singles, length: int) -> Floats:
    """(..., ``length``) sums of counts (..., slots) over each row's slots. Most agents have one row: for that
    the same additions in the same order take half of the time."""
    if length == 1 and len(rows):
        last: Floats = np.add.accumulate(counts, axis=-1, dtype=np.float64)[..., -1:]
        return last
    if counts.ndim > 1:
        return np.stack([summed(rows, each, length) for each in counts])
    sums: NDArray[Any] = np.bincount(rows, counts, length)  # numpy's stubs take the sums for whole numbers
    return sums


def spread(values: Floats, rows: Rows) -> Floats:
    """Values (..., rows) as those of the slots (..., slots), or (..., 1) where all slots have the same."""
    return values if values.shape[-1] == 1 else np.take(values, rows, axis=-1)


def _rooted(counts: Singles) -> Rooted:
    return np.rint(np.minimum(np.sqrt(counts) * np.float32(_STEPS), _MOST_STEPS)).astype(np.uint16)


def _squared(roots: Rooted) -> Singles:
    counts: Singles = np.square(roots * np.float32(1.0 / _STEPS))
    return counts


def _exactly(roots: Rooted) -> Floats:
    counts: Floats = np.multiply(roots, 1.0 / _STEPS, dtype=np.float64)
    counts *= counts
    return counts


class Days:
    """(24, slots) counts, and those of the running hour, in the unit of their Decay."""

    def __init__(self, room: int) -> None:
        self._roots: Rooted = np.zeros((DAY, room), dtype=np.uint16)
        self.today: Singles = np.zeros(room, dtype=np.float32)
        """Counts of the running hour."""
        self._all = np.zeros(room)  # by slot, over all hours of day

    def at(self, hours: list[int], running: int, slots: int) -> Floats:
        """(hours, slots): counts at these hours of day, perhaps the running one, of the first slots."""
        counts = _exactly(self._roots[hours, :slots])
        for place, hour in enumerate(hours):
            if hour == running:
                counts[place] += self.today[:slots]
        return counts

    def in_all(self, slots: int) -> Floats:
        """The counts of all hours of day together, of the first slots."""
        total: Floats = self._all[:slots] + self.today[:slots]
        return total

    def set(self, slot: int, counts: Floats) -> None:
        """(24): its counts."""
        self._roots[:, slot] = _rooted(counts.astype(np.float32))
        self._all[slot] = _exactly(self._roots[:, slot]).sum()

    def close(self, hour: int) -> None:
        """That hour of day is over: what it added is rounded. (What nothing is added to would be rounded to
        what it is.)"""
        used = np.flatnonzero(self.today)
        before = self._roots[hour, used]
        after = _rooted(_squared(before) + self.today[used])
        self._roots[hour, used] = after
        self._all[used] += _exactly(after) - _exactly(before)
        self.today[used] = 0.0

    def scale(self, factor: float) -> None:
        """The unit changes."""
        self._roots[:] = _rooted(_squared(self._roots) * np.float32(factor))
        self.today *= np.float32(factor)
        self._all = _exactly(self._roots).sum(axis=0)

    def widen(self, room: int) -> None:
        """So many slots, the new ones empty."""
        more = room - len(self.today)
        self._roots = np.concatenate([self._roots, np.zeros((DAY, more), dtype=np.uint16)], axis=1)
        self.today = np.concatenate([self.today, np.zeros(more, dtype=np.float32)])
        self._all = np.concatenate([self._all, np.zeros(more)])

    def keep(self, kept: Ints) -> None:
        """These slots (ascending) are the first from now on, all others empty."""
        for column in (self._roots, self.today, self._all):
            column[..., : len(kept)] = column[..., kept]
            column[..., len(kept) :] = 0
