"""Which zones can serve it, in which order, and why: from the eyes of one agent of a simulated pool."""

from __future__ import annotations

import pytest

from tests.core.pool import Pool
from tests.core.solo import key
from zoned.core import events as ev
from zoned.core.members import MemberState
from zoned.core.records import Load
from zoned.core.snapshot import Way
from zoned.core.ways import ways

K = key(1)


def seen(pool: Pool, at: str) -> dict[str, Way]:
    node = pool.node(at)
    return {way.zone: way for way in ways(K, at, node.stages, node.peers)}


def test_holders_first_then_those_who_would_have_to_fetch_it() -> None:
    pool = Pool("a1", "b1", "c1")
    assert [*seen(pool, "a1")] == ["a", "b", "c"] or seen(pool, "a1")["a"].rtt_s == 0.0
    pool.read("c1", K)
    pool.wait(3.0)
    found = seen(pool, "b1")
    assert [*found][0] == "c" and found["c"].known_by == "digest" and found["c"].node == "c1"
    assert found["b"].known_by == "" and found["b"].rtt_s == 0.0
    assert "has to fetch it" in found["b"].reasons and "holds a copy (its digest)" in found["c"].reasons
    owner = pool.node("b1").agreement.ring.owner_of(K)
    assert owner is not None
    assert [zone for zone, way in found.items() if "owns its shard" in way.reasons] == [owner.zone]
    at_home = seen(pool, "c1")
    assert [*at_home][0] == "c" and at_home["c"].known_by == "store"
    assert all(one.expected_s >= at_home["c"].expected_s for one in at_home.values())


def test_of_a_zone_the_agent_that_holds_it_is_named() -> None:
    pool = Pool("a1", "b1", "b2")
    for holder in ("b1", "b2"):
        other = key(7 if holder == "b1" else 8)
        pool.claim("a1", holder, other)
        node = pool.node("a1")
        assert {way.zone: way.node for way in ways(other, "a1", node.stages, node.peers)}["b"] == holder


def test_drained_zones_come_last_and_the_down_not_at_all() -> None:
    pool = Pool("a1", "b1", "c1")
    pool.read("c1", K)
    pool.give("a1", ev.Drain(zone="c"))
    pool.wait(3.0)
    found = seen(pool, "a1")
    assert [*found][-1] == "c" and found["c"].draining and "drains: no new traffic" in found["c"].reasons
    pool.host("c1").crash()
    pool.wait(15.0)
    assert sorted(seen(pool, "a1")) == ["a", "b"]
    assert all(way.state is MemberState.ALIVE for way in seen(pool, "a1").values())


def test_the_busy_come_after_the_others() -> None:
    pool = Pool("a1", "b1", "c1", "d1")
    pool.read("c1", K)
    for name in pool.names:
        pool.give(name, ev.LoadSampled(load=Load(cpu=0.95 if name == "c1" else 0.1)))
    pool.wait(10.0)
    found = seen(pool, "a1")
    assert [*found][-1] == "c" and found["c"].busy and found["c"].load == pytest.approx(0.95)
    assert "far busier than the mean" in found["c"].reasons
    assert found["a"].load == 0.1
