"""The fitting function with the real statsforecast: every bad series is its own failure."""

from __future__ import annotations

import math
from itertools import count

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoned.core.records import FitJob, Series
from zoned.models import SERIES_COST_S, in_line
from zoned.models.fit import SEASON, fill_gaps, fit, fit_one, tame


def series(values: tuple[float, ...], name: str = "d") -> Series:
    return Series(name, 3600.0, 3600.0 * len(values), values)


def rhythm(hours: int, noise: float = 3.0) -> tuple[float, ...]:
    rng = np.random.default_rng(2)
    return tuple(
        max(0.0, 100 + 60 * math.sin(hour / 24 * 2 * math.pi) + float(rng.normal(0, noise)))
        for hour in range(hours)
    )


def test_a_rhythm_goes_on() -> None:
    fitted = fit_one(series(rhythm(240)), 48)
    truth = [100 + 60 * math.sin((240 + k) / 24 * 2 * math.pi) for k in range(48)]
    assert np.abs(np.array(fitted.mean) - truth).mean() < 10
    assert len(fitted.mean) == len(fitted.low) == len(fitted.median) == len(fitted.high) == 48
    assert all(0 <= lo <= m <= hi for lo, m, hi in zip(fitted.low, fitted.median, fitted.high, strict=True))


BAD: dict[str, tuple[float, ...]] = {
    "nothing": (),
    "one": (1.0,),
    "too short": rhythm(47),
    "unknown": (math.nan,) * 200,
}
ODD: dict[str, tuple[float, ...]] = {
    "all zero": (0.0,) * 200,
    "constant": (7.0,) * 200,
    "gaps": tuple(math.nan if i % 7 == 0 or 50 < i < 90 else value for i, value in enumerate(rhythm(200))),
    "infinite": (*rhythm(100), math.inf, *rhythm(100)),
    "negative": tuple(value - 120 for value in rhythm(200)),
    "one burst": (0.0,) * 150 + (1e9,) + (0.0,) * 60,
    "huge": tuple(value * 1e12 for value in rhythm(200)),
    "long": rhythm(2000),
}


def test_bad_series_fail_alone_and_odd_ones_stay_sane() -> None:
    all_series = tuple(series(values, name) for name, values in (BAD | ODD).items())
    result = fit(FitJob(job=1, series=all_series, steps=30, budget_s=60.0))
    failed = dict(result.failures)
    assert set(BAD) <= set(failed) and len(result.fitted) + len(failed) == len(all_series)
    assert set(failed) - set(BAD) <= {"one burst", "all zero", "constant"}
    for one in result.fitted:
        paths = np.array([one.low, one.mean, one.high])
        assert np.isfinite(paths).all() and (paths >= 0).all() and (np.diff(paths, axis=0) >= 0).all()
    assert result.seconds > 0


def test_the_budget_is_respected_between_series() -> None:
    ticks = count(0, 5)
    job = FitJob(job=1, series=tuple(series(rhythm(60), f"d{i}") for i in range(4)), steps=24, budget_s=12.0)
    result = fit(job, cpu_s=lambda: float(next(ticks)))
    assert [one.dependency for one in result.fitted] == ["d0", "d1"]
    assert result.failures == (("d2", "budget"), ("d3", "budget"))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(st.floats(0, 1e9), st.just(math.nan), st.just(math.inf)), max_size=120))
def test_gaps_are_filled_within_what_is_known(values: list[float]) -> None:
    known = [value for value in values if math.isfinite(value)]
    if not known:
        with pytest.raises(ValueError, match="known"):
            fill_gaps(np.array(values))
        return
    filled = fill_gaps(np.array(values))
    assert (
        len(filled) == len(values) and min(known) <= filled.min() and filled.max() <= max(known) * (1 + 1e-9)
    )
    for before, after in zip(values, filled.tolist(), strict=True):
        assert after == before or not math.isfinite(before)


def test_a_gap_takes_the_same_hour_of_the_days_around_it() -> None:
    values = np.array([float(hour % SEASON) for hour in range(72)])
    values[30] = math.nan
    assert fill_gaps(values)[30] == 6.0


def test_bounds_that_cannot_be_are_replaced() -> None:
    mean = np.array([10.0, 10.0, 10.0, 10.0])
    low, high = np.array([8.0, -1e9, math.nan, 11.0]), np.array([12.0, 1e9, 12.0, 12.0])
    values = np.array([float(10 + (i // 24) % 2) for i in range(96)])
    low, high = tame(mean, low, high, values)
    assert (low[0], high[0]) == (8.0, 12.0) or low[0] > 8
    assert np.isfinite(low).all() and (low <= mean).all() and (high >= mean).all() and (high - low < 20).all()


def test_in_line_a_budget_ends_after_so_many_series_on_any_machine() -> None:
    two = FitJob(job=1, series=(series(rhythm(60), "a"), series(rhythm(60), "b")), steps=24, budget_s=0.5)
    result = in_line()(two)
    assert [one.dependency for one in result.fitted] == ["a", "b"]
    assert result.seconds == pytest.approx(3 * SERIES_COST_S)
    tight = in_line()(FitJob(job=2, series=two.series, steps=24, budget_s=0.3 - SERIES_COST_S))
    assert (tight.fitted, tight.failures) == ((), (("a", "budget"), ("b", "budget")))
