"""When the hop by way of the home is said to pay: examples, and the inequality against a naive twin."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoned.core.flight import Duplicates, FlightSettings

DEP = "prices"
NEAR = (0.01, 0.2)  # another zone is a twentieth of the way to the origin


def fill(made: Duplicates, fetches: int, twice: int, prices_s: tuple[float, float] = NEAR) -> None:
    """So many fetches, a second apart; of each ten so many were made elsewhere, too."""
    for number in range(fetches):
        made.fetched(DEP, number, "", prices_s, float(number))
        if number % 10 < twice:
            made.claimed("b1", [number], number + 0.5)


def test_what_is_never_fetched_twice_goes_straight() -> None:
    made = Duplicates(FlightSettings())
    fill(made, 100, 0)
    assert not made.pays(DEP) and made.ratios == {DEP: 0.0}
    assert not made.pays("unknown")


def test_the_hop_pays_where_enough_is_fetched_twice_and_the_origin_is_far() -> None:
    made, far, near = (Duplicates(FlightSettings()) for _ in range(3))
    fill(made, 100, 3)
    assert made.pays(DEP) and made.ratios[DEP] == pytest.approx(0.3, abs=0.02)
    fill(far, 100, 10, (0.08, 0.2))
    assert not far.pays(DEP), "a hop of 80 ms is not paid for by 120 ms for one of two"
    fill(near, 100, 10, (0.2, 0.1))
    assert not near.pays(DEP), "the origin is nearer than the home"


def test_little_is_known_of_few() -> None:
    made = Duplicates(FlightSettings(least_duplicate_fetches=20.0))
    fill(made, 19, 10)
    assert not made.pays(DEP)
    fill(made, 3, 10)
    assert made.pays(DEP)


def test_it_begins_at_more_than_it_ends_at() -> None:
    """At .08 of the fetches the hop (.01 of .2 s: .105 is even) is not begun, and not ended either."""
    settings = FlightSettings(duplicate_memory=50.0)
    begun, straight = Duplicates(settings), Duplicates(settings)
    fill(begun, 100, 3)
    assert begun.pays(DEP)
    for made in (begun, straight):
        for number in range(600):
            made.fetched(DEP, number, "", NEAR, float(number))
            if number % 100 in (5, 17, 29, 41, 53, 65, 77, 89):
                made.claimed("b1", [number], number + 0.5)
    assert begun.pays(DEP) and not straight.pays(DEP)
    fill(begun, 300, 0)
    assert not begun.pays(DEP)


def test_copies_that_are_late_ours_or_the_homes_are_no_duplicates() -> None:
    made = Duplicates(FlightSettings(duplicate_window_s=3.0))
    made.fetched(DEP, 1, "", NEAR, 0.0)
    made.claimed("b1", [1], 3.1)
    made.fetched(DEP, 2, "", NEAR, 10.0)
    made.asked(2)
    made.claimed("b1", [2], 10.5)
    made.fetched(DEP, 3, "home", NEAR, 20.0)
    made.claimed("home", [3], 20.1)
    assert made.counters["origin_duplicates"] == 0
    made.claimed("b1", [3], 20.2)
    made.claimed("c1", [3], 20.3)
    assert made.counters["origin_duplicates"] == 1, "a fetch is a duplicate once"


def test_all_is_bounded_and_counted() -> None:
    made = Duplicates(FlightSettings(max_duplicate_fetches=5, max_duplicate_lines=2))
    for number in range(50):
        made.fetched(DEP, number, "", NEAR, 0.0)
        assert len(made) <= 5
    made.fetched("second", 1, "", NEAR, 0.0)
    made.fetched("third", 2, "", NEAR, 0.0)
    assert set(made.ratios) == {DEP, "second"} and made.counters["duplicates_dropped"] == 1
    made.fetched(DEP, 99, "", NEAR, 60.0)
    assert len(made) == 1, "what is old is forgotten"


@given(st.lists(st.booleans(), min_size=1, max_size=60), st.floats(0.0, 0.3), st.floats(0.0, 0.5))
def test_it_is_the_inequality(twice: list[bool], hop_s: float, origin_s: float) -> None:
    memory, band = 30.0, False
    made = Duplicates(FlightSettings(duplicate_memory=memory, least_duplicate_fetches=1.0))
    for number, doubled in enumerate(twice):
        made.fetched(DEP, number, "", (hop_s, origin_s), float(number))
        weights = [(1 - 1 / memory) ** (number - back) for back in range(number + 1)]
        fetches = sum(weights)
        duplicates = sum(weight for weight, was in zip(weights, twice[:number], strict=False) if was)
        gain, cost = duplicates / 2 * max(0.0, origin_s - hop_s), fetches * hop_s
        bound = cost / 2 if band else cost
        if abs(gain - bound) > 1e-9:
            assert made.pays(DEP) == (gain > bound)
        band = made.pays(DEP)
        if doubled:
            made.claimed("b1", [number], float(number))
