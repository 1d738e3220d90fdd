"""Comparing what two agents know: any two states meet, whatever gets lost, in packets that fit."""

from __future__ import annotations

import random
from collections.abc import Sequence

import msgpack
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.gossip.pool import Pool
from zoned.core.actions import SendPacket, StreamCall, StreamReply
from zoned.core.gossip import GossipSettings, Identity, decode_stream
from zoned.core.gossip.channel import MARK
from zoned.core.gossip.holdings import pack_fingerprints
from zoned.core.gossip.membership import Known
from zoned.core.gossip.messages import Standing, User
from zoned.core.gossip.reconcile import Reconciler
from zoned.core.gossip.summary import encode_summary
from zoned.core.gossip.tags import meta_of
from zoned.core.gossip.versions import BUCKETS, bucket_of
from zoned.core.gossip.wire import VERSIONS, decode_packet
from zoned.core.gossip.wiring import Wiring
from zoned.core.members import Fact, Summary
from zoned.core.names import Instant
from zoned.core.records import Load

SETTINGS = GossipSettings()
NOW = Instant(50.0, 1_700_000_000.0, 1_700_000_000.0)
Known3 = tuple[int, int, int]  # epoch and version of a log, version of a summary


def identity(index: int) -> Identity:
    address = (f"10.0.{index // 250}.{index % 250 + 1}", 7946)
    return Identity(f"agent-{index:03d}", f"z{index % 9}", 1, address, peer=(address[0], 7947))


def summary_of(node: str, version: int) -> bytes:
    made = Summary(
        node=node, zone="z", made_wall_s=float(version), ring_id="", load=Load(), capacity_bytes=0,
        capacity_objects=0, used_ratio=0.0, hit_ratio=0.0, demand=(), hot=(),
    )  # fmt: skip
    return encode_summary(made, 1300)


class Side:
    """One agent's knowledge of a pool whose other members are silent."""

    def __init__(self, index: int, count: int) -> None:
        self.wiring = Wiring(SETTINGS, identity(index), random.Random(index))
        for other in range(count):
            one = identity(other)
            known = Known(one.node, one.gossip, meta_of(one), VERSIONS, NOW)
            known.enter(Standing.ALIVE, NOW)
            self.wiring.table.add(known)
        self.reconciler = Reconciler(self.wiring, lambda address: None, NOW)
        self.address = identity(index).gossip
        self.sent: list[int] = []  # sizes of packets
        self.streams = 0

    def told(self, kind: int, node: str, *fields: object) -> None:
        body = bytes((MARK,)) + msgpack.packb((kind, node, *fields))
        self.reconciler.heard(body, NOW)

    def knows(self, node: str, known: Known3) -> None:
        epoch, version, summary = known
        flush = [pack_fingerprints([7]), b""]
        if version:
            self.told(4, node, node, epoch, 1, flush * version)
        if summary:
            self.told(3, node, [(node, 0, summary, summary_of(node, summary))])

    def take(self) -> list[tuple[object, bytes]]:
        """What it wants sent: (address, body)."""
        out: list[tuple[object, bytes]] = []
        for action in self.wiring.actions:
            if isinstance(action, SendPacket):
                self.sent.append(len(action.data))
                (message,) = decode_packet(action.data).messages
                assert isinstance(message, User)
                out.append((action.address, message.body))
            elif isinstance(action, StreamCall) and not action.expects_answer:
                self.streams += 1
                stream = decode_stream(action.data)
                assert isinstance(stream, User)
                out.append((action.address, stream.body))
            else:
                assert isinstance(action, StreamCall | StreamReply)
        self.wiring.actions.clear()
        self.wiring.news.clear()
        return out

    def state(self) -> dict[str, Known3]:
        return {node: self.reconciler.versions.of(node, 50.0) or (0, 0, 0) for node in self.nodes()}

    def nodes(self) -> list[str]:
        return [each.node for each in self.wiring.table.all()]


def exchange(one: Side, other: Side, rng: random.Random, loss: float, rounds: int) -> int:
    """Let each greet the other, time and again, until they agree; how often that took."""
    sides = {one.address: one, other.address: other}
    for turn in range(rounds):
        if one.state() == other.state() and one.reconciler.facts.all() == other.reconciler.facts.all():
            return turn
        asker, peer = (one, other) if turn % 2 else (other, one)
        known = asker.wiring.table.get(peer.wiring.me.node)
        assert known is not None
        asker.reconciler._asked_s.clear()  # as if a second had passed
        peer.reconciler._asked_s.clear()
        asker.reconciler.greet(known, NOW)
        under_way: list[tuple[object, bytes]] = asker.take()
        steps = 0
        while under_way:
            steps += 1
            assert steps < 2000, "they never stop talking"
            address, body = under_way.pop(rng.randrange(len(under_way)))
            if address in sides and rng.random() >= loss:
                sides[address].reconciler.heard(body, NOW)  # type: ignore[index]
            under_way += one.take() + other.take()
    return rounds


def naive(first: dict[str, Known3], second: dict[str, Known3]) -> dict[str, Known3]:
    """The twin: of each agent, the newer log and the newer summary."""
    merged = {}
    for node in first:
        a, b = first[node], second[node]
        merged[node] = (*max(a[:2], b[:2]), max(a[2], b[2]))
    return merged


knowledge = st.tuples(st.integers(1, 3), st.integers(0, 5), st.integers(0, 4))


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 130), st.integers(0, 30), st.sampled_from([0.0, 0.3]), st.integers(0, 1 << 32))
def test_any_two_states_meet(count: int, said: int, loss: float, seed: int) -> None:
    rng = random.Random(seed)  # not hypothesis's: its network would lose everything, always
    sides = Side(0, count), Side(1, count)
    alike = rng.random()
    for node in sides[0].nodes()[2:]:
        known = rng.randint(1, 3), rng.randrange(6), rng.randrange(5)
        sides[0].knows(node, known)
        sides[1].knows(
            node, known if rng.random() < alike else (rng.randint(1, 3), rng.randrange(6), rng.randrange(5))
        )
    for _ in range(said):
        fact = Fact("invalidate", f"api:{rng.randrange(40)}", "", rng.randrange(6), "x")
        sides[rng.randrange(2)].reconciler.facts.hear(fact)
    twin = naive(sides[0].state(), sides[1].state())
    for side in sides:
        side.take()
    assert exchange(*sides, rng, loss, 400) < 400
    assert sides[0].state() == twin
    for side in sides:
        assert all(size <= SETTINGS.room_bytes for size in side.sent)
        assert not any(name.startswith("rejected") for name in side.wiring.counters)


def test_what_differs_costs_its_own_size_whatever_the_pool_s() -> None:
    rng = random.Random(3)
    costs = []
    for count in (40, 300):
        one, other = Side(0, count), Side(1, count)
        for side in (one, other):
            for at, node in enumerate(side.nodes()[2:]):
                side.knows(node, (1, 3, 4 if at == 7 and side is one else 3))
            side.take()
        one.sent.clear()
        assert exchange(one, other, rng, 0.0, 3) == 1
        costs.append(sum(one.sent) + sum(other.sent))
        assert max(one.sent + other.sent) <= SETTINGS.room_bytes
        assert one.streams == other.streams == 0
    assert costs[1] < costs[0] + 400  # more share the bucket that differs; 260 agents more do not


def test_a_newcomer_to_three_hundred_hears_all_from_one() -> None:
    one, new = Side(0, 300), Side(1, 300)
    for node in one.nodes()[2:]:
        one.knows(node, (1, 2, 3))
    one.take()
    assert exchange(one, new, random.Random(1), 0.0, 4) <= 2
    assert new.state() == one.state()


def test_several_who_greet_a_newcomer_are_not_all_asked() -> None:
    new, greeters = Side(0, 60), [Side(index, 60) for index in range(1, 6)]
    for greeter in greeters:
        for node in greeter.nodes()[6:]:
            greeter.knows(node, (1, 2, 3))
        greeter.take()
        greeter.reconciler.greet(new.wiring.table.get("agent-000"), NOW)  # type: ignore[arg-type]
    wanted = 0
    for greeter in greeters:
        for _, body in greeter.take():
            new.reconciler.heard(body, NOW)
        for _, body in new.take():
            greeter.reconciler.heard(body, NOW)
        for _, body in greeter.take():
            new.reconciler.heard(body, NOW)
        for _, body in new.take():
            wanted += len(msgpack.unpackb(body[1:])[2])
    assert wanted == 54  # each of the others' news once, not five times


# ---- the hashes ----


def twin_buckets(side: Side) -> list[int]:
    """The buckets' hashes, computed anew from every entry."""
    buckets = [0] * BUCKETS
    for node in side.nodes():
        epoch, version, summary = side.reconciler.versions.of(node, 50.0) or (0, 0, 0)
        packed = b"".join(number.to_bytes(8, "little") for number in (epoch, version, summary))
        buckets[bucket_of(node)] ^= xxhash.xxh3_64_intdigest(node.encode() + b"\0" + packed)
    return buckets


@given(st.lists(st.tuples(st.integers(2, 19), knowledge, st.sampled_from("kkkdu")), max_size=40))
@settings(max_examples=30, deadline=None)
def test_hashes_follow_every_change(changes: Sequence[tuple[int, Known3, str]]) -> None:
    side = Side(0, 20)
    for at, known, what in changes:
        node = side.nodes()[at]
        entry = side.wiring.table.get(node)
        assert entry is not None
        if what == "k" and entry.is_up():
            side.knows(node, known)
        elif what != "k":
            entry.enter(Standing.DEAD if what == "d" else Standing.ALIVE, NOW)
            side.wiring.table.changed()
            side.reconciler.on_change(entry, None, NOW)
    side.reconciler.versions.root(0, 50.0)
    up = [each.node for each in side.wiring.table.all() if each.is_up()]
    assert all((side.reconciler.versions.of(node, 50.0) is not None) == (node in up) for node in side.nodes())
    whole = twin_buckets(side)
    for node in side.nodes():
        if node not in up:
            whole[bucket_of(node)] ^= xxhash.xxh3_64_intdigest(node.encode() + b"\0" + bytes(24))
    assert side.reconciler.versions.hashes(50.0) == b"".join(
        (each & 0xFFFFFFFF).to_bytes(4, "little") for each in whole
    )


def test_a_root_costs_nothing_while_nothing_changes() -> None:
    """The hashes are kept, so a SYN at 300 agents is no walk through the pool."""
    side = Side(0, 300)
    side.reconciler.versions.root(0, 50.0)
    walks = []
    inner = side.wiring.table.all
    side.wiring.table.all = lambda: walks.append(1) or inner()  # type: ignore[func-returns-value, method-assign]
    for _ in range(100):
        side.reconciler.versions.root(0, 51.0)
    side.knows("agent-005", (1, 1, 1))
    side.reconciler.versions.root(0, 52.0)
    assert not walks


# ---- ages ----


def test_ages_go_back_when_news_comes_or_somebody_knows_the_same() -> None:
    pool = Pool()
    hosts = pool.start(4)
    pool.run(20)
    ages = hosts[0].swim.ages(pool.now())
    assert sorted(ages) == ["n001", "n002", "n003"]
    assert all(0 <= age < 12 for pair in ages.values() for age in pair)  # a SYN came within 12 s
    pool.cut = lambda a, b: True
    pool.run(2)
    before = hosts[0].swim.ages(pool.now())
    pool.run(1)
    after = hosts[0].swim.ages(pool.now())
    for node, pair in after.items():
        assert [round(new - old, 6) for new, old in zip(pair, before[node], strict=True)] == [1.0, 1.0]


def test_news_of_its_holdings_says_nothing_of_its_summary() -> None:
    side = Side(0, 4)
    side.reconciler.versions.root(0, 40.0)
    node = side.nodes()[2]
    side.knows(node, (1, 2, 0))
    assert side.reconciler.versions.ages(60.0)[node] == (20.0, 10.0)
    side.knows(node, (1, 2, 5))
    assert side.reconciler.versions.ages(60.0)[node] == (10.0, 10.0)
