"""PREDICTIVE MODELER: what this zone will use in the next hour and day, and how sure that is.

    windows -> history --(an hour closed)--> the ladder of models learns it, is judged, says what comes next
            -> rates   --(a bucket closed)-> the running hour corrects that -> Forecast

Three clocks of work, so that a turn costs nothing unless something is due. Every turn: count the window.
Once a bucket has closed and ``reforecast_s`` went by: a new Forecast from the paths at hand. Once an hour:
every model learns the hour and is judged by what it had said of it. A gap of months is decayed in closed
form; only its last two days are lived.

All of it runs in the agent, on a few numpy calls. What is too dear for that goes to the worker by way of
``fit_due`` and ``fitted`` (refit.py), and is one more model for the selector, never needed: without the
worker, forecasts are the online model's.
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np

from zoned.core.errors import StateError
from zoned.core.forecast.history import HOUR_S, History
from zoned.core.forecast.ladder import Ladder, over
from zoned.core.forecast.rates import Rates
from zoned.core.forecast.refit import FitDesk
from zoned.core.forecast.settings import ForecastSettings
from zoned.core.names import Dependency, Fingerprint, Instant
from zoned.core.records import DependencyForecast, FitJob, FitResult, Forecast, Window

_LONGEST_GAP_H = 336  # a longer gap is decayed in closed form ...
_LIVED_H = 48  # ... but for its last hours


class Forecaster:
    """The stage. ``rng`` is there because every stage gets one; nothing here is left to chance."""

    def __init__(self, settings: ForecastSettings, rng: random.Random) -> None:
        self._settings = settings
        self._rng = rng
        self._horizons_s = tuple(sorted(settings.horizons_s)) or (HOUR_S,)
        self._history = History(settings)
        self._ladder = Ladder(settings, self._horizons_s, self._history.capacity)
        self._rates = Rates(settings)
        self._desk = FitDesk(settings)
        self._made: Forecast | None = None
        self._closed = False  # a bucket has closed since then
        self._dropped = 0
        self._forecasts = 0

    # ---- the turn -----------------------------------------------------------------------------

    def update(self, window: Window, now: Instant) -> Forecast:
        """Learn a window. The same Forecast until a bucket has closed and ``reforecast_s`` went by."""
        made = self._made
        if not self._settings.enabled:
            if made is None:
                made = self._made = Forecast(made=now, dependencies=(), instances=())
            return made
        self._observe(window)
        if made is not None:
            waited_s = now.season_s - made.made.season_s
            if not self._closed or 0 <= waited_s < self._settings.reforecast_s:
                return made
        self._closed = False
        self._learn()
        self._made = self._forecast(now)
        self._forecasts += 1
        return self._made

    def take_counts(self, now: Instant) -> list[tuple[Fingerprint, float]]:
        """Instances used since last time, with their decayed counts (half-life ``recent_half_life_s``);
        empty until ``recount_s`` went by, or a forecast was made."""
        rates = self._rates
        if self._settings.enabled and now.season_s - rates.now_s >= self._settings.recount_s:
            rates.advance(now.season_s, self._history.rows)
        return rates.take_counts()

    def _observe(self, window: Window) -> None:
        """Count the window's accesses where they belong in time."""
        end_s = window.ended.season_s
        start_s = min(window.started.season_s, end_s)
        history = self._history
        if history.bucket < 0:
            history.advance(start_s)  # the first window may span hours, too
        if history.advance(end_s):
            self._closed = True
        for use in window.dependencies:
            if use.accesses <= 0:
                continue
            row = history.rows.get(use.dependency)
            if row is None:
                row = self._welcome(use.dependency, start_s)
                if row is None:
                    self._dropped += use.accesses
                    continue
            history.add(row, float(use.accesses), start_s, end_s)
        self._rates.note(window.instances, (start_s + end_s) / 2.0, history.rows)

    def _welcome(self, dependency: Dependency, at_s: float) -> int | None:
        """A row for a newcomer, maybe that of a dependency long unused; None when there is no room."""
        history = self._history
        idle = history.idle(at_s) if history.full else None
        if history.full:
            if idle is None:
                return None
            self._desk.forget(idle)
            self._rates.advance(self._rates.now_s, history.rows)  # before its name goes
        row = history.track(dependency, at_s, idle)
        self._ladder.welcome(row, history.capacity)
        self._rates.forget(row)
        return row

    def _learn(self) -> None:
        """Let the models live through the hours that closed."""
        first, end = self._history.learnt_hour, self._history.hour
        if end - first > _LONGEST_GAP_H:
            first = end - _LIVED_H
            self._ladder.skip(first - self._history.learnt_hour)
        if first < end:
            self._ladder.run(first, self._history.take(first, end), self._history, self._desk)

    def _forecast(self, now: Instant) -> Forecast:
        history, ladder = self._history, self._ladder
        season_s = max(now.season_s, history.hour * HOUR_S)
        path = ladder.path(history, season_s)
        lines: list[DependencyForecast] = []
        for i, horizon_s in enumerate(self._horizons_s):
            total = over(path, season_s - history.hour * HOUR_S, horizon_s)
            bands, means, errors = ladder.bands(i, total), ladder.mean(i, total), ladder.error(i)
            for dependency, row in history.rows.items():
                low, median, high = bands[row].tolist()
                line = DependencyForecast(
                    dependency=dependency,
                    horizon_s=horizon_s,
                    mean=float(means[row]),
                    quantiles=(low, median, high),
                    model=ladder.speaker(dependency, row, horizon_s, history.hour, self._desk),
                    error=None if np.isnan(errors[row]) else float(errors[row]),
                )
                lines.append(line)
        lines.sort(key=lambda line: (line.dependency, line.horizon_s))
        self._rates.advance(season_s, history.rows)
        instances = self._rates.demands(season_s, self._horizons_s[0], self._settings.max_forecast_instances)
        return Forecast(made=now, dependencies=tuple(lines), instances=instances)

    # ---- fitting ------------------------------------------------------------------------------

    def refit(self, dependencies: tuple[Dependency, ...]) -> None:
        """The learner asks for these forecasts to be fitted anew."""
        self._desk.want(tuple(name for name in dependencies if name in self._history.rows))

    def fit_due(self, now: Instant) -> FitJob | None:
        """A job for the worker, or None while one is out, nothing is due, or the budget is spent."""
        if not self._settings.enabled:
            return None
        return self._desk.due(self._history, now)

    def fitted(self, job: int, result: FitResult | None, now: Instant) -> None:
        """The worker's answer; its paths count from the next hour on. None: it failed, or took too long."""
        self._desk.fitted(job, result, now)

    # ---- books --------------------------------------------------------------------------------

    @property
    def counters(self) -> dict[str, int]:
        """What happened, for status and metrics."""
        return {
            "forecasts": self._forecasts,
            "fits": self._desk.fits,
            "failures": self._desk.failures,
            "lost_jobs": self._desk.lost,
            "fallbacks": self._desk.fallbacks,
            "dependencies": len(self._history.names),
            "dropped_accesses": self._dropped,
            "instances": len(self._rates.table),
            "pruned_instances": self._rates.table.pruned,
        }

    def recent(self, dependency: Dependency, most: int = 120) -> list[float]:
        """Accesses per closed bucket, oldest first, for people."""
        row = self._history.rows.get(dependency)
        return [] if row is None else self._history.buckets(row, most)

    def export_state(self) -> dict[str, Any]:
        """History and rates; the models are learnt again from the history."""
        history = self._history
        return {
            "version": 1,
            "history": history.export_state(),
            "rates": self._rates.export_state(history.names),
        }

    def restore_state(self, state: dict[str, Any], now: Instant) -> None:
        """Take over what ``export_state`` gave. Raises StateError on anything else, and changes nothing.

        The models live through the saved hours again; those since then are unknown to them."""
        if not isinstance(state, dict) or state.get("version") != 1:
            raise StateError("forecast: unknown version of state")
        saved_history, saved_rates = state.get("history"), state.get("rates")
        if not isinstance(saved_history, dict) or not isinstance(saved_rates, dict):
            raise StateError("forecast: state lacks a part")
        history, rates = History(self._settings), Rates(self._settings)
        first = history.restore_state(saved_history, now.season_s)
        rates.restore_state(saved_rates, now.season_s, history.rows)
        self._history, self._rates, self._made = history, rates, None
        self._ladder = Ladder(self._settings, self._horizons_s, history.capacity)
        self._desk = FitDesk(self._settings)
        if first < history.hour:
            saved = np.stack([history.replay(hour) for hour in range(first, history.hour)])
            self._ladder.run(first, saved, history, self._desk)
