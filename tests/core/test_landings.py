"""What follows a fetch: what is kept, what has to go for it, what is counted for whom."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.core.solo import DEP, SIZE, Solo, key, only, some
from zoned.core import events as ev
from zoned.core.actions import AnswerPeer, Discard, FetchOrigin, Keep, ServeFetched
from zoned.core.cache import CacheSettings
from zoned.core.events import FetchOutcome, Purpose
from zoned.core.records import DependencyPolicy, Reason, Source

K = key(1)


def test_the_newcomer_is_kept_before_it_is_served_and_what_it_pushed_out_goes() -> None:
    solo = Solo(cache=CacheSettings(max_bytes=None, max_objects=2, default_ttl_s=None, eviction="lru"))
    solo.have(key(1))
    solo.have(key(2))
    actions = solo.end(only(FetchOrigin, solo.read(key(3))))
    kinds = [type(a) for a in actions if isinstance(a, Keep | Discard | ServeFetched)]
    assert kinds == [Keep, Discard, ServeFetched]
    assert only(Discard, actions).keys == (key(1),)


def test_the_origins_word_on_freshness_travels_with_the_copy() -> None:
    solo = Solo(policies=(DependencyPolicy(name=DEP),))
    fetch = only(FetchOrigin, solo.give(ev.PeerRead(request=7, key=K, sender="b1", purpose=Purpose.OWNER)))
    actions = solo.end(fetch, ttl_s=30.0, version="e1", latency_s=0.2)
    assert only(Keep, actions).ttl_s == 30.0
    answer = only(AnswerPeer, actions)
    assert (answer.ttl_s, answer.version, answer.fetch) == (30.0, "e1", fetch.fetch)


def test_the_operators_word_is_what_others_get_to_hear() -> None:
    solo = Solo(policies=(DependencyPolicy(name=DEP, ttl_s=10.0),))
    fetch = only(FetchOrigin, solo.give(ev.PeerRead(request=7, key=K, sender="b1", purpose=Purpose.OWNER)))
    assert only(AnswerPeer, solo.end(fetch, ttl_s=30.0)).ttl_s == 10.0


def test_each_answer_is_counted_once_by_observer_and_ledger() -> None:
    solo = Solo()
    fetch = only(FetchOrigin, solo.read(K))
    solo.read(K)
    solo.end(fetch, latency_s=0.2)
    solo.read(K)
    totals, line = solo.node.observer.totals[DEP], solo.node.tuner.ledger(solo.node.observer.price)[0]
    assert (totals.accesses, totals.hits, line.requests, line.hits) == (3, 1, 3, 1)
    assert totals.sources[Source.ORIGIN] == 2 and totals.sources[Source.LOCAL] == 1


def test_a_failed_read_is_not_an_access_and_teaches_no_price() -> None:
    solo = Solo()
    before = solo.node.observer.price(Source.ORIGIN)
    solo.end(only(FetchOrigin, solo.read(K)), FetchOutcome.NOT_FOUND, latency_s=9.0)
    assert solo.node.observer.price(Source.ORIGIN) == before
    assert solo.node.tuner.ledger(solo.node.observer.price)[0].requests == 0


def test_prices_follow_what_reads_waited() -> None:
    solo = Solo()
    for number in range(200):
        fetch = only(FetchOrigin, solo.read(key(number)))
        solo.now_s += 0.5
        solo.end(fetch, latency_s=0.5)
    assert solo.node.observer.price(Source.ORIGIN) == pytest.approx(0.5, rel=0.2)


def test_a_copy_for_another_agent_is_no_prefetch_of_ours() -> None:
    solo = Solo()
    fetch = only(FetchOrigin, solo.give(ev.PeerRead(request=7, key=K, sender="b1", purpose=Purpose.OWNER)))
    solo.end(fetch)
    entry = solo.node.cache.entry(K)
    assert entry is not None and entry.reason is Reason.DEMAND
    assert solo.node.tuner.ledger(solo.node.observer.price)[0].prefetched == 0
    assert not solo.node.cache.outcomes()


def test_unasked_copies_are_wasted_when_they_go_and_the_ledger_hears_of_those_that_were_used() -> None:
    solo = Solo(cache=CacheSettings(max_bytes=None, max_objects=10, default_ttl_s=None, eviction="lru"))
    for number in range(10):
        solo.admit(key(number), Reason.FORECAST)
    for number in range(3):
        solo.read(key(number))
    for number in range(100, 110):
        solo.have(key(number))
    solo.wait(2.0)
    (outcome,) = solo.node.cache.outcomes()
    assert outcome.reason is Reason.FORECAST
    assert (outcome.fetched, outcome.used, outcome.wasted) == pytest.approx((10, 3, 7), rel=1e-3)
    assert solo.node.tuner.ledger(solo.node.observer.price)[0].prefetch_used == 3


def test_a_refused_newcomer_takes_its_old_copy_with_it() -> None:
    policy = DependencyPolicy(name=DEP, ttl_s=10.0, max_object_bytes=SIZE, stale_while_revalidate_s=60.0)
    solo = Solo(policies=(policy,))
    solo.have(K)
    solo.now_s = 20.0
    revalidation = only(FetchOrigin, solo.read(K))
    actions = solo.end(revalidation, size=SIZE + 1)
    assert only(Discard, actions).keys == (K,) and not some(Keep, actions)
    assert not solo.holds(K)


def test_shadows_expire_with_the_store() -> None:
    """LRU must not be credited with hits on copies that would have expired."""
    solo = Solo(policies=(replace(DependencyPolicy(name=DEP), ttl_s=10.0),))
    for _ in range(5):
        solo.have(K)
        solo.now_s += 20.0
    line = solo.node.tuner.ledger(solo.node.observer.price)[0]
    assert (line.hits, line.lru_hit_ratio) == (0, 0.0)
