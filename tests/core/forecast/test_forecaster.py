"""The stage as the node uses it: cheap turns, sane forecasts, gaps, state, determinism."""

from __future__ import annotations

import dataclasses
import math
import random

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoned.core.errors import StateError
from zoned.core.forecast import Forecaster, ForecastSettings
from zoned.core.names import InstanceKey, Instant, fingerprint_of, key_hash
from zoned.core.records import DependencyUse, FitResult, FittedSeries, Forecast, InstanceUse, Load, Window

START_S = 1_700_000_000.0


def forecaster(**changes: object) -> Forecaster:
    return Forecaster(dataclasses.replace(ForecastSettings(), **changes), random.Random(1))  # type: ignore[arg-type]


def at(season_s: float) -> Instant:
    return Instant(season_s - START_S, season_s, season_s)


def window(
    start_s: float, end_s: float, uses: dict[str, int], keys: dict[bytes, int] | None = None
) -> Window:
    instances = [
        InstanceUse(InstanceKey("d", key), key_hash(InstanceKey("d", key)), count, 10)
        for key, count in (keys or {}).items()
    ]
    return Window(
        started=at(start_s),
        ended=at(end_s),
        dependencies=tuple(DependencyUse(name, count, 0, 0, 0.0) for name, count in uses.items()),
        instances=tuple(instances),
        load=Load(),
    )


def sane(forecast: Forecast, most_instances: int = 500) -> None:
    names = [(line.dependency, line.horizon_s) for line in forecast.dependencies]
    assert names == sorted(set(names))
    for line in forecast.dependencies:
        low, median, high = line.quantiles
        assert 0 <= low <= median <= high < math.inf
        assert 0 <= line.mean < math.inf
        assert line.error is None or 0 <= line.error < math.inf
        assert line.model in ("rate", "online", "seasonal_naive", "fitted", "median")
    assert len(forecast.instances) <= most_instances
    for one in forecast.instances:
        assert 0 < one.expected < math.inf and 0 <= one.probability <= 1


def demand(season_s: float) -> float:
    return 600.0 + 400.0 * math.sin(season_s / 86400.0 * 2 * math.pi)


def days(made: Forecaster, count: float, start_s: float = START_S, step_s: float = 3600.0) -> Forecast:
    rng = np.random.default_rng(7)
    now = start_s
    while now < start_s + count * 86400:
        hits = int(rng.poisson(demand(now + step_s / 2) * step_s / 3600))
        forecast = made.update(window(now, now + step_s, {"d": hits}, {b"k": max(hits, 1)}), at(now + step_s))
        now += step_s
    return forecast


def lines(forecast: Forecast) -> dict[float, float]:
    return {line.horizon_s: line.mean for line in forecast.dependencies}


def test_an_unknown_world_has_an_empty_forecast() -> None:
    forecast = forecaster().update(window(START_S, START_S + 1, {}), at(START_S + 1))
    assert forecast.dependencies == () and forecast.instances == ()


def test_switched_off_it_says_nothing_and_keeps_nothing() -> None:
    made = forecaster(enabled=False)
    first = made.update(window(START_S, START_S + 60, {"d": 5}, {b"k": 5}), at(START_S + 60))
    assert first.dependencies == () and made.fit_due(at(START_S)) is None
    assert made.update(window(START_S + 60, START_S + 999, {"d": 5}), at(START_S + 999)) is first
    assert made.counters["dependencies"] == 0


def test_the_same_object_until_a_bucket_closed_and_time_went_by() -> None:
    made = forecaster(reforecast_s=120.0)
    base = START_S // 60 * 60
    first = made.update(window(base, base + 1, {"d": 1}), at(base + 1))
    second = None
    for second_of in range(2, 400):
        now = base + second_of
        forecast = made.update(window(now - 1, now, {"d": 1}), at(now))
        if second is None and forecast is not first:
            second = forecast
            assert second_of == 121
    assert second is not None and made.counters["forecasts"] == 4


def test_a_daily_rhythm_is_foreseen() -> None:
    made = forecaster()
    forecast = days(made, 10)
    sane(forecast)
    now = forecast.made.season_s
    said = lines(forecast)
    assert said[3600.0] == pytest.approx(demand(now + 1800), rel=0.15)
    assert said[86400.0] == pytest.approx(600 * 24, rel=0.05)
    assert {line.error for line in forecast.dependencies if line.horizon_s == 3600.0}.pop() < 0.2  # type: ignore[operator]
    assert forecast.instances[0].key == InstanceKey("d", b"k") and forecast.instances[0].probability > 0.99


def test_the_first_hour_goes_by_the_rate_so_far() -> None:
    made = forecaster()
    for minute in range(20):
        now = START_S + minute * 60
        forecast = made.update(window(now, now + 60, {"d": 10}), at(now + 60))
    line = forecast.dependencies[0]
    assert line.model == "rate" and line.error is None and line.mean == pytest.approx(600, rel=0.1)


def test_the_running_hour_corrects_the_forecast() -> None:
    made = forecaster()
    days(made, 10, start_s=START_S // 3600 * 3600)
    base = START_S // 3600 * 3600 + 10 * 86400
    usual = demand(base + 1800)
    for minute in range(30):
        now = base + minute * 60
        forecast = made.update(window(now, now + 60, {"d": round(usual * 5 / 60)}), at(now + 60))
    assert 1.4 * usual < lines(forecast)[3600.0] < 5 * usual


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.one_of(st.floats(0, 7200), st.floats(0, 4e7), st.just(-5000.0)),
            st.dictionaries(st.sampled_from("abcdefgh"), st.integers(0, 10**9), max_size=4),
            st.dictionaries(st.binary(min_size=1, max_size=1), st.integers(1, 10**6), max_size=4),
        ),
        max_size=30,
    )
)
def test_whatever_comes_the_forecast_is_sane(
    steps: list[tuple[float, dict[str, int], dict[bytes, int]]],
) -> None:
    made = forecaster(
        max_dependencies=3, max_instances=6, max_forecast_instances=4, horizons_s=(900.0, 3600.0, 200000.0)
    )
    now = START_S
    for gap, uses, keys in steps:
        before, now = now, now + gap
        sane(made.update(window(before, now, uses | ({"d": 1} if keys else {}), keys), at(now)), 4)
    assert made.counters["dependencies"] <= 3 and made.counters["instances"] <= 6


def test_a_gap_of_years_is_bounded_work_and_means_no_demand() -> None:
    made = forecaster()
    days(made, 10)
    now = START_S + 10 * 86400
    calls = 0
    live = made._ladder.live

    def counted(*args: object) -> None:
        nonlocal calls
        calls += 1
        live(*args)  # type: ignore[arg-type]

    made._ladder.live = counted  # type: ignore[method-assign,assignment]
    later = now + 5 * 365 * 86400
    forecast = made.update(window(now, later, {}), at(later))
    sane(forecast)
    assert calls < 400 and lines(forecast)[86400.0] < 24


def test_dependencies_beyond_the_limit_are_counted_and_idle_ones_give_way() -> None:
    made = forecaster(max_dependencies=2)
    made.update(window(START_S, START_S + 60, {"a": 1, "b": 1, "c": 7}), at(START_S + 60))
    assert made.counters["dropped_accesses"] == 7
    later = START_S + 8 * 86400
    made.update(window(later - 60, later, {"a": 1}), at(later))
    forecast = made.update(window(later, later + 60, {"c": 7}), at(later + 60))
    assert {line.dependency for line in forecast.dependencies} == {"a", "c"}


def test_it_is_deterministic() -> None:
    one, two = forecaster(), forecaster()
    assert days(one, 3, step_s=900.0) == days(two, 3, step_s=900.0)


def test_how_finely_turns_cut_time_hardly_matters() -> None:
    start = START_S // 3600 * 3600
    fine, coarse = forecaster(), forecaster()
    for hour in range(72):
        base = start + hour * 3600
        count = int(demand(base))
        coarse.update(window(base, base + 3600, {"d": count * 12}), at(base + 3600))
        for part in range(12):
            now = base + part * 300
            fine.update(window(now, now + 300, {"d": count}), at(now + 300))
    end = start + 72 * 3600
    a = fine.update(window(end, end + 60, {}), at(end + 60))
    b = coarse.update(window(end, end + 60, {}), at(end + 60))
    assert lines(a)[86400.0] == pytest.approx(lines(b)[86400.0], rel=1e-6)


def test_state_survives_and_time_between_is_unknown_not_idle() -> None:
    made = forecaster()
    days(made, 10)
    end = START_S + 10 * 86400
    state = msgpack.unpackb(msgpack.packb(made.export_state()))
    again, later = forecaster(), forecaster()
    again.restore_state(state, at(end))
    here = made.update(window(end, end + 60, {"d": 10}), at(end + 60))
    there = again.update(window(end, end + 60, {"d": 10}), at(end + 60))
    assert lines(there)[86400.0] == pytest.approx(lines(here)[86400.0], rel=0.02)
    assert there.instances[0].expected == pytest.approx(here.instances[0].expected, rel=0.01)
    later.restore_state(state, at(end + 6 * 3600))
    now = end + 6 * 3600
    after = later.update(window(now, now + 60, {"d": 10}), at(now + 60))
    sane(after)
    assert lines(after)[86400.0] == pytest.approx(600 * 24, rel=0.15)


@settings(max_examples=100, deadline=None)
@given(
    st.recursive(
        st.one_of(st.none(), st.integers(), st.floats(), st.text(max_size=3), st.binary(max_size=3)),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.dictionaries(
                st.sampled_from(["version", "history", "rates", "names", "keys", "hours", "end_hour"]), inner
            ),
        ),
    )
)
def test_nonsense_for_state_is_a_state_error_and_changes_nothing(state: object) -> None:
    made = forecaster()
    for nonsense in (state, {"version": 1, "history": state, "rates": state}):
        with pytest.raises(StateError):
            made.restore_state(nonsense, at(START_S))  # type: ignore[arg-type]
    sane(made.update(window(START_S, START_S + 60, {"d": 1}), at(START_S + 60)))


def test_a_fit_is_asked_for_used_and_named() -> None:
    made = forecaster()
    assert made.fit_due(at(START_S)) is None
    start = START_S // 3600 * 3600
    rng = np.random.default_rng(1)
    for hour in range(24 * 4):  # no rhythm that the online model could learn
        base = start + hour * 3600
        made.update(window(base, base + 3600, {"d": int(rng.integers(100, 900))}), at(base + 3600))
    end = start + 96 * 3600
    job = made.fit_due(at(end))
    assert job is not None and job.series[0].dependency == "d" and made.fit_due(at(end)) is None
    truth = [int(rng.integers(100, 900)) for _ in range(job.steps)]  # a fit that knows the future
    path = tuple(map(float, truth))
    fitted = FittedSeries("d", end, 3600.0, "oracle", path, path, path, path)
    made.fitted(job.job, FitResult(fitted=(fitted,), failures=(), seconds=0.1), at(end))
    for hour in range(30):
        base = end + hour * 3600
        forecast = made.update(window(base, base + 3600, {"d": truth[hour]}), at(base + 3600))
    assert {line.model for line in forecast.dependencies} == {"fitted"}
    assert lines(forecast)[3600.0] == pytest.approx(truth[30], rel=0.3)
    assert made.counters["fits"] == 1
    made.refit(("d", "unknown"))
    again = made.fit_due(at(end + 31 * 3600))
    assert again is not None and len(again.series) == 1


def test_recent_buckets_are_for_people() -> None:
    made = forecaster()
    base = START_S // 60 * 60
    for minute in range(5):
        now = base + minute * 60
        made.update(window(now, now + 60, {"d": minute + 1}), at(now + 60))
    assert made.recent("d", 3) == [3.0, 4.0, 5.0] and made.recent("none") == []


def test_counts_are_told_once_decayed_to_now() -> None:
    made = forecaster(recent_half_life_s=3600.0)
    a, b = (fingerprint_of(key_hash(InstanceKey("d", key))) for key in (b"a", b"b"))
    made.update(window(START_S, START_S + 1.0, {"d": 8}, {b"a": 8, b"b": 8}), at(START_S + 1.0))
    assert dict(made.take_counts(at(START_S + 1.0))) == pytest.approx({a: 8.0, b: 8.0}, rel=0.01)
    assert made.take_counts(at(START_S + 1.0)) == []  # nothing was used since
    end_s = START_S + 3601.0
    made.update(window(end_s - 1.0, end_s, {"d": 1}, {b"a": 1}), at(end_s))
    assert dict(made.take_counts(at(end_s))) == pytest.approx({a: 5.0}, rel=0.01)


def test_counts_do_not_wait_for_a_forecast() -> None:
    made, name = (
        forecaster(reforecast_s=1e6, recount_s=15.0),
        fingerprint_of(key_hash(InstanceKey("d", b"a"))),
    )
    for second in range(0, 40, 2):
        then = START_S + second
        made.update(window(then, then + 1.0, {"d": 1}, {b"a": 1}), at(then + 1.0))
        told = made.take_counts(at(then + 1.0))
        assert [one for one, _ in told] == ([name] if second in (0, 16, 32) else [])
    assert made.counters["forecasts"] == 1
