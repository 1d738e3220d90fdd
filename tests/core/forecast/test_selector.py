"""Who speaks: the online model, a leader by a margin, the median by a small edge."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from zoned.core.forecast.selector import Selector

STEPS = 25
NUMBER = st.floats(0, 1e9)


def path(value: float) -> np.ndarray:
    return np.full((1, STEPS), value)


def run(
    selector: Selector, naive: float, fitted: float, online: float, came: float, hours: int
) -> np.ndarray:
    for hour in range(hours):
        chosen = selector.choose(hour, path(naive), path(fitted), path(online))
        selector.judge(hour, np.array([came]))
    return chosen[0]


@given(NUMBER, NUMBER, NUMBER)
def test_before_anything_is_known_it_is_the_online_model(naive: float, fitted: float, online: float) -> None:
    assert np.allclose(run(Selector(1, 48.0, 0.1), naive, fitted, online, 0.0, 1), online)


@given(NUMBER, NUMBER)
def test_without_a_fit_there_is_no_median(naive: float, online: float) -> None:
    selector = Selector(1, 48.0, 1.0)
    assert np.allclose(run(selector, naive, math.nan, online, naive, 40), online)
    assert selector.names(0, False) == ("online", "online")


def test_the_median_needs_only_an_edge() -> None:
    selector = Selector(1, 48.0, 0.1)
    assert np.allclose(run(selector, 55.0, 146.0, 150.0, 100.0, 60), 146.0)
    assert selector.names(0, True) == ("median", "median")


def test_a_clear_leader_speaks_alone() -> None:
    selector = Selector(1, 48.0, 0.1)
    assert np.allclose(run(selector, 100.0, 150.0, 170.0, 100.0, 40), 100.0)
    assert selector.names(0, True) == ("seasonal_naive", "seasonal_naive")


def test_a_small_lead_is_no_reason() -> None:
    selector = Selector(1, 48.0, 0.1)
    assert np.allclose(run(selector, 149.0, 150.0, 151.0, 100.0, 60), 151.0)
    assert selector.names(0, True) == ("online", "online")


def test_a_model_that_led_and_is_gone_is_not_asked() -> None:
    selector = Selector(1, 48.0, 0.1)
    run(selector, 200.0, 100.0, 300.0, 100.0, 40)
    assert selector.names(0, True)[0] == "fitted"
    chosen = selector.choose(40, path(200.0), path(math.nan), path(300.0))
    assert np.isfinite(chosen).all()


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(NUMBER, st.one_of(NUMBER, st.just(math.nan)), NUMBER, NUMBER), min_size=1, max_size=60)
)
def test_the_choice_lies_between_the_models(hours: list[tuple[float, float, float, float]]) -> None:
    selector = Selector(1, 24.0, 0.1)
    for hour, (naive, fitted, online, came) in enumerate(hours):
        chosen = selector.choose(hour, path(naive), path(fitted), path(online))
        said = [value for value in (naive, fitted, online) if not math.isnan(value)]
        assert (chosen >= min(said) * (1 - 1e-9)).all() and (chosen <= max(said) * (1 + 1e-9)).all()
        selector.judge(hour, np.array([came]))
    selector.grow(3)
    selector.skip(100)
    selector.forget(0)
