"""Proof by the hour: no arm is played that was much worse than LRU in any of the last hours."""

from __future__ import annotations

from dataclasses import replace

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoned.core.errors import StateError
from zoned.core.learning.hedge import Hedge
from zoned.core.learning.proof import Hours, Rise
from zoned.core.learning.settings import LearningSettings

SETTINGS = LearningSettings(arms=("lru", "s3fifo"), proof_accesses=100)


def hour(hours: Hours, start_s: float, grown: list[float], lru: float = 10.0) -> float:
    """An hour of ten-minute steps; when it ends."""
    for step, more in enumerate(grown, start=1):
        hours.watch([0.0, more], lru, 100, start_s + step * 600.0)
    return start_s + len(grown) * 600.0


@given(st.lists(st.floats(-5, 5), max_size=40))
def test_the_rise_is_the_largest_loss_over_any_stretch(steps: list[float]) -> None:
    rise = Rise()
    for step in steps:
        rise.add(step)
    worst = max([sum(steps[a:b]) for b in range(len(steps) + 1) for a in range(b + 1)])
    assert abs(rise.most - max(0.0, worst)) < 1e-9


def test_a_loss_is_sure_when_it_is_beyond_chance() -> None:
    steady, uneven, gaining = Rise(3.0), Rise(3.0), Rise(3.0)
    for step in range(40):
        steady.add(1.0)
        uneven.add(30.0 if step == 20 else 0.1)
        gaining.add(-4.0 if step % 2 else 3.0)
        assert (steady.sure > 0.0) == (step >= 9)
    assert steady.sure == steady.most == 40.0
    assert uneven.sure < 3.0 < uneven.most, "one piece of bad luck"
    assert gaining.sure == 0.0 and gaining.most == 3.0


def test_an_arm_stands_after_enough_good_hours_and_falls_by_one_bad() -> None:
    hours = Hours(SETTINGS, 2)
    hours.watch([0.0, -1.0], 10.0, 100, 0.0)
    end_s = 0.0
    for _ in range(SETTINGS.proof_hours):
        assert not hours.stands(1)
        end_s = hour(hours, end_s, [-1.0] * 6)
    assert hours.stands(1) and hours.worst(1) == 0.0
    end_s = hour(hours, end_s, [-1.0, -1.0, 2.0, 2.0, -1.0, -1.0])  # no loss in sum, but 4 of 60 within it
    assert not hours.stands(1) and abs(hours.worst(1) - 4.0 / 60.0) < 1e-9
    for _ in range(20):
        end_s = hour(hours, end_s, [-1.0] * 6)
    assert not hours.stands(1), "such an hour is remembered for long"
    for _ in range(20):
        end_s = hour(hours, end_s, [-1.0] * 6)
    assert hours.stands(1)


def test_what_saves_much_in_every_hour_may_be_behind_for_a_while_and_what_turns_around_may_not() -> None:
    """38 % of LRU's cost are saved in an hour: a tenth of that may be lost in a stretch, beside the limit."""
    better, turning = Hours(SETTINGS, 2), Hours(SETTINGS, 2)
    for hours, odd in ((better, -5.0), (turning, 0.5)):
        hours.watch([0.0, -1.0], 10.0, 100, 0.0)
        end_s = 0.0
        for number in range(12):
            steps = [odd if number % 2 else -5.0] * 6
            steps[2] += 5.0 + 2.0  # behind for ten minutes, as bursts leave it: 3.3 % of an hour
            end_s = hour(hours, end_s, steps)
    assert better.stands(1) and not turning.stands(1)
    for hours in (better, turning):
        hours.watch([0.0, 2.0], 1.0, 10, end_s + 60.0)
    assert turning.fails(1) and not better.fails(1)
    better.watch([0.0, 2.0], 1.0, 10, end_s + 120.0)
    assert better.fails(1)


def test_a_miss_or_two_of_few_reads_are_no_failure_and_as_many_of_a_proofs_worth_are() -> None:
    few, enough = Hours(SETTINGS, 2), Hours(SETTINGS, 2)
    for hours, reads in ((few, 1), (enough, 100)):
        hours.watch([0.0, -1.0], 1.0, reads, 0.0)
        for step in range(1, 40):
            hours.watch([0.0, -1.0], float(reads), reads, step * 60.0)  # a read a minute, and a hundred
        assert not hours.fails(1)
    few.watch([0.0, 0.4], 1.0, 1, 2400.0)
    assert not few.fails(1)  # of the sixty reads of an hour that is over half a percent
    few.watch([0.0, 0.4], 1.0, 1, 2460.0)
    assert few.fails(1)  # ... and now of a hundred
    enough.watch([0.0, 29.0], 100.0, 100, 2400.0)
    assert not enough.fails(1)
    enough.watch([0.0, 4.0], 100.0, 100, 2460.0)
    assert enough.fails(1)


def test_an_hour_with_few_reads_is_longer_and_a_store_that_is_not_full_says_nothing() -> None:
    hours = Hours(SETTINGS, 2)
    for step in range(100):
        hours.watch([0.0, 0.0], 10.0, 100, step * 3600.0)
    assert hours.passed == 0
    for step in range(100, 201):
        hours.watch([0.0, -1.0], 10.0, 10, step * 3600.0)
    assert hours.passed == 10


def test_what_is_played_stops_within_the_hour_in_which_it_fails() -> None:
    hedge = Hedge(SETTINGS)
    hedge.played = 1
    for step in range(60):
        hedge.watch([10.0, 9.0], 10.0, 100, step * 60.0)
    assert hedge.played == 1
    for step in range(60, 66):  # 10 a minute are 600 an hour: 3 may be lost
        hedge.watch([10.0, 11.0], 10.0, 100, step * 60.0)
    assert hedge.played == 0 and hedge.changes == 1


def test_what_failed_in_this_hour_is_not_played_again_in_it() -> None:
    """However good it was before: it would fail at the next look, and each change costs a store's worth."""
    hedge = Hedge(replace(SETTINGS, proof_hours=1))
    for step in range(130):
        hedge.watch([10.0, 9.0], 10.0, 100, step * 60.0)
        hedge.learn([0.5, 0.4], 0.001, 0.2)
    assert hedge.played == 1
    for step in range(130, 150):
        hedge.watch([10.0, 11.0], 10.0, 100, step * 60.0)
        hedge.learn([0.5, 0.4], 0.001, 0.2)
    assert hedge.played == 0 and hedge.changes == 2


def test_an_hour_is_no_worse_than_lru_in_a_zone_that_knows_no_other() -> None:
    hedge = Hedge(SETTINGS)
    hedge.played = 1
    hedge.watch([10.0, 9.0], 12.0, 100, 0.0)
    for step in range(1, 120):  # other zones serve much of what is missed: more than the arm loses
        hedge.watch([10.0, 11.0], 12.0, 100, step * 60.0)
    assert hedge.played == 1


def test_hours_that_are_over_survive_a_restart() -> None:
    hours, end_s = Hours(SETTINGS, 2), 0.0
    hours.watch([0.0, -1.0], 10.0, 100, 0.0)
    for grown in ([-1.0] * 6, [-1.0, 0.2, -1.0, -1.0, -1.0, -1.0], [-1.0] * 6, [-1.0] * 3):
        end_s = hour(hours, end_s, grown)
    saved = msgpack.unpackb(msgpack.packb(hours.export_state(("lru", "s3fifo"))))
    after = Hours.restored(saved, ("lru", "s3fifo"), SETTINGS)
    assert after.stands(1) and after.passed == hours.passed and after.worst(1) == hours.worst(1) > 0.0
    hour(after, 1e6, [-1.0, 2.0, 2.0])  # the clock begins anew; the hour that was open does, too
    assert after.fails(1) and not after.fails(0)
    assert after.export_state(("lru", "s3fifo"))["earned"] == saved["earned"] != {"lru": 0.0, "s3fifo": 0.0}
    del saved["earned"]  # as older agents left it
    assert Hours.restored(saved, ("lru", "s3fifo"), SETTINGS).stands(1)


@pytest.mark.parametrize("key", ["passed", "worst", "earned", "per_access"])
@pytest.mark.parametrize(
    "value", [None, -1, 1e300, float("nan"), "x", [], {}, [1.0, float("inf")], {"lru": 0.0}]
)
def test_hours_that_make_no_sense_are_refused(key: str, value: object) -> None:
    state = {**Hours(SETTINGS, 2).export_state(("lru", "s3fifo")), key: value}
    with pytest.raises(StateError):
        Hours.restored(state, ("lru", "s3fifo"), SETTINGS)
