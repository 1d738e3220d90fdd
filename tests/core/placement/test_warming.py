from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.core.placement.scenery import at
from zoned.core.placement import Flips, Phase, Warming
from zoned.core.placement.warming import ALONE_S
from zoned.core.ring import ALL_GROUPS

NOTHING = Flips(0, 0)


def test_the_first_of_a_pool_waits_a_while_for_others_and_is_then_no_newcomer() -> None:
    warming = Warming(60.0, at(0))
    assert warming.step(False, (), 0, at(ALONE_S - 0.1)) == NOTHING and warming.phase is Phase.ALONE
    assert warming.pending == ALL_GROUPS
    assert warming.step(True, ("n1",), 0, at(ALONE_S)) == NOTHING, "who comes now comes to it"
    assert warming.phase is Phase.SETTLED and warming.pending == 0


def test_a_group_flips_when_all_have_given_and_nothing_of_it_is_to_come() -> None:
    warming = Warming(60.0, at(0))
    assert warming.step(True, ("n1", "n2"), 0, at(1)) == NOTHING
    assert warming.phase is Phase.WARMING and warming.since == at(1)
    warming.gave_all("n2")
    assert warming.step(True, ("n1", "n2"), 0, at(2)) == NOTHING
    warming.gave_all("n1")
    assert warming.step(True, ("n1", "n2"), 0b101, at(3)) == Flips(ALL_GROUPS & ~0b101, 0)
    assert warming.pending == 0b101
    assert warming.step(True, ("n1", "n2"), 0b111, at(4)) == NOTHING, "what is flipped stays so"
    assert warming.step(True, ("n1", "n2"), 0b100, at(5)) == Flips(0b001, 0)
    assert warming.step(True, ("n1", "n2", "n3"), 0, at(6)) == NOTHING, "a further giver is waited for"
    assert warming.step(True, ("n1", "n2"), 0, at(7)) == Flips(0b100, 0)
    assert warming.phase is Phase.SETTLED
    assert warming.counters == {"groups_flipped_warm": 64, "groups_flipped_late": 0}


def test_at_the_deadline_the_rest_flips_as_it_is() -> None:
    warming = Warming(60.0, at(0))
    warming.step(True, ("n1",), 0, at(5))
    assert warming.step(True, ("n1",), 0b11, at(64.9)) == NOTHING
    assert warming.step(True, ("n1",), 0b11, at(65)) == Flips(0, ALL_GROUPS)
    assert warming.phase is Phase.SETTLED and warming.counters["groups_flipped_late"] == 64
    assert warming.step(True, ("n1",), 0, at(66)) == NOTHING


def test_who_gives_nothing_is_not_waited_for_and_no_time_to_wait_is_none_to_warm() -> None:
    warming = Warming(60.0, at(0))
    assert warming.step(True, (), 0, at(1)) == Flips(ALL_GROUPS, 0)
    assert Warming(0.0, at(0)).phase is Phase.SETTLED


steps = st.tuples(
    st.booleans(), st.lists(st.sampled_from(["n1", "n2"])), st.integers(0, ALL_GROUPS), st.floats(0, 9)
)


@given(st.lists(steps, max_size=30))
def test_pending_groups_only_ever_shrink_and_none_is_left_after_the_deadline(
    taken: list[tuple[bool, list[str], int, float]],
) -> None:
    warming, now_s, flipped = Warming(20.0, at(0)), 0.0, 0
    for others, givers, waiting, passed_s in taken:
        now_s += passed_s
        before = warming.pending
        if passed_s > 8.0:
            warming.gave_all("n1")
        warm, late = warming.step(others, givers, waiting, at(now_s))
        assert not warm & late and not (warm | late) & ~before and not warm & waiting
        flipped += (warm | late).bit_count()
        assert warming.pending & ~before == 0
        assert (warming.phase is Phase.SETTLED) == (warming.pending == 0)
    assert flipped == sum(warming.counters.values()) <= 64
    warming.step(True, ("n2",), ALL_GROUPS, at(now_s + 30.0))
    warming.step(True, ("n2",), ALL_GROUPS, at(now_s + 60.0))
    assert warming.pending == 0
