"""What promises are worth, told from what became of them."""

from __future__ import annotations

import random

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoned.core.errors import StateError
from zoned.core.learning.calibration import Calibration, Row, saved_classes
from zoned.core.learning.settings import LearningSettings
from zoned.core.names import InstanceKey, key_hash
from zoned.core.records import Association


def promise(number: int, confidence: float = 0.6, support: int = 3, lead_s: float = 1.0) -> Association:
    key = InstanceKey("d", b"%d" % number)
    return Association(key, key_hash(key), confidence, lead_s, support)


def lived(true_share: float, rounds: int = 2000, seed: int = 1, **kind: float) -> float:
    """What a promise of 0.6 is judged to be after so many, of which a share came true within 5 reads."""
    one, rng = Calibration(LearningSettings()), random.Random(seed)
    for number in range(rounds):
        one.judged(promise(number, **kind), 5)  # type: ignore[arg-type]
        for _ in range(4):
            one.read(rng.getrandbits(40))
        one.read(promise(number).key_hash if rng.random() < true_share else 0)
    return one.judged(promise(-1, **kind), 5).confidence  # type: ignore[arg-type]


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.9])
def test_a_promise_becomes_what_experience_says(share: float) -> None:
    assert lived(share) == pytest.approx(share, abs=0.09)


def test_at_first_it_is_taken_for_somewhat_less_than_it_says_and_never_for_more_than_sure() -> None:
    one = Calibration(LearningSettings(calibration_start=0.7))
    assert one.judged(promise(1), 5).confidence == pytest.approx(0.42)
    assert lived(1.0) <= 1.0


def test_classes_are_told_apart_and_share_what_is_common() -> None:
    one = Calibration(LearningSettings())
    for number in range(400):  # those with much evidence come true, those with little never do
        solid = number % 2 == 0
        one.judged(promise(number, support=9 if solid else 2), 3)
        for _ in range(3):
            one.read(promise(number).key_hash if solid else 0)
    solid, thin, other = (one.judged(promise(-n, support=n), 3).confidence for n in (9, 2, 5))
    assert thin < 0.2 < other < 0.7 < solid


def test_what_comes_too_late_did_not_come_true() -> None:
    one = Calibration(LearningSettings())
    for number in range(200):
        one.judged(promise(number), 2)
        for _ in range(3):
            one.read(0)
        one.read(promise(number).key_hash)
    assert one.judged(promise(-1), 2).confidence < 0.1


def test_bounded_in_promises_and_dependencies() -> None:
    one = Calibration(LearningSettings(max_promises=10, max_dependencies=8))
    for number in range(100):
        key = InstanceKey(f"d{number}", b"x")
        one.judged(Association(key, key_hash(key), 0.5, 1.0, 2), 1000)
    assert one.dropped == 90 and len(one._open) == 10
    assert len(one._wholes) == 9 and len(one._parts) == 9, "eight, and one for all others"


def lived_one() -> Calibration:
    one = Calibration(LearningSettings())
    for number in range(60):
        one.judged(promise(number, confidence=0.3 + 0.01 * number), 5)
        one.read(promise(number).key_hash if number % 3 else 0)
    for _ in range(10):
        one.read(0)
    one.judged(promise(-1), 5)  # by now all others are decided
    return one


def test_what_was_learnt_of_promises_survives_a_restart() -> None:
    one, after = lived_one(), Calibration(LearningSettings())
    after.restore_state(saved_classes(msgpack.unpackb(msgpack.packb(one.export_state()))))
    for confidence in (0.35, 0.55, 0.85):
        judged = after.judged(promise(-1, confidence=confidence), 5).confidence
        assert judged == one.judged(promise(-1, confidence=confidence), 5).confidence
        assert (
            judged != Calibration(LearningSettings()).judged(promise(-1, confidence=confidence), 5).confidence
        )


@given(
    st.integers(0, 200), st.integers(0, 3), st.sampled_from([None, -1.0, float("nan"), 1e300, "x", 999, b""])
)
def test_malformed_classes_are_refused(row: int, column: int, value: object) -> None:
    rows = lived_one().export_state()
    rows[row % len(rows)][column] = value
    if not (column >= 2 and value == 999) and not (column == 0 and value == "x"):
        with pytest.raises(StateError):
            saved_classes(rows)


def test_no_more_dependencies_are_taken_up_than_there_is_room_for() -> None:
    rows: list[Row] = [(f"d{number}", kind, 5.0, 2.0) for number in range(40) for kind in (-1, 3)]
    one = Calibration(LearningSettings(max_dependencies=8))
    one.restore_state(rows)
    assert len(one.export_state()) == 16
