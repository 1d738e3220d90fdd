"""Quantiles from residuals: ordered, calibrated, bounded; errors; the factor of the mean."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from zoned.core.forecast.intervals import Residuals

ANY = st.one_of(st.floats(0, 1e12), st.just(math.nan))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(ANY, ANY), max_size=60), st.floats(0, 1e12), st.sampled_from([1, 3, 24]))
def test_quantiles_are_ordered_finite_and_not_negative(
    pairs: list[tuple[float, float]], total: float, hours: int
) -> None:
    residuals = Residuals(2, hours, 48.0, 12.0)
    for hour, (said, came) in enumerate(pairs):
        residuals.resolve(hour, np.array([came, 1.0]))
        residuals.promise(hour, np.array([said, 1.0]))
    bands = residuals.bands(np.array([total, 0.0]))
    assert np.isfinite(bands).all() and (bands >= 0).all()
    assert (np.diff(bands, axis=1) >= 0).all()
    mean, error = residuals.mean(np.array([total, 0.0])), residuals.error()
    assert np.isfinite(mean).all() and (mean >= 0).all()
    assert not (error < 0).any()


def test_a_promise_is_resolved_when_its_hours_are_over() -> None:
    residuals = Residuals(1, 24, 48.0, 12.0)
    for hour in range(24):
        residuals.resolve(hour, np.array([50.0]))
        residuals.promise(hour, np.array([100.0]))
        assert np.isnan(residuals.error()).all()
    residuals.resolve(24, np.array([50.0]))
    assert residuals.error()[0] == 1.0


def test_quantiles_hold_what_they_say() -> None:
    rng = np.random.default_rng(3)
    residuals = Residuals(200, 1, 48.0, 12.0)
    inside = below = judged = 0
    for hour in range(300):
        total = rng.uniform(50, 500, 200)
        came = rng.gamma(4.0, total / 4.0)
        bands = residuals.bands(total)
        if hour > 100:
            inside += int(((came >= bands[:, 0]) & (came <= bands[:, 2])).sum())
            below += int((came <= bands[:, 1]).sum())
            judged += 200
        residuals.promise(hour, total)
        residuals.resolve(hour + 1, came)
    assert 0.76 < inside / judged < 0.84
    assert 0.46 < below / judged < 0.54


def test_the_mean_follows_skew_but_not_noise() -> None:
    rng = np.random.default_rng(4)
    residuals = Residuals(2, 1, 48.0, 12.0)
    for hour in range(500):
        residuals.promise(hour, np.array([10.0, 100.0]))
        residuals.resolve(hour + 1, np.array([20.0 * rng.integers(0, 3), 100.0 + rng.normal(0, 10)]))
    mean = residuals.mean(np.array([10.0, 100.0]))
    assert 15 < mean[0] < 25 and 98 < mean[1] < 102


def test_rows_are_grown_and_forgotten() -> None:
    residuals = Residuals(1, 1, 48.0, 12.0)
    fresh = residuals.bands(np.array([100.0]))[0]
    residuals.grow(2)
    for hour in range(30):
        residuals.promise(hour, np.array([100.0, 100.0]))
        residuals.resolve(hour + 1, np.array([400.0, 400.0]))
    assert (residuals.bands(np.array([100.0, 100.0]))[1] > fresh).all()
    residuals.forget(1)
    assert np.allclose(residuals.bands(np.array([100.0, 100.0]))[1], fresh)
    assert math.isnan(residuals.error()[1]) and residuals.error()[0] >= 0
