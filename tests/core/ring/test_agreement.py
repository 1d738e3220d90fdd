from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from tests.core.placement.scenery import at, member, zones_of
from zoned.core.members import MemberState
from zoned.core.ring import Agreement, RingSettings

FAST = RingSettings(vnodes=8, out_after_s=600.0, restart_grace_s=60.0)


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
