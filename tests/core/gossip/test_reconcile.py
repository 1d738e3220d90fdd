"""Anti-entropy: summaries, holdings and facts reach every zoned agent, whatever the network loses."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest

from tests.core.gossip.pool import Host, Pool, sees
from zoned.core.actions import SendPacket, StreamCall
from zoned.core.errors import PeerError
from zoned.core.gossip import GossipSettings, decode_stream
from zoned.core.gossip.channel import MARK, decode_body
from zoned.core.gossip.messages import User
from zoned.core.gossip.wire import decode_packet
from zoned.core.members import Fact, FactHeard, HoldingsHeard, HotInstance, MemberState, Summary, SummaryHeard
from zoned.core.names import InstanceKey
from zoned.core.records import Load

LAN = GossipSettings.profile("lan")


def summary(host: Host, number: int, **more: Any) -> Summary:
    identity = host.identity
    items = range(number % 200)
    fields: dict[str, Any] = {
        "node": identity.node,
        "zone": identity.zone,
        "made_wall_s": host.net.now().wall_s,
        "ring_id": "ab" * 8,
        "load": Load(cpu=number / 1000),
        "capacity_bytes": 1 << 30,
        "capacity_objects": 1000,
        "used_ratio": 0.5,
        "hit_ratio": 0.75,
        "demand": (),
        "hot": tuple(HotInstance(InstanceKey("api", b"/item/%d" % i), 1.5 * i, 100 + i) for i in items),
    }
    return Summary(**{**fields, **more})


class Directory:
    """What one host's cache directory would hold, from its news."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.held: dict[str, set[int]] = {}
        self.facts: dict[tuple[str, str], Fact] = {}
        self._read = 0

    def read(self) -> None:
        for news in self.host.news[self._read :]:
            if isinstance(news, HoldingsHeard):
                kept = set() if news.reset else self.held.get(news.node, set())
                self.held[news.node] = (kept - set(news.dropped)) | set(news.held)
            elif isinstance(news, FactHeard):
                self.facts[news.fact.kind, news.fact.subject] = news.fact
        self._read = len(self.host.news)


@pytest.mark.parametrize(("count", "loss"), [(2, 0.0), (5, 0.2), (6, 0.4), (15, 0.2)])
def test_everything_reaches_everyone(count: int, loss: float) -> None:
    pool, rng = Pool(seed=count, loss=loss), random.Random(count)
    hosts = pool.start(count, replace(LAN, holdings_log=20, relay_log=8))
    caches: list[set[int]] = [set() for _ in hosts]
    directories = [Directory(host) for host in hosts]
    for step in range(60):
        for index, host in enumerate(hosts):
            gained = [rng.randrange(1 << 32) for _ in range(rng.randrange(20))]
            lost = rng.sample(sorted(caches[index]), min(len(caches[index]), rng.randrange(12)))
            caches[index] = (caches[index] - set(lost)) | set(gained)
            pool.do(host, "holding", gained, lost)
            pool.do(host, "publish", summary(host, step + index))
        if step % 10 == 0:
            speaker = hosts[step % count]
            fact = Fact("drain", f"z{step % 20}", "yes", step, speaker.identity.node)
            pool.do(speaker, "spread", fact)
            directories[hosts.index(speaker)].read()
            directories[hosts.index(speaker)].facts[fact.kind, fact.subject] = fact
        pool.run(0.5)
    pool.run(90)
    for directory in directories:
        directory.read()
    for index, host in enumerate(hosts):
        others = {other.identity.node: caches[at] for at, other in enumerate(hosts) if at != index}
        assert {node: held for node, held in directories[index].held.items() if held} == others
        assert directories[index].facts == directories[0].facts and len(directories[0].facts) == 2
        assert list(host.swim.summaries()) == sorted(others)
        for other in hosts:
            if other is not host:
                seen = host.swim.summaries()[other.identity.node]
                assert seen == other.swim._reconciler.summaries._sent
        assert not any(name.startswith("rejected") for name in host.swim.counters)


def test_a_newcomer_takes_snapshots_in_pieces() -> None:
    pool = Pool()
    settings = replace(LAN, snapshot_chunk=100, holdings_log=1, holdings_flush_count=1)
    first = pool.add(0, settings)
    held = tuple(random.Random(1).sample(range(1 << 32), 950))
    pool.do(first, "holding", held, [])  # in ten flushes, and the log does not reach back to the first
    pool.run(12)
    hosts = [first, *(pool.add(index, settings) for index in (1, 2))]
    for host in hosts[1:]:
        pool.do(host, "join", [first.identity.gossip])
    pool.run(3)
    newcomer = pool.add(3)
    pool.do(newcomer, "join", [hosts[1].identity.gossip])
    pool.run(3)
    for host in (hosts[1], hosts[2], newcomer):
        directory = Directory(host)
        directory.read()
        assert directory.held["n000"] == set(held)
        assert host.swim.counters["snapshots_taken"] == 1
    assert hosts[0].swim.counters["snapshot_pieces_sent"] == 30


def test_a_great_many_at_once_go_in_flushes_that_a_stream_can_carry() -> None:
    """A store that is read back after a restart: beyond a million keys one flush would fit into no stream."""
    pool = Pool()
    settings = replace(LAN, snapshot_chunk=100)
    hosts = pool.start(3, settings)
    pool.run(3)
    sizes: list[int] = []

    def listen(stream: int, data: bytes, *more: Any) -> None:
        sizes.append(len(data))
        take(stream, data, *more)

    pool.do(hosts[0], "holding", range(100_000, 101_000), [])
    pool.do(hosts[0], "holding", [], range(100_990, 101_000))
    newcomer = pool.add(3, settings)
    take = newcomer.swim.stream
    pool.run(12)
    newcomer.swim.stream = listen  # type: ignore[method-assign]
    pool.do(newcomer, "join", [hosts[1].identity.gossip])
    pool.run(15)
    for host in (hosts[1], hosts[2], newcomer):
        directory = Directory(host)
        directory.read()
        assert directory.held["n000"] == set(range(100_000, 100_990))
    assert max(sizes) < 2500, "nobody is given all that it lacks at once"


def test_a_snapshot_that_is_behind_is_caught_up_with_by_its_agent_s_log() -> None:
    """Those who pass news on keep less of it; that must not make a newcomer take the same snapshot again."""
    pool = Pool()
    settings = replace(LAN, holdings_log=100, relay_log=4, holdings_flush_count=1)
    hosts = pool.start(3, settings)
    for number in range(100, 201):  # one flush more than the log keeps
        pool.do(hosts[0], "holding", [number], [])
    pool.run(3)

    def flushes(first: int, count: int) -> None:
        for number in range(first, first + count):
            pool.do(hosts[0], "holding", [number], [])
            pool.run(1.5)

    flushes(0, 10)
    newcomers = []
    for index, first in ((3, 10), (4, 40)):
        newcomers.append(pool.add(index, settings))
        pool.do(newcomers[-1], "join", [hosts[1].identity.gossip])
        pool.run(10)
        flushes(first, 30)
    for newcomer in newcomers:
        directory = Directory(newcomer)
        directory.read()
        assert directory.held["n000"] == {*range(70), *range(100, 201)}
    assert hosts[0].swim.counters["snapshot_pieces_sent"] == 4  # one to each of the others


def test_a_restarted_agent_s_log_replaces_the_old_one() -> None:
    pool = Pool()
    hosts = pool.start(3)
    pool.run(2)
    pool.do(hosts[2], "holding", [1, 2, 3], [])
    pool.run(3)
    hosts[2].up = False
    pool.run(0.5)
    hosts[2] = pool.add(2)
    pool.do(hosts[2], "join", [hosts[0].identity.gossip])
    pool.do(hosts[2], "holding", [7], [])
    pool.run(5)
    for host in hosts[:2]:
        directory = Directory(host)
        directory.read()
        assert directory.held["n002"] == {7}


def test_a_restarted_agent_that_holds_nothing_is_believed() -> None:
    pool = Pool()
    hosts = pool.start(3)
    pool.run(2)
    pool.do(hosts[2], "holding", [1, 2, 3], [])
    pool.run(3)
    hosts[2].up = False
    pool.run(0.5)
    hosts[2] = pool.add(2)
    pool.do(hosts[2], "join", [hosts[0].identity.gossip])
    pool.run(15)
    for host in hosts[:2]:
        directory = Directory(host)
        directory.read()
        assert directory.held["n002"] == set()


def test_an_agent_that_failed_and_returns_is_read_from_scratch() -> None:
    pool = Pool()
    hosts = pool.start(4)
    pool.run(2)
    pool.do(hosts[3], "holding", [1, 2, 3], [])
    pool.do(hosts[3], "publish", summary(hosts[3], 1))
    pool.run(3)
    pool.cut = lambda a, b: hosts[3].identity.gossip in (a, b)
    assert pool.run(30, lambda: sees(hosts[0], [hosts[3]], MemberState.FAILED))
    assert "n003" not in hosts[0].swim.summaries()
    pool.cut = lambda a, b: False
    hosts[0].news.clear()
    assert pool.run(10, lambda: "n003" in hosts[0].swim.summaries())
    pool.run(5)
    directory = Directory(hosts[0])
    directory.read()
    assert directory.held["n003"] == {1, 2, 3}


def test_a_clock_that_went_back_is_outlived() -> None:
    pool = Pool()
    hosts = pool.start(3)
    pool.run(2)
    pool.do(hosts[2], "holding", [1], [])
    pool.do(hosts[2], "publish", summary(hosts[2], 1))
    pool.run(3)
    born = pool.now
    pool.now = lambda: born()._replace(wall_s=5000.0)  # type: ignore[method-assign]
    hosts[2].up = False
    hosts[2] = pool.add(2)
    pool.do(hosts[2], "join", [hosts[0].identity.gossip])
    pool.do(hosts[2], "holding", [9], [])
    pool.do(hosts[2], "publish", summary(hosts[2], 2))
    pool.run(15)
    directory = Directory(hosts[0])
    directory.read()
    assert directory.held["n002"] == {9}
    assert hosts[0].swim.summaries()["n002"].load.cpu == 0.002


def test_digests_can_be_switched_off() -> None:
    pool = Pool()
    hosts = pool.start(2, replace(LAN, digests=False))
    pool.do(hosts[0], "holding", range(100), [])
    pool.run(10)
    assert not [news for news in hosts[1].news if isinstance(news, HoldingsHeard)]


def test_summaries_are_paced_but_not_their_alarms() -> None:
    pool = Pool()
    hosts = pool.start(2)
    pool.run(1)
    hosts[1].news.clear()

    def heard() -> int:
        return sum(isinstance(news, SummaryHeard) for news in hosts[1].news)

    for number in range(20):
        pool.do(hosts[0], "publish", summary(hosts[0], number))
        pool.run(1)
    assert heard() == 4
    pool.do(hosts[0], "publish", summary(hosts[0], 20, draining=True))
    pool.run(0.1)
    assert heard() == 5 and hosts[1].swim.summaries()["n000"].draining
    for _ in range(29):
        pool.do(hosts[0], "publish", summary(hosts[0], 20, draining=True))
        pool.run(1)
    assert heard() == 5  # nothing new to say


def test_at_rest_it_costs_next_to_nothing() -> None:
    pool = Pool()
    hosts = pool.start(5)
    for host in hosts:
        pool.do(host, "publish", summary(host, 50))
        pool.do(host, "holding", range(40), [])
        pool.do(host, "spread", Fact("drain", host.identity.zone, "yes", 1, host.identity.node))
    quiet = pool.add(5)  # one that says nothing of itself must not keep the others talking
    pool.do(quiet, "join", [hosts[0].identity.gossip])
    pool.run(20)
    before = [dict(host.swim.counters) for host in hosts]
    pool.run(100)
    for host, then in zip(hosts, before, strict=True):
        now = host.swim.counters
        assert now.get("reconciles") == then.get("reconciles")
        assert 40 <= now["reconcile_out"] - then["reconcile_out"] <= 63  # a SYN every 2 s
        assert now["bytes_out"] - then["bytes_out"] < 100 * 350  # less than a Serf agent sends at rest


def test_nothing_of_ours_goes_to_members_without_the_role() -> None:
    """A stock Serf agent would warn of each such message."""
    pool = Pool()
    zoned = [pool.add(0), pool.add(1)]
    stock = pool.add(2, role="web")
    for host in zoned[1:] + [stock]:
        pool.do(host, "join", [zoned[0].identity.gossip])
    heard: list[int] = []
    inner = stock.swim.packet

    def packet(data: bytes, sender: Any, now: Any) -> None:
        messages = decode_packet(data).messages
        heard.extend(message.body[0] for message in messages if isinstance(message, User))
        inner(data, sender, now)

    stock.swim.packet = packet  # type: ignore[method-assign]
    for host in zoned:
        pool.do(host, "publish", summary(host, 150))
        pool.do(host, "holding", range(100), [])
        pool.do(host, "spread", Fact("drain", "z", "yes", 1, "n000"))
    pool.run(20)
    assert MARK not in heard and heard
    assert "n001" in zoned[0].swim.summaries() and "n002" not in zoned[0].swim.summaries()


def test_what_is_too_long_for_a_packet_goes_by_stream() -> None:
    pool = Pool()
    hosts = pool.start(2)
    pool.run(1)
    rng = random.Random(1)
    hot = tuple(HotInstance(InstanceKey("api", rng.randbytes(40)), 1.0, 1) for _ in range(100))
    hosts[0].swim.publish(summary(hosts[0], 1, hot=hot), pool.now())
    actions = hosts[0].swim.take_actions()
    calls = [action for action in actions if isinstance(action, StreamCall)]
    assert len(calls) == 1 and not calls[0].expects_answer
    assert not any(isinstance(action, SendPacket) for action in actions)
    hosts[1].swim.stream(1, calls[0].data, hosts[0].identity.gossip, pool.now())
    assert hosts[1].swim.summaries()["n000"].hot == hot
    (reply,) = hosts[1].swim.take_actions()
    assert reply.data == b""  # type: ignore[union-attr]


def test_strangers_and_impostors_are_not_heard() -> None:
    pool = Pool()
    hosts = pool.start(2)
    pool.run(1)
    hosts[0].swim.publish(summary(hosts[0], 1), pool.now())
    (sent,) = [action for action in hosts[0].swim.take_actions() if isinstance(action, SendPacket)]
    (lone,) = Pool(seed=2).start(1)
    lone.swim.packet(sent.data, ("10.0.0.1", 7946), pool.now())
    assert lone.swim.counters["strangers"] == 1 and not lone.swim.summaries()


@pytest.mark.parametrize("body", [b"z", b"z\xc1", b"z\x90", b"z\x92\x01\x02", b"z\x91\x01", b"z\x80"])
def test_damaged_bodies(body: bytes) -> None:
    with pytest.raises(PeerError):
        decode_body(body)


def test_a_snapshot_answer_is_one_stream_message() -> None:
    pool = Pool()
    hosts = pool.start(2)
    pool.do(hosts[0], "holding", range(5000), [])
    answer = hosts[0].swim._reconciler.digests.piece([7, "n001", 0, 0])
    message = decode_stream(answer)
    assert isinstance(message, User) and len(decode_body(message.body)[6]) == 20000
