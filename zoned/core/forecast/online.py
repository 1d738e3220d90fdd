"""The online model: hourly demand of all dependencies at once, learnt one hour at a time.

Demand of services is a level, a shape of day, a shape of week, and a rest that fades over hours. Each is
followed by exponential smoothing, on the square-root scale: counts have a noise that grows with their
mean, and the root makes it about the same size at every hour of the day. How fast each part should move
differs between series and cannot be known beforehand, so seven parameter sets run side by side and the
forecast is their mixture, weighted per series by exp(-eta x recent loss) (Hedge, Freund & Schapire 1997).
Weights are kept twice, by the loss one hour and one day ahead: what follows the last hour best is seldom
what knows tomorrow best; in between they are blended.

Everything is an array over (dependency, parameter set), so an hour costs some thirty numpy calls however
many dependencies there are. A profile cell learns by 1/n until it has been seen often enough, which is
what lets a model be useful on its second day; and a burst is cut before a profile learns it, or it would
come back the next day (7 % in the geometric mean over series, the largest single gain). Six of the sets
were chosen greedily among 360 on 30 hourly web and cloud series (tests/bench/bench_forecast.py measures
them; the data is not ours to ship); the seventh follows the week and costs nothing where there is none.

Rejected: one set with tuned parameters (7 % worse a day ahead), ETS by likelihood (a worker's job, and
1.35 x seasonal naive on web series), logarithms (zero demand is ordinary), float32 (saves a megabyte).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from zoned.core.forecast.decay import decayed

Floats: TypeAlias = NDArray[np.float64]

DAY = 24
WEEK = 168
# Gains of level, day profile, week profile; persistence of the rest from hour to hour.
_SETS = np.array(
    [
        (0.3, 0.15, 0.0, 0.3),
        (0.03, 0.4, 0.0, 0.3),
        (0.6, 0.02, 0.0, 0.3),
        (0.1, 0.4, 0.3, 0.95),
        (0.01, 0.05, 0.1, 0.3),
        (0.003, 0.8, 0.1, 0.85),
        (0.003, 0.02, 0.8, 0.3),
    ]
)
_LEVEL, _DAILY, _WEEKLY, _PERSIST = (np.ascontiguousarray(_SETS[:, i]) for i in range(4))
_HAS_WEEK = _WEEKLY > 0
_PERSIST_A_DAY = _PERSIST**24
SETS = len(_SETS)

_ETA_HOUR, _ETA_DAY = 4.0, 3.0
_KEEP_HOUR, _KEEP_DAY = 0.5 ** (1 / 48), 0.5 ** (1 / 168)  # decay of the losses, per hour
_UNUSUAL = 4.0  # times the usual error is a burst
_ENOUGH_H = 20.0  # hours judged before it is known what is usual
_BLEND_HOURS = 24  # from here on the day-ahead weights count alone
_FIRST_DAY_GAIN = 0.7  # before a day was seen, the first profile takes most of what the level leaves


@dataclass(frozen=True, slots=True, kw_only=True)
class _Gains:
    """How much each hour of a run teaches: it depends on what was seen how often, not on what came, so it is
    worked out for the whole run at once. All (hours, rows), with a third axis where sets differ."""

    known: NDArray[np.bool_]
    begun: NDArray[np.bool_]  # not the first hour of its row
    seen: Floats  # hours seen, with this one
    level: Floats
    rest: Floats  # what the level leaves
    day: Floats
    week: Floats  # of what the level leaves
    keep_hour: Floats  # of the loss an hour ahead; 1: this hour is not judged
    judged_hour: Floats
    keep_day: Floats
    judged_day: Floats


class OnlineModel:
    """Exponential smoothings per series, one per parameter set, for as many series as there are rows.

    Hours are absolute (season seconds // 3600), so that the phase of day and week is that of the clock.
    """

    def __init__(self, rows: int = 4) -> None:
        self._rows = rows
        self.level = np.zeros((rows, SETS))
        self.day = np.zeros((rows, DAY, SETS))
        self.week = np.zeros((rows, WEEK, SETS))
        self.rest = np.zeros((rows, SETS))
        self.ahead = np.zeros((rows, DAY, SETS))  # what was said of this hour of day one day before
        self.seen = np.zeros(rows)
        self.day_seen = np.zeros((rows, DAY))
        self.week_seen = np.zeros((rows, WEEK))
        self.loss_hour = np.zeros((rows, SETS))
        self.loss_day = np.zeros((rows, SETS))
        self.judged_hour = np.zeros(rows)  # decayed count of hours behind loss_hour
        self.judged_day = np.zeros(rows)

    def grow(self, rows: int) -> None:
        """Make room for that many series; those that are new know nothing."""
        for name, array in vars(self).items():
            if isinstance(array, np.ndarray):
                more = np.zeros((rows - self._rows, *array.shape[1:]))
                setattr(self, name, np.concatenate([array, more]))
        self._rows = rows

    def forget(self, row: int) -> None:
        """The row is given to another series."""
        for array in vars(self).values():
            if isinstance(array, np.ndarray):
                array[row] = 0.0

    def step(self, hour: int, demand: Floats) -> None:
        """Learn the demand of one whole hour, per row; NaN where it was not observed."""
        self.run(hour, demand[None], 0)

    def skip(self, hours: int) -> None:
        """That many hours without any demand, in closed form: level and profiles fade towards nothing.

        Not exactly what as many ``step`` calls do (there the parts share one error), but the same
        limit, at the cost of one."""
        self.level *= (1.0 - _LEVEL) ** hours
        self.day *= (1.0 - _DAILY) ** (hours / DAY)
        self.week *= (1.0 - _WEEKLY) ** (hours / WEEK)
        self.rest *= _PERSIST**hours
        self.ahead *= (1.0 - _LEVEL) ** hours
        for array, keep in ((self.loss_hour, _KEEP_HOUR), (self.judged_hour, _KEEP_HOUR)):
            array *= keep**hours
        for array, keep in ((self.loss_day, _KEEP_DAY), (self.judged_day, _KEEP_DAY)):
            array *= keep**hours

    def path(self, hour: int, steps: int) -> Floats:
        """Expected demand (rows, steps) of the hours ``hour``, ``hour + 1``, ... given all hours before."""
        hours = np.arange(hour, hour + steps)
        sets = self.level[:, None] + self.day[:, hours % DAY] + self.week[:, hours % WEEK]
        near = _weights(self.loss_hour, self.judged_hour, _ETA_HOUR)
        far = _weights(self.loss_day, self.judged_day, _ETA_DAY)
        return _mixed(sets, self.rest, near, far)

    def run(self, hour: int, demands: Floats, steps: int) -> tuple[Floats, Floats]:
        """Learn the hours of ``demands`` (hours, rows), NaN where unknown. What ``path`` says after each of
        them (hours, rows, steps), and how many hours each row had seen by then (hours, rows)."""
        count, rows = demands.shape
        known = ~np.isnan(demands)
        gains = self._gains(hour, known)
        roots = np.sqrt(np.where(known, demands, 0.0))[:, :, None]
        ahead = hour + 1 + np.arange(count)[:, None] + np.arange(steps)
        days, weeks = ahead % DAY, ahead % WEEK
        sets = np.empty((count, rows, steps, SETS))
        rest, loss_hour, said = (np.empty((count, rows, SETS)) for _ in range(3))
        for i in range(count):
            said[i] = self.ahead[:, (hour + i) % DAY]
            self._learn(hour + i, i, roots[i], gains)
            np.add(self.level[:, None], self.day.take(days[i], axis=1), out=sets[i])
            sets[i] += self.week.take(weeks[i], axis=1)
            rest[i], loss_hour[i] = self.rest, self.loss_hour
        off = np.where(gains.keep_day < 1.0, np.abs(np.maximum(said, 0.0) - roots), 0.0)
        loss_day = decayed(self.loss_day, gains.keep_day, off)
        self.loss_day = loss_day[-1].copy()
        near = _weights(loss_hour, gains.judged_hour, _ETA_HOUR)
        far = _weights(loss_day, gains.judged_day, _ETA_DAY)
        return _mixed(sets, rest, near, far), gains.seen

    def _gains(self, hour: int, known: NDArray[np.bool_]) -> _Gains:
        """How much each of these hours (hours, rows) may teach; counts them as seen, and as judged."""
        hours = hour + np.arange(len(known))
        seen = self.seen + np.cumsum(known, axis=0)
        before = (seen - known)[:, :, None]
        day_seen = _seen(self.day_seen, hours % DAY, known)[:, :, None]
        week_seen = _seen(self.week_seen, hours % WEEK, known)[:, :, None]
        level = np.maximum(_LEVEL, 1.0 / (before + 1.0))
        day = np.where(before < DAY, _FIRST_DAY_GAIN, np.maximum(_DAILY, 1.0 / (day_seen + 1.5)))
        week = np.where(_HAS_WEEK & (week_seen > 0), np.maximum(_WEEKLY, 0.8 / (week_seen + 1.0)), 0.0)
        hour_ok, day_ok = known & (seen - known >= DAY), known & (seen - known >= 2 * DAY)
        keep_hour, keep_day = np.where(hour_ok, _KEEP_HOUR, 1.0), np.where(day_ok, _KEEP_DAY, 1.0)
        judged_hour = decayed(self.judged_hour, keep_hour, hour_ok.astype(np.float64))
        judged_day = decayed(self.judged_day, keep_day, day_ok.astype(np.float64))
        self.seen, self.judged_hour = seen[-1].copy(), judged_hour[-1].copy()
        self.judged_day = judged_day[-1].copy()
        return _Gains(
            known=known[:, :, None],
            begun=before > 0,
            seen=seen,
            level=level,
            rest=1.0 - level,
            day=day,
            week=week * (1.0 - day),
            keep_hour=keep_hour[:, :, None],
            judged_hour=judged_hour,
            keep_day=keep_day[:, :, None],
            judged_day=judged_day,
        )

    def _learn(self, hour: int, i: int, root: Floats, gains: _Gains) -> None:
        """Learn the ``i``th hour of a run. All that does not follow from the hour before is in ``gains``."""
        level, daily, weekly = self.level, self.day[:, hour % DAY], self.week[:, hour % WEEK]
        base = level + daily
        base += weekly
        miss = root - base
        base += _PERSIST * self.rest
        off = np.abs(np.maximum(base, 0.0) - root)
        keep, known = gains.keep_hour[i], gains.known[i]
        self.loss_hour = np.where(keep < 1.0, keep * self.loss_hour + off, self.loss_hour)
        miss = np.where(known, miss, 0.0)
        left = gains.rest[i] * self._tamed(miss, gains.judged_hour[i])
        level += gains.level[i] * miss
        daily += gains.day[i] * left
        weekly += gains.week[i] * left
        rest = np.where(gains.begun[i], miss, 0.0)  # the very first demand is all level
        self.rest = np.where(known, rest, self.rest * _PERSIST)
        ahead = level + daily
        ahead += weekly
        ahead += _PERSIST_A_DAY * self.rest
        self.ahead[:, hour % DAY] = ahead

    def _tamed(self, miss: Floats, judged: Floats) -> Floats:
        """Errors as the profiles learn them: no larger than four usual ones (Huber), once it is known what is
        usual. A burst is no part of the shape of the day; the level and the rest do follow it."""
        enough = judged > _ENOUGH_H
        if not enough.any():
            return miss
        usual = self.loss_hour.min(axis=1) / np.maximum(judged, 1.0)
        limit = np.where(enough, _UNUSUAL * usual + 1e-9, np.inf)[:, None]
        tamed: Floats = np.minimum(np.maximum(miss, -limit), limit)
        return tamed


def _seen(counts: Floats, cells: NDArray[np.int64], known: NDArray[np.bool_]) -> Floats:
    """(hours, rows) how often the cell of each hour had been seen before it; adds the hours to ``counts``."""
    before: Floats = counts[:, cells].T
    period = counts.shape[1]
    for i in range(period, len(cells)):  # the cell came round within this run
        before[i] = before[i - period] + known[i - period]
    counts[:, cells] = (before + known).T  # of a cell that comes twice the last counts
    return before


def _mixed(sets: Floats, rest: Floats, near: Floats, far: Floats) -> Floats:
    """Demand (..., rows, steps) of what the sets (..., rows, steps, sets) expect without the rest. Adds to
    ``sets`` in place."""
    lead = np.arange(1, sets.shape[-2] + 1)
    sets += _PERSIST ** lead[:, None] * rest[..., None, :]
    near, far = near[..., None, :], far[..., None, :]
    share = np.minimum((lead - 1) / _BLEND_HOURS, 1.0)[:, None]
    root = (np.maximum(sets, 0.0) * (near + share * (far - near))).sum(axis=-1)
    mixed: Floats = root * root
    return mixed


def _weights(loss: Floats, judged: Floats, eta: float) -> Floats:
    """Hedge: how much each set counts, per row. The mean loss is taken relative to the best set's, so that
    eta means the same for large and small series; the root of the evidence keeps early luck from deciding."""
    mean = loss / np.maximum(judged, 1.0)[..., None]
    best = mean.min(axis=-1, keepdims=True) + 1e-12
    weight: Floats = np.exp(-np.minimum(eta * (mean / best - 1.0) * np.sqrt(judged)[..., None], 700.0))
    weight /= weight.sum(axis=-1, keepdims=True)
    return weight
