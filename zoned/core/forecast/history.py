"""What was used, per dependency: buckets (minutes) of the last two days, hours of the last five weeks.

Two rings of counters per dependency, indexed by absolute bucket or hour modulo the ring's length, on the
season clock. A window's accesses are spread evenly over the time it lasted, so a turn of a second and a
replay's turn of an hour fill the same cells; the clock moving on empties the cells it enters. Models
consume whole hours, once, in order.

An hour that was only partly observed (the first of a dependency, the one after a restart) is scaled up by
the observed share, or is NaN, "unknown", when that share is small: a model must not learn a start as an
outage. Time without windows while we run is zero demand, time while we were not running is unknown.

Rejected: one deque per dependency (no vector step over all of them), a time series database (the core
has no disk), scaling on wall time (a demo's day lasts minutes).
"""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from zoned.core.errors import StateError
from zoned.core.forecast.settings import ForecastSettings
from zoned.core.names import Dependency

Floats: TypeAlias = NDArray[np.float64]
Hours: TypeAlias = NDArray[np.int64]

HOUR_S = 3600.0
_LEAST_SHARE = 0.25  # of an hour, to be scaled up rather than be unknown
_FEW = 6  # cells
_IDLE_HOURS = 168  # a dependency unused for so long gives its row to a new one when all are taken


class History:
    """Counts of all dependencies. A dependency's row is its place in every array of the forecaster."""

    def __init__(self, settings: ForecastSettings) -> None:
        self._limit = settings.max_dependencies
        self._bucket_s = settings.bucket_s
        self._n_buckets = max(1, round(settings.bucket_hours * HOUR_S / settings.bucket_s))
        self._n_hours = settings.history_hours
        self.rows: dict[Dependency, int] = {}
        self.names: list[Dependency] = []
        self.capacity = 1  # doubles as dependencies come; most agents have few, and each hour costs by it
        self._buckets = np.zeros((self.capacity, self._n_buckets), dtype=np.float32)
        self._hours = np.full((self.capacity, self._n_hours), np.nan)
        self._begun_s = np.zeros(self.capacity)  # since when the row's dependency is observed
        self._used_s = np.zeros(self.capacity)  # when it was last used
        self.bucket = -1  # absolute number of the open bucket; -1: nothing observed yet
        self.hour = -1  # absolute number of the open hour
        self.learnt_hour = -1  # hours before this one were consumed

    @property
    def full(self) -> bool:
        """Whether a newcomer needs the row of another dependency."""
        return len(self.names) >= self._limit

    def idle(self, at_s: float) -> Dependency | None:
        """The dependency that was used the longest ago, if that is a week."""
        row = int(np.argmin(self._used_s[: len(self.names)]))
        return None if at_s - float(self._used_s[row]) < _IDLE_HOURS * HOUR_S else self.names[row]

    def track(self, dependency: Dependency, at_s: float, instead: Dependency | None) -> int:
        """A row for a newcomer, observed since ``at_s``: a free one, or that of ``instead``."""
        if instead is not None:
            row = self.rows.pop(instead)
            self.names[row] = dependency
        else:
            row = len(self.names)
            self.names.append(dependency)
            if row >= self.capacity:
                self._grow(min(2 * self.capacity, self._limit))
        self.rows[dependency] = row
        self._buckets[row] = 0.0
        self._hours[row] = np.nan
        self._hours[row, self.hour % self._n_hours] = 0.0
        self._begun_s[row] = at_s
        self._used_s[row] = at_s
        return row

    def _grow(self, capacity: int) -> None:
        more = capacity - self.capacity
        self._buckets = np.concatenate([self._buckets, np.zeros((more, self._n_buckets), dtype=np.float32)])
        self._hours = np.concatenate([self._hours, np.full((more, self._n_hours), np.nan)])
        self._begun_s = np.concatenate([self._begun_s, np.zeros(more)])
        self._used_s = np.concatenate([self._used_s, np.zeros(more)])
        self.capacity = capacity

    def advance(self, season_s: float) -> bool:
        """Move the open bucket and hour on to that moment; True when a bucket closed. A clock that runs
        backwards (a corrected host clock) leaves us where we are."""
        bucket = int(season_s // self._bucket_s)
        if bucket <= self.bucket:
            return False
        hour = int(season_s // HOUR_S)
        if self.bucket < 0:
            self.learnt_hour = hour
            self.bucket, self.hour = bucket, hour
            return False
        self._empty(self._buckets, self.bucket, bucket)
        if hour > self.hour:
            self._empty(self._hours, self.hour, hour)
        self.bucket, self.hour = bucket, hour
        return True

    @staticmethod
    def _empty(ring: NDArray[Any], before: int, now: int) -> None:
        size = ring.shape[1]
        first, end = (before + 1) % size, (now + 1) % size
        if now - before >= size:
            ring[:] = 0.0
        elif first < end:
            ring[:, first:end] = 0.0
        else:  # round the end
            ring[:, first:] = 0.0
            ring[:, :end] = 0.0

    def add(self, row: int, count: float, start_s: float, end_s: float) -> None:
        """Spread ``count`` accesses over that span of season time; ``advance(end_s)`` went before."""
        self._used_s[row] = end_s
        edge = self.hour * HOUR_S
        if start_s >= edge:
            self._hours[row, self.hour % self._n_hours] += count
        else:
            self._spread(self._hours[row], HOUR_S, self.hour, count, start_s, end_s)
        if start_s >= self.bucket * self._bucket_s:
            self._buckets[row, self.bucket % self._n_buckets] += count
        else:
            self._spread(self._buckets[row], self._bucket_s, self.bucket, count, start_s, end_s)

    @staticmethod
    def _spread(
        ring: NDArray[Any], width_s: float, last: int, count: float, start_s: float, end_s: float
    ) -> None:
        """Add by overlap. What lies before the ring's reach is let go; an empty span falls in the last."""
        size = len(ring)
        end_s = min(max(end_s, start_s), (last + 1) * width_s)
        if end_s <= start_s:
            ring[last % size] += count
            return
        first = max(int(start_s // width_s), last - size + 1)
        if last - first < _FEW:  # most windows: a few floats are quicker than arrays of them
            rate = count / (end_s - start_s)
            for cell in range(first, last + 1):
                overlap_s = min((cell + 1) * width_s, end_s) - max(cell * width_s, start_s)
                before = float(ring[cell % size])
                ring[cell % size] = (0.0 if math.isnan(before) else before) + max(overlap_s, 0.0) * rate
            return
        cells = np.arange(first, last + 1)
        overlap = np.minimum((cells + 1) * width_s, end_s) - np.maximum(cells * width_s, start_s)
        share = np.maximum(overlap, 0.0) * (count / (end_s - start_s))
        places = cells % size
        ring[places] = np.where(np.isnan(ring[places]), 0.0, ring[places]) + share

    def take(self, first: int, end: int) -> Floats:
        """(hours, rows) demand of the closed hours from ``first`` to before ``end`` (NaN: unknown), made
        final. Hours out of reach are zero."""
        self.learnt_hour = end
        hours = np.arange(first, end)
        reached = hours > self.hour - self._n_hours
        places = hours % self._n_hours
        observed = np.clip((hours[:, None] + 1) - self._begun_s / HOUR_S, 0.0, 1.0)
        values = self._hours[:, places].T
        values = np.where(observed < _LEAST_SHARE, np.nan, values / np.maximum(observed, _LEAST_SHARE))
        values[:, len(self.names) :] = np.nan
        self._hours[:, places[reached]] = values[reached].T
        values[~reached] = 0.0
        return values

    def open_hour(self, season_s: float) -> tuple[Floats, Floats]:
        """Per row: accesses so far in the open hour, and for how many seconds of it they were observed."""
        begun = np.maximum(self._begun_s, self.hour * HOUR_S)
        return self._hours[:, self.hour % self._n_hours], np.maximum(season_s - begun, 0.0)

    def hours(self, row: int, most: int) -> Floats:
        """The row's consumed hours, oldest first, without the unknown ones before the first known."""
        span = min(most, self._n_hours - 1)
        values: Floats = self._hours[
            row, np.arange(self.learnt_hour - span, self.learnt_hour) % self._n_hours
        ]
        known = np.flatnonzero(~np.isnan(values))
        return values[known[0] :] if len(known) else values[:0]

    def sums(self, end_hour: int | Hours, hours: int) -> Floats:
        """(rows) or, of several ends (ends, rows): demand of the ``hours`` closed hours before ``end_hour``,
        NaN when one is unknown."""
        cells = (np.asarray(end_hour)[..., None] + np.arange(-hours, 0)) % self._n_hours
        total: Floats = np.moveaxis(self._hours[:, cells].sum(axis=-1), 0, -1)
        return total

    def seasonal(self, hour: int | Hours, season_h: int, steps: int) -> Floats:
        """(rows, steps) or, of several hours, (hours, rows, steps): the demand one season before ``hour`` and
        the hours after it, NaN where unknown."""
        ahead = np.arange(steps)
        back = ahead - season_h * (1 + ahead // season_h)
        cells = (np.asarray(hour)[..., None] + back) % self._n_hours
        before: Floats = np.moveaxis(self._hours[:, cells], 0, -2)
        return before

    def busiest(self, most: int) -> list[tuple[Dependency, float]]:
        """The dependencies with the most traffic in the last week, and that traffic."""
        count, span = len(self.names), min(168, self._n_hours - 1)
        cells = np.arange(self.learnt_hour - span, self.learnt_hour) % self._n_hours
        traffic = np.nansum(self._hours[:count][:, cells], axis=1).tolist()
        ranked = sorted(zip(self.names, traffic, strict=True), key=lambda entry: (-entry[1], entry[0]))
        return ranked[:most]

    def buckets(self, row: int, most: int) -> list[float]:
        """The row's newest closed buckets, oldest first (for people: the last hours as a line)."""
        span = min(most, self._n_buckets - 1)
        cells = np.arange(self.bucket - span, self.bucket) % self._n_buckets
        return [float(value) for value in self._buckets[row, cells]]

    def export_state(self) -> dict[str, Any]:
        """Names and consumed hours; the models are a function of these, and are learnt again from them."""
        count = len(self.names)
        order = np.arange(self.learnt_hour - self._n_hours + 1, self.learnt_hour) % self._n_hours
        return {
            "names": list(self.names),
            "end_hour": self.learnt_hour,
            "hours": self._hours[:count][:, order].astype("<f4").tobytes(),
            "length": len(order),
        }

    def restore_state(self, state: dict[Any, Any], season_s: float) -> int:
        """Take over saved hours; hours since then are unknown. Returns the first hour worth learning.

        A state from the future of this clock (a demo's season, a corrected host) tells nothing of phase:
        it is refused with StateError."""
        names, end, length, data = (
            state.get("names"),
            state.get("end_hour"),
            state.get("length"),
            state.get("hours"),
        )
        if not (
            isinstance(names, list)
            and all(isinstance(name, str) for name in names)
            and isinstance(end, int)
            and isinstance(length, int)
            and isinstance(data, bytes)
            and 0 < length <= 100_000
            and len(set(names)) == len(names)
            and len(data) == 4 * length * len(names)
        ):
            raise StateError("forecast: history is malformed")
        now_hour = int(season_s // HOUR_S)
        if end > now_hour:
            raise StateError("forecast: history is from the future of the season clock")
        saved = np.frombuffer(data, dtype="<f4").reshape(len(names), length).astype(np.float64)
        if np.isinf(saved).any() or (saved < 0).any():
            raise StateError("forecast: history has impossible counts")
        return self._place(names[: self._limit], saved[: self._limit], end, season_s)

    def _place(self, names: list[Dependency], saved: Floats, end: int, season_s: float) -> int:
        now_hour = int(season_s // HOUR_S)
        count, length = saved.shape
        if count > self.capacity:
            self._grow(min(max(2 * self.capacity, count), self._limit))
        self.names = list(names)
        self.rows = {name: row for row, name in enumerate(names)}
        self.hour, self.bucket = now_hour, int(season_s // self._bucket_s)
        self.learnt_hour = now_hour
        first = max(end - length, now_hour - self._n_hours + 1)
        if first < end:
            self._hours[:count, np.arange(first, end) % self._n_hours] = saved[:, first - end :]
        self._hours[:count, now_hour % self._n_hours] = 0.0
        self._begun_s[:count] = season_s
        known = ~np.isnan(saved) & (saved > 0)
        last = np.where(known.any(axis=1), end - np.argmax(known[:, ::-1], axis=1), 0)
        self._used_s[:count] = last * HOUR_S
        return int(min(first, now_hour))

    def replay(self, hour: int) -> Floats:
        """A restored hour per row, to be learnt again."""
        values: Floats = self._hours[:, hour % self._n_hours].copy()
        return values


def whole_hours(horizon_s: float) -> int:
    """How many whole hours a horizon needs to be judged by."""
    return max(1, math.ceil(horizon_s / HOUR_S))
