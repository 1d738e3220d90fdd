"""The alarm: what makes it ring, what ends it, and who is believed less afterwards."""

from __future__ import annotations

import random

import pytest

from zoned.core.learning.alarm import Alarm
from zoned.core.learning.settings import LearningSettings

SETTINGS = LearningSettings()


def usual(alarm: Alarm, reads: int = 600, share: float = 0.5) -> None:
    """Reads of which every so many-th goes to the origin."""
    for number in range(reads):
        assert not alarm.watch(float(number * share % 1 < share), 1.0, 0.0, 100.0)


def until_on(alarm: Alarm, most: int = 200) -> int:
    """How many reads in a row have to go to the origin."""
    for count in range(1, most + 1):
        alarm.watch(1.0, 1.0, 0.0, 1000.0)
        if alarm.on:
            return count
    return most + 1


@pytest.mark.parametrize(("share", "least", "most"), [(0.2, 4, 8), (0.5, 10, 16), (0.8, 30, 50)])
def test_it_rings_after_a_run_that_is_unlikely(share: float, least: int, most: int) -> None:
    alarm = Alarm(SETTINGS)
    usual(alarm, share=share)
    assert not alarm.on and least <= until_on(alarm) <= most


def test_before_anything_is_usual_it_does_not_ring() -> None:
    alarm = Alarm(SETTINGS)
    for _ in range(99):
        alarm.watch(1.0, 1.0, 0.0, 100.0)
    assert not alarm.on and not alarm.rang


@pytest.mark.parametrize("seed", range(5))
def test_chance_seldom_rings(seed: int) -> None:
    rng, alarm = random.Random(seed), Alarm(SETTINGS)
    for _ in range(5000):
        alarm.watch(float(rng.random() < 0.5), 1.0, 0.0, 100.0)
    assert alarm.rang <= 3


def test_when_reads_are_answered_as_before_it_is_over_and_the_next_takes_more() -> None:
    alarm = Alarm(SETTINGS)
    usual(alarm)
    first = until_on(alarm)
    usual(alarm, 100)
    assert not alarm.on and (alarm.rang, alarm.right) == (1, 0)
    second = until_on(alarm)
    assert second > first
    for _ in range(30):
        usual(alarm, 100)
        until_on(alarm)
    usual(alarm, 100)
    assert alarm._needed == SETTINGS.most_alarm_odds, "and no more than that"


def test_an_arm_behind_lru_does_not_come_back_and_the_alarm_was_right() -> None:
    alarm = Alarm(SETTINGS)
    usual(alarm)
    until_on(alarm)
    for count in range(30):  # LRU hits now, the arm now and then
        over = alarm.watch(float(count % 3 > 0), 1.0, -float(count % 3 > 0), 1000.0)
        if over:
            break
    assert over and not alarm.on and alarm.right == 1 and count > 9, "surely, not by chance"
    usual(alarm)
    assert until_on(alarm) <= 16, "who was right is believed"


def test_a_little_behind_it_waits_until_that_is_made_up_for() -> None:
    alarm = Alarm(SETTINGS)
    usual(alarm)
    until_on(alarm)
    for _ in range(4):
        alarm.watch(1.0, 1.0, -1.0, 1000.0)
    usual(alarm, 50)
    assert alarm.on
    for _ in range(4):
        alarm.watch(0.0, 1.0, 1.0, 1000.0)
    assert not alarm.on and not alarm.right


def test_a_scan_as_large_as_the_store_is_enough() -> None:
    alarm = Alarm(SETTINGS)
    usual(alarm)
    until_on(alarm)
    for count in range(50):
        assert alarm.on, count
        alarm.watch(1.0, 1.0, 0.0, 50.0)
    assert not alarm.on
    assert until_on(alarm) == 201, "not again before reads are answered as usual"
    usual(alarm, 100)
    assert until_on(alarm) <= 40


def test_many_reads_at_once_count_as_one_after_the_other() -> None:
    one, other = Alarm(SETTINGS), Alarm(SETTINGS)
    usual(one)
    usual(other)
    for _ in range(20):
        one.watch(1.0, 1.0, 0.0, 100.0)
    other.watch(20.0, 20.0, 0.0, 100.0)
    assert one.on and other.on
    assert not other.watch(0.0, 0.0, 0.0, 100.0) and other.on, "no reads say nothing"
