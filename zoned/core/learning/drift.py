"""Page-Hinkley: has a forecast's error risen for good?

The test sums how far each error lies above the mean of all errors so far, less a tolerance. Noise around
the mean keeps the sum near its own minimum; a lasting rise pulls it away, and when the distance passes
lambda the change is called. Then everything starts afresh, since the mean is no longer that of this world.

Only rises count: a forecast that got better needs no refit. Rejected: ADWIN (keeps a window of values per
dependency, and answers a question that we do not ask: when), and a fixed limit on the error (a series that
can only be forecast badly would refit for ever; the planner's `adjust_dependencies` names it once).
Paper: Page 1954; Gama et al., "A survey on concept drift adaptation", 2014, section 3.2.
"""

from __future__ import annotations

from zoned.core.learning.settings import LearningSettings
from zoned.core.names import Dependency, Instant
from zoned.core.records import Forecast


class PageHinkley:
    """One series."""

    __slots__ = ("_count", "_least", "_mean", "_settings", "_sum")

    def __init__(self, settings: LearningSettings) -> None:
        self._settings = settings
        self._count, self._mean, self._sum, self._least = 0, 0.0, 0.0, 0.0

    def add(self, value: float) -> bool:
        """One more value. True if the series has risen; the test then starts afresh."""
        self._count += 1
        self._mean += (value - self._mean) / self._count
        self._sum += value - self._mean - self._settings.drift_delta
        self._least = min(self._least, self._sum)
        risen = self._sum - self._least > self._settings.drift_lambda
        if risen and self._count >= self._settings.drift_samples:
            self._count, self._mean, self._sum, self._least = 0, 0.0, 0.0, 0.0
            return True
        return False


class Drift:
    """The tests of all dependencies, fed by each new forecast."""

    __slots__ = ("_asked_s", "_made", "_settings", "_tests")

    def __init__(self, settings: LearningSettings) -> None:
        self._settings = settings
        self._tests: dict[Dependency, PageHinkley] = {}
        self._asked_s: dict[Dependency, float] = {}  # last refit asked for, mono seconds
        self._made: Instant | None = None

    def review(self, forecast: Forecast, now: Instant) -> tuple[Dependency, ...]:
        """Dependencies whose forecast should be fitted anew. A forecast that was seen before says nothing."""
        if forecast.made == self._made:
            return ()
        self._made = forecast.made
        nearest: dict[Dependency, tuple[float, float]] = {}  # its shortest horizon is the soonest to notice
        for line in forecast.dependencies:
            if line.error is not None:
                known = nearest.get(line.dependency)
                if known is None or line.horizon_s < known[0]:
                    nearest[line.dependency] = (line.horizon_s, line.error)
        self._forget(nearest)
        risen = [name for name, (_, error) in nearest.items() if self._test(name).add(error)]
        due = [name for name in risen if self._may_ask(name, now)]
        for name in due:
            self._asked_s[name] = now.mono_s
        return tuple(sorted(due))

    def _test(self, name: Dependency) -> PageHinkley:
        test = self._tests.get(name)
        if test is None:
            test = self._tests[name] = PageHinkley(self._settings)
        return test

    def _may_ask(self, name: Dependency, now: Instant) -> bool:
        asked_s = self._asked_s.get(name)
        return asked_s is None or now.mono_s - asked_s >= self._settings.refit_interval_s

    def _forget(self, nearest: dict[Dependency, tuple[float, float]]) -> None:
        """The forecast is bounded, and so are we: what it no longer names is forgotten."""
        for name in [name for name in self._tests if name not in nearest]:
            del self._tests[name]
            self._asked_s.pop(name, None)
