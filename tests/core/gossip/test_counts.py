"""Counts of instances: within the budget, the largest change first, about right on the other side."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.gossip.pool import Host, Pool
from tests.core.gossip.test_reconcile import LAN
from zoned.core.actions import SendPacket
from zoned.core.errors import PeerError
from zoned.core.gossip.channel import COUNTS
from zoned.core.gossip.counts import VALUES, code_of
from zoned.core.members import CountsHeard


def heard(host: Host, of: str = "n000") -> dict[int, float]:
    """What the host knows of another's counts: the last told of each."""
    known: dict[int, float] = {}
    for news in host.news:
        if isinstance(news, CountsHeard) and news.node == of:
            known.update(zip(news.fingerprints, news.counts, strict=True))
    return known


@given(st.floats(0.25, 1e8))
def test_a_code_is_within_a_twentieth(count: float) -> None:
    assert VALUES[code_of(count)] == pytest.approx(count, rel=0.05)


def test_codes_have_ends() -> None:
    assert code_of(0.0) == code_of(0.1) == 0 and VALUES[0] == 0.0
    assert code_of(1e30) == 255 and VALUES[255] > 5e8 and len(VALUES) == 256


def test_counts_reach_everybody_and_stay_within_the_budget() -> None:
    pool = Pool()
    hosts = pool.start(4)
    pool.run(5)
    counts = [(number, 1.0 + number) for number in range(900)]
    pool.do(hosts[0], "counted", counts)
    before = hosts[0].swim.counters["bytes_out"]
    pool.run(25)
    first = heard(hosts[1])
    assert 200 <= len(first) <= 600  # two or three flushes
    assert min(first) >= 300  # those that are used the most went first
    assert hosts[0].swim.counters["bytes_out"] - before < 25 * 350 + 3 * 3 * (5 * 200 + 40)
    pool.run(60)
    for host in hosts[1:]:
        assert heard(host) == pytest.approx(dict(counts), rel=0.05)
    sent = hosts[0].swim.counters["counts_sent"]
    pool.run(100)
    assert hosts[0].swim.counters["counts_sent"] == sent == 900  # at rest nothing is told


def test_who_hands_copies_over_tells_its_counts_at_once() -> None:
    pool = Pool()
    hosts = pool.start(3)
    pool.run(5)
    pool.do(hosts[0], "counted", [(number, 1.0 + number) for number in range(300)], hurry=True)
    pool.run(1)
    for host in hosts[1:]:
        assert sorted(heard(host)) == list(range(100, 300)), "one packet full, those that are used the most"
    pool.run(60)
    assert len(heard(hosts[1])) == 300, "the rest in its time"


def test_what_decayed_alike_on_both_sides_is_no_news() -> None:
    pool = Pool()
    hosts = pool.start(2)
    pool.run(5)
    pool.do(hosts[0], "counted", [(1, 100.0), (2, 100.0)])
    pool.run(3600)
    pool.do(hosts[0], "counted", [(1, 51.0), (2, 100.0)])  # the second was used as much again
    pool.run(20)
    assert hosts[0].swim.counters["counts_sent"] == 3


def test_a_newcomer_hears_the_largest() -> None:
    pool = Pool()
    hosts = pool.start(3)
    pool.run(5)
    pool.do(hosts[0], "counted", [(number, 1.0 + number) for number in range(500)])
    pool.run(60)
    newcomer = pool.add(3)
    pool.do(newcomer, "join", [hosts[1].identity.gossip])
    pool.run(15)
    assert sorted(heard(newcomer)) == list(range(300, 500))


def test_in_a_large_pool_all_hear_but_later() -> None:
    pool = Pool()
    hosts = pool.start(7, replace(LAN, eager_peers=2))
    pool.run(5)
    pool.do(hosts[0], "counted", [(1, 5.0)])
    pool.run(20)
    assert "counts_sent" not in hosts[0].swim.counters  # three times as many: three times as seldom
    pool.run(20)
    assert all(1 in heard(host) for host in hosts[1:])


def test_switched_off_and_bounded() -> None:
    pool = Pool()
    hosts = pool.start(2, replace(LAN, counts_per_flush=0))
    pool.do(hosts[0], "counted", [(1, 5.0)])
    pool.run(40)
    assert not heard(hosts[1])
    bounded = Pool()
    hosts = bounded.start(2, replace(LAN, counts_limit=300))
    bounded.run(5)
    bounded.do(hosts[0], "counted", [(number, 1.0 + number) for number in range(1000)])
    assert hosts[0].swim.counters["counts_dropped"] == 700
    bounded.run(60)
    assert sorted(heard(hosts[1])) == list(range(700, 1000))


@pytest.mark.parametrize(
    "fields", [[b"1234", b""], ["1234", b"1"], [b"123", b"1"], [b"1234" * 9000, b"1" * 9000]]
)
def test_nonsense(fields: list[object]) -> None:
    (host,) = Pool().start(1)
    with pytest.raises(PeerError):
        host.swim._reconciler.counts.hear([COUNTS, "n001", *fields])


def test_a_flush_is_one_packet() -> None:
    pool, rng = Pool(), random.Random(1)
    hosts = pool.start(2)
    pool.run(5)
    hosts[0].swim.counted([(rng.randrange(1 << 32), 9.0) for _ in range(500)], pool.now())
    hosts[0].swim._reconciler.counts._flush(pool.now())
    sent = [action for action in hosts[0].swim.take_actions() if isinstance(action, SendPacket)]
    assert len(sent) == 1 and 1000 < len(sent[0].data) < 1050
