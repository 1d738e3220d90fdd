"""Hedge and the guard before it: real advantages are taken, luck is not, LRU comes back."""

from __future__ import annotations

import random
from dataclasses import replace

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoned.core.errors import StateError
from zoned.core.learning.hedge import Hedge
from zoned.core.learning.settings import LearningSettings

SETTINGS = LearningSettings(arms=("lru", "s3fifo", "sieve"), proof_hours=0)
LRU, S3FIFO, SIEVE = 0, 1, 2


def play(
    hedge: Hedge, batches: int, means: tuple[float, float, float], noise: float, rng: random.Random
) -> list[int]:
    """Batches whose common difficulty varies, and whose arms vary apart by ``noise``."""
    played = []
    for _ in range(batches):
        hard = rng.gauss(0.0, 0.05)
        ratios = [min(1.0, max(0.0, mean + hard + rng.gauss(0.0, noise))) for mean in means]
        hedge.learn(ratios, 0.001, 0.2)
        played.append(hedge.played)
    return played


def test_a_real_advantage_is_taken_after_some_batches():
    hedge = Hedge(SETTINGS)
    played = play(hedge, 40, (0.5, 0.4, 0.45), 0.02, random.Random(1))
    assert played[: SETTINGS.guard_batches - 1] == [LRU] * (SETTINGS.guard_batches - 1)
    assert played[-1] == S3FIFO and played.index(S3FIFO) < 20
    weights = hedge.weights()
    assert sum(weights) == pytest.approx(1.0) and max(weights) == weights[S3FIFO]


def test_equal_arms_stay_with_lru():
    hedge = Hedge(SETTINGS)
    for _ in range(100):
        hedge.learn([0.3, 0.3, 0.3], 0.001, 0.2)
    assert hedge.played == LRU and hedge.changes == 0
    assert hedge.weights() == pytest.approx((1 / 3, 1 / 3, 1 / 3))


def test_an_advantage_within_the_hysteresis_changes_nothing():
    hedge = Hedge(SETTINGS)
    for _ in range(100):
        hedge.learn([0.300, 0.299, 0.299], 0.001, 0.2)
    assert hedge.played == LRU


@pytest.mark.parametrize("seed", range(5))
def test_luck_is_rarely_believed(seed):
    """Arms that are no better: the share of batches in which something else than LRU is played."""
    played = play(Hedge(SETTINGS), 1000, (0.4, 0.4, 0.4), 0.03, random.Random(seed))
    assert sum(arm != LRU for arm in played) < 0.05 * len(played)


@pytest.mark.parametrize("seed", range(5))
def test_lru_comes_back_when_the_advantage_is_gone(seed):
    rng, hedge = random.Random(seed), Hedge(SETTINGS)
    assert play(hedge, 60, (0.5, 0.4, 0.45), 0.02, rng)[-1] == S3FIFO
    played = play(hedge, 60, (0.5, 0.6, 0.55), 0.02, rng)
    assert played[-1] == LRU and played.index(LRU) < 40


def test_the_leader_changes_when_another_arm_is_clearly_better():
    rng, hedge = random.Random(3), Hedge(SETTINGS)
    assert play(hedge, 60, (0.5, 0.40, 0.45), 0.02, rng)[-1] == S3FIFO
    assert play(hedge, 100, (0.5, 0.45, 0.35), 0.02, rng)[-1] == SIEVE


def test_nothing_to_save_is_nothing_to_choose():
    hedge = Hedge(SETTINGS)
    for _ in range(20):
        hedge.learn([0.5, 0.1, 0.1], 0.2, 0.2)  # a miss costs no more than a hit
    assert hedge.played == LRU


def test_survives_a_restart():
    hedge, after = Hedge(SETTINGS), Hedge(SETTINGS)
    play(hedge, 40, (0.5, 0.4, 0.45), 0.02, random.Random(1))
    after.restore_state(msgpack.unpackb(msgpack.packb(hedge.export_state())))
    assert (after.played, after.weights()) == (hedge.played, hedge.weights())
    assert after.export_state() == hedge.export_state()


def test_other_arms_than_then_start_afresh():
    hedge = Hedge(SETTINGS)
    play(hedge, 40, (0.5, 0.4, 0.45), 0.02, random.Random(1))
    after = Hedge(LearningSettings(arms=("lru", "sieve")))
    after.restore_state(hedge.export_state())
    assert after.played == LRU


leaf = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6)


@given(
    st.dictionaries(st.sampled_from(["played", "unit_s"]), leaf | st.sampled_from(["lru", "sieve"])),
    st.lists(
        leaf | st.lists(leaf | st.lists(st.floats(0, 3), max_size=6), max_size=3), min_size=3, max_size=3
    ),
)
def test_nonsense_is_refused_or_harmless(parts, arms):
    hedge = Hedge(SETTINGS)
    try:
        hedge.restore_state({**parts, "arms": dict(zip(SETTINGS.arms, arms, strict=True))})
    except StateError:
        assert hedge.played == LRU
    hedge.learn([0.5, 0.4, 0.4], 0.001, 0.2)
    assert sum(hedge.weights()) == pytest.approx(1.0)


TRUSTING = LearningSettings(arms=("lru", "s3fifo", "value"), trusted_arm="value", proof_hours=0)


def test_where_zones_share_the_trusted_arm_is_played_at_once() -> None:
    hedge = Hedge(TRUSTING)
    assert hedge.played == 0
    hedge.trust()
    assert hedge.played == 2 and hedge.changes == 1
    for _ in range(3):
        hedge.learn((0.5, 0.6, 0.52), 0.001, 0.201)  # worse than LRU, but not for long enough to be sure
    assert hedge.played == 2


def test_trust_is_lost_for_good_when_another_is_better() -> None:
    hedge = Hedge(TRUSTING)
    hedge.trust()
    for step in range(20):
        hedge.learn((0.5, 0.6, 0.56 + 0.01 * (step % 2)), 0.001, 0.201)
    assert hedge.played == 0
    hedge.trust()
    assert hedge.played == 0, "it is given once"
    for step in range(150):
        hedge.learn((0.5, 0.6, 0.4 + 0.01 * (step % 2)), 0.001, 0.201)
    assert hedge.played == 2, "from then on it is played when it is proved"


def test_a_lost_trust_outlives_a_restart() -> None:
    hedge, after = Hedge(TRUSTING), Hedge(TRUSTING)
    hedge.trust()
    for step in range(20):
        hedge.learn((0.5, 0.6, 0.56 + 0.01 * (step % 2)), 0.001, 0.201)
    after.restore_state(hedge.export_state())
    after.trust()
    assert after.played == 0


def hours(hedge: Hedge, start_h: int, grown: float, count: int) -> list[int]:
    """Hours in which the trusted arm misses so much more often than LRU; what is played at each one's end."""
    played = []
    for hour in range(start_h, start_h + count):
        for step in range(60):
            hedge.watch([50.0, 50.0, 50.0 + grown], 50.0, 100, 3600.0 * hour + 60.0 * step)
        played.append(hedge.played)
    return played


def test_an_hour_in_which_the_trusted_arm_surely_loses_is_lrus() -> None:
    hedge, value = Hedge(TRUSTING), TRUSTING.arms.index("value")
    hedge.trust()
    assert hours(hedge, 0, -20.0, 3) == [value] * 3 and hedge.trusting
    assert hours(hedge, 3, 5.0, 2) == [LRU] * 2 and not hedge.trusting
    assert "lost" in hedge.why
    after = Hedge(TRUSTING)
    after.restore_state(msgpack.unpackb(msgpack.packb(hedge.export_state())))
    for one in (hedge, after):
        back = hours(one, 5, -20.0, 4)
        assert back[0] == LRU and back[-1] == value and one.trusting, "an hour later it has its place again"


def test_a_setting_without_the_trusted_arm_trusts_nobody() -> None:
    hedge = Hedge(LearningSettings(arms=("lru", "sieve")))
    hedge.trust()
    assert hedge.played == 0


def test_a_change_has_to_pay_for_what_has_to_be_fetched_for_it() -> None:
    """Faster by a hundredth of the requests, of which 50 batches are remembered: a half at most."""
    dear, cheap = Hedge(SETTINGS), Hedge(SETTINGS)
    dear.apart, cheap.apart = (lambda played, arm: 0.6), (lambda played, arm: 0.4)
    for _ in range(400):
        for hedge in (dear, cheap):
            hedge.learn([0.5, 0.49, 0.5], 0.001, 0.2)
    assert (dear.played, cheap.played) == (0, 1)


def test_trust_is_not_lost_for_what_would_not_pay_for_the_change() -> None:
    settings = replace(SETTINGS, arms=("lru", "s3fifo", "value"))
    dear, cheap = Hedge(settings), Hedge(settings)
    dear.apart, cheap.apart = (lambda played, arm: 0.6), (lambda played, arm: 0.4)
    for hedge in (dear, cheap):
        hedge.trust()
        for _ in range(400):
            hedge.learn([0.5, 0.48, 0.49], 0.001, 0.2)
    assert (dear.played, cheap.played) == (2, 1)


def usual_then_new(hedge: Hedge, reads: int, new: int) -> None:
    """Reads of which the played arm sends every second to the origin, then so many that all go there."""
    for number in range(reads + new):
        if not hedge.played:
            return
        hedge.heed(float(number % 2 or number >= reads), [0.5, 0.5, 0.5], 1.0, 100.0)


def test_while_there_is_an_alarm_the_store_goes_by_lru_though_nothing_is_decided() -> None:
    hedge = Hedge(TRUSTING)
    hedge.trust()
    usual_then_new(hedge, 300, 0)
    assert hedge.plays == hedge.played == 2 and not hedge.alarmed
    usual_then_new(hedge, 0, 20)
    assert (hedge.plays, hedge.played) == (0, 2) and hedge.trusting and "new" in hedge.why
    usual_then_new(hedge, 40, 0)
    assert hedge.plays == 2 and hedge.alarms == (1, 0)


def test_an_alarm_that_was_right_is_an_hour_in_which_the_trusted_arm_lost() -> None:
    hedge = Hedge(TRUSTING)
    hedge.trust()
    hours(hedge, 0, -20.0, 1)
    usual_then_new(hedge, 300, 20)
    for number in range(60):
        if hedge.played:
            hedge.heed(float(number % 3 > 0), [0.0, 0.0, float(number % 3 > 0)], 1.0, 100.0)
    assert hedge.played == hedge.plays == 0 and hedge.alarms == (1, 1) and not hedge.trusting
    assert hours(hedge, 1, -20.0, 4)[-1] == 2, "later it has its place again"


def test_a_proved_arm_whose_alarm_was_right_is_not_taken_up_again_in_that_hour() -> None:
    hedge = Hedge(LearningSettings(arms=("lru", "s3fifo"), trusted_arm="", proof_hours=1))

    def better(start_h: float) -> None:
        for step in range(61):
            hedge.watch([50.0, 40.0], 50.0, 100, 3600.0 * start_h + 60.0 * step)
            hedge.learn((0.5, 0.4 - 0.01 * (step % 2)), 0.001, 0.201)

    better(0.0)
    assert hedge.played == 1
    usual_then_new(hedge, 300, 20)
    for number in range(60):
        if hedge.played:
            hedge.heed(float(number % 3 > 0), [0.0, float(number % 3 > 0)], 1.0, 100.0)
    assert hedge.played == 0 and hedge.alarms == (1, 1)
    hedge.learn((0.5, 0.4), 0.001, 0.201)
    assert hedge.played == 0
    better(2.0)
    assert hedge.played == 1
