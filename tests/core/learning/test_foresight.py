"""The plan's guesses: trusted by what became of them, though nothing was fetched."""

from __future__ import annotations

import random

import msgpack
import pytest

from zoned.core.errors import StateError
from zoned.core.learning.foresight import NEVER, Foresight, saved_foresight
from zoned.core.learning.settings import LearningSettings
from zoned.core.names import InstanceKey, fingerprint_of, key_hash
from zoned.core.records import Reason, Want

FORECAST, HOME = Reason.FORECAST, Reason.HOME


def guess(number: int, chance: float = 0.7, reason: Reason = FORECAST, dependency: str = "d") -> Want:
    key = InstanceKey(dependency, b"%d" % number)
    return Want(key, key_hash(key), 100, reason, 1.0, "", chance=chance)


def keeps(key: InstanceKey, hashed: int, size: int) -> bool:
    return True


def make(**changes: object) -> Foresight:
    return Foresight(LearningSettings(**changes))  # type: ignore[arg-type]


def lived(shares: dict[float, float], rounds: int = 300, reason: Reason = FORECAST) -> Foresight:
    """Guesses of each chance were named, and that share of them came true within 5 reads."""
    one, rng = make(), random.Random(1)
    for number in range(rounds):
        now_s = 100.0 * number
        for place, (chance, share) in enumerate(shares.items()):
            want = guess(number * len(shares) + place, chance, reason)
            one.watch((want,), keeps, 5, {}, now_s)
            if rng.random() < share:
                if reason is HOME:
                    one.wanted(fingerprint_of(want.key_hash), now_s + 20.0)
                else:
                    one.read(want.key_hash, now_s + 20.0)
        for _ in range(8):
            one.read(rng.getrandbits(40), now_s + 30.0)
    return one


def test_at_first_only_what_is_nearly_certain_is_trusted() -> None:
    assert 0.8 < make().least("d", FORECAST) < 0.98


@pytest.mark.parametrize("reason", [FORECAST, Reason.ELSEWHERE, HOME])
def test_what_comes_true_is_trusted_and_what_does_not_never(reason: Reason) -> None:
    assert lived({0.6: 0.8, 0.8: 0.9}, reason=reason).least("d", reason) <= 0.6
    assert lived({0.6: 0.05, 0.8: 0.1}, reason=reason).least("d", reason) == NEVER


def test_the_line_is_drawn_where_experience_draws_it() -> None:
    assert 0.55 < lived({0.55: 0.2, 0.75: 0.5, 0.95: 0.9}).least("d", FORECAST) < 0.9
    wary = Foresight(LearningSettings(guess_precision=0.9))
    assert wary.least("d", FORECAST) > make().least("d", FORECAST)


def test_ten_that_failed_are_enough_and_trust_is_won_back() -> None:
    one = lived({0.8: 0.0}, rounds=10)
    assert one.least("d", FORECAST) == NEVER and (one.kept, one.broken) == (0, 10 - 1)
    for number in range(1000, 1100):
        one.watch((guess(number, 0.8),), keeps, 5, {}, 0.0)
        one.read(guess(number).key_hash, 10.0)
    assert one.least("d", FORECAST) < 0.8


@pytest.mark.parametrize(
    ("came_s", "reads", "true"), [(10.0, 3, True), (0.2, 3, False), (10.0, 9, False), (70.0, 3, False)]
)
def test_it_comes_true_in_time_or_not_at_all(came_s: float, reads: int, true: bool) -> None:
    one = make()
    one.watch((guess(1),), keeps, 5, {"d": 60.0}, 0.0)
    for number in range(reads):
        one.read(number, 0.1)
    one.read(guess(1).key_hash, came_s)
    assert (one.kept, one.broken) == (int(true), int(not true))


def test_what_is_heard_of_another_zone_may_have_been_before_the_guess() -> None:
    one = make()
    for number, heard_s in ((1, 5.0), (2, 20.0)):
        one.watch((guess(number, reason=HOME),), keeps, 5, {}, 0.0)
        one.read(guess(number).key_hash, heard_s)  # a use here is none there
        one.wanted(fingerprint_of(guess(number).key_hash), heard_s)
    assert (one.kept, one.broken) == (1, 1)


def test_what_would_not_be_fetched_is_not_watched() -> None:
    one = make(max_watched=2)
    one.watch((guess(1, 1.0), guess(2, reason=Reason.DRAIN)), keeps, 5, {}, 0.0)
    one.watch((guess(3),), lambda key, hashed, size: False, 5, {}, 0.0)
    assert not one._here
    one.watch((guess(4), guess(4), guess(5, reason=HOME), guess(6)), keeps, 5, {}, 0.0)
    assert len(one._here) + len(one._there) == 2 and one.dropped == 1


def test_dependencies_are_bounded_and_judged_apart() -> None:
    one = make(max_dependencies=8)
    for number in range(100):
        one.watch((guess(number, dependency=f"d{number}"),), keeps, 5, {}, 0.0)
    assert len(one._odds) <= 3 * 8 + 3
    split = lived({0.8: 0.0})
    assert split.least("d", FORECAST) == NEVER > split.least("other", FORECAST)


def test_it_survives_a_restart() -> None:
    before, after = lived({0.6: 0.9}, rounds=50), make()
    after.restore_state(saved_foresight(msgpack.unpackb(msgpack.packb(before.export_state()))))
    assert after.least("d", FORECAST) == before.least("d", FORECAST) != make().least("d", FORECAST)
    asked = {("d", HOME): 2.0}
    after.ask(asked, dict.fromkeys((FORECAST, Reason.ELSEWHERE, HOME), 0.5), ["e"])
    assert asked["d", HOME] == 2.0 and asked["d", FORECAST] == max(0.5, before.least("d", FORECAST))
    assert asked["e", FORECAST] == make().least("e", FORECAST), "nothing is known of it"


EVEN = [1.0, 0.0, 0.0, 1.0]


@pytest.mark.parametrize(
    "bad",
    [
        {},
        [1],
        [["d", "forecast", [1.0]]],
        [["d", "drain", [0.0, 1.0], EVEN]],
        [["d", "forecast", [0.0], EVEN]],
        [["d", "forecast", [0.0, 1.0], [1.0, 2.0, 2.0, 1.0]]],
        [["d", "forecast", [0.0, float("nan")], EVEN]],
        [[1, "forecast", [0.0, 1.0], EVEN]],
    ],
)
def test_a_state_that_is_none_is_refused(bad: object) -> None:
    with pytest.raises(StateError, match="learning: "):
        saved_foresight(bad)
