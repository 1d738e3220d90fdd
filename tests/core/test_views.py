"""What people may see: snapshots, locations and explanations, made on request and changing nothing."""

from __future__ import annotations

import dataclasses

import msgpack
import pytest

from tests.core.pool import Pool
from tests.core.solo import DEP, SIZE, Solo, key, only
from zoned.core import events as ev
from zoned.core.actions import FetchOrigin
from zoned.core.cache import CacheSettings
from zoned.core.learning import LearningSettings
from zoned.core.names import InstanceKey, fingerprint_of, key_hash, shard_of
from zoned.core.records import DependencyPolicy, Source

K = key(1)


def test_a_snapshot_shows_what_happened() -> None:
    solo = Solo()
    solo.have(K)
    solo.read(K)
    solo.read(key(2))
    solo.wait(2.0)
    shot = solo.node.snapshot(solo.now)
    assert (shot.node, shot.zone, shot.made, shot.leaving, shot.paused) == ("a1", "a", solo.now, False, False)
    assert (shot.cache.objects, shot.cache.max_objects, shot.cache.used_bytes) == (1, 100, SIZE)
    assert shot.flights == 1
    (use,) = shot.dependencies
    assert (use.dependency, use.accesses, use.hits) == (DEP, 2, 1)
    assert shot.ledger[0].requests == 2
    assert [m.node for m in shot.ring.members] == ["a1"] and shot.ring.members[
        0
    ].owned_ratio == pytest.approx(1)
    assert shot.plan is not None and shot.forecast is not None and set(shot.prices_s) == set(Source)


def test_looking_changes_nothing() -> None:
    solo = Solo()
    solo.have(K)
    solo.wait(2.0)
    before = msgpack.packb(solo.node.export_state()), solo.node.next_deadline()
    solo.node.snapshot(solo.now)
    solo.node.explain(K, solo.now)
    solo.node.locate(K)
    assert (msgpack.packb(solo.node.export_state()), solo.node.next_deadline()) == before


def test_a_snapshot_of_a_node_that_has_not_turned_yet() -> None:
    shot = Solo().node.snapshot(Solo().now)
    assert shot.plan is None and shot.forecast is None and not shot.drained
    assert {field.name for field in dataclasses.fields(shot)} >= {"counters", "queue", "warm_ratio"}


def test_every_stage_counts_in_the_open() -> None:
    counters = Solo().node.snapshot(Solo().now).counters
    assert set(counters) == {
        "observe", "graph", "forecast", "gossip", "ring", "facts", "placement", "cache", "prefetch", "flight",
        "reads", "learning",
    }  # fmt: skip
    for stage, counts in counters.items():
        assert counts, stage
        assert all(isinstance(value, int | float) for value in counts.values()), stage


def test_members_rings_and_summaries_of_a_pool() -> None:
    pool = Pool("a1", "b1", "c1")
    pool.read("a1", K)
    pool.wait(8.0)
    shot = pool.node("b1").snapshot(pool.cluster.instant())
    assert [m.node for m in shot.members] == ["a1", "b1", "c1"] and sorted(shot.summaries) == ["a1", "c1"]
    assert sum(m.owned_ratio for m in shot.ring.members) == pytest.approx(1.0)
    assert shot.ring.disagreeing == ()
    assert shot.cache.directory == {"a1": 1}


def test_rings_that_differ_are_shown_with_who_computed_what() -> None:
    pool = Pool("a1", "b1", each={"b1": {"ring": dataclasses.replace(Solo().node.settings.ring, vnodes=64)}})
    pool.wait(10.0)
    (one,) = pool.node("a1").snapshot(pool.cluster.instant()).ring.disagreeing
    assert (one.node, one.ring_id) == ("b1", pool.node("b1").agreement.ring.ring_id)


def test_locate_names_the_shard_its_owners_and_all_who_hold_it() -> None:
    pool = Pool("a1", "b1", "c1")
    pool.read("b1", K)
    pool.wait(3.0)
    places = [pool.node(name).locate(K) for name in pool.names]
    assert places[0] == places[1] == places[2]
    place = places[0]
    assert place.shard == shard_of(key_hash(K)) and place.holders == ("b1",)
    assert sorted(place.preference_list) == [("a1", "a"), ("b1", "b"), ("c1", "c")]


def lines(solo: Solo) -> str:
    return "\n".join(solo.node.explain(K, solo.now))


def test_explain_tells_the_story_of_a_copy() -> None:
    solo = Solo(policies=(DependencyPolicy(name=DEP, ttl_s=60.0),))
    assert "no copy in zone a" in lines(solo) and "held by nobody" in lines(solo)
    assert "no plan has been made yet" in lines(solo)
    fetch = only(FetchOrigin, solo.read(K))
    solo.read(K)
    assert "being fetched for demand, 2 reads wait" in lines(solo)
    solo.end(fetch)
    solo.now_s += 10.0
    assert f"copy of {SIZE} bytes, stored 10 s ago for demand" in lines(solo)
    assert "expires in 50 s" in lines(solo) and "held by a1" in lines(solo)
    assert f"shard {shard_of(key_hash(K))} of ring" in lines(solo)
    solo.wait(2.0)
    assert "policy of prices: auto (the default), 2 replicas, homed on a" in lines(solo)
    solo.give(ev.Pause(paused=True))
    solo.wait(2.0)
    assert "movement of copies is paused" in lines(solo)


def test_explain_says_first_that_a_dependency_is_not_configured() -> None:
    said = Solo().node.explain(InstanceKey("priecs", b"/a"), Solo().now)
    assert said[0] == "no dependency priecs is configured here; there are prices"
    assert not any("no dependency" in line for line in Solo().node.explain(K, Solo().now))


def test_explain_names_the_eviction_and_the_way_of_misses() -> None:
    solo = Solo()
    solo.have(K)
    said = lines(solo)
    assert "what goes first of prices: lru decides (" in said
    assert "misses of what nobody holds go straight to the origin: 0% of these" in said


def test_arms_that_are_not_played_say_what_they_would_have_saved() -> None:
    solo = Solo()
    for number in range(300):
        solo.have(key(number % 120))
    arms = {arm.arm: arm for arm in solo.node.snapshot(solo.now).arms}
    assert arms["lru"].played and len(arms) == 4
    for name in ("s3fifo", "sieve", "value"):
        assert arms[name].why.startswith("would have saved "), arms[name]
    assert "s more so far, but that is not proved" in arms["s3fifo"].why, "a loop is where LRU saves nothing"
    equal = Solo()
    equal.have(K)
    told = equal.node.snapshot(equal.now).arms
    assert [arm.why for arm in told if not arm.played] == ["would have saved as much so far"] * 3


def test_without_learning_nobody_is_said_to_have_been_judged() -> None:
    solo = Solo(learning=LearningSettings(enabled=False))
    solo.have(K)
    found = solo.node.snapshot(solo.now)
    assert [(arm.arm, arm.why) for arm in found.arms] == [("lru", "learning.enabled is off")]
    assert {line.why for line in found.ledger} == {"learning.enabled is off"}


def test_explain_says_each_thing_once() -> None:
    solo = Solo()
    solo.have(K)
    solo.wait(2.0)
    said = solo.node.explain(K, solo.now)
    assert len(set(said)) == len(said)
    for word in ("shard ", "copy of", "held by", "policy of"):
        assert sum(word in line for line in said) == 1, (word, said)


def test_explain_tells_how_much_the_other_zones_ask_for_it() -> None:
    pool = Pool("a1", "b1")
    for _ in range(6):
        pool.read("a1", K)
        pool.wait(1.0)
    pool.wait(150.0)  # a forecast, and a flush of counts
    now = pool.cluster.instant()
    assert "asked for elsewhere about 6." in "\n".join(pool.node("b1").explain(K, now))
    assert pool.node("a1").stages.elsewhere.elsewhere(fingerprint_of(key_hash(K)), now) == 0.0


def test_the_arm_that_the_operator_chose_is_the_one_played() -> None:
    limits = {"max_bytes": None, "max_objects": 3}
    chosen = Solo(cache=CacheSettings(**limits, eviction="sieve"))
    assert [(a.arm, a.why) for a in chosen.node.snapshot(chosen.now).arms if a.played] == [
        ("sieve", "store.eviction says so")
    ]
    learnt = Solo(cache=CacheSettings(**limits))
    assert [(a.arm, a.why) for a in learnt.node.snapshot(learnt.now).arms if a.played] == [
        ("lru", "no other has proved to be better")
    ]
