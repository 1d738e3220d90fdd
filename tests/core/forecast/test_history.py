"""Counting in buckets and hours, partly observed hours, gaps, and the way back from disk."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoned.core.errors import StateError
from zoned.core.forecast import ForecastSettings
from zoned.core.forecast.history import History

SMALL = ForecastSettings(bucket_hours=2, history_hours=72, max_dependencies=3)


def history(start_s: float = 0.0) -> History:
    made = History(SMALL)
    made.advance(start_s)
    return made


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 50)), min_size=1, max_size=40),
    st.integers(0, 3600 * 24),
)
def test_every_access_is_in_the_hours_it_was_in(spans: list[tuple[int, int]], start_s: int) -> None:
    """Naive twin: each access spread over the seconds of its window."""
    mine = history(float(start_s))
    row = mine.track("d", float(start_s), None)
    truth: Counter[int] = Counter()
    now = start_s
    for length, count in spans:
        mine.advance(float(now + length))
        mine.add(row, float(count), float(now), float(now + length))
        for second in range(now, now + length):
            truth[second // 3600] += count / length  # type: ignore[assignment]
        if length == 0:
            truth[now // 3600] += count
        now += length
    for hour in range(mine.hour - 60, mine.hour):
        kept = mine._hours[row, hour % 72]
        if hour >= start_s // 3600:
            assert kept == pytest.approx(truth[hour], abs=1e-6)
    inside = [mine._buckets[row, bucket % 120] for bucket in range(mine.bucket - 119, mine.bucket + 1)]
    assert sum(inside) <= sum(count for _, count in spans) + 1e-3


def test_a_first_hour_that_was_half_observed_is_scaled_and_a_glimpse_is_unknown() -> None:
    mine = history()
    half, glimpse = mine.track("half", 1800.0, None), mine.track("glimpse", 3500.0, None)
    mine.add(half, 10.0, 1800.0, 3600.0)
    mine.advance(3600.0)
    values = mine.take(0, 1)[0]
    assert values[half] == 20.0 and math.isnan(values[glimpse])
    assert mine.hours(half, 100).tolist() == [20.0] and len(mine.hours(glimpse, 100)) == 0


def test_time_without_accesses_is_zero_and_a_leap_costs_nothing() -> None:
    mine = history()
    row = mine.track("d", 0.0, None)
    mine.add(row, 5.0, 0.0, 10.0)
    assert mine.advance(3 * 3600.0 + 1)
    assert [mine.take(hour, hour + 1)[0][row] for hour in range(3)] == [5.0, 0.0, 0.0]
    assert mine.advance(1e9)  # thirty years
    assert mine.take(mine.hour - 1, mine.hour)[0][row] == 0.0
    assert mine.take(mine.hour - 100, mine.hour - 99)[0][row] == 0.0


def test_a_clock_that_runs_backwards_is_waited_for() -> None:
    mine = history(7200.0)
    row = mine.track("d", 7200.0, None)
    assert not mine.advance(100.0)
    mine.add(row, 3.0, 90.0, 100.0)
    assert mine.hour == 2 and mine.advance(7300.0)
    assert np.nansum(mine._hours[row]) <= 3.0


def test_rows_are_bounded_and_only_an_idle_one_is_given_away() -> None:
    mine = history()
    for name in "abc":
        mine.track(name, 0.0, None)
    assert mine.full and mine.idle(3600.0) is None
    mine.add(mine.rows["a"], 1.0, 700_000.0, 700_000.0)
    assert mine.idle(700_000.0) == "b"
    assert mine.track("new", 700_000.0, "b") == 1 and mine.names == ["a", "new", "c"]


def test_seasonal_sums_and_busiest() -> None:
    mine = history()
    rows = [mine.track(name, 0.0, None) for name in ("quiet", "busy")]
    for hour in range(60):
        mine.add(rows[0], 1.0, hour * 3600.0, hour * 3600.0 + 3600)
        mine.add(rows[1], float(hour), hour * 3600.0, hour * 3600.0 + 3600)
        mine.advance((hour + 1) * 3600.0)
        mine.take(hour, hour + 1)
    assert mine.seasonal(60, 24, 30)[rows[1]].tolist() == [36.0 + k for k in range(24)] + [
        36.0 + k for k in range(6)
    ]
    assert mine.sums(60, 3)[rows[1]] == 57 + 58 + 59
    assert [name for name, _ in mine.busiest(5)] == ["busy", "quiet"]


def test_round_trip_and_unknown_time_between() -> None:
    mine = history()
    row = mine.track("d", 0.0, None)
    for hour in range(30):
        mine.add(row, float(hour), hour * 3600.0, hour * 3600.0 + 3600)
        mine.advance((hour + 1) * 3600.0)
        mine.take(hour, hour + 1)
    again = History(SMALL)
    assert again.restore_state(mine.export_state(), 35 * 3600.0 + 60) <= 0
    values = again.hours(again.rows["d"], 100)
    assert values[:30].tolist() == list(range(30)) and np.isnan(values[30:]).all() and len(values) == 35


@pytest.mark.parametrize(
    "change",
    [
        {"names": "d"}, {"names": ["d", "d"]}, {"end_hour": "x"}, {"end_hour": 10**6}, {"hours": b"123"},
        {"length": 0}, {"length": 10**9}, {"hours": b"\0\0\x80\xff" * 71}, {"hours": b"\0\0\x80\xbf" * 71},
    ],
)  # fmt: skip
def test_nonsense_is_refused(change: dict[str, object]) -> None:
    mine = history(3600.0 * 100)
    mine.track("d", 3600.0 * 100, None)
    with pytest.raises(StateError):
        History(SMALL).restore_state(mine.export_state() | change, 3600.0 * 200)
