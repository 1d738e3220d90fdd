"""When models are fitted in the worker, and what came of it.

A fit costs a tenth of a second of CPU, an agent's whole turn a thousandth, so fitting is rationed: only
the dependencies with the most traffic, once a day or when the learner says that a forecast has drifted,
and within so many CPU seconds per five minutes, measured, not estimated. One job is out at a time. A
result is judged before it is believed: right length, finite, not negative.

A fit stays in use until its forecast ends. It was made hours ago, so its path is shifted by how far it was
off lately, a shift that fades over the hours ahead; whether that makes it a good model is for the selector
to say. Rejected: refitting hourly (24 times the CPU for a path that the shift nearly gives for free).
"""

from __future__ import annotations

import math
from collections import deque
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from zoned.core.forecast.history import HOUR_S, History
from zoned.core.forecast.settings import ForecastSettings
from zoned.core.names import Dependency, Instant
from zoned.core.records import FitJob, FitResult, FittedSeries, Series

Floats: TypeAlias = NDArray[np.float64]

_LEAST_BUDGET_S = 1.0  # less is not worth a job
_SHIFT_GAIN = 0.4  # how fast a fit's shift follows its last errors
_SHIFT_FADE = 0.85  # what is left of it per hour ahead


class FitDesk:
    """Decides what to fit, keeps the books of the CPU budget, and holds the paths that came back."""

    def __init__(self, settings: ForecastSettings) -> None:
        self._settings = settings
        self._wanted: dict[Dependency, None] = {}  # the learner's wishes, in order
        self._tried_s: dict[Dependency, float] = {}  # season time of the last attempt
        self._done_s: dict[Dependency, float] = {}  # season time of the last success
        self._spent: deque[tuple[float, float]] = deque()  # (mono_s, CPU seconds)
        self._paths: dict[Dependency, tuple[int, Floats]] = {}  # (first hour, demand per hour)
        self._shift: dict[Dependency, float] = {}
        self._out: tuple[int, float, tuple[Dependency, ...]] | None = None
        self._jobs = 0
        self.fits = 0
        self.failures = 0
        self.lost = 0
        self.fallbacks = 0
        self._looked_hour = -1  # nothing else can have become due before an hour has closed

    def want(self, dependencies: tuple[Dependency, ...]) -> None:
        """The learner asks for these to be fitted again; more than ``top_k`` wishes are not kept."""
        for dependency in dependencies:
            if len(self._wanted) < self._settings.top_k:
                self._wanted[dependency] = None
                self._looked_hour = -1

    def due(self, history: History, now: Instant) -> FitJob | None:
        """The next job, if anything is due and may be paid for."""
        settings = self._settings
        if not settings.worker_enabled or settings.top_k <= 0:
            return None
        if self._out is not None:
            if now.mono_s - self._out[1] < settings.job_timeout_s:
                return None
            self.lost += 1
            self._out = None
            self._looked_hour = -1
        if history.learnt_hour == self._looked_hour:
            return None
        budget_s = self._budget_left(now.mono_s)
        if budget_s < _LEAST_BUDGET_S:
            return None
        self._looked_hour = history.learnt_hour
        series = self._series(history, now.season_s)
        if not series:
            return None
        self._jobs += 1
        names = tuple(one.dependency for one in series)
        self._out = (self._jobs, now.mono_s, names)
        return FitJob(job=self._jobs, series=series, steps=settings.fit_steps, budget_s=budget_s)

    def _budget_left(self, mono_s: float) -> float:
        since_s = mono_s - self._settings.worker_cpu_window_s
        while self._spent and self._spent[0][0] < since_s:
            self._spent.popleft()
        return self._settings.worker_cpu_budget_s - sum(seconds for _, seconds in self._spent)

    def _series(self, history: History, season_s: float) -> tuple[Series, ...]:
        """The series that are due, those asked for first, then by traffic of the last week."""
        settings = self._settings
        found: list[tuple[bool, float, Dependency, Series]] = []
        for dependency, weight in history.busiest(settings.top_k):
            if not self._is_due(dependency, season_s):
                continue
            values = history.hours(history.rows[dependency], settings.max_fit_points)
            if np.count_nonzero(~np.isnan(values)) < settings.min_fit_points:
                continue
            series = Series(
                dependency=dependency,
                step_s=HOUR_S,
                end_s=history.learnt_hour * HOUR_S,
                values=tuple(values.tolist()),
            )
            found.append((dependency not in self._wanted, -weight, dependency, series))
        found.sort(key=lambda entry: entry[:3])
        return tuple(entry[3] for entry in found)

    def _is_due(self, dependency: Dependency, season_s: float) -> bool:
        if season_s - self._tried_s.get(dependency, -math.inf) < self._settings.refit_pause_s:
            return False
        if dependency in self._wanted:
            return True
        return season_s - self._done_s.get(dependency, -math.inf) >= self._settings.refit_interval_s

    def fitted(self, job: int, result: FitResult | None, now: Instant) -> None:
        """The answer to a job. One that nobody waits for any more is dropped."""
        if self._out is None or self._out[0] != job:
            return
        names = self._out[2]
        self._out = None
        self._looked_hour = -1
        budget_s = self._settings.worker_cpu_budget_s
        seconds = budget_s if result is None or not math.isfinite(result.seconds) else result.seconds
        self._spent.append((now.mono_s, min(max(seconds, 0.0), budget_s)))
        for dependency in names:
            self._tried_s[dependency] = now.season_s
            self._wanted.pop(dependency, None)
        if result is None:
            self.failures += len(names)
            self.fallbacks += len(names)
            return
        self.failures += len(result.failures)
        self.fallbacks += len(result.failures)
        for one in result.fitted:
            if one.dependency in names and self._accept(one):
                self.fits += 1
                self._done_s[one.dependency] = now.season_s
        for dependency, reason in result.failures:
            if reason == "budget":  # not its fault: first in the next job
                self._tried_s.pop(dependency, None)

    def _accept(self, one: FittedSeries) -> bool:
        """Believe a fit if it can be one."""
        mean = np.array(one.mean, dtype=np.float64)
        good = (
            one.step_s == HOUR_S
            and math.isfinite(one.end_s)
            and len(mean) == self._settings.fit_steps
            and bool(np.isfinite(mean).all())
            and bool((mean >= 0).all())
        )
        if not good:
            self.failures += 1
            return False
        self._paths[one.dependency] = (round(one.end_s / HOUR_S), mean)
        self._shift.pop(one.dependency, None)
        return True

    @property
    def holds_any(self) -> bool:
        """Whether there is any fit."""
        return bool(self._paths)

    def learn(self, hour: int, demand: Floats, rows: dict[Dependency, int]) -> None:
        """That hour brought this per row: follow how far each fit is off, on the root scale."""
        for dependency in list(self._paths):
            first, mean = self._paths[dependency]
            row = rows.get(dependency)
            if row is None or hour - first >= len(mean):
                self.drop(dependency)
                self.fallbacks += 1
            elif hour >= first and not math.isnan(demand[row]):
                off = math.sqrt(float(demand[row])) - math.sqrt(float(mean[hour - first]))
                shift = self._shift.get(dependency, 0.0)
                self._shift[dependency] = shift + _SHIFT_GAIN * (off - shift)

    def drop(self, dependency: Dependency) -> None:
        """The fit is used up, or its dependency is gone."""
        self._paths.pop(dependency, None)
        self._shift.pop(dependency, None)

    def forget(self, dependency: Dependency) -> None:
        """The dependency is no longer tracked."""
        self.drop(dependency)
        self._wanted.pop(dependency, None)
        self._tried_s.pop(dependency, None)
        self._done_s.pop(dependency, None)

    def speaks(self, dependency: Dependency, hour: int, steps: int) -> bool:
        """Whether there is a fit whose forecast covers at least half of a path from that hour on."""
        entry = self._paths.get(dependency)
        return entry is not None and hour >= entry[0] and 2 * (len(entry[1]) - (hour - entry[0])) >= steps

    def paths(self, hour: int, instead: Floats, rows: dict[Dependency, int]) -> Floats:
        """The fits' paths from that hour on, shaped as ``instead``, NaN for rows without one. Where a fit
        ends before the path does, ``instead`` (the online model) goes on."""
        steps = instead.shape[1]
        paths = np.full_like(instead, np.nan)
        fade = _SHIFT_FADE ** np.arange(1, steps + 1)
        for dependency, (first, mean) in self._paths.items():
            row = rows.get(dependency)
            if row is None or not self.speaks(dependency, hour, steps):
                continue
            left = mean[hour - first :][:steps]
            shift = self._shift.get(dependency, 0.0) * fade[: len(left)]
            paths[row] = instead[row]
            paths[row, : len(left)] = np.maximum(np.sqrt(left) + shift, 0.0) ** 2
        return paths
