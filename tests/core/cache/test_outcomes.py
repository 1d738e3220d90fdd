"""Prefetch outcomes: they fade together, and garbage does not come in."""

from __future__ import annotations

import pytest

from zoned.core.cache.outcomes import Outcomes
from zoned.core.errors import StateError
from zoned.core.records import Reason


def make(pairs: int = 10) -> tuple[Outcomes, dict[str, int]]:
    counters: dict[str, int] = {}
    return Outcomes(100.0, pairs, counters), counters


def test_counts_fade_together() -> None:
    outcomes, _ = make()
    for _ in range(4):
        outcomes.fetched("d", Reason.FORECAST, 0.0)
    outcomes.used("d", Reason.FORECAST, 0.0)
    outcomes.wasted("d", Reason.FORECAST, 0.0)
    (line,) = outcomes.all(100.0)
    assert (line.fetched, line.used, line.wasted) == pytest.approx((2.0, 0.5, 0.5))
    (line,) = outcomes.all(1e9)
    assert line.fetched == pytest.approx(0.0)


def test_pairs_are_bounded() -> None:
    outcomes, counters = make(2)
    for name in "abc":
        outcomes.fetched(name, Reason.HOME, 0.0)
    assert [line.dependency for line in outcomes.all(0.0)] == ["a", "b"]
    assert counters["outcomes_uncounted"] == 1


def test_saved_and_read_back() -> None:
    outcomes, _ = make()
    outcomes.fetched("d", Reason.DRAIN, 5.0)
    rows = outcomes.export(5.0)
    again, _ = make()
    again.restore(rows, 77.0)
    assert again.all(77.0) == outcomes.all(5.0)


@pytest.mark.parametrize(
    "rows",
    [None, 7, ["x"], [["d", "no such reason", 1.0, 1.0, 1.0]], [["d", "home", "x", 1.0, 1.0]],
     [["d", "home", -1.0, 0.0, 0.0]], [["d", "home", float("nan"), 0.0, 0.0]], [["d", "home", 1.0]], [None]],
)  # fmt: skip
def test_garbage_is_a_state_error_and_changes_nothing(rows: object) -> None:
    outcomes, _ = make()
    outcomes.fetched("d", Reason.DRAIN, 5.0)
    before = outcomes.all(5.0)
    with pytest.raises(StateError):
        outcomes.restore(rows, 5.0)
    assert outcomes.all(5.0) == before
