"""Down is not out, sentence by sentence (issue 3, item 3), with clocks by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.core.placement.scenery import at, member
from zoned.core.members import RESTARTING, Member, MemberState
from zoned.core.ring import RingSettings
from zoned.core.ring.outs import Outs

SETTINGS = RingSettings(out_after_s=600.0, restart_grace_s=60.0)
T0 = at(0).wall_s


def failed(node: str, zone: str, since_s: float = 0.0, accuser: str = "n0") -> Member:
    return member(node, zone, MemberState.FAILED, since_wall_s=T0 + since_s, accuser=accuser)


def pool(count: int, zones: int = 2) -> list[Member]:
    return [member(f"n{index}", f"z{index % zones}") for index in range(count)]


def outs(settings: RingSettings = SETTINGS, me: str = "n0") -> Outs:
    return Outs(settings, me)


def test_a_failed_member_comes_due_after_out_after() -> None:
    one, members = outs(), [*pool(7), failed("n7", "z1", since_s=100.0)]
    assert one.due(members, (), at(150)) == ()
    assert one.next_s == pytest.approx(700.0)
    assert one.due(members, (), at(699)) == ()
    assert one.due(members, (), at(700)) == ("n7",)
    assert one.next_s is None
    assert one.due(members, ("n7",), at(702)) == (), "it is out already"


def test_the_same_members_are_looked_at_once_and_others_anew() -> None:
    one, up = outs(), tuple(pool(8))
    gone = (*up[:-1], failed("n7", "z1", accuser=RESTARTING))
    for members, due, missing in ((up, (), ()), (gone, ("n7",), ("n7",)), (gone, ("n7",), ()), (up, (), ())):
        assert one.due(members, (), at(700)) == due
        assert one.missing(members, at(700)) == missing


@pytest.mark.parametrize(
    ("members", "down", "allowed"),
    [(2, 1, False), (3, 1, True), (3, 2, False), (4, 1, True), (7, 1, True), (7, 2, False), (8, 2, True),
     (12, 3, True), (12, 4, False)],
)  # fmt: skip
def test_never_more_than_a_quarter_but_one_from_three_members_on(
    members: int, down: int, allowed: bool
) -> None:
    up = [member(f"n{index}", f"z{index}") for index in range(members - down)]
    gone = [failed(f"f{index}", f"y{index}") for index in range(down)]
    one = outs()
    assert one.due([*up, *gone], (), at(5000)) == (tuple(m.node for m in gone) if allowed else ())
    assert one.held_back == (0 if allowed else down)


def test_who_is_down_but_not_yet_due_holds_the_others_back() -> None:
    down = [failed("f0", "y0"), *(failed(f"f{index}", f"y{index}", since_s=4900.0) for index in (1, 2))]
    assert outs().due([*pool(7), *down], (), at(5000)) == ()
    assert outs().due([*pool(9), *down], (), at(5000)) == ("f0",)


def test_who_is_out_counts_among_the_quarter() -> None:
    members = [*pool(6), failed("f0", "y0"), failed("f1", "y1", since_s=4000.0)]
    assert outs().due(members, ("f0",), at(5000)) == ("f1",)
    third = [*members, failed("f2", "y2", since_s=4000.0)]
    assert outs().due(third, ("f0", "f1"), at(5000)) == ()


def test_a_zones_only_agent_may_go_but_not_all_of_several() -> None:
    alone = [*pool(8), failed("lonely", "dark")]
    assert outs().due(alone, (), at(5000)) == ("lonely",)
    pair = [*pool(8), failed("one", "dark"), failed("two", "dark")]
    assert outs().due(pair, (), at(5000)) == ()
    assert outs().due(pair, ("one",), at(5000)) == (), "nor one after the other"
    assert outs(replace(SETTINGS, out_whole_zone=True)).due(pair, (), at(5000)) == ("one", "two")
    assert outs().due([*pool(8), failed("one", "dark"), member("two", "dark")], (), at(5000)) == ("one",)


def test_members_without_a_place_are_never_declared_out_nor_is_oneself() -> None:
    members = [*pool(8), member("serf", "z0", MemberState.FAILED, role="web", since_wall_s=T0)]
    assert outs().due(members, (), at(5000)) == ()
    assert outs(me="me").due([*pool(8), failed("me", "z0")], (), at(5000)) == ()


def test_who_restarts_is_awaited_for_the_grace_and_then_missing_once() -> None:
    one, gone = outs(), failed("n7", "z1", accuser=RESTARTING)
    members = [*pool(7), gone]
    assert one.awaited(gone, at(59)) and not one.awaited(gone, at(60))
    assert one.due(members, (), at(1)) == () and one.next_s == pytest.approx(60.0)
    assert one.missing(members, at(59)) == ()
    assert one.missing(members, at(60)) == ("n7",)
    assert one.missing(members, at(61)) == ()
    assert one.missing(pool(8), at(62)) == (), "it came back"
    again = replace(gone, since_wall_s=T0 + 70)
    assert one.missing([*pool(7), again], at(71)) == ()
    assert one.missing([*pool(7), again], at(130)) == ("n7",)


def test_after_the_grace_it_counts_as_failed_since_it_went() -> None:
    members = [*pool(7), failed("n7", "z1", accuser=RESTARTING)]
    assert outs().due(members, (), at(599)) == ()
    assert outs().due(members, (), at(600)) == ("n7",)
    patient = outs(replace(SETTINGS, restart_grace_s=900.0))
    assert patient.due(members, (), at(899)) == ()
    assert patient.due(members, (), at(900)) == ("n7",), "it is never out while it is awaited"


def test_a_crash_is_not_awaited() -> None:
    crashed = failed("n7", "z1")
    assert not outs().awaited(crashed, at(1))
    assert outs().missing([*pool(7), crashed], at(61)) == ()
