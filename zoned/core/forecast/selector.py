"""Which model speaks: the online model, unless another has lately been clearly better.

Four candidates, judged all the time by what they said one hour and half a day before: the online model;
yesterday's hour; a fit from the worker; and the median of the three. On very regular machine-made series
yesterday's hour alone beats every mixture by far; on others a fit sees what smoothing cannot. Whoever leads
by more than a margin is used alone (follow the leader, with hysteresis). The median needs a smaller edge,
as it seldom errs much.

The study behind this had the median as the rule and found it 5 % better than its online model. With ours
(bursts kept out of the profiles) and fits that are up to a day old the median was 4 % worse a day ahead and
7 % worse an hour ahead, so here the online model is the rule; with that the worker's fits gain 1 % on the
day and nothing on the hour (tests/bench/bench_forecast.py --last-days 20 [--fit]).
Rejected: weights by inverse error (noisy on short histories), one choice for all horizons (the best for an
hour is seldom the best for a day).
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]

MODELS = ("median", "seasonal_naive", "fitted", "online")
_MEDIAN, _NAIVE, _FITTED, _ONLINE = range(4)
LEADS = (1, 12)  # hours before an hour at which what was said of it is judged
_HOUR, _DAY = range(2)
_LEAST_JUDGED = 12.0  # hours of evidence before anybody may lead
_MEDIAN_EDGE = 0.97  # the median speaks for the online model where its error is that much smaller


class Selector:
    """Rolling errors of the models per row and lead, and the choice that follows from them."""

    def __init__(self, rows: int, half_life_h: float, margin: float) -> None:
        self._keep = 0.5 ** (1.0 / half_life_h)
        self._margin = margin
        self._rows = rows
        self._said = [np.full((rows, len(MODELS), lead), np.nan) for lead in LEADS]
        self._off = [np.zeros((rows, len(MODELS))) for _ in LEADS]
        self._judged = [np.zeros((rows, len(MODELS))) for _ in LEADS]
        self._leads = [np.full(rows, _ONLINE) for _ in LEADS]  # who spoke last

    def grow(self, rows: int) -> None:
        """Room for that many rows; in the new ones nobody has been judged."""
        more = rows - self._rows
        for i, lead in enumerate(LEADS):
            self._said[i] = np.concatenate([self._said[i], np.full((more, len(MODELS), lead), np.nan)])
            self._off[i] = np.concatenate([self._off[i], np.zeros((more, len(MODELS)))])
            self._judged[i] = np.concatenate([self._judged[i], np.zeros((more, len(MODELS)))])
            self._leads[i] = np.concatenate([self._leads[i], np.full(more, _ONLINE)])
        self._rows = rows

    def forget(self, row: int) -> None:
        """The row is given to another dependency."""
        for i in range(len(LEADS)):
            self._said[i][row] = np.nan
            self._off[i][row] = self._judged[i][row] = 0.0
            self._leads[i][row] = _ONLINE

    def skip(self, hours: int) -> None:
        """Many hours without demand: what was said before can't be judged any more."""
        keep = self._keep**hours
        for i in range(len(LEADS)):
            self._said[i][:] = np.nan
            self._off[i] *= keep
            self._judged[i] *= keep

    def judge(self, hour: int, came: Floats) -> None:
        """That hour brought ``came`` (NaN: unknown): add to the errors of what was said of it."""
        for i, lead in enumerate(LEADS):
            said = self._said[i][:, :, hour % lead]
            known = ~np.isnan(said) & ~np.isnan(came)[:, None]
            off = np.where(known, np.abs(said - came[:, None]), 0.0)
            keep = np.where(known, self._keep, 1.0)
            self._off[i] = keep * self._off[i] + off
            self._judged[i] = keep * self._judged[i] + known

    def choose(self, hour: int, naive: Floats, fitted: Floats, online: Floats) -> Floats:
        """The path (rows, steps) from ``hour`` on, of the models' paths (fitted: NaN where there is none).

        Up to an hour ahead goes by who leads there, beyond half a day by who leads there, and between by
        both. Remembers what each model said, to judge it when its hour is over."""
        fresh = ~np.isnan(fitted)
        fitted_or_online = np.where(fresh, fitted, online)
        middle = np.maximum(
            np.minimum(naive, fitted_or_online), np.minimum(np.maximum(naive, fitted_or_online), online)
        )
        paths = np.stack([np.where(fresh, middle, online), naive, fitted, online], axis=1)
        for i, lead in enumerate(LEADS):
            if lead <= paths.shape[2]:
                self._said[i][:, :, (hour + lead - 1) % lead] = paths[:, :, lead - 1]
        usable = ~np.isnan(paths).any(axis=2)
        near, far = (self._leader(i, usable) for i in range(len(LEADS)))
        rows = np.arange(len(paths))
        share = np.minimum(np.arange(paths.shape[2]) / (LEADS[_DAY] - 1), 1.0)
        path: Floats = paths[rows, near] * (1.0 - share) + paths[rows, far] * share
        return path

    def _leader(self, i: int, usable: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Per row, who speaks at that lead. Whoever leads keeps speaking until half the margin is gone."""
        judged = self._judged[i]
        mean = np.where(usable & (judged >= _LEAST_JUDGED), self._off[i] / np.maximum(judged, 1e-9), np.inf)
        rows = np.arange(self._rows)
        steady = np.where(mean[:, _MEDIAN] < _MEDIAN_EDGE * mean[:, _ONLINE], _MEDIAN, _ONLINE)
        bar = mean[rows, steady]
        bar = np.where(np.isfinite(bar), bar, 0.0)  # nobody beats who has not been judged
        best = np.argmin(mean, axis=1)
        margin = np.where(self._leads[i] == best, self._margin / 2, self._margin)
        leads = mean[rows, best] < (1.0 - margin) * bar
        self._leads[i] = np.where(leads, best, steady)
        return self._leads[i]

    def names(self, row: int, fresh: bool) -> tuple[str, str]:
        """Who speaks for the row (an hour ahead, half a day ahead and beyond), in words."""
        near, far = (MODELS[int(leads[row])] for leads in self._leads)
        if not fresh:
            near, far = (("online" if name == "median" else name) for name in (near, far))
        return near, far
