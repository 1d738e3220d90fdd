"""What is acted on: noted as it is then, and lowered by what such promises come out short of."""

from __future__ import annotations

import pytest

from tests.core.learning.test_calibration import promise
from zoned.core.errors import StateError
from zoned.core.learning import LearningSettings
from zoned.core.learning.acted import Acted, PromiseOdds, saved_shortfall
from zoned.core.learning.calibration import Calibration

PRIOR = ((0.0, 0.1),)
SETTINGS = LearningSettings()


def odds() -> PromiseOdds:
    return PromiseOdds(PRIOR, 1000.0)


def test_the_shortfall_is_what_promises_come_out_short_of() -> None:
    one, other = odds(), odds()
    for number in range(400):
        one.fell_short(1.0, number % 2 == 0)  # promised .73, half come true
        other.fell_short(1.0, number % 4 != 0)  # .75
    assert one.shortfall == pytest.approx(-1.0, abs=0.2)
    assert other.shortfall == pytest.approx(0.1, abs=0.2)


def test_a_promise_is_true_in_time_and_among_so_many_reads() -> None:
    for at_s, clock, true in ((1.0, 5, True), (0.2, 5, False), (9.0, 5, False), (1.0, 6, False)):
        acted, one = Acted(8), odds()
        acted.note(7, one, 0.5, None, 5, 0.5, 5.0)
        acted.read(8, 1.0, 2)
        assert one.shortfall == 0.0
        acted.read(7, at_s, clock)
        assert (one.shortfall > 0.0) is true and not acted.waiting


def test_whose_time_is_over_was_broken_and_the_odds_are_told_what_they_do_not_know() -> None:
    acted, told, known = Acted(8), odds(), odds()
    acted.note(1, told, 0.5, [1.0], 3, 0.0, 9.0)
    acted.note(2, known, 0.5, None, 4, 0.0, 9.0)
    acted.note(2, told, 0.5, [1.0], 9, 0.0, 9.0)  # the first counts
    acted.expire(3)
    assert len(acted.waiting) == 2
    acted.expire(5)
    assert not acted.waiting and told.shortfall < 0.0 and known.shortfall < 0.0
    assert told.rates[0] < 0.0 == known.rates[0]


def test_bounded() -> None:
    acted, one = Acted(3), odds()
    for number in range(10):
        acted.note(number, one, 0.5, None, 100, 0.0, 9.0)
    assert list(acted.waiting) == [7, 8, 9] and acted.dropped == 7


def test_a_first_promise_in_time_does_not_speak_for_a_last_that_is_late() -> None:
    """A page's parts: promised by the page, in time, and by one another, too late."""
    patient, hasty = Calibration(SETTINGS), Calibration(SETTINGS)
    for number in range(60):
        at_s, part = 10.0 * number, promise(number % 5, 0.1, support=30, occurrences=300)
        sure = promise(number % 5, 0.97, support=30, occurrences=31)
        for one, lead_s in ((patient, 0.9), (hasty, 0.1)):
            for other in range(2):  # of parts of other pages nothing comes
                one.judged(promise(100 + 2 * number + other, 0.1, support=30, occurrences=300), 4, at_s)
            assert one.judged(part, 4, at_s) < SETTINGS.association_threshold
            one.judged(sure, 4, at_s + 1.0 - lead_s)
            one.read(part.key_hash, at_s + 1.0)
    sure = promise(-1, 0.97, support=30, occurrences=31)
    assert hasty.judged(sure, 20, 1e6) < SETTINGS.guess_precision
    assert patient.judged(sure, 20, 1e6) > SETTINGS.association_threshold


def test_what_was_seen_twice_of_two_is_not_sure() -> None:
    one = Calibration(SETTINGS)
    assert one.judged(promise(1, 1.0, support=2, occurrences=2), 20, 0.0) < 0.7
    assert one.judged(promise(2, 0.98, support=49, occurrences=50), 20, 0.0) > 0.8


@pytest.mark.parametrize("row", [[0.0, "x"], [None, 0.1], [float("nan"), 0.1], [0.0, -1.0], [1e9, 0.1]])
def test_malformed_shortfalls_are_refused(row: list[object]) -> None:
    with pytest.raises(StateError):
        saved_shortfall(row)


def test_a_shortfall_is_saved_and_older_states_have_none() -> None:
    assert saved_shortfall([-0.5, 0.25]) == (-0.5, 0.25)
    assert saved_shortfall([])[0] == 0.0
