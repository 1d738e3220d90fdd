"""Reads: hit, miss, stale; who waits with whom; what another agent may make us do."""

from __future__ import annotations

from dataclasses import replace
from math import inf

import pytest

from tests.core.pool import HIT_S, ORIGIN_S, RTT_S, Pool
from tests.core.solo import DEP, SIZE, Solo, key, only, some
from zoned.core import events as ev
from zoned.core.actions import AnswerPeer, Discard, FetchOrigin, FetchPeer, Keep, Refuse, Serve, ServeFetched
from zoned.core.events import FetchOutcome, Purpose
from zoned.core.flight import FlightSettings
from zoned.core.members import MemberState
from zoned.core.names import InstanceKey, fingerprint_of, key_hash
from zoned.core.prefetch import PrefetchSettings
from zoned.core.records import Access, DependencyPolicy, LedgerLine, Reason, Source
from zoned.core.ring import RingSettings

K = key(1)


def policy(**changed: object) -> dict[str, object]:
    return {"policies": (DependencyPolicy(name=DEP, **changed),)}  # type: ignore[arg-type]


def peer_read(purpose: Purpose, request: int = 1) -> ev.PeerRead:
    return ev.PeerRead(request=request, key=K, sender="b1", purpose=purpose)


# ---- a client of this zone ---------------------------------------------------------------------------


def test_a_miss_goes_to_the_origin_and_the_next_read_is_served_from_the_store() -> None:
    solo = Solo()
    fetch = only(FetchOrigin, solo.read(K))
    assert fetch.key == K and not fetch.prefetch
    solo.now_s = 0.2
    actions = solo.end(fetch, latency_s=0.2)
    assert only(Keep, actions) == Keep(key=K, fetch=fetch.fetch, ttl_s=None)
    assert only(ServeFetched, actions).source is Source.ORIGIN
    assert only(Serve, solo.read(K)) == Serve(request=2, key=K, expires_s=inf)


def test_all_who_ask_meanwhile_wait_for_one_fetch_and_each_is_counted_with_its_own_wait() -> None:
    solo = Solo()
    fetch = only(FetchOrigin, solo.read(K))
    solo.now_s = 0.3
    assert not some(FetchOrigin, solo.read(K)) and not some(FetchOrigin, solo.read(K))
    solo.now_s = 0.4
    served = some(ServeFetched, solo.end(fetch, latency_s=0.4))
    assert [one.request for one in served] == [1, 2, 3]
    assert solo.node.reads.flights.counters["coalesced"] == 2
    assert solo.node.observer.totals[DEP].latency_s == pytest.approx(0.4 + 0.1 + 0.1)
    assert solo.node.observer.totals[DEP].sources == {Source.ORIGIN: 3}
    assert ledger_of(solo).origin_fetches == 1


def test_a_stale_copy_is_served_at_once_and_revalidated_behind_the_reader() -> None:
    solo = Solo(**policy(ttl_s=10.0, stale_while_revalidate_s=5.0))
    solo.have(K)
    solo.now_s = 12.0
    actions = solo.read(K)
    assert only(Serve, actions).stale
    fetch = only(FetchOrigin, actions)
    assert fetch.prefetch
    assert not some(FetchOrigin, solo.read(K)), "one revalidation is enough"
    solo.end(fetch, version="2")
    assert not only(Serve, solo.read(K)).stale
    assert solo.counts["stale_served"] == 2


def test_past_its_time_a_copy_is_a_miss() -> None:
    solo = Solo(**policy(ttl_s=10.0))
    solo.have(K)
    solo.now_s = 10.0
    assert only(FetchOrigin, solo.read(K)).key == K


def test_a_stale_copy_stands_in_for_a_broken_origin_as_long_as_the_operator_said() -> None:
    solo = Solo(**policy(ttl_s=10.0, stale_if_error_s=60.0), flight=FlightSettings(origin_tries=1))
    solo.have(K)
    solo.now_s = 30.0
    actions = solo.end(only(FetchOrigin, solo.read(K)), FetchOutcome.FAILED)
    assert only(Serve, actions).stale and not some(Refuse, actions)
    assert solo.counts["stale_for_error"] == 1
    solo.now_s = 70.0
    assert only(Refuse, solo.end(only(FetchOrigin, solo.read(K)), FetchOutcome.TIMEOUT))


def test_what_the_origin_does_not_have_is_refused_and_no_old_copy_outlives_that_word() -> None:
    solo = Solo(**policy(ttl_s=10.0, stale_if_error_s=60.0, stale_while_revalidate_s=60.0))
    solo.have(K)
    solo.now_s = 20.0
    revalidation = only(FetchOrigin, solo.read(K))
    assert only(Discard, solo.end(revalidation, FetchOutcome.NOT_FOUND)).keys == (K,)
    refused = only(Refuse, solo.end(only(FetchOrigin, solo.read(K)), FetchOutcome.NOT_FOUND))
    assert refused.outcome is FetchOutcome.NOT_FOUND


def test_the_origin_is_tried_again_when_it_fails_and_not_when_it_has_spoken() -> None:
    solo = Solo()
    again = only(FetchOrigin, solo.end(only(FetchOrigin, solo.read(K)), FetchOutcome.FAILED))
    assert only(Refuse, solo.end(again, FetchOutcome.FAILED)).outcome is FetchOutcome.FAILED
    assert some(Refuse, solo.end(only(FetchOrigin, solo.read(K)), FetchOutcome.TOO_LARGE))


def test_what_is_too_large_to_keep_is_served_all_the_same() -> None:
    solo = Solo(**policy(max_object_bytes=SIZE))
    actions = solo.end(only(FetchOrigin, solo.read(K)), size=SIZE + 1)
    assert some(ServeFetched, actions) and not some(Keep, actions)
    only(FetchOrigin, solo.read(K))


def test_a_read_over_a_limit_is_refused_not_left_waiting() -> None:
    solo = Solo(flight=FlightSettings(max_flights=1, max_waiters=1))
    fetch = only(FetchOrigin, solo.read(K))
    assert only(Refuse, solo.read(K)).detail and only(Refuse, solo.read(key(2))).detail
    assert len(some(ServeFetched, solo.end(fetch))) == 1


def test_a_silent_origin_is_given_up_in_time_and_its_late_answer_is_nobodys() -> None:
    solo = Solo(flight=FlightSettings(origin_timeout_s=2.0, origin_tries=1))
    fetch = only(FetchOrigin, solo.read(K))
    assert only(Refuse, solo.wait(2.0)).outcome is FetchOutcome.TIMEOUT
    late = solo.end(fetch)
    assert not some(Keep, late) and not some(ServeFetched, late)


# ---- other agents ------------------------------------------------------------------------------------


def test_another_agent_gets_our_copy_or_hears_that_there_is_none() -> None:
    solo = Solo(**policy(ttl_s=100.0))
    for purpose in (Purpose.COPY, Purpose.PREFETCH):
        assert only(AnswerPeer, solo.give(peer_read(purpose))).outcome is FetchOutcome.NOT_HELD
    solo.have(K)
    solo.now_s = 40.0
    answer = only(AnswerPeer, solo.give(peer_read(Purpose.COPY)))
    assert answer.outcome is FetchOutcome.OK and answer.fetch is None
    assert answer.ttl_s == pytest.approx(60.0), "a copy brings what is left of its life"
    assert solo.counts["peer_reads"] == 3 and solo.counts["peer_not_held"] == 2


def test_as_the_owner_we_fetch_once_for_all_zones_that_ask() -> None:
    solo = Solo()
    fetch = only(FetchOrigin, solo.give(peer_read(Purpose.OWNER)))
    assert not some(FetchOrigin, solo.give(peer_read(Purpose.OWNER, request=2)))
    assert not some(FetchOrigin, solo.read(K))
    actions = solo.end(fetch)
    assert [(one.request, one.detail) for one in some(AnswerPeer, actions)] == [(1, "origin"), (2, "origin")]
    assert only(ServeFetched, actions).source is Source.ORIGIN


def test_an_owner_that_cannot_get_it_says_so_to_whoever_asked() -> None:
    solo = Solo(flight=FlightSettings(origin_tries=1))
    fetch = only(FetchOrigin, solo.give(peer_read(Purpose.OWNER)))
    assert only(AnswerPeer, solo.end(fetch, FetchOutcome.NOT_FOUND)).outcome is FetchOutcome.NOT_FOUND


def test_a_forwarded_read_is_never_forwarded_again() -> None:
    """Fabric coalescing: whoever is asked as the owner goes to holders or the origin, even where its own ring
    names somebody else."""
    pool = Pool("a1", "b1", "c1", **policy(coalesce="fabric"))
    for name in pool.names:
        for number in range(30):
            flight = pool.node(name).peers.route(
                key(number), 1 << 63, asker="elsewhere", prefetch=False, preferred="", now_s=0.0
            )
            assert [step.kind.value for step in flight] == ["origin", "origin"]
    answers = [pool.read("a1", key(number)) for number in range(12)]
    assert {a.source for a in answers} == {Source.ORIGIN, Source.HOME}
    assert sum(pool.origin.asked.values()) == 12
    for answer in answers:
        hops = 0 if answer.source is Source.ORIGIN else 1
        assert answer.latency_s == pytest.approx(HIT_S + ORIGIN_S + hops * RTT_S)


def test_zones_that_ask_for_the_same_new_thing_at_once_make_one_fetch() -> None:
    pool = Pool("a1", "b1", "c1", **policy(coalesce="fabric"))
    for number in range(20):
        for name in pool.names:
            pool.host(name).read(key(number), b"")
    pool.wait(3.0)
    assert len(pool.answers) == 60 and all(a.source is not None for a in pool.answers)
    assert set(pool.origin.asked.values()) == {1}


def test_agents_whose_rings_differ_do_not_wait_for_one_another_for_ever() -> None:
    """Each takes the other for the owner and both are asked at once: a hedge breaks the circle."""
    other = RingSettings(vnodes=64)
    pool = Pool("a1", "b1", each={"b1": {"ring": other}}, **policy(coalesce="fabric"))
    rings = {name: pool.node(name).agreement.ring for name in pool.names}

    def owner(name: str, instance: InstanceKey) -> str:
        found = rings[name].owner(key_hash(instance))
        assert found is not None
        return found.node

    crossed = [k for k in map(key, range(200)) if owner("a1", k) == "b1" and owner("b1", k) == "a1"]
    assert crossed
    for name in pool.names:
        pool.host(name).read(crossed[0], b"")
    pool.wait(5.0)
    assert [a.source is not None for a in pool.answers] == [True, True]
    worst_s = FlightSettings().hedge_after_s + ORIGIN_S + 2 * RTT_S
    assert max(a.latency_s for a in pool.answers) <= worst_s + HIT_S


# ---- holders -----------------------------------------------------------------------------------------


def test_the_nearest_holder_is_asked_before_the_origin() -> None:
    pool = Pool("a1", "b1")
    pool.read("a1", K)
    pool.wait(3.0)
    answer = pool.read("b1", K)
    assert (answer.source, answer.latency_s) == (Source.PEER, pytest.approx(HIT_S + RTT_S))
    assert pool.origin.asked[K] == 1


def test_a_false_claim_costs_a_round_trip_falls_to_the_next_holder_and_is_not_believed_again() -> None:
    pool = Pool("a1", "b1", "c1")
    pool.read("c1", K)
    pool.wait(3.0)
    pool.claim("a1", "b1", K)
    # Whom it asks first goes by distance; let it be the one that errs.
    pool.node("a1").cache.directory.gone("c1")
    pool.claim("a1", "c1", K)
    answer = pool.read("a1", K)
    assert answer.source is Source.PEER
    asked = pool.node("a1").reads.flights.counters["fallbacks"]
    assert answer.latency_s == pytest.approx(HIT_S + RTT_S * (1 + asked))
    assert pool.node("a1").cache.counters["false_positives"] == asked


def test_when_all_claims_are_false_the_origin_answers() -> None:
    pool = Pool("a1", "b1", "c1")
    pool.claim("a1", "b1", K)
    pool.claim("a1", "c1", K)
    answer = pool.read("a1", K)
    assert answer.source is Source.ORIGIN
    assert answer.latency_s == pytest.approx(HIT_S + 2 * RTT_S + ORIGIN_S)
    counters = pool.node("a1").cache.counters
    assert counters["false_positives"] == 2
    pool.wait(60.0)
    pool.read("a1", key(9))
    pool.wait(2.0)
    assert (counters["false_collision"], counters["false_late"]) == (2, 0)  # the claims still stand
    assert pool.node("a1").reads.flights.counters["holders_asked"] == 2
    assert pool.host("a1").transfers.asked_in_vain == 2


def test_a_dead_holder_does_not_fail_a_read() -> None:
    pool = Pool("a1", "b1")
    pool.read("b1", K)
    pool.wait(3.0)
    pool.host("b1").crash()
    assert pool.read("a1", K).source is Source.ORIGIN


def test_a_holder_behind_a_cut_is_overtaken_by_a_hedge() -> None:
    pool = Pool("a1", "b1")
    pool.read("b1", K)
    pool.wait(3.0)
    pool.cluster.network.cut("a", "b")
    answer = pool.read("a1", K)
    assert answer.source is Source.ORIGIN
    assert answer.latency_s == pytest.approx(HIT_S + FlightSettings().hedge_after_s + ORIGIN_S)


def test_agents_of_one_zone_share_its_shards_and_ask_the_one_that_owns() -> None:
    pool = Pool("a1", "a2")
    for number in range(20):
        assert pool.read("a1", key(number)).source is not None
    for number in range(20):
        assert pool.read("a2", key(number)).source in (Source.LOCAL, Source.PEER)
    assert set(pool.origin.asked.values()) == {1}
    assert pool.node("a1").swim.members()[1].state is MemberState.ALIVE


# ---- prefetches --------------------------------------------------------------------------------------


def ledger_of(solo: Solo) -> LedgerLine:
    """All dependencies together."""
    return solo.node.tuner.ledger(solo.node.observer.price)[0]


def learnt(solo: Solo) -> None:
    """Client after client reads 1, and 2 a little later; then both copies are lost."""
    for number in range(8):
        client = b"c%d" % number
        for item in (key(1), key(2)):
            for fetch in some(FetchOrigin, solo.read(item, client)):
                solo.end(fetch)
            solo.now_s += 1.0
    solo.give(ev.StoreLost(keys=(key(2),)))


def test_what_usually_follows_is_fetched_at_once() -> None:
    solo = Solo()
    learnt(solo)
    actions = solo.read(key(1), b"new")
    assert only(Serve, actions).key == key(1)
    ahead = only(FetchOrigin, actions)
    assert ahead.key == key(2) and ahead.prefetch
    solo.end(ahead)
    only(Serve, solo.read(key(2), b"new"))
    solo.wait(2.0)
    line = solo.node.tuner.ledger(solo.node.observer.price)[0]
    assert (line.prefetched, line.prefetch_used) == (1, 1)


def test_a_reader_that_overtakes_a_prefetch_waits_for_it_and_it_counts_as_late() -> None:
    solo = Solo()
    learnt(solo)
    before = ledger_of(solo).origin_fetches
    ahead = only(FetchOrigin, solo.read(key(1), b"new"))
    solo.now_s += 0.1
    assert not some(FetchOrigin, solo.read(key(2), b"new"))
    actions = solo.end(ahead, latency_s=0.2)
    assert only(ServeFetched, actions).source is Source.ORIGIN
    assert solo.counts["late_prefetches"] == 1
    solo.wait(2.0)
    assert ledger_of(solo).prefetch_used == 1
    assert ledger_of(solo).origin_fetches == before + 1, "one fetch, which it did not make once more"


def test_a_reader_that_joined_a_prefetch_gets_the_tries_of_a_read() -> None:
    solo = Solo()
    learnt(solo)
    ahead = only(FetchOrigin, solo.read(key(1), b"new"))
    solo.read(key(2), b"new")
    again = only(FetchOrigin, solo.end(ahead, FetchOutcome.FAILED))
    assert not again.prefetch, "somebody waits for it now"
    assert some(ServeFetched, solo.end(again))


def test_a_prefetch_that_fails_is_quiet() -> None:
    solo = Solo()
    learnt(solo)
    ahead = only(FetchOrigin, solo.read(key(1), b"new"))
    actions = solo.end(ahead, FetchOutcome.FAILED)
    assert not some(Refuse, actions) and not some(FetchOrigin, actions)


def test_a_paused_pool_prefetches_nothing() -> None:
    solo = Solo()
    learnt(solo)
    solo.give(ev.Pause(paused=True))
    solo.wait(2.0)
    assert not some(FetchOrigin, solo.read(key(1), b"new"))
    solo.give(ev.Pause(paused=False))
    solo.wait(2.0)
    assert only(FetchOrigin, solo.read(key(1), b"newer")).prefetch


def test_prefetching_can_be_switched_off() -> None:
    solo = Solo(prefetch=PrefetchSettings(enabled=False))
    learnt(solo)
    assert not some(FetchOrigin, solo.read(key(1), b"new"))


def test_uses_that_bypassed_us_teach_and_call_for_what_follows() -> None:
    solo = Solo()
    learnt(solo)
    hashed = solo.node.cache.entry(key(1)).key_hash  # type: ignore[union-attr]
    actions = solo.give(ev.AccessBatch(accesses=(Access(key(1), hashed, SIZE, True, b"new"),)))
    assert only(FetchOrigin, actions).key == key(2)


# ---- invalidation ------------------------------------------------------------------------------------


def test_an_invalidation_deletes_and_what_is_on_its_way_is_not_kept() -> None:
    solo = Solo()
    solo.have(K)
    fetch = only(FetchOrigin, solo.read(key(2)))
    other = only(FetchOrigin, solo.read(key(3)))
    assert only(Discard, solo.give(ev.Invalidate(dependency=DEP, key=K.key))).keys == (K,)
    solo.give(ev.Invalidate(dependency=DEP, key=key(2).key))
    actions = solo.end(fetch)
    assert some(ServeFetched, actions) and not some(Keep, actions), "answered, not kept"
    assert some(Keep, solo.end(other))
    assert solo.counts["not_kept_invalidated"] == 1


def test_who_asks_after_an_invalidation_does_not_get_what_was_under_way_before() -> None:
    solo = Solo()
    before = only(FetchOrigin, solo.read(K))
    solo.give(ev.Invalidate(dependency=DEP, key=K.key))
    after = only(FetchOrigin, solo.read(K))
    old, new = solo.end(before, version="old"), solo.end(after, version="new")
    assert [only(ServeFetched, old).request, only(ServeFetched, new).request] == [1, 2]
    assert not some(Keep, old) and only(Keep, new).fetch == after.fetch
    assert len(solo.node.reads.flights) == 0
    solo.wait(30.0)


def test_a_whole_dependency_can_be_invalidated() -> None:
    solo = Solo(policies=(DependencyPolicy(name=DEP), DependencyPolicy(name="other")))
    for instance in (key(1), key(2), key(1, "other")):
        solo.have(instance)
    gone = only(Discard, solo.give(ev.Invalidate(dependency=DEP, key=None)))
    assert sorted(gone.keys) == [key(1), key(2)]
    assert solo.holds(key(1, "other"))


def test_what_the_store_lost_is_a_miss_again() -> None:
    solo = Solo()
    solo.have(K)
    solo.give(ev.StoreLost(keys=(K, key(9))))
    only(FetchOrigin, solo.read(K))
    assert solo.counts["lost"] == 1


def test_offered_copies_are_fetched_from_who_offers() -> None:
    pool = Pool("a1", "b1")
    pool.read("a1", K)
    pool.give("b1", ev.Offered(sender="a1", keys=(K,), sizes=(SIZE,)))
    pool.wait(1.0)
    entry = pool.node("b1").cache.entry(K)
    assert entry is not None and entry.reason is Reason.DRAIN
    assert pool.origin.asked[K] == 1


def test_a_thin_link_is_not_filled_and_holds_nobody_else_up() -> None:
    thin = PrefetchSettings(bandwidth_bytes_s=8 * SIZE, burst_bytes=8 * SIZE, link_bandwidth_bytes_s=SIZE)
    pool = Pool("a1", "b1", "c1", each={"b1": {"prefetch": thin}})
    here, there = [key(n) for n in range(12)], [key(n) for n in range(20, 24)]
    for name, keys in (("a1", here), ("c1", there)):
        for instance in keys:
            pool.read(name, instance)
    pool.wait(3.0)
    node = pool.node("b1")
    heat = [(instance, key_hash(instance), 5, SIZE) for instance in here]
    node.prefetcher.restart(heat, pool.cluster.instant())  # names nobody: a1 is whom it would ask
    pool.give("b1", ev.Offered(sender="c1", keys=tuple(there), sizes=(SIZE,) * 4))
    pool.wait(4.5)
    assert all(pool.holds("b1", instance) for instance in there)
    pool.wait(thin.restart_delay_s)
    came = sum(pool.holds("b1", instance) for instance in here)
    assert 4 <= came <= 6, "one at once, and one a second"
    pool.wait(7.5)
    assert all(pool.holds("b1", instance) for instance in here)
    assert pool.origin.asked.total() == 16
    assert (
        node.prefetcher.counters["waits_for_link"] >= 11 and node.prefetcher.counters["failed_restart"] == 0
    )


def test_what_is_offered_by_who_gives_it_up_is_worth_what_a_last_copy_is() -> None:
    pool = Pool("a1", "b1")
    pool.read("a1", K)
    pool.wait(3.0)
    worth = pool.node("b1").stages.worth
    for _ in range(3):
        worth.told(fingerprint_of(key_hash(K)), 5.0)  # they ask for it in other zones
    beside, none = worth.of(key_hash(K)), ev.Offered(sender="a1", keys=(), sizes=())
    pool.give("b1", none)
    assert worth.of(key_hash(K)) == beside, "a replica is offered by who stays"
    pool.give("b1", replace(none, going=True))
    assert worth.of(key_hash(K)) > 2 * beside


def test_a_peer_that_is_asked_to_prefetch_is_not_heated() -> None:
    solo = Solo()
    solo.have(K)
    order = [entry.key for entry in solo.node.cache.entries()]
    solo.have(key(2))
    solo.give(peer_read(Purpose.PREFETCH))
    assert [entry.key for entry in solo.node.cache.entries()] == [*order, key(2)]
    solo.give(peer_read(Purpose.COPY))
    assert [entry.key for entry in solo.node.cache.entries()] == [key(2), K]
    assert not some(FetchPeer, solo.read(K))


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("coalesce", ["auto", "fabric"])
def test_an_invalidated_copy_does_not_come_back_from_who_has_not_heard_yet(
    whole: bool, coalesce: str
) -> None:
    pool = Pool("a1", "b1", **policy(coalesce=coalesce))
    for number in range(8):
        pool.read("b1", key(number))
    pool.wait(3.0)
    asked = pool.origin.asked.total()
    for number in range(8):
        pool.give("a1", ev.Invalidate(dependency=DEP, key=None if whole else key(number).key))
        pool.host("a1").read(key(number), b"")  # b1 will hear of it in some milliseconds
    pool.wait(3.0)
    assert pool.origin.asked.total() - asked == 8 and pool.host("a1").transfers.peer == 0
    assert not any(pool.holds("b1", key(number)) for number in range(8))
    pool.wait(15.0)
    assert pool.read("b1", key(7)).source is Source.PEER, "later, copies are asked for again"
