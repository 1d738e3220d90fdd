"""Page-Hinkley: quiet under noise, quick after a rise, once per rise."""

from __future__ import annotations

import random

import pytest

from zoned.core.learning.drift import Drift, PageHinkley
from zoned.core.learning.settings import LearningSettings
from zoned.core.names import Instant
from zoned.core.records import DependencyForecast, Forecast

SETTINGS = LearningSettings()


def at(second: float) -> Instant:
    return Instant(second, second, second)


def forecast(second: float, errors: dict[str, float | None], horizon_s: float = 3600.0) -> Forecast:
    lines = tuple(
        DependencyForecast(
            dependency=name, horizon_s=horizon_s, mean=1.0, quantiles=(0.5, 1.0, 2.0), model="m", error=error
        )
        for name, error in errors.items()
    )
    return Forecast(made=at(second), dependencies=lines, instances=())


@pytest.mark.parametrize("seed", range(10))
def test_noise_is_no_drift(seed):
    rng, test = random.Random(seed), PageHinkley(SETTINGS)
    assert not any(test.add(max(0.0, rng.gauss(0.4, 0.1))) for _ in range(3000))


@pytest.mark.parametrize("seed", range(10))
def test_a_lasting_rise_is_called_within_ten_values(seed):
    rng, test = random.Random(seed), PageHinkley(SETTINGS)
    for _ in range(100):
        test.add(max(0.0, rng.gauss(0.4, 0.1)))
    called = [test.add(max(0.0, rng.gauss(0.9, 0.1))) for _ in range(100)]
    assert called.index(True) < 10 and sum(called) == 1


def test_a_fall_is_good_news():
    test = PageHinkley(SETTINGS)
    for _ in range(100):
        test.add(0.9)
    assert not any(test.add(0.2) for _ in range(1000))


def test_a_few_values_say_nothing():
    test = PageHinkley(SETTINGS)
    assert not any(test.add(value) for value in (0.1, 0.1, 5.0, 9.0, 9.0))


def test_each_forecast_counts_once_and_refits_are_spaced():
    drift = Drift(SETTINGS)
    asked = []
    for minute in range(200):
        second = 60.0 * minute
        made = forecast(
            second, {"a": 0.3 if minute < 50 else 0.3 + (minute - 50) * 0.05, "b": 0.3, "c": None}
        )
        for _ in range(5):  # the turns within one bucket see the same forecast
            asked += [(second, name) for name in drift.review(made, at(second))]
    assert {name for _, name in asked} == {"a"}
    assert all(later - earlier >= 900.0 for (earlier, _), (later, _) in zip(asked, asked[1:], strict=False))
    assert 50 * 60.0 < asked[0][0] < 65 * 60.0


def test_the_shortest_horizon_is_what_counts():
    drift = Drift(SETTINGS)
    asked = []
    for minute in range(60):
        day = forecast(minute, {"a": 0.1 if minute < 30 else 9.0}, 86400.0).dependencies
        hour = forecast(minute, {"a": 0.1}, 3600.0).dependencies
        made = Forecast(made=at(minute), dependencies=day + hour, instances=())
        asked += drift.review(made, at(minute))
    assert asked == []


def test_dependencies_that_are_gone_are_forgotten():
    drift = Drift(SETTINGS)
    for minute in range(50):
        drift.review(forecast(minute, {f"d{minute}": 0.5}), at(minute))
    assert len(drift._tests) == 1
