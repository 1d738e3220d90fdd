"""Members come and go in a simulated pool: what follows for routes, owners, alarms (issue 3, items 2-5)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.core.pool import Pool
from tests.core.solo import DEP, Solo, key, only, settings_of
from zoned.core import events as ev
from zoned.core.actions import AnswerPeer
from zoned.core.cache import CacheSettings
from zoned.core.events import FetchOutcome, Join, Purpose, Stop, StopKind
from zoned.core.facts import OUT
from zoned.core.flight import FlightSettings
from zoned.core.gossip import GossipSettings
from zoned.core.members import Fact
from zoned.core.names import key_hash
from zoned.core.placement import PlacementSettings
from zoned.core.prefetch import PrefetchSettings
from zoned.core.records import DependencyPolicy, Load
from zoned.core.ring import RingSettings

K = key(1)
QUICK = RingSettings(vnodes=32, out_after_s=60.0, restart_grace_s=30.0)
FAILED_S = 15.0  # by then SWIM has noticed


def rings(pool: Pool, *names: str) -> set[str]:
    return {pool.node(name).agreement.ring.ring_id for name in names}


def owners(pool: Pool, at: str) -> list[str]:
    return [member.node for member in pool.node(at).agreement.ring.members]


def said(pool: Pool, text: str) -> list[str]:
    """Who logged that line."""
    return [name for name in pool.names for _, note in pool.host(name).notes if note.text == text]


def steps(pool: Pool, at: str) -> list[str]:
    route = pool.node(at).peers.route(
        K, key_hash(K), asker="", prefetch=False, preferred="", now_s=pool.cluster.schedule.now_s
    )
    return [step.node or "origin" for step in route]


def restart(pool: Pool, name: str, away_s: float) -> None:
    state = pool.node(name).export_state()
    pool.give(name, Stop(kind=StopKind.RESTART))
    pool.wait(1.0)
    pool.host(name).crash()
    pool.wait(away_s)
    pool.host(name).boot(state)
    pool.give(name, Join(seeds=(pool.host(pool.names[0]).settings.gossip_address,)))


# ---- down is not out -----------------------------------------------------------------------------------


def test_a_crash_changes_routes_at_once_and_ownership_only_after_out_after_everywhere() -> None:
    pool = Pool("a1", "b1", "c1", ring=QUICK)
    pool.read("c1", K)
    pool.wait(3.0)
    assert steps(pool, "a1")[0] == "c1"
    before = rings(pool, "a1", "b1", "c1")
    pool.host("c1").crash()
    pool.wait(FAILED_S)
    assert steps(pool, "a1") == ["origin", "origin"] and said(pool, "member failed c1") == ["a1", "b1"]
    assert rings(pool, "a1", "b1") == before
    pool.wait(40.0)
    assert rings(pool, "a1", "b1") == before, "down is not out"
    pool.wait(20.0)
    assert owners(pool, "a1") == ["a1", "b1"], "a zone's only agent may go"
    assert len(rings(pool, "a1", "b1")) == 1
    pool.host("c1").boot()
    pool.give("c1", Join(seeds=(pool.host("a1").settings.gossip_address,)))
    pool.wait(5.0)
    assert rings(pool, "a1", "b1", "c1") == before, "its return refutes the fact"


def test_while_more_than_a_quarter_is_down_nobody_goes_out() -> None:
    pool = Pool("a1", "b1", "c1", "d1", "e1", "f1", ring=QUICK)
    before = rings(pool, *pool.names)
    for name in ("e1", "f1"):
        pool.host(name).crash()
    pool.wait(300.0)
    assert rings(pool, "a1", "b1", "c1", "d1") == before
    assert pool.node("a1").agreement.counters["outs_held_back"] == 2


def test_not_all_agents_of_a_zone_that_had_several_go_out() -> None:
    pool = Pool("a1", "b1", "b2", "c1", "d1", "e1", "f1", "g1", ring=QUICK)
    before = rings(pool, *pool.names)
    for name in ("b1", "b2"):
        pool.host(name).crash()
    pool.wait(200.0)
    assert rings(pool, "a1", "c1", "g1") == before
    pool.host("b2").boot()
    pool.give("b2", Join(seeds=(pool.host("a1").settings.gossip_address,)))
    pool.wait(20.0)
    assert "b1" not in owners(pool, "a1") and "b2" in owners(pool, "a1"), "now it is one of two"


def test_who_is_said_to_be_out_and_is_not_refutes_it_by_a_higher_incarnation() -> None:
    pool = Pool("a1", "b1", "c1", ring=QUICK)
    before = rings(pool, *pool.names)
    member = next(m for m in pool.node("a1").swim.members() if m.node == "c1")
    fact = Fact(OUT, "c1", str(member.incarnation), 1, "stranger")
    pool.node("a1").facts.hear(fact)
    pool.node("a1").swim.spread(fact, pool.cluster.instant())
    pool.wait(5.0)
    after = next(m for m in pool.node("a1").swim.members() if m.node == "c1")
    assert after.incarnation > member.incarnation
    assert rings(pool, *pool.names) == before
    assert pool.node("b1").facts.value(OUT, "c1") == str(member.incarnation), "it was heard everywhere"


def test_a_restart_within_the_grace_moves_nothing_raises_no_alarm_and_nothing_is_filled_up_elsewhere() -> (
    None
):
    policy = DependencyPolicy(name=DEP, policy="replicate", replicas=2)
    pool = Pool("a1", "b1", "c1", "d1", ring=QUICK, policies=(policy,))
    for number in range(40):
        pool.read("abcd"[number % 4] + "1", key(number))
    pool.wait(70.0)  # the replicas are there
    before, epoch = rings(pool, *pool.names), pool.node("a1").agreement.epoch
    fetched = {name: pool.host(name).transfers.prefetched for name in ("a1", "b1", "c1")}
    restart(pool, "d1", away_s=20.0)
    assert steps(pool, "a1").count("d1") == 0, "but it is not asked meanwhile"
    pool.wait(20.0)
    assert rings(pool, *pool.names) == before and pool.node("a1").agreement.epoch == epoch
    assert said(pool, "member failed d1") == [] and "a1" in said(pool, "member restarting d1")
    assert {name: pool.host(name).transfers.prefetched for name in fetched} == fetched


def test_who_does_not_come_back_within_the_grace_has_been_failed_from_the_start() -> None:
    pool = Pool("a1", "b1", "c1", ring=QUICK)
    pool.read("c1", K)
    pool.wait(3.0)
    pool.give("c1", Stop(kind=StopKind.RESTART))
    pool.wait(1.0)
    pool.host("c1").crash()
    pool.wait(27.0)
    assert said(pool, "member failed c1") == [] and pool.node("a1").cache.holders(key_hash(K)) == ("c1",)
    pool.wait(4.0)
    assert said(pool, "member failed c1") == ["a1", "b1"] and pool.node("a1").cache.holders(key_hash(K)) == ()
    pool.wait(25.0)
    assert owners(pool, "a1") == ["a1", "b1", "c1"]
    pool.wait(6.0)
    assert owners(pool, "a1") == ["a1", "b1"], "60 s after it went, not after the grace"


# ---- agreement -----------------------------------------------------------------------------------------


def test_another_ring_for_three_rounds_leads_to_a_comparison_and_is_told_with_its_time() -> None:
    pool = Pool("a1", "b1", "c1", ring=QUICK)
    a1, b1 = pool.node("a1"), pool.node("b1")
    assert a1.agreement.disagreeing() == () and b1.agreement.counters["comparisons"] == 0
    incarnation = next(m.incarnation for m in a1.swim.members() if m.node == "c1")
    a1.facts.hear(Fact(OUT, "c1", str(incarnation), 1, "nobody"))  # and nobody else hears of it
    pool.read("a1", K)  # a turn, and a summary with it
    pool.wait(2.0)
    changed_s = pool.cluster.instant().wall_s
    (line,) = b1.snapshot(pool.cluster.instant()).ring.disagreeing
    assert (line.node, line.ring_id) == ("a1", a1.agreement.ring.ring_id)
    assert changed_s - 2.5 <= line.since_wall_s <= changed_s
    assert b1.agreement.counters["comparisons"] == 0
    pushed = b1.swim.counters.get("push_pulls", 0)
    pool.wait(3.0)
    assert b1.agreement.counters["comparisons"] == 1 and b1.swim.counters["push_pulls"] == pushed + 1
    assert {node for node, _, _ in a1.agreement.disagreeing()} == {"b1", "c1"}


def test_a_lost_fact_is_found_by_the_comparison() -> None:
    quiet = GossipSettings(reconcile_interval_s=3600.0, push_pull_interval_s=3600.0)
    pool = Pool("a1", "b1", "c1", ring=QUICK, gossip=quiet)
    pool.host("c1").crash()
    pool.wait(FAILED_S)
    a1, now = pool.node("a1"), pool.cluster.instant()
    incarnation = next(m.incarnation for m in a1.swim.members() if m.node == "c1")
    pool.cluster.network.cut("a", "b")
    a1.swim.spread(a1.facts.say(OUT, "c1", str(incarnation), now), now)
    pool.read("a1", K)
    pool.wait(0.5)
    pool.cluster.network.heal()
    pool.read("a1", key(2))
    pool.wait(15.0)
    assert owners(pool, "b1") == ["a1", "b1"], "long before its own timer"


def test_a_request_under_another_ring_id_is_served_and_answered_with_ours() -> None:
    solo = Solo()
    solo.have(K)
    read = ev.PeerRead(request=7, key=K, sender="b1", purpose=Purpose.COPY, ring_id="f" * 16)
    answer = only(AnswerPeer, solo.give(read))
    assert (
        answer.outcome is FetchOutcome.OK and answer.ring_id == solo.node.agreement.ring.ring_id != "f" * 16
    )


def test_ring_ids_are_heard_with_requests_and_with_answers() -> None:
    pool = Pool("a1", "b1", "c1", ring=QUICK)
    pool.read("b1", K)
    pool.wait(3.0)
    a1 = pool.node("a1")
    incarnation = next(m.incarnation for m in a1.swim.members() if m.node == "c1")
    a1.facts.hear(Fact(OUT, "c1", str(incarnation), 1, "nobody"))
    a1.settling.turn(pool.cluster.instant())
    assert pool.node("b1").agreement.disagreeing() == ()
    pool.host("a1").read(K, b"")
    pool.wait(0.3)  # less than a turn: no summary has told it
    assert [node for node, _, _ in pool.node("b1").agreement.disagreeing()] == ["a1"]
    assert "b1" in [node for node, _, _ in a1.agreement.disagreeing()]


# ---- after a flip --------------------------------------------------------------------------------------


def origin_fetches_after_a_join(handover_s: float) -> int:
    """The owners hold what was read; a newcomer owns a part of it, without digests and without migration."""
    changed: dict[str, Any] = {
        "policies": (DependencyPolicy(name=DEP, coalesce="fabric"),),
        "gossip": GossipSettings(digests=False),
        "placement": PlacementSettings(enabled=False),
        "prefetch": PrefetchSettings(enabled=False),
        "flight": FlightSettings(handover_s=handover_s),
    }
    pool = Pool("a1", "b1", "c1", "d1", ring=QUICK, **changed)
    for number in range(60):
        pool.read("b1", key(number))
    pool.cluster.add(settings_of("e1", 4, ring=QUICK, **changed)).boot()
    pool.give("e1", Join(seeds=(pool.host("a1").settings.gossip_address,)))
    pool.wait(5.0)
    moved = [key(n) for n in range(60) if pool.node("a1").agreement.ring.owner_of(key(n)).node == "e1"]
    assert len(moved) >= 5
    known = pool.origin.asked.total()
    for instance in moved:
        pool.read("a1", instance)
        pool.read("e1", instance)
    return pool.origin.asked.total() - known


def test_after_a_flip_a_miss_asks_the_old_owner_before_the_origin() -> None:
    with_it, without = origin_fetches_after_a_join(60.0), origin_fetches_after_a_join(0.0)
    assert with_it == 0 < without


def test_the_hot_instance_of_a_loaded_holder_is_served_by_the_next() -> None:
    pool = Pool("a1", "b1", "c1", "d1", "e1", ring=QUICK)
    for name in ("b1", "c1"):
        pool.read(name, K)
    for name in pool.names:
        pool.give(name, ev.LoadSampled(load=Load(network=0.95 if name == "b1" else 0.2)))
    pool.wait(10.0)
    before = {name: pool.node(name).reads.counters["peer_reads"] for name in ("b1", "c1")}
    for name in ("a1", "d1", "e1"):
        assert steps(pool, name)[:2] == ["c1", "b1"]
        pool.read(name, K)
        pool.wait(0.1)
    served = {name: pool.node(name).reads.counters["peer_reads"] - before[name] for name in before}
    assert served["b1"] == 0 and served["c1"] >= 1
    pool.give("b1", ev.LoadSampled(load=Load(network=0.2)))
    pool.wait(10.0)
    assert not any(pool.node(name).peers.is_busy("b1") for name in ("a1", "d1", "e1"))


# ---- weights -------------------------------------------------------------------------------------------


def weights(pool: Pool, at: str) -> dict[str, int]:
    return {member.node: member.weight for member in pool.node(at).agreement.ring.members}


def test_a_larger_store_after_a_restart_is_one_class_more_after_ten_minutes_for_everybody() -> None:
    pool = Pool("a1", "b1", "c1", ring=QUICK)
    assert weights(pool, "a1") == {"a1": 1, "b1": 1, "c1": 1}
    larger = CacheSettings(max_bytes=512 << 20, default_ttl_s=None)
    pool.host("c1").settings = replace(pool.host("c1").settings, cache=larger)
    restart(pool, "c1", away_s=2.0)
    pool.wait(500.0)
    assert weights(pool, "a1")["c1"] == 1
    pool.wait(140.0)
    assert weights(pool, "a1")["c1"] == 2 and len(rings(pool, *pool.names)) == 1


def test_a_store_two_classes_larger_counts_at_once() -> None:
    pool = Pool("a1", "b1", "c1", ring=QUICK)
    larger = CacheSettings(max_bytes=2 << 30, default_ttl_s=None)
    pool.host("c1").settings = replace(pool.host("c1").settings, cache=larger)
    restart(pool, "c1", away_s=2.0)
    pool.wait(10.0)
    assert weights(pool, "a1")["c1"] == 8 and len(rings(pool, *pool.names)) == 1


def test_a_newcomer_learns_of_the_failed_who_keep_their_place_and_agrees() -> None:
    pool = Pool("a1", "b1", "c1", ring=RingSettings(vnodes=32))
    pool.host("c1").crash()
    pool.wait(FAILED_S)
    pool.cluster.add(settings_of("d1", 3, ring=RingSettings(vnodes=32))).boot()
    pool.give("d1", Join(seeds=(pool.host("a1").settings.gossip_address,)))
    pool.wait(5.0)
    assert owners(pool, "d1") == ["a1", "b1", "c1", "d1"]
    assert len(rings(pool, "a1", "b1", "d1")) == 1
    pool.give("a1", ev.Forget(node="c1"))
    pool.wait(60.0)
    assert owners(pool, "d1") == ["a1", "b1", "d1"], "and nobody tells it again"
    assert len(rings(pool, "a1", "b1", "d1")) == 1
