"""Which model speaks: the median of three, unless one of them has lately been clearly better.

On real web and cloud series the median of (yesterday's hour, a fitted Theta, the online model) beats each
of them, because their mistakes differ. On very regular machine-made series yesterday's hour alone beats
every mixture by far. So all are judged all the time by what they said one hour and half a day before, and
one that leads the median by more than a margin is used alone (follow the leader, with hysteresis).
Without a fresh fit there are two models, whose median would be their mean, which is worse than the online
model alone: then the online model speaks for the median.

Rejected: weights by inverse error (worse than the median on short histories), one choice for all
horizons (the best model for an hour is seldom the best for a day).
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


class Selector:
    """Rolling errors of the models per row and lead, and the choice that follows from them."""

    def __init__(self, rows: int, half_life_h: float, margin: float) -> None:
        self._keep = 0.5 ** (1.0 / half_life_h)
        self._margin = margin
        self._rows = rows
        self._said = [np.full((rows, len(MODELS), lead), np.nan) for lead in LEADS]
        self._off = [np.zeros((rows, len(MODELS))) for _ in LEADS]
        self._judged = [np.zeros((rows, len(MODELS))) for _ in LEADS]
        self._leads = [np.zeros(rows, dtype=np.int64) for _ in LEADS]  # who spoke last

    def grow(self, rows: int) -> None:
        """Room for that many rows; in the new ones nobody has been judged."""
        more = rows - self._rows
        for i, lead in enumerate(LEADS):
            self._said[i] = np.concatenate([self._said[i], np.full((more, len(MODELS), lead), np.nan)])
            self._off[i] = np.concatenate([self._off[i], np.zeros((more, len(MODELS)))])
            self._judged[i] = np.concatenate([self._judged[i], np.zeros((more, len(MODELS)))])
            self._leads[i] = np.concatenate([self._leads[i], np.zeros(more, dtype=np.int64)])
        self._rows = rows

    def forget(self, row: int) -> None:
        """The row is given to another dependency."""
        for i in range(len(LEADS)):
            self._said[i][row] = np.nan
            self._off[i][row] = self._judged[i][row] = 0.0
            self._leads[i][row] = 0

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
        """Per row, who speaks at that lead. Whoever spoke last keeps speaking until the margin is gone."""
        judged = self._judged[i]
        mean = np.where(usable & (judged >= _LEAST_JUDGED), self._off[i] / np.maximum(judged, 1e-9), np.inf)
        best = np.argmin(mean, axis=1)
        rows = np.arange(self._rows)
        bar = mean[:, _MEDIAN]
        leads = np.isfinite(bar) & (mean[rows, best] < (1.0 - self._margin) * bar)
        last = self._leads[i]
        stays = np.isfinite(bar) & (mean[rows, last] < (1.0 - self._margin / 2) * bar) & (best == last)
        self._leads[i] = np.where(leads | stays, best, _MEDIAN)
        return self._leads[i]

    def names(self, row: int, fresh: bool) -> tuple[str, str]:
        """Who speaks for the row (an hour ahead, half a day ahead and beyond), in words."""
        near, far = (MODELS[int(leads[row])] for leads in self._leads)
        if not fresh:
            near, far = (("online" if name == "median" else name) for name in (near, far))
        return near, far
