from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.core.placement.scenery import Cache, hashed, key
from zoned.core.placement import PlacementSettings
from zoned.core.placement.migration import Offers, Step, step_of

ENTRIES = [Cache.entry(key(number)) for number in range(40)]


def test_the_table_of_steps() -> None:
    assert step_of(False, None, 0.0, 30.0) is Step.ONLY_HERE
    assert step_of(False, 0.0, 29.9, 30.0) is Step.OFFERED
    assert step_of(False, 0.0, 30.0, 30.0) is Step.ONLY_HERE
    for offered_s in (None, 0.0):
        assert step_of(True, offered_s, 1e9, 30.0) is Step.ELSEWHERE


@given(st.booleans(), st.none() | st.floats(0, 1e6), st.floats(0, 1e6), st.floats(0.1, 1e3))
def test_only_a_holder_makes_a_copy_free_to_go(
    held: bool, offered_s: float | None, now_s: float, patience_s: float
) -> None:
    assert (step_of(held, offered_s, now_s, patience_s) is Step.ELSEWHERE) == held


def test_offers_are_batched_and_bounded_hottest_first() -> None:
    offers = Offers(PlacementSettings(max_hand_over_keys=25, hand_over_batch=10))
    made = offers.make([(entry, "n2" if index % 5 else "n1") for index, entry in enumerate(ENTRIES)], 0.0)
    assert [(offer.node, len(offer.keys)) for offer in made] == [("n1", 5), ("n2", 10), ("n2", 10)]
    assert {one for offer in made for one in offer.keys} == {key(number) for number in range(25)}
    assert all(len(offer.keys) == len(offer.sizes) for offer in made)


def test_the_least_often_offered_go_first() -> None:
    offers = Offers(PlacementSettings(reoffer_after_s=30.0, max_hand_over_keys=3))
    pairs = [(entry, "n1") for entry in ENTRIES[:5]]

    def offered(now_s: float) -> list[int]:
        return [ENTRIES.index(Cache.entry(one)) for offer in offers.make(pairs, now_s) for one in offer.keys]

    assert offered(0.0) == [0, 1, 2]
    assert offered(10.0) == [3, 4]
    assert offered(20.0) == []
    assert offered(40.0) == [0, 1, 2]
    assert offered(70.0) == [3, 4, 0]
    # Another member has not been asked yet.
    assert offers.step(hashed(0), "n2", False, 40.0) is Step.ONLY_HERE
    assert offers.step(hashed(0), "n1", False, 71.0) is Step.OFFERED


def test_what_was_offered_in_vain_is_given_up_whoever_was_asked() -> None:
    offers = Offers(PlacementSettings(reoffer_after_s=4.0, drain_offers=2))
    one, other = hashed(0), hashed(1)
    assert not offers.in_vain(one, 100.0) and offers.under_way(one, 0.0) == ""
    offers.make([(ENTRIES[0], "n1"), (ENTRIES[1], "n1")], 0.0)
    assert offers.under_way(one, 3.9) == "n1" and offers.under_way(one, 4.0) == ""
    offers.make([(ENTRIES[0], "n2")], 5.0)
    assert offers.under_way(one, 6.0) == "n2"
    assert not offers.in_vain(one, 8.9) and offers.in_vain(one, 9.0)
    assert not offers.in_vain(other, 100.0), "offered once"
    offers.forget()
    assert not offers.in_vain(one, 9.0) and offers.under_way(one, 6.0) == ""


def test_what_is_remembered_is_bounded_and_forgetting_only_repeats() -> None:
    offers = Offers(PlacementSettings(max_offers_remembered=10))
    offers.make([(entry, "n1") for entry in ENTRIES], 0.0)
    assert offers.counters == {"offered": 40, "offers_forgotten": 30}
    assert offers.step(hashed(0), "n1", False, 1.0) is Step.ONLY_HERE
    assert offers.step(hashed(39), "n1", False, 1.0) is Step.OFFERED
    assert offers.under_way(hashed(0), 1.0) == "" and offers.under_way(hashed(39), 1.0) == "n1"
    offers.forget()
    assert offers.step(hashed(39), "n1", False, 1.0) is Step.ONLY_HERE
