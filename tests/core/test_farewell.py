"""An agent that leaves for good hands over first, and says goodbye in any case."""

from __future__ import annotations

from dataclasses import replace

from tests.core.pool import Pool
from tests.core.solo import settings_of
from zoned.core import events as ev
from zoned.core.members import MemberState
from zoned.core.names import InstanceKey, key_hash

KEYS = tuple(InstanceKey("dep", b"/%d" % number) for number in range(12))
LEAVE = ev.Stop(kind=ev.StopKind.LEAVE)


def state_of(pool: Pool, node: str) -> MemberState:
    return next(m.state for m in pool.node("a1").swim.members() if m.node == node)


def held_elsewhere(pool: Pool, but: str) -> int:
    return sum(any(pool.holds(name, key) for name in pool.names if name != but) for key in KEYS)


def test_what_only_it_held_is_elsewhere_before_it_goes() -> None:
    pool = Pool("a1", "b1", "c1")
    for key in KEYS:
        pool.read("c1", key)
    asked = dict(pool.origin.asked)
    pool.wait(6.0)  # older than drain_settle_s
    pool.give("c1", LEAVE)
    assert pool.node("c1").farewell.handing_over
    assert pool.node("c1").swim.leave_done_s is None and state_of(pool, "c1") is MemberState.ALIVE
    pool.wait(8.0)
    assert held_elsewhere(pool, "c1") == len(KEYS)
    assert dict(pool.origin.asked) == asked, "all of it came from the one who leaves"
    assert state_of(pool, "c1") is MemberState.LEFT


def test_a_sibling_of_its_zone_may_hold_what_it_held() -> None:
    pool = Pool("a1", "a2")
    for key in KEYS:
        pool.read("a2", key)
    pool.wait(6.0)
    pool.give("a2", LEAVE)
    pool.wait(8.0)
    assert held_elsewhere(pool, "a2") == len(KEYS)
    assert state_of(pool, "a2") is MemberState.LEFT


def test_nobody_is_waited_for_longer_than_the_limit() -> None:
    placement = replace(settings_of("a1").placement, leave_hand_over_s=4.0)
    pool = Pool("a1", "b1", placement=placement, each={"a1": {"prefetch": replace(settings_of("a1").prefetch, enabled=False)}})  # fmt: skip  # noqa: E501
    for key in KEYS:
        pool.read("b1", key)
    pool.wait(6.0)
    pool.give("b1", LEAVE)
    pool.wait(3.0)
    assert state_of(pool, "b1") is MemberState.ALIVE
    pool.wait(4.0)
    assert state_of(pool, "b1") is MemberState.LEFT and held_elsewhere(pool, "b1") == 0


def test_it_goes_at_once_with_nothing_to_hand_over_when_paused_and_when_told_twice() -> None:
    pool = Pool("a1", "b1", "c1", "d1")
    pool.give("b1", LEAVE)
    assert pool.node("b1").swim.leave_done_s is not None
    pool.read("c1", KEYS[0])
    pool.give("c1", LEAVE)
    assert pool.node("c1").farewell.handing_over
    pool.give("c1", LEAVE)
    assert pool.node("c1").swim.leave_done_s is not None and not pool.node("c1").farewell.handing_over
    pool.read("d1", KEYS[1])
    pool.give("d1", ev.Pause(paused=True))
    pool.give("d1", LEAVE)
    assert pool.node("d1").swim.leave_done_s is not None


def test_a_pause_ends_the_hand_over_and_alone_there_is_none() -> None:
    pool = Pool("a1", "b1")
    pool.read("b1", KEYS[0])
    pool.give("b1", LEAVE)
    pool.give("a1", ev.Pause(paused=True))
    pool.wait(2.5)
    assert state_of(pool, "b1") is MemberState.LEFT
    pool.read("a1", KEYS[1])
    pool.give("a1", LEAVE)
    assert pool.node("a1").swim.leave_done_s is not None


def test_nobody_counts_on_the_copies_of_a_zone_that_drains() -> None:
    pool = Pool("a1", "b1", "c1")
    pool.read("c1", KEYS[0])
    pool.wait(3.0)
    hashed, directory = key_hash(KEYS[0]), pool.node("a1").cache.directory
    assert directory.lasting(hashed)
    pool.give("a1", ev.Pause(paused=True))  # so that nothing is handed over meanwhile
    pool.give("a1", ev.Drain(zone=pool.node("c1").settings.zone))
    pool.wait(2.0)
    assert directory.holders(hashed) == ("c1",) and not directory.lasting(hashed)
    pool.give("a1", ev.Undrain(zone=pool.node("c1").settings.zone))
    pool.wait(2.0)
    assert directory.lasting(hashed)


def test_what_an_agent_would_not_keep_it_does_not_fetch() -> None:
    pool = Pool("a1", "b1")
    pool.node("a1").cache.takes = lambda key, hashed, size: hashed != key_hash(KEYS[1])
    for key in KEYS[:3]:
        pool.read("b1", key)
    pool.wait(6.0)
    pool.give("b1", LEAVE)
    pool.wait(9.0)
    assert [pool.holds("a1", key) for key in KEYS[:3]] == [True, False, True]
    assert pool.node("a1").reads.counters["offers_declined"] >= 1
