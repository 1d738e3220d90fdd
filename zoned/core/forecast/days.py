"""Days of instances: how much of each one's use was at what hour of day, in few digits.

Most of what is known of an instance are these 24 counts, of which few digits matter: they are kept as square
roots in sixteenths, 16 bits each. That is right to a sixteenth at one use and to a thousandth at a thousand,
up to four million. What an hour adds is gathered as a float and rounded once, at its end; added use by use,
the many of a hot instance would all be rounded away. Rejected: half floats (numpy takes four times as long to
sum them).
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from zoned.core.forecast.decay import DAY

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]
Singles: TypeAlias = NDArray[np.float32]
Rooted: TypeAlias = NDArray[np.uint16]

_STEPS = 16.0  # per unit of a square root
_MOST_STEPS = 65_535.0


def _rooted(counts: Singles) -> Rooted:
    return np.rint(np.minimum(np.sqrt(counts) * np.float32(_STEPS), _MOST_STEPS)).astype(np.uint16)


def _squared(roots: Rooted) -> Singles:
    counts: Singles = np.square(roots * np.float32(1.0 / _STEPS))
    return counts


class Days:
    """(24, slots) counts, and those of the running hour, in the unit of their Decay."""

    def __init__(self, room: int) -> None:
        self._roots: Rooted = np.zeros((DAY, room), dtype=np.uint16)
        self.today: Singles = np.zeros(room, dtype=np.float32)
        """Counts of the running hour."""

    def at(self, hours: list[int], running: int, slots: int) -> Floats:
        """(hours, slots): counts at these hours of day, perhaps the running one, of the first slots."""
        counts = _squared(self._roots[hours, :slots]).astype(np.float64)
        counts[[place for place, hour in enumerate(hours) if hour == running]] += self.today[:slots]
        return counts

    def in_all(self, slots: int) -> Floats:
        """The counts of all hours of day together, of the first slots."""
        total: Floats = _squared(self._roots[:, :slots]).sum(axis=0, dtype=np.float64) + self.today[:slots]
        return total

    def set(self, slot: int, counts: Floats) -> None:
        """(24): its counts."""
        self._roots[:, slot] = _rooted(counts.astype(np.float32))

    def close(self, hour: int) -> None:
        """That hour of day is over: what it added is rounded."""
        self._roots[hour] = _rooted(_squared(self._roots[hour]) + self.today)
        self.today[:] = 0.0

    def scale(self, factor: float) -> None:
        """The unit changes."""
        self._roots[:] = _rooted(_squared(self._roots) * np.float32(factor))
        self.today *= np.float32(factor)

    def widen(self, room: int) -> None:
        """So many slots, the new ones empty."""
        more = room - len(self.today)
        self._roots = np.concatenate([self._roots, np.zeros((DAY, more), dtype=np.uint16)], axis=1)
        self.today = np.concatenate([self.today, np.zeros(more, dtype=np.float32)])

    def keep(self, kept: Ints) -> None:
        """These slots (ascending) are the first from now on, all others empty."""
        for column in (self._roots, self.today):
            column[..., : len(kept)] = column[..., kept]
            column[..., len(kept) :] = 0
