"""Discounted sums: a mean that forgets, and how far it can be trusted.

Each new value multiplies what was known by a decay. The weights' own sum and sum of squares give the
effective number of values behind the mean, so a standard error can be had at any time, from four numbers.

Rejected: a window of the last n values (forgets all at once, and needs n numbers), and Welford's
algorithm (its care about cancellation matters for long sums; ours never hold more than a few hundred).
"""

from __future__ import annotations

import math

from zoned.core.errors import StateError

_LIMIT = 1e15  # no sum of ours comes near; beyond it squares of restored numbers would overflow


class Discounted:
    """Mean, spread and lower bound of a series, newest values first in weight."""

    __slots__ = ("_decay", "_squares", "_total", "_weight", "_weight_squares", "values")

    def __init__(self, decay: float) -> None:
        self._decay = decay
        self.values = 0
        """How many values were added."""
        self._weight = 0.0
        self._weight_squares = 0.0
        self._total = 0.0
        self._squares = 0.0

    def add(self, value: float) -> None:
        """One more value."""
        decay = self._decay
        self.values += 1
        self._weight = self._weight * decay + 1.0
        self._weight_squares = self._weight_squares * decay * decay + 1.0
        self._total = self._total * decay + value
        self._squares = self._squares * decay + value * value

    @property
    def total(self) -> float:
        """Discounted sum."""
        return self._total

    @property
    def mean(self) -> float:
        """Discounted mean; 0 before any value."""
        return self._total / self._weight if self._weight else 0.0

    def lower(self, z: float) -> float:
        """Mean - z standard errors; minus infinity before there are two values to tell a spread from.

        A spread told from few values is itself uncertain, so z is widened towards Student's t (the first
        term of the Cornish-Fisher expansion). Without that the first few batches raise most false alarms.
        """
        if self.values < 2:
            return -math.inf
        count = self._weight * self._weight / self._weight_squares  # effective number of values, > 1
        variance = max(0.0, self._squares / self._weight - self.mean**2) / (count - 1.0)  # of the mean
        widened = z * (1.0 + (z * z + 1.0) / (4.0 * (count - 1.0)))
        return self.mean - widened * math.sqrt(variance)

    def upper(self, z: float) -> float:
        """Mean + z standard errors, as far above the mean as ``lower`` is below."""
        return 2.0 * self.mean - self.lower(z)

    def export_state(self) -> list[float]:
        """Five numbers for `restored`."""
        return [self.values, self._weight, self._weight_squares, self._total, self._squares]

    @classmethod
    def restored(cls, obj: object, decay: float) -> Discounted:
        """From what `export_state` gave; `StateError` if it is not that."""
        try:
            values, *numbers = [float(number) for number in obj]  # type: ignore[attr-defined]
            weight, weight_squares, total, squares = numbers
        except (TypeError, ValueError, OverflowError) as error:
            raise StateError(f"learning: not a discounted sum: {error}") from error
        sane = all(abs(number) < _LIMIT for number in (values, *numbers))  # false for NaN, too
        # With one value both weights are 1; a second one parts them (else the spread would divide by 0).
        least = weight_squares * (1.0 + 1e-9) if values >= 2 else weight_squares
        if not sane or values < 0 or (values > 0) != (weight > 0) or weight * weight < least:
            raise StateError(f"learning: not a discounted sum: {obj!r}")
        if squares < 0 or weight_squares < 0 or (weight > 0 and weight_squares == 0):
            raise StateError(f"learning: not a discounted sum: {obj!r}")
        made = cls(decay)
        made.values = int(values)
        made._weight, made._weight_squares, made._total, made._squares = numbers
        return made
