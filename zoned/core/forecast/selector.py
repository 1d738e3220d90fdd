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

from zoned.core.forecast.decay import decayed

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

    def run(self, hour: int, came: Floats, naive: Floats, online: Floats) -> Floats:
        """For each hour of ``came`` (hours, rows): ``judge`` it, and ``choose`` at its end of the paths
        (hours, rows, steps) that are given for then; there are no fits. The chosen paths."""
        count = len(came)
        paths = np.stack([online, naive, np.full_like(online, np.nan), online], axis=2)
        usable: NDArray[np.bool_] = np.logical_not(np.isnan(paths).any(axis=3))
        leads: list[NDArray[np.int64]] = []
        for i, lead in enumerate(LEADS):
            ring, before = self._said[i], min(lead, count)
            said = np.empty(paths.shape[:3])
            said[:before] = np.moveaxis(ring[:, :, (hour + np.arange(before)) % lead], 2, 0)
            said[before:] = paths[: count - before, :, :, lead - 1]
            last = np.arange(count - before, count)
            ring[:, :, (hour + last) % lead] = np.moveaxis(paths[last, :, :, lead - 1], 0, 2)
            known = ~np.isnan(said) & ~np.isnan(came)[:, :, None]
            off = np.where(known, np.abs(said - came[:, :, None]), 0.0)
            keep = np.where(known, self._keep, 1.0)
            offs = decayed(self._off[i], keep, off)
            judged = decayed(self._judged[i], keep, known.astype(np.float64))
            self._off[i], self._judged[i] = offs[-1].copy(), judged[-1].copy()
            leads.append(self._leaders(i, usable, offs, judged))
        hours, rows = np.arange(count)[:, None], np.arange(came.shape[1])
        share = np.minimum(np.arange(paths.shape[3]) / (LEADS[_DAY] - 1), 1.0)
        near, far = (paths[hours, rows, leading] for leading in leads)
        path: Floats = near * (1.0 - share) + far * share
        return path

    def _leader(self, i: int, usable: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Per row, who speaks at that lead."""
        leads: NDArray[np.int64] = self._leaders(i, usable[None], self._off[i][None], self._judged[i][None])
        lead: NDArray[np.int64] = leads[0]
        return lead

    def _leaders(self, i: int, usable: NDArray[np.bool_], off: Floats, judged: Floats) -> NDArray[np.int64]:
        """Who speaks at that lead (hours, rows). Who leads keeps speaking until half the margin is gone."""
        mean = np.where(usable & (judged >= _LEAST_JUDGED), off / np.maximum(judged, 1e-9), np.inf)
        middle = mean[:, :, _MEDIAN] < _MEDIAN_EDGE * mean[:, :, _ONLINE]
        steady = np.where(middle, _MEDIAN, _ONLINE)
        bar = np.where(middle, mean[:, :, _MEDIAN], mean[:, :, _ONLINE])
        bar = np.where(np.isfinite(bar), bar, 0.0)  # nobody beats who has not been judged
        best, least = np.argmin(mean, axis=2), mean.min(axis=2)
        stays, wins = least < (1.0 - self._margin / 2) * bar, least < (1.0 - self._margin) * bar
        if not stays.any():  # who does not stay does not win either
            self._leads[i] = steady[-1].copy()
            return steady
        leads: NDArray[np.int64] = np.empty_like(best)
        lead = self._leads[i]
        for hour in range(len(best)):
            leading = np.where(lead == best[hour], stays[hour], wins[hour])
            lead = leads[hour] = np.where(leading, best[hour], steady[hour])
        self._leads[i] = lead.copy()
        return leads

    def names(self, row: int, fresh: bool) -> tuple[str, str]:
        """Who speaks for the row (an hour ahead, half a day ahead and beyond), in words."""
        near, far = (MODELS[int(leads[row])] for leads in self._leads)
        if not fresh:
            near, far = (("online" if name == "median" else name) for name in (near, far))
        return near, far
