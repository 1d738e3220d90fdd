"""What promises are worth, told from what became of them."""

from __future__ import annotations

import random
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoned.core.errors import StateError
from zoned.core.learning.calibration import Calibration, saved_odds
from zoned.core.learning.settings import LearningSettings
from zoned.core.names import InstanceKey, key_hash
from zoned.core.promises import MOST_AGREEING, Association, Following


def promise(number: int, confidence: float = 0.6, dependency: str = "d", **known: Any) -> Association:
    key = InstanceKey(dependency, b"%d" % number)
    known = {"lead_s": 3.0, "support": 3, "occurrences": 5} | known
    return Association(key, key_hash(key), confidence, **known)


def lived(true_share: float, rounds: int = 2000, seed: int = 1, **known: Any) -> float:
    """What a promise of 0.6 is judged to be after so many, of which a share came true within 5 reads."""
    one, rng = Calibration(LearningSettings()), random.Random(seed)
    for number in range(rounds):
        one.judged(promise(number, **known), 5, 10.0 * number)
        for _ in range(4):
            one.read(rng.getrandbits(40), 10.0 * number + 1)
        one.read(promise(number).key_hash if rng.random() < true_share else 0, 10.0 * number + 2)
    return one.judged(promise(-1, **known), 5, 1e6)


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.9])
def test_a_promise_becomes_what_experience_says(share: float) -> None:
    assert lived(share) == pytest.approx(share, abs=0.09)


def test_at_first_it_is_taken_for_somewhat_less_than_it_says_and_a_repetition_for_next_to_nothing() -> None:
    one = Calibration(LearningSettings())
    first = one.judged(promise(1), 5, 0.0)
    assert 0.4 < first < 0.6
    assert one.judged(promise(2, repeated=True), 5, 0.0) < 0.1
    assert first < one.judged(promise(3, agreeing=4), 5, 0.0) < 0.8
    assert lived(1.0) <= 1.0


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ({"support": 9}, {"support": 2}),
        ({"occurrences": 5}, {"occurrences": 80}),
        ({"lead_s": 60.0}, {"lead_s": 0.6}),
        ({"agreeing": 5}, {"agreeing": 0}),
        ({"pace_s": 20.0}, {"pace_s": 0.0}),
        ({"repeated": True}, {"repeated": False}),  # against the prior
    ],
)
def test_whatever_tells_the_true_from_the_false_is_found_out(
    good: dict[str, Any], bad: dict[str, Any]
) -> None:
    one = Calibration(LearningSettings())
    for number in range(600):
        true = number % 2 == 0
        one.judged(promise(number, **(good if true else bad)), 3, 10.0 * number)
        for _ in range(3):
            one.read(promise(number).key_hash if true else 0, 10.0 * number + 1)
    assert one.judged(promise(-1, **bad), 3, 1e6) < 0.3
    assert one.judged(promise(-2, **good), 3, 1e6) > 0.7


@pytest.mark.parametrize(("after_reads", "after_s"), [(3, 5.0), (1, 0.4), (1, 9.1)])
def test_what_comes_too_late_or_too_soon_to_be_fetched_did_not_come_true(
    after_reads: int, after_s: float
) -> None:
    one = Calibration(LearningSettings(least_lead_s=0.5))
    for number in range(200):
        one.judged(promise(number), 2, 10.0 * number, lifetime_s=9.0)
        for _ in range(after_reads - 1):
            one.read(0, 10.0 * number)
        one.read(promise(number).key_hash, 10.0 * number + after_s)
    assert one.judged(promise(-1), 2, 1e6) < 0.2


def test_a_promise_whose_copy_would_have_expired_makes_way_for_the_next() -> None:
    """The instance comes an hour after one promise, which says nothing of it, and a second after the next."""
    one = Calibration(LearningSettings())
    for number in range(200):
        hour_s = 3600.0 * number
        one.judged(promise(1), 1000, hour_s, lifetime_s=600.0)
        one.judged(promise(1), 1000, hour_s + 1800.0, lifetime_s=600.0)
        one.read(promise(1).key_hash, hour_s + 1801.0)
    assert one.judged(promise(2), 5, 1e6) == pytest.approx(0.5, abs=0.1), "one in two came true"


@settings(max_examples=30)
@given(
    st.lists(
        st.tuples(
            st.floats(0.0, 1.0),
            st.integers(1, 1000),
            st.booleans(),
            st.integers(0, MOST_AGREEING),
            st.booleans(),
        ),
        max_size=20,
    )
)
def test_whom_else_to_ask_is_left_out_only_where_it_changes_nothing(
    lives: list[tuple[float, int, bool, int, bool]],
) -> None:
    told, asked = Calibration(LearningSettings()), Calibration(LearningSettings())
    for number, (confidence, support, repeated, agreeing, true) in enumerate(lives):
        plain = promise(number, confidence, support=support, repeated=repeated)
        found = told.judged(plain._replace(agreeing=agreeing), 5, float(number))
        lazy = asked.judged(plain, 5, float(number), agreeing=lambda _one, most=agreeing: most)
        assert lazy == pytest.approx(found) if found >= 0.25 else found - 1e-9 <= lazy < 0.25
        for one in (told, asked):
            one.read(plain.key_hash if true else 0, number + 0.9)
    for one, other in zip(asked.export_state(), told.export_state(), strict=True):
        assert np.allclose(one[1], other[1]) and np.allclose(one[2], other[2])


@settings(max_examples=30)
@given(
    st.lists(
        st.tuples(
            st.integers(2, 60),  # occurrences
            st.lists(st.tuples(st.integers(0, 9), st.integers(2, 60), st.floats(0.0, 900.0)), max_size=6),
            st.sets(st.integers(0, 9), max_size=4),  # the trail
            st.integers(0, MOST_AGREEING),
            st.sampled_from([None, 2.0]),
        ),
        max_size=40,
    ),
    st.sampled_from([0.0, 0.1, 0.4, 0.99]),
)
def test_what_is_not_doubtful_would_have_been_judged_for_nothing(
    lives: list[tuple[int, list[tuple[int, int, float]], set[int], int, float | None]], keep: float
) -> None:
    whole, lean = (Calibration(LearningSettings(keep_threshold=keep)) for _ in range(2))
    names = [promise(number) for number in range(10)]
    for one in (whole, lean):
        one.judged(promise(10), 9, 0.0)  # both know the dependency
    for second, (occurrences, found, had, agreeing, lifetime_s) in enumerate(lives):
        now_s = float(second)
        followers = [
            (names[i].key, names[i].key_hash & 0xFFFFFFFF, support, lags) for i, support, lags in found
        ]
        trail = [names[number].key_hash & 0xFFFFFFFF for number in sorted(had)]
        following = Following(followers, occurrences, 5.0, trail)
        doubtful = lean.doubtful(following, lambda key, _hashed: key == names[0].key, now_s)
        for one, here in doubtful:
            if not here:
                lean.judged(one, 9, now_s, lifetime_s, lambda _one, most=agreeing: most)
        for one in following:
            here, worth = one.key == names[0].key, one.confidence
            if not here:
                worth = whole.judged(one, 9, now_s, lifetime_s, lambda _one, most=agreeing: most)
            assert (one, here) in doubtful or worth < keep
        for one in (whole, lean):
            one.read(names[second % 10].key_hash, now_s + 0.9)
    assert list(lean._open) == list(whole._open) and lean.export_state() == whole.export_state()


def test_nobody_is_asked_whether_they_agree_on_what_is_hopeless() -> None:
    one, asked = Calibration(LearningSettings()), []
    hopeless = [promise(number, 0.05, repeated=True) for number in range(80)]
    for each in [*hopeless, promise(-1)]:
        one.judged(each, 5, 0.0, agreeing=lambda which: asked.append(which) or 0)
    assert asked[-1] == promise(-1) and 0 < len(asked) < 25, "but for a sample"


def test_the_unlikely_are_noted_now_and_then_so_that_they_can_become_likely() -> None:
    one = Calibration(LearningSettings())
    unlikely = [one.judged(promise(-number, repeated=True), 5, 0.0) for number in range(1, 801)]
    assert max(unlikely) < 0.25 and 60 < len(one._open) < 140
    for number in range(800):
        one.judged(promise(number, repeated=True), 5, 10.0 * number)
        one.read(promise(number).key_hash, 10.0 * number + 1)
    assert one.judged(promise(-1, repeated=True), 5, 1e6) > 0.6


def test_bounded_in_promises_and_dependencies() -> None:
    one = Calibration(LearningSettings(max_promises=10, max_dependencies=8))
    for number in range(100):
        one.judged(promise(number, 0.9, f"d{number}"), 1000, 0.0)
    assert one.dropped == 2 * 90 and len(one._open) == len(one._waiting) == 10, "made, and acted on"
    assert len(one._odds) == 9, "eight, and one for all others"


def lived_one() -> Calibration:
    one = Calibration(LearningSettings())
    for number in range(60):
        one.judged(promise(number, confidence=0.3 + 0.01 * number), 5, float(number))
        one.read(promise(number).key_hash if number % 3 else 0, number + 0.9)
    for _ in range(10):
        one.read(0, 70.0)
    one.judged(promise(-1), 5, 70.0)  # by now all others are decided
    return one


def test_what_was_learnt_of_promises_survives_a_restart() -> None:
    one, after, fresh = lived_one(), *[Calibration(LearningSettings()) for _ in range(2)]
    after.restore_state(saved_odds(msgpack.unpackb(msgpack.packb(one.export_state()))))
    for confidence in (0.35, 0.55, 0.85):
        asked = promise(-1, confidence=confidence), 5, 100.0
        assert after.judged(*asked) == one.judged(*asked)
        assert after.judged(*asked) != fresh.judged(*asked)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        (0, 1), (1, []), (1, [0.0] * 7), (1, [float("nan")] * 8), (1, [1e9] * 8), (1, "x"), (1, None),
        (2, [0.0] * 63), (2, [-1.0] * 64), (2, [1.0] + [0.5] * 63), (2, list(range(64))),
    ],
)  # fmt: skip
def test_malformed_odds_are_refused(column: int, value: object) -> None:
    rows = lived_one().export_state()
    rows[0][column] = value
    with pytest.raises(StateError):
        saved_odds(rows)


@pytest.mark.parametrize("state", [None, {}, ["x"], [[]], [["d", [0.0] * 8]]])
def test_what_is_no_state_of_it_is_refused(state: object) -> None:
    with pytest.raises(StateError):
        saved_odds(state)


def test_the_classes_of_older_states_are_let_go() -> None:
    assert saved_odds([["d", -1, 5.0, 2.0], ["d", 3, 5.0, 2.0]]) == []


def test_no_more_dependencies_are_taken_up_than_there_is_room_for() -> None:
    rows = [[f"d{number}", *lived_one().export_state()[0][1:]] for number in range(40)]
    one = Calibration(LearningSettings(max_dependencies=8))
    one.restore_state(saved_odds(rows))
    assert len(one.export_state()) == 9
