"""How far forecasts were off lately: from that, the quantiles of the next ones and their error.

For each horizon the forecast made at the top of an hour is kept until the hours it spoke of are over; the
difference to what came, on the square-root scale, goes into a ring of the last ones per dependency. The
quantiles of a new forecast are its own root plus decayed quantiles of that ring, squared. So they are
measured, for the sum over the very horizon, whichever model made it, and no distribution is assumed.

While there are few residuals they are mixed with those a Poisson count with an uncertain rate would have,
worth ``_PRIOR`` observations. Rejected: intervals of the fitted models (they know nothing of the selector,
and conformal ones can explode), summing hourly quantiles over a day (as if all hours erred together).
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from zoned.core.forecast.decay import decayed

Floats: TypeAlias = NDArray[np.float64]

RING = 128  # residuals kept per dependency and horizon
LEVELS = (0.1, 0.5, 0.9)
_PRIOR = 8.0
_Z = np.array((-1.2816, 0.0, 1.2816))  # the normal quantiles of LEVELS
_COUNT_NOISE = 0.5  # standard deviation of the root of a Poisson count
_RATE_DOUBT = 0.2  # what an unjudged forecast may be off, as a share of its root
_KEEP_BIAS = 0.5 ** (1 / 168)  # per hour
_REPEATS = 2.0  # neighbouring errors are alike: so many count as one
_FACTORS = (0.5, 4.0)  # least and most by which the mean may differ from the middle
_MOST_NOISE = 0.4  # the most the variance of the root of a Poisson count can be


def counts(path: Floats, spread: Floats) -> Floats:
    """Counts of ``path`` (..., rows, steps), given the ``spread`` (..., rows); see ``Residuals.counts``."""
    noise = np.minimum(spread, _MOST_NOISE)[..., None]
    mean: Floats = path + np.minimum(noise, np.sqrt(path))
    return mean


class Residuals:
    """Residuals of one horizon, ``hours`` whole hours long, for all dependencies (rows)."""

    def __init__(self, rows: int, hours: int, half_life_h: float, error_half_life_h: float) -> None:
        self.hours = hours
        self._keep = 0.5 ** (1.0 / half_life_h)
        self._keep_error = 0.5 ** (1.0 / error_half_life_h)
        self._pending = np.full((rows, hours), np.nan)  # sums forecast at hour t, at t % hours
        self._ring = np.full((rows, RING), np.nan)
        self._at = np.zeros((rows, RING))  # the hour each was found
        self._next = 0
        self._meant = np.full((rows, hours), np.nan)  # the means that went with them
        self._off = np.zeros(rows)  # decayed sums: absolute error, demand, and how many
        self._came = np.zeros(rows)
        self._judged = np.zeros(rows)
        self._bias = np.zeros((rows, 3))  # decayed sums: came - said, its square, said
        self._quantiles: tuple[int, Floats, Floats] | None = None
        self._hour = 0

    def grow(self, rows: int) -> None:
        """Room for that many rows; the new ones know nothing."""
        more = rows - len(self._off)
        self._pending = np.concatenate([self._pending, np.full((more, self.hours), np.nan)])
        self._meant = np.concatenate([self._meant, np.full((more, self.hours), np.nan)])
        self._bias = np.concatenate([self._bias, np.zeros((more, 3))])
        self._ring = np.concatenate([self._ring, np.full((more, RING), np.nan)])
        self._at = np.concatenate([self._at, np.zeros((more, RING))])
        for name in ("_off", "_came", "_judged"):
            setattr(self, name, np.concatenate([getattr(self, name), np.zeros(more)]))
        self._quantiles = None

    def forget(self, row: int) -> None:
        """The row is given to another dependency."""
        self._pending[row] = np.nan
        self._ring[row] = np.nan
        for array in (self._off, self._came, self._judged, self._bias):
            array[row] = 0.0
        self._quantiles = None

    def promise(self, hour: int, total: Floats) -> None:
        """The sums forecast at the start of that hour, for it and the ``hours - 1`` after it."""
        self._pending[:, hour % self.hours] = total
        self._meant[:, hour % self.hours] = self.mean(total)

    def resolve(self, end_hour: int, came: Floats) -> None:
        """The hours before ``end_hour`` are over and brought these sums (NaN: unknown)."""
        self._hour = end_hour
        place = end_hour % self.hours  # promised ``hours`` hours ago
        said, meant = self._pending[:, place].copy(), self._meant[:, place]
        self._pending[:, place] = np.nan
        known = ~np.isnan(said) & ~np.isnan(came)
        if not known.any():
            return
        said, came, meant = (np.where(known, values, 0.0) for values in (said, came, meant))
        self._ring[:, self._next] = np.where(known, np.sqrt(came) - np.sqrt(said), np.nan)
        self._at[:, self._next] = end_hour
        self._next = (self._next + 1) % RING
        keep = np.where(known, self._keep_error, 1.0)
        self._off = keep * self._off + np.abs(came - meant)
        self._came = keep * self._came + came
        self._judged = keep * self._judged + known
        found = np.stack([came - said, (came - said) ** 2, said], axis=1)
        self._bias = np.where(known, _KEEP_BIAS, 1.0)[:, None] * self._bias + found
        self._quantiles = None

    def follow(self, came: Floats, ahead: Floats, seen: Floats) -> Floats:
        """For horizons of one hour: (hours, rows) what ``spread`` becomes as each hour of ``came`` is
        resolved, when of the next one ``counts(ahead)`` is said, if its row was ``seen``. Changes nothing."""
        assert self.hours == 1
        known = ~np.isnan(self._ring)
        square, count, at = np.where(known, self._ring, 0.0) ** 2, known.sum(axis=1), self._next
        root_came, root_ahead, mute = np.sqrt(came), np.sqrt(ahead), seen <= 0
        spreads = np.empty_like(came)
        said = self._pending[:, 0]
        for i in range(len(came)):
            off = root_came[i] - np.sqrt(said)
            found = ~np.isnan(off)
            if found.any():
                count = count - known[:, at] + found
                known[:, at], square[:, at] = found, np.where(found, off, 0.0) ** 2
                at = (at + 1) % RING
            spreads[i] = (square.sum(axis=1) + _PRIOR * _COUNT_NOISE**2) / (count + _PRIOR)
            said = ahead[i] + np.minimum(np.minimum(spreads[i], _MOST_NOISE), root_ahead[i])
            said[mute[i]] = np.nan
        return spreads

    def run(self, end_hour: int, came: Floats, totals: Floats) -> None:
        """``resolve`` and then ``promise`` at ``end_hour`` and the hours after it, one row of ``came`` and
        ``totals`` (hours, rows) each."""
        count, before = len(came), min(self.hours, len(came))
        places = (end_hour + np.arange(before)) % self.hours
        last = np.arange(count - before, count)
        at_last = (end_hour + last) % self.hours
        said = np.concatenate([self._pending[:, places].T, totals[: count - before]])
        self._pending[:, at_last] = totals[last].T
        self._hour = end_hour + count - 1
        known = ~np.isnan(said) & ~np.isnan(came)
        self._remember(end_hour, known, np.sqrt(came) - np.sqrt(said))
        said, came = np.where(known, said, 0.0), np.where(known, came, 0.0)
        found = np.stack([came - said, (came - said) ** 2, said], axis=2)
        bias = decayed(self._bias, np.where(known, _KEEP_BIAS, 1.0)[:, :, None], found)
        means = self._mean(totals, bias, self.hours)
        meant = np.concatenate([self._meant[:, places].T, means[: count - before]])
        self._meant[:, at_last] = means[last].T
        off = np.abs(came - np.where(known, meant, 0.0))
        books = np.stack([self._off, self._came, self._judged], axis=1)
        keep = np.where(known, self._keep_error, 1.0)[:, :, None]
        books = decayed(books, keep, np.stack([off, came, known], axis=2))[-1]
        self._off, self._came, self._judged = (np.ascontiguousarray(column) for column in books.T)
        self._bias = bias[-1].copy()

    def _remember(self, end_hour: int, known: NDArray[np.bool_], off: Floats) -> None:
        """Put the residuals (hours, rows) of hours in which any is known into the ring."""
        hours = np.flatnonzero(known.any(axis=1))[-RING:]
        if not len(hours):
            return
        cells = (self._next + np.arange(len(hours))) % RING
        self._ring[:, cells] = np.where(known, off, np.nan)[hours].T
        self._at[:, cells] = end_hour + hours
        self._next = (self._next + len(hours)) % RING
        self._quantiles = None

    def skip(self, hours: int) -> None:
        """Many hours without demand: nothing promised before can be judged any more."""
        self._pending[:] = np.nan
        keep = self._keep_error**hours
        for array in (self._off, self._came, self._judged):
            array *= keep
        self._quantiles = None

    def mean(self, total: Floats) -> Floats:
        """The mean to expect where the models, which aim at the middle, say ``total``.

        Bursty demand is skewed: its mean is above its middle by a factor that the past shows. The factor is
        believed as far as it stands out from the noise (shrunk by z^2 / (1 + z^2)), because on demand that
        is not skewed it would only add some."""
        return self._mean(total, self._bias, self.hours)

    @staticmethod
    def _mean(total: Floats, bias: Floats, hours: int) -> Floats:
        extra, square, said = bias[..., 0], bias[..., 1], bias[..., 2]
        evidence = extra**2 / np.maximum(_REPEATS * hours * square, 1e-12)
        belief = evidence / (1.0 + evidence)
        factor = 1.0 + belief * extra / np.maximum(said, 1e-9)
        mean: Floats = total * np.clip(factor, *_FACTORS)
        return mean

    def error(self) -> Floats:
        """Mean absolute error over mean demand per row, NaN before any is known. Without demand nothing
        can be divided by: an error of one access an hour then counts as 1."""
        error: Floats = np.where(
            self._judged > 0, self._off / np.maximum(self._came, np.maximum(self._judged, 1e-9)), np.nan
        )
        return error

    def bands(self, total: Floats, scale: float = 1.0) -> Floats:
        """(rows, 3) quantiles for forecast sums ``total``. ``scale``: the share of the judged hours that
        the sums cover, for horizons that are not whole hours."""
        count, measured = self._measured()
        root = np.sqrt(np.maximum(total, 0.0))[:, None]
        prior = _Z * np.sqrt(_COUNT_NOISE**2 + (_RATE_DOUBT * root) ** 2)
        trust = (count / (count + _PRIOR))[:, None]
        edges = root + trust * measured * np.sqrt(scale) + (1.0 - trust) * prior
        bands: Floats = np.sort(np.maximum(edges, 0.0), axis=1) ** 2
        return bands

    def spread(self) -> Floats:
        """Variance of the residuals per row on the root scale; that of a count where nothing is known."""
        known = ~np.isnan(self._ring)
        square = np.where(known, self._ring, 0.0) ** 2
        variance: Floats = (square.sum(axis=1) + _PRIOR * _COUNT_NOISE**2) / (known.sum(axis=1) + _PRIOR)
        return variance

    def counts(self, path: Floats) -> Floats:
        """Hourly counts whose roots are expected to be those of ``path`` (rows, steps).

        Squaring an expected root understates a count by the root's variance, for Poisson counts 0.4 at
        most, and no more than the root itself when demand is rare. Spread beyond that is bursts: ``mean``
        and the quantiles know of those."""
        return counts(path, self.spread())

    def _measured(self) -> tuple[Floats, Floats]:
        """(how many residuals, their decayed quantiles (rows, 3)); recomputed once an hour."""
        if self._quantiles is not None and self._quantiles[0] == self._hour:
            return self._quantiles[1], self._quantiles[2]
        known = ~np.isnan(self._ring)
        weight = np.where(known, self._keep ** np.maximum(self._hour - self._at, 0.0), 0.0)
        values = np.where(known, self._ring, np.inf)
        order = np.argsort(values, axis=1, kind="stable")
        values = np.take_along_axis(values, order, axis=1)
        reached = np.cumsum(np.take_along_axis(weight, order, axis=1), axis=1)
        whole = reached[:, -1]
        found = np.zeros((len(values), 3))
        last = np.maximum(known.sum(axis=1) - 1, 0)
        for i, level in enumerate(LEVELS):
            place = np.minimum((reached < level * whole[:, None]).sum(axis=1), last)
            found[:, i] = np.take_along_axis(values, place[:, None], axis=1)[:, 0]
        found = np.where(np.isfinite(found), found, 0.0)
        self._quantiles = (self._hour, known.sum(axis=1).astype(np.float64), found)
        return self._quantiles[1], self._quantiles[2]
