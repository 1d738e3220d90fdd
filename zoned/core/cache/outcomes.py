"""How prefetches fared: fetched, used, wasted, per dependency and reason, as counts that fade.

The learner's thresholds come from these. They fade by time, all three alike, so that the precision
used / (used + wasted) stays put while nothing happens and only the certainty about it goes: a reason that
was stopped gets another chance by and by.
"""

from __future__ import annotations

from zoned.core.errors import StateError
from zoned.core.names import Dependency
from zoned.core.records import PrefetchOutcome, Reason

_FETCHED, _USED, _WASTED, _AS_OF = 0, 1, 2, 3


class Outcomes:
    """Decayed counters. Events of pairs beyond the limit are counted as ``outcomes_uncounted``."""

    def __init__(self, half_life_s: float, max_pairs: int, counters: dict[str, int]) -> None:
        self._half_life_s = half_life_s
        self._max_pairs = max_pairs
        self._pairs: dict[tuple[Dependency, Reason], list[float]] = {}
        self._counters = counters  # of the whole stage
        counters["outcomes_uncounted"] = 0

    def fetched(self, dependency: Dependency, reason: Reason, now_s: float) -> None:
        """A copy was stored that nobody had asked for."""
        self._add(dependency, reason, _FETCHED, now_s)

    def used(self, dependency: Dependency, reason: Reason, now_s: float) -> None:
        """Somebody asked for it after all."""
        self._add(dependency, reason, _USED, now_s)

    def wasted(self, dependency: Dependency, reason: Reason, now_s: float) -> None:
        """It went, and nobody had asked."""
        self._add(dependency, reason, _WASTED, now_s)

    def all(self, now_s: float) -> tuple[PrefetchOutcome, ...]:
        """Every pair, faded to now; sorted by dependency and reason."""
        lines = []
        for (dependency, reason), counts in self._pairs.items():
            self._fade(counts, now_s)
            lines.append(PrefetchOutcome(dependency, reason, counts[0], counts[1], counts[2]))
        return tuple(sorted(lines, key=lambda line: (line.dependency, line.reason.value)))

    def export(self, now_s: float) -> list[list[str | float]]:
        """``all`` as rows to save."""
        return [[o.dependency, o.reason.value, o.fetched, o.used, o.wasted] for o in self.all(now_s)]

    def restore(self, rows: object, now_s: float) -> None:
        """Take back what ``export`` gave; StateError, and no change, when it is something else."""
        pairs: dict[tuple[Dependency, Reason], list[float]] = {}
        if not isinstance(rows, list):
            raise StateError("prefetch outcomes: not a list")
        for row in rows[: self._max_pairs]:
            try:
                dependency, reason, *counts = row
                pair = (str(dependency), Reason(reason))
                fetched, used, wasted = (float(count) for count in counts)
            except (TypeError, ValueError, OverflowError) as error:
                raise StateError(f"prefetch outcomes: {error}") from error
            if not all(0 <= count < 1e15 for count in (fetched, used, wasted)):
                raise StateError("prefetch outcomes: a count out of range")
            pairs[pair] = [fetched, used, wasted, now_s]
        self._pairs = pairs

    def _add(self, dependency: Dependency, reason: Reason, which: int, now_s: float) -> None:
        counts = self._pairs.get((dependency, reason))
        if counts is None:
            if len(self._pairs) >= self._max_pairs:
                self._counters["outcomes_uncounted"] += 1
                return
            counts = self._pairs[dependency, reason] = [0.0, 0.0, 0.0, now_s]
        self._fade(counts, now_s)
        counts[which] += 1.0

    def _fade(self, counts: list[float], now_s: float) -> None:
        passed_s = now_s - counts[_AS_OF]
        if passed_s > 0:
            factor = 0.5 ** min(passed_s / self._half_life_s, 1000.0)
            counts[:] = (counts[0] * factor, counts[1] * factor, counts[2] * factor, now_s)
