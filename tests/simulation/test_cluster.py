"""Virtual machines: they do what a node wants, as strictly as real ones, and die and freeze on request."""

from __future__ import annotations

import pytest

from tests.core.pool import HIT_S, ORIGIN_S, RTT_S, Pool
from tests.core.solo import key, settings_of
from zoned.core import actions as act
from zoned.core import events as ev
from zoned.core.events import FetchOutcome
from zoned.core.records import Source
from zoned.simulation.checkers import AT_REST, nobody_wrongly_failed, rings_agree, stores_match, within_limits
from zoned.simulation.cluster import Cluster, chance, gossip_address, peer_address
from zoned.simulation.network import Network, NetworkSettings
from zoned.simulation.world import Answer

K = key(1)


def test_addresses_are_distinct() -> None:
    every = {gossip_address(i) for i in range(70_000)} | {peer_address(i) for i in range(70_000)}
    assert len(every) == 140_000


def test_each_use_of_chance_has_its_own() -> None:
    assert chance(1, "a").random() != chance(1, "b").random()
    assert chance(1, "a").random() == chance(1, "a").random()


def test_reads_take_what_their_way_takes() -> None:
    pool = Pool("a1", "b1")
    assert pool.read("a1", K).latency_s == pytest.approx(HIT_S + ORIGIN_S)
    assert pool.read("a1", K).latency_s == HIT_S
    pool.wait(3.0)
    assert pool.read("b1", K).latency_s == pytest.approx(HIT_S + RTT_S)


def test_instant_fetches_answer_within_the_moment_and_price_the_same() -> None:
    answers: list[Answer] = []
    pool = Pool("a1", "b1")  # for its origin only
    cluster = Cluster(
        network=Network(NetworkSettings(), chance(1, "network")),
        origin=pool.origin,
        start_s=1e9,
        hit_s=HIT_S,
        rtt_s=RTT_S,
        instant_fetches=True,
        answered=answers.append,
    )
    hosts = [cluster.add(settings_of(name, number)) for number, name in enumerate(("a1", "b1"))]
    for host in hosts:
        host.boot()
    hosts[1].give(ev.Join(seeds=(hosts[0].settings.gossip_address,)))
    cluster.run_until(5.0)
    hosts[0].read(K, b"")
    assert [a.latency_s for a in answers] == [
        pytest.approx(HIT_S + ORIGIN_S)
    ] and cluster.schedule.now_s == 5.0
    hosts[0].read(K, b"")
    cluster.run_until(9.0)
    hosts[1].read(K, b"")
    assert [a.latency_s for a in answers[1:]] == [HIT_S, pytest.approx(HIT_S + RTT_S)]
    assert answers[2].source is Source.PEER and hosts[1].transfers.peer == 1


def test_a_crash_fails_what_waits_and_forgets_the_store() -> None:
    pool = Pool("a1")
    pool.read("a1", K)
    host = pool.host("a1")
    host.read(key(2), b"")
    host.crash()
    assert pool.answers[-1].source is None and not host.store
    host.read(K, b"")
    assert pool.answers[-1].source is None
    pool.wait(30.0)
    host.boot()
    assert pool.read("a1", K).source is Source.ORIGIN, "what was fetched in its last life is nobody's"
    assert not stores_match(pool.cluster)


def test_a_frozen_machine_handles_all_of_it_when_it_goes_on() -> None:
    pool = Pool("a1", "b1")
    host = pool.host("b1")
    host.pause(True)
    host.read(K, b"")
    pool.wait(2.0)
    assert not pool.answers
    host.pause(False)
    pool.wait(1.0)
    assert pool.answers[-1].source is Source.ORIGIN
    pool.wait(20.0)
    assert not nobody_wrongly_failed(pool.cluster)


def test_a_frozen_machine_that_crashes_starts_afresh() -> None:
    pool = Pool("a1", "b1")
    host = pool.host("b1")
    host.pause(True)
    host.give(ev.Invalidate(dependency="prices", key=None))
    host.crash()
    host.boot()
    assert not host.paused and pool.read("b1", K).source is Source.ORIGIN


def test_streams_to_nobody_and_over_a_cut_are_answered_with_nothing() -> None:
    pool = Pool("a1", "b1", settle_s=0.0)
    pool.cluster.network.cut("a", "b")
    pool.wait(5.0)
    assert [m.node for m in pool.node("b1").swim.members()] == ["b1"]
    pool.cluster.network.heal()
    pool.give("b1", ev.Join(seeds=(("10.9.9.9", 7946), pool.host("a1").settings.gossip_address)))
    pool.wait(15.0)
    assert [m.node for m in pool.node("b1").swim.members()] == ["a1", "b1"]


def test_a_one_way_cut_times_a_fetch_out() -> None:
    pool = Pool("a1", "b1")
    pool.read("b1", K)
    pool.wait(3.0)
    pool.cluster.network.cut("b", "a", both_ways=False)
    assert pool.read("a1", K).source is Source.ORIGIN


def test_serving_what_the_store_lacks_is_a_bug_and_said_so() -> None:
    pool = Pool("a1")
    with pytest.raises(AssertionError, match="its store lacks"):
        pool.host("a1")._do([act.Serve(request=1, key=K)])


def test_an_origin_may_fail() -> None:
    pool = Pool("a1")
    pool.origin.outcomes[K] = FetchOutcome.NOT_FOUND
    assert pool.read("a1", K).source is None
    assert pool.host("a1").transfers.origin == 0


# ---- the checkers find what they look for ------------------------------------------------------------


def test_a_healthy_pool_breaks_nothing() -> None:
    pool = Pool("a1", "b1", "c1")
    pool.read("a1", K)
    assert [breach for check in AT_REST for breach in check(pool.cluster)] == []


def test_a_store_that_differs_from_its_index_is_found() -> None:
    pool = Pool("a1")
    pool.read("a1", K)
    pool.host("a1").store[key(2)] = 1
    assert "store has" in stores_match(pool.cluster)[0]


def test_a_full_store_over_its_limit_is_found() -> None:
    pool = Pool("a1")
    pool.host("a1").store.update({key(number): 1 for number in range(101)})
    assert "101 objects in a store of 100" in within_limits(pool.cluster)[0]


def test_rings_that_differ_and_members_wrongly_failed_are_found() -> None:
    pool = Pool("a1", "b1")
    pool.host("b1").crash()
    pool.wait(40.0)
    pool.host("b1").boot()  # it is live, and nobody has heard of that yet
    assert any("a1 holds b1 for" in breach for breach in nobody_wrongly_failed(pool.cluster))
    assert rings_agree(pool.cluster), "alone, it computes a ring of one"
