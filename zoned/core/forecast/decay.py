"""Exponentially decayed counts whose passing of time is free.

A count decayed with half-life h is the sum over events of 2^-((now - t) / h). Kept in units of 2^((now -
origin) / h), time passing does not touch it and an event adds 2^((t - origin) / h). When the unit has grown
by 2^40 (2^2 for the day, of which few digits are kept) the origin is moved, and every count multiplied once.
The exposure, "for how many hours was anything observed", decays in the same way and has a closed form.

``DayExposure`` is the same per hour of day: what a profile of the day must be divided by, or the hours
that were seen more often would look busier.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]

HOUR_S = 3600.0
DAY = 24
_MOST_HALF_LIVES = 1000.0  # beyond, a decayed count is nothing
_LONGEST_GAP_H = 24 * 60  # a profile remembers no gap longer than that


def decayed(start: Floats, keep: Floats, add: Floats) -> Floats:
    """All the sums that ``sum = keep[i] * sum + add[i]`` goes through, shaped as ``add``: one row a step."""
    sums = np.empty_like(add)
    last = start
    for kept, added, into in zip(keep, add, sums, strict=True):
        last = np.multiply(kept, last, into)
        last += added
    return sums


class Decay:
    """One half-life: weights of events relative to a movable origin, and decayed exposure."""

    rebase_half_lives = 40.0
    """After so many the origin is moved."""

    def __init__(self, half_life_s: float) -> None:
        self.half_life_s = half_life_s
        self.origin_s = 0.0
        self.start_s = 0.0
        self.before_h = 0.0  # exposure from before the start, as of the start

    def begin(self, at_s: float) -> None:
        """Observation starts now."""
        self.origin_s = self.start_s = at_s

    def weight(self, at_s: float) -> float:
        """The unit at that time: what an event then adds, and what a count then is divided by."""
        exponent = (at_s - self.origin_s) / self.half_life_s
        return math.exp2(max(-_MOST_HALF_LIVES, min(exponent, _MOST_HALF_LIVES)))

    def rebase(self, now_s: float) -> float:
        """By what all counts must be multiplied now: 1.0, but now and then the unit is set back."""
        past = (now_s - self.origin_s) / self.half_life_s
        if past < self.rebase_half_lives:
            return 1.0
        self.origin_s = now_s
        return math.exp2(-min(past, _MOST_HALF_LIVES))

    def exposure_h(self, now_s: float) -> float:
        """Decayed hours of observation up to now."""
        age = max(now_s - self.start_s, 0.0) / self.half_life_s
        left = math.exp2(-min(age, _MOST_HALF_LIVES))
        return self.before_h * left + self.half_life_s / HOUR_S / math.log(2.0) * (1.0 - left)

    def left(self, passed_s: float) -> float:
        """What share of a count is left after that time."""
        return math.exp2(-min(max(passed_s, 0.0) / self.half_life_s, _MOST_HALF_LIVES))


class DayExposure(Decay):
    """Decayed hours of observation per hour of day."""

    rebase_half_lives = 2.0

    def __init__(self, half_life_s: float) -> None:
        super().__init__(half_life_s)
        self._hours = np.zeros(DAY)
        self.now_s = 0.0

    def begin(self, at_s: float) -> None:
        """Observation starts now."""
        super().begin(at_s)
        self.now_s = at_s

    def observe(self, start_s: float, end_s: float) -> None:
        """That span was observed. Costs its hours, at most sixty days of them."""
        self.now_s = end_s
        start_s = max(start_s, end_s - _LONGEST_GAP_H * HOUR_S)
        first, last = int(start_s // HOUR_S), int(end_s // HOUR_S)
        if first == last:
            self._hours[first % DAY] += (end_s - start_s) / HOUR_S * self.weight(end_s)
            return
        hours = np.arange(first, last + 1)
        ends = np.minimum((hours + 1) * HOUR_S, end_s)
        length = (ends - np.maximum(hours * HOUR_S, start_s)) / HOUR_S
        exponent = np.clip((ends - self.origin_s) / self.half_life_s, -_MOST_HALF_LIVES, _MOST_HALF_LIVES)
        np.add.at(self._hours, hours % DAY, length * 2.0**exponent)

    def rebase(self, now_s: float) -> float:
        """As Decay's; the exposure is set back alike."""
        factor = super().rebase(now_s)
        if factor != 1.0:
            self._hours *= factor
        return factor

    def unit(self) -> float:
        """What profile counts are divided by now."""
        return self.weight(self.now_s)

    def hours(self) -> Floats:
        """Decayed hours of observation per hour of day."""
        hours: Floats = self._hours / self.unit()
        return hours

    def restore(self, hours: Floats) -> None:
        """Take over exposure from before the start, decayed up to it."""
        self._hours = hours * self.weight(self.now_s)
