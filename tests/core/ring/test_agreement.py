from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from tests.core.placement.scenery import at, member, summary_of, zones_of
from zoned.core.members import MemberState
from zoned.core.ring import Agreement, RingSettings

FAST = RingSettings(vnodes=8, out_after_s=600.0, restart_grace_s=60.0)
T0 = at(0).wall_s


def failed(node: str, zone: str, since_s: float = 0.0, accuser: str = "n0"):  # type: ignore[no-untyped-def]
    return member(node, zone, MemberState.FAILED, since_wall_s=T0 + since_s, accuser=accuser)


def pool(count: int, zones: int = 2):  # type: ignore[no-untyped-def]
    return [member(f"n{index}", f"z{index % zones}") for index in range(count)]


def test_settle_gives_the_same_object_while_nothing_changed() -> None:
    agreement = Agreement(FAST, "n0")
    members = zones_of(3)
    ring = agreement.settle(members, (), at(1))
    assert agreement.epoch == 1
    assert agreement.settle(members, (), at(2)) is ring
    assert agreement.settle(tuple(members), frozenset(), at(3)) is ring
    # Other facts of the members (round trips, incarnations) are not in the ring.
    renewed = tuple(replace(m, incarnation=9, rtt_s=0.1) for m in reversed(members))
    assert agreement.settle(renewed, (), at(4)) is ring
    assert agreement.epoch == 1


def test_a_weight_beyond_the_limit_does_not_make_every_ring_new() -> None:
    agreement = Agreement(FAST, "n0")
    ring = agreement.settle((member("n0", "z0", weight=10**6),), (), at(1))
    assert agreement.settle((member("n0", "z0", weight=10**6),), (), at(2)) is ring
    assert agreement.epoch == 1


@pytest.mark.parametrize(
    ("state", "stays"),
    [
        (MemberState.ALIVE, True), (MemberState.SUSPECT, True), (MemberState.FAILED, True),
        (MemberState.LEAVING, False), (MemberState.LEFT, False),
    ],
)  # fmt: skip
def test_down_is_not_out_but_left_is(state: MemberState, stays: bool) -> None:
    agreement = Agreement(FAST, "n0")
    ring = agreement.settle((member("n0", "z0"), member("n1", "z1", state)), (), at(1))
    assert ("n1" in [m.node for m in ring.members]) is stays


def test_others_roles_and_empty_weights_have_no_place() -> None:
    agreement = Agreement(FAST, "n0")
    ring = agreement.settle(
        (member("n0", "z0"), member("serf", "z1", role="web"), member("n1", "z1", weight=0)), (), at(1)
    )
    assert [m.node for m in ring.members] == ["n0"]


def test_out_moves_the_ring_once_and_back() -> None:
    agreement = Agreement(FAST, "n0")
    members = zones_of(3)
    full = agreement.settle(members, (), at(1))
    fewer = agreement.settle(members, ("n2",), at(2))
    assert [m.node for m in fewer.members] == ["n0", "n1"]
    assert agreement.settle(members, frozenset({"n2"}), at(3)) is fewer
    assert agreement.settle(members, (), at(4)) == full
    assert agreement.epoch == 3


def test_any_order_of_the_same_facts_gives_the_same_ring() -> None:
    members = pool(12, 3)
    rng = Random(5)
    ids = set()
    for _ in range(10):
        rng.shuffle(members)
        agreement = Agreement(FAST, "n0")
        for end in (3, 7, 12):  # learnt in other steps, too
            agreement.settle(tuple(members[:end]), ("n3",) if end == 12 else (), at(end))
        ids.add(agreement.ring.ring_id)
    assert len(ids) == 1


def test_disagreeing_says_who_and_since_when() -> None:
    agreement = Agreement(FAST, "n0")
    ring = agreement.settle(zones_of(3), (), at(100))
    same = replace(summary_of("n1", "z1", {}), ring_id=ring.ring_id, made_wall_s=T0 + 101)
    other = replace(summary_of("n2", "z2", {}), ring_id="0" * 16, made_wall_s=T0 + 40)
    silent = summary_of("n3", "z3", {})
    heard = {"n2": other, "n1": same, "n3": silent}
    assert agreement.disagreeing(heard) == (("n2", "0" * 16, T0 + 100),)
    later = {"n2": replace(other, made_wall_s=T0 + 200)}
    assert agreement.disagreeing(later) == (("n2", "0" * 16, T0 + 100),)
    assert agreement.disagreeing({"n2": replace(other, ring_id=ring.ring_id)}) == ()
    assert agreement.disagreeing(later) == (("n2", "0" * 16, T0 + 200),)


def test_a_failed_member_comes_due_after_out_after() -> None:
    agreement = Agreement(FAST, "n0")
    members = [*pool(7), failed("n7", "z1", since_s=100.0)]
    agreement.settle(tuple(members), (), at(150))
    assert agreement.outs_due(members, at(150)) == ()
    assert agreement.next_deadline() == pytest.approx(700.0)
    assert agreement.outs_due(members, at(699)) == ()
    assert agreement.outs_due(members, at(700)) == ("n7",)
    assert agreement.next_deadline() is None
    agreement.settle(tuple(members), ("n7",), at(701))
    assert agreement.outs_due(members, at(702)) == ()


@pytest.mark.parametrize("accuser", ["(restarting)", "n7"])
def test_who_said_that_it_restarts_has_the_grace(accuser: str) -> None:
    agreement = Agreement(FAST, "n0")
    members = [*pool(7), failed("n7", "z1", accuser=accuser)]
    assert agreement.outs_due(members, at(59)) == ()
    assert agreement.outs_due(members, at(60)) == ("n7",)


def test_nobody_is_out_while_a_quarter_is_down() -> None:
    agreement = Agreement(FAST, "n0")
    down = [failed(f"f{index}", "z1") for index in range(3)]
    members = [*pool(7), *down]  # 30 %
    assert agreement.outs_due(members, at(5000)) == ()
    assert agreement.counters["outs_held_back"] == 3
    # Not even the first to come due, while the others still have time.
    staggered = [down[0], *(failed(f"f{index}", "z1", since_s=4900.0) for index in (1, 2))]
    assert agreement.outs_due([*pool(7), *staggered], at(5000)) == ()
    assert agreement.outs_due([*pool(9), *down], at(5000)) == ("f0", "f1", "f2")  # exactly 25 %


def test_a_zone_keeps_its_last_member() -> None:
    members = [*pool(8), failed("lonely", "dark")]
    assert Agreement(FAST, "n0").outs_due(members, at(5000)) == ()
    bold = replace(FAST, out_whole_zone=True)
    assert Agreement(bold, "n0").outs_due(members, at(5000)) == ("lonely",)
    shared = [*members, member("neighbour", "dark")]
    assert Agreement(FAST, "n0").outs_due(shared, at(5000)) == ("lonely",)


def test_members_without_a_place_are_never_declared_out() -> None:
    members = [*pool(8), member("serf", "z0", MemberState.FAILED, role="web", since_wall_s=T0)]
    assert Agreement(FAST, "n0").outs_due(members, at(5000)) == ()
    itself = [*pool(8), failed("me", "z0")]
    assert Agreement(FAST, "me").outs_due(itself, at(5000)) == ()
