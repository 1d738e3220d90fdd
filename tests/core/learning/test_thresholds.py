"""Thresholds: the table of states in the module's docstring, edge by edge."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoned.core.learning.ledger import Ledger
from zoned.core.learning.settings import LearningSettings
from zoned.core.learning.thresholds import STOP, Thresholds
from zoned.core.records import PrefetchOutcome, Reason

SETTINGS = LearningSettings(forecast_threshold=0.4)
BASE = SETTINGS.forecast_threshold


class World:
    """One dependency and reason; counts that only grow unless a test fades them."""

    def __init__(self, settings: LearningSettings = SETTINGS, reason: Reason = Reason.FORECAST) -> None:
        self.thresholds, self.ledger, self.reason = Thresholds(settings), Ledger(settings), reason
        self.counts = [0.0, 0.0, 0.0]

    def outcomes(self, used: float, wasted: float, fetched: float | None = None) -> float | None:
        """That many more of each; the threshold afterwards."""
        for index, more in enumerate((used + wasted if fetched is None else fetched, used, wasted)):
            self.counts[index] += more
        return self.review()

    def review(self) -> float | None:
        self.thresholds.review([PrefetchOutcome("d", self.reason, *self.counts)], self.ledger)
        return self.thresholds.all(()).get(("d", self.reason))

    def requests(self, count: int) -> float | None:
        self.ledger.line("d").requests += count
        return self.review()


def test_starts_at_its_base_and_waits_for_enough_outcomes():
    world = World()
    assert world.outcomes(0, 0) == BASE
    assert world.outcomes(20, 19) == BASE
    assert world.outcomes(0, 1) == pytest.approx(BASE * 1.12)  # 20 of 40


def test_precise_enough_is_left_alone():
    assert World().outcomes(26, 14) == BASE  # 0.65


def test_precision_moves_it_within_its_bounds():
    world = World()
    for _ in range(30):
        low = world.outcomes(40, 0)
    assert low == pytest.approx(BASE * SETTINGS.min_multiplier)
    for _ in range(60):
        high = world.outcomes(20, 20)
    assert high == pytest.approx(BASE * SETTINGS.max_multiplier)


def test_associations_are_never_asked_for_less_than_their_base():
    world, base = World(reason=Reason.ASSOCIATION), SETTINGS.association_threshold
    assert world.outcomes(20, 20) == pytest.approx(base * 1.12)
    for _ in range(30):
        low = world.outcomes(40, 0)
    assert low == base


def test_it_never_asks_for_the_impossible_by_itself():
    world = World(LearningSettings(forecast_threshold=0.9))
    for _ in range(60):
        high = world.outcomes(20, 20)
    assert high == SETTINGS.max_threshold < 1.0


def test_copies_that_still_wait_say_nothing():
    world = World()
    assert world.outcomes(0, 0, fetched=500) == BASE
    assert world.outcomes(30, 10) == pytest.approx(BASE / 1.06)


def test_a_reason_that_wastes_is_stopped_unless_it_was_good_in_the_long_run():
    world = World()
    assert world.outcomes(4, 36) == STOP
    steady = World()
    steady.outcomes(200, 50)
    assert steady.outcomes(4, 36) != STOP
    for _ in range(40):
        last = steady.outcomes(4, 36)
    assert last == STOP


def test_a_stopped_reason_gets_a_small_budget_after_enough_requests():
    world = World()
    world.requests(1000)
    world.outcomes(4, 36)
    wait = int(SETTINGS.adjust_outcomes / SETTINGS.exploration)
    assert world.requests(wait - 1) == STOP
    assert world.requests(1) == pytest.approx(BASE * SETTINGS.max_multiplier)  # on trial: the surest only
    assert world.outcomes(0, 0, fetched=39) != STOP
    assert world.outcomes(0, 0, fetched=1) == STOP  # the budget is spent, the verdict is open
    assert world.thresholds.trials == 1


@pytest.mark.parametrize(("used", "opens"), [(4, False), (15, True)])
def test_the_verdict_on_a_trial(used, opens):
    world = World()
    world.outcomes(4, 36)
    world.requests(4000)
    world.outcomes(0, 0, fetched=40)
    assert (world.outcomes(used, 20 - used, fetched=0) != STOP) is opens
    assert (world.requests(1) != STOP) is opens


def test_without_exploration_a_stop_is_for_good():
    world = World(LearningSettings(exploration=0.0))
    world.outcomes(0, 40)
    assert world.requests(10_000_000) == STOP


def test_counts_that_fade_are_not_taken_for_outcomes():
    world = World()
    world.outcomes(10, 5)
    for _ in range(500):
        world.counts = [count * 0.99 for count in world.counts]
        assert world.review() == BASE


@pytest.mark.parametrize("reason", [Reason.DRAIN, Reason.RESTART, Reason.DEMAND])
def test_some_reasons_are_not_judged(reason):
    assert World(reason=reason).outcomes(0, 400) is None


def test_a_dependency_that_loses_is_stopped_for_every_reason_that_can_wait():
    world = World()
    world.outcomes(40, 0)
    found = world.thresholds.all(("d",))
    assert {reason for (name, reason), value in found.items() if value == STOP} == {
        Reason.ASSOCIATION, Reason.FORECAST, Reason.ELSEWHERE, Reason.HOME, Reason.REFRESH
    }  # fmt: skip
    assert world.thresholds.all(())["d", Reason.FORECAST] == pytest.approx(BASE / 1.06)


def test_judgements_are_bounded():
    thresholds, ledger = Thresholds(LearningSettings(max_dependencies=8)), Ledger(SETTINGS)
    outcomes = [PrefetchOutcome(f"d{index}", Reason.FORECAST, 1, 1, 0) for index in range(100)]
    thresholds.review(outcomes, ledger)
    assert len(thresholds.all(())) == 40 and thresholds.dropped == 60


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60), st.integers(0, 3000)), max_size=60))
def test_a_threshold_is_always_a_stop_or_within_bounds(steps):
    world = World()
    for used, wasted, requests in steps:
        world.ledger.line("d").requests += requests
        value = world.outcomes(used, wasted)
        assert value == STOP or BASE * 0.8 - 1e-9 <= value <= BASE * 2.2 + 1e-9


def test_after_each_trial_that_fails_the_next_waits_twice_as_long():
    world = World()
    world.outcomes(0, 40)
    wait = int(SETTINGS.adjust_outcomes / SETTINGS.exploration)
    for failed in range(4):
        assert world.requests((wait << failed) - 1) == STOP
        assert world.requests(1) != STOP
        assert world.outcomes(0, 40) == STOP
