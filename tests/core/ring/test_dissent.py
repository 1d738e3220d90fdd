"""Who has another ring, since when, and when tables are compared with it."""

from __future__ import annotations

import pytest

from tests.core.placement.scenery import at, member, zones_of
from zoned.core.members import MemberState
from zoned.core.ring import Agreement, RingSettings
from zoned.core.ring.dissent import Dissent

OURS, OTHER = "1" * 16, "2" * 16


def dissent(me: str = "n1", members: int = 4) -> Dissent:
    made = Dissent(me, round_s=1.0)
    made.meet(zones_of(members))
    return made


def test_the_last_that_was_heard_of_an_agent_counts() -> None:
    one = dissent()
    assert one.heard("n2", OTHER, OURS, at(100))
    assert one.heard("n2", OTHER, OURS, at(110))
    assert one.known() == (("n2", OTHER, at(100).wall_s),), "since when, not when last"
    assert not one.heard("n2", OURS, OURS, at(120))
    assert one.known() == () and one.next_s is None
    one.heard("n2", OTHER, OURS, at(130))
    assert one.known() == (("n2", OTHER, at(130).wall_s),)


def test_strangers_ourselves_and_the_silent_do_not_differ() -> None:
    one = dissent()
    for node, ring_id in (("stranger", OTHER), ("n1", OTHER), ("n2", ""), ("", OTHER)):
        assert not one.heard(node, ring_id, OURS, at(1))
    assert one.known() == ()


def test_our_own_change_makes_others_differ_or_agree() -> None:
    one = dissent()
    one.heard("n0", OURS, OURS, at(1))
    one.heard("n2", OTHER, OURS, at(1))
    one.changed(OTHER, at(50))
    assert one.known() == (("n0", OURS, at(50).wall_s),)


def test_who_is_gone_is_forgotten() -> None:
    one = dissent()
    one.heard("n2", OTHER, OURS, at(1))
    one.meet((*zones_of(2), member("n2", "z2", MemberState.FAILED)))
    assert one.known() == ()
    one.meet(zones_of(4))
    one.changed("3" * 16, at(2))
    assert one.known() == (), "what it said was forgotten with it"


def test_after_three_rounds_tables_are_compared_and_then_ever_more_rarely() -> None:
    one = dissent()
    one.heard("n0", OTHER, OURS, at(10))
    assert one.next_s == pytest.approx(13.0), "we are the next after it by name"
    assert one.to_compare(at(12.9)) == ()
    asked = []
    for tenth in range(130, 3000):
        asked += [tenth / 10] * len(one.to_compare(at(tenth / 10)))
    assert asked[:4] == [13.0, 19.0, 31.0, 55.0]
    assert all(b - a == pytest.approx(60.0, abs=0.2) for a, b in zip(asked[5:-1], asked[6:], strict=True))


def test_in_a_large_pool_summaries_take_longer() -> None:
    for members, patience_s in ((32, 3.0), (60, 9.0), (200, 21.0)):
        one = dissent(members=members)
        one.heard("n0", OTHER, OURS, at(10))
        assert one.next_s == pytest.approx(10.0 + patience_s)


def test_while_rings_move_nothing_is_compared() -> None:
    one = dissent()
    for second in range(10, 20, 2):
        one.heard("n0", f"{second:016d}", OURS, at(second))  # theirs moves
        assert one.to_compare(at(second + 1.9)) == ()
    for second in range(20, 30, 2):
        one.changed(f"{second:016d}", at(second))  # and ours
        assert one.to_compare(at(second + 1.9)) == ()
    assert one.known() == (("n0", f"{18:016d}", at(10).wall_s),), "it differs all the same"
    assert one.to_compare(at(31.0)) == ("n0",)


def test_not_everybody_at_once() -> None:
    turns = []
    for me in ("n0", "n1", "n3"):
        one = dissent(me)
        one.heard("n2", OTHER, OURS, at(0))
        turns.append((one.next_s, me))
    assert [me for _, me in sorted(turns)] == ["n3", "n0", "n1"]
    assert all(at_s is not None and 3.0 <= at_s < 3.5 for at_s, _ in turns)


def test_the_agreement_hears_counts_and_says_when_to_wake() -> None:
    agreement = Agreement(RingSettings(vnodes=8), "n0", round_s=2.0)
    ring = agreement.settle(zones_of(3), (), at(0))
    agreement.heard("n1", ring.ring_id, at(1))
    assert agreement.disagreeing() == () and agreement.next_deadline() is None
    agreement.heard("n1", OTHER, at(1))
    assert agreement.disagreeing() == (("n1", OTHER, at(1).wall_s),)
    due_s = agreement.next_deadline()
    assert due_s is not None and due_s >= 7.0
    assert agreement.to_compare(at(due_s)) == ("n1",)
    assert agreement.counters["ids_differing"] == 1 and agreement.counters["comparisons"] == 1


def test_who_agreed_with_our_former_ring_differs_from_the_next_until_it_says_so() -> None:
    agreement = Agreement(RingSettings(vnodes=8), "n0")
    before = agreement.settle(zones_of(3), (), at(0)).ring_id
    for _ in range(3):
        agreement.heard("n1", before, at(1))
    assert agreement.disagreeing() == ()
    after = agreement.settle(zones_of(4), (), at(2)).ring_id
    agreement.heard("n1", before, at(3))
    assert [node for node, _, _ in agreement.disagreeing()] == ["n1"]
    agreement.heard("n1", after, at(4))
    agreement.heard("n1", after, at(5))
    assert agreement.disagreeing() == ()
