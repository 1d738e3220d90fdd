"""Mutations of what members really send: the material of every fuzz of gossip.

The good messages are of two kinds: one of everything by hand (Serf's types, which zoned hardly sends), and
what a simulated pool of agents said during an eventful minute, so that every kind of our own is there in its
present layout without anybody having to remember it here.
"""

from __future__ import annotations

import random
from dataclasses import replace
from functools import cache
from typing import Any

import msgpack

from tests.core.gossip.pool import Pool
from tests.core.gossip.test_reconcile import summary
from zoned.core.actions import SendPacket, StreamCall
from zoned.core.gossip import GossipSettings
from zoned.core.gossip.messages import (
    Ack,
    Alive,
    Dead,
    ErrorReply,
    IndirectPing,
    Kind,
    Nack,
    Ping,
    PushPull,
    Row,
    Standing,
    Suspect,
    User,
)
from zoned.core.gossip.stream import compressed_stream, encode_stream
from zoned.core.gossip.tags import Identity, meta_of
from zoned.core.gossip.wire import VERSIONS, compound, compressed, encode, with_crc
from zoned.core.members import Fact

HOME = ("10.0.0.1", 7946)
META = meta_of(Identity("n001", "z", 1, ("10.0.0.2", 7946)))


@cache
def good_packets() -> list[bytes]:
    """One of everything that a member might really send."""
    plain = [
        Ping(7, "n000", HOME, "n001"),
        IndirectPing(8, ("10.0.0.2", 7946), "n001", True, HOME, "n001"),
        Ack(1, b"\x01" + msgpack.packb({"Vec": [0.1] * 8, "Error": 1.0, "Adjustment": 0.0, "Height": 1e-5})),
        Nack(1),
        Suspect(1_700_000_000, "n001", "n000"),
        Alive(1_700_000_009, "n001", ("10.0.0.2", 7946), META, VERSIONS),
        Alive(4, "n777", ("10.0.9.9", 7946), META, VERSIONS),
        Dead(1_700_000_000, "n001", "n002"),
    ]
    serf = [
        bytes((kind,)) + msgpack.packb(fields, use_bin_type=False)
        for kind, fields in (
            (0, {"LTime": 9, "Node": "n001", "Prune": True}),
            (1, {"LTime": 9, "Node": "n001"}),
            (3, {"LTime": 9, "Name": "deploy", "Payload": b"x", "CC": True}),
            (4, {"LTime": 3, "ID": 1, "Addr": b"\x0a\0\0\2", "Port": 1, "Flags": 1, "Name": "_serf_ping",
                 "Filters": [b"\x01" + msgpack.packb({"Tag": "zone", "Expr": "z.*"})]}),
            (9, {"DestAddr": {"IP": b"\x0a\0\0\2", "Port": 7946}, "DestName": "n001"}),
        )
    ]  # fmt: skip
    return [encode(each) for each in plain] + [encode(User(body)) for body in serf] + said()[0]


@cache
def good_streams() -> list[bytes]:
    there = ("10.0.0.2", 7946)
    rows = tuple(Row(f"n{i:03d}", there, META, 5, state, VERSIONS) for i, state in enumerate(Standing))
    fields = {"LTime": 4, "StatusLTimes": {"n001": 3}, "LeftMembers": ["n003"], "Events": [None]}
    serf = b"\x02" + msgpack.packb(fields)
    plain = [
        encode_stream(each)
        for each in (
            PushPull(True, rows, serf), Ping(4, "n000", None, ""),
            Ack(4, b""), ErrorReply("no"), User(b"\x01\x80"),
        )
    ]  # fmt: skip
    plain += [each for each in said()[1] if len(each) < 20_000]
    return plain + [compressed_stream(each) for each in plain if each[0] != Kind.COMPRESSED]


def damaged(rng: random.Random, data: bytes) -> bytes:
    """Bits flipped, bytes cut, doubled or inserted."""
    found = bytearray(data)
    for _ in range(rng.choice((0, 1, 1, 1, 2, 5))):
        at = rng.randrange(len(found) + 1)
        what = rng.randrange(5)
        if what == 0 and at < len(found):
            found[at] ^= 1 << rng.randrange(8)
        elif what == 1:
            del found[at:]
        elif what == 2:
            found[at:at] = rng.randbytes(rng.randrange(1, 9))
        elif what == 3 and at < len(found):
            found[at] = rng.choice(b"\x80\x90\xc0\xc1\xc4\xca\xcf\xd3\xdb\xdd\xdf\xff\x00")
        elif found:
            found += found[: rng.randrange(len(found))]
    return bytes(found)


ODD = [None, True, -1, 1 << 63, 1.5, float("nan"), "", "x", b"", b"\xff", [], [[]], {}, {"a": 1}, [1, "x"]]


def confused(rng: random.Random, what: Any) -> Any:
    """The same value with one part of it replaced by something of another type."""
    if isinstance(what, list | tuple) and what and rng.random() < 0.8:
        at = rng.randrange(len(what))
        return [confused(rng, each) if i == at else each for i, each in enumerate(what)]
    if isinstance(what, dict) and what and rng.random() < 0.8:
        at = rng.choice(sorted(what, key=repr))
        return {key: confused(rng, each) if key == at else each for key, each in what.items()}
    return rng.choice(ODD)


def mistyped(rng: random.Random, data: bytes) -> bytes:
    """A message whose msgpack is fine but not what it should be."""
    for start in (1, 2):
        try:
            fields = msgpack.unpackb(data[start:], raw=data[1:2] != b"z", strict_map_key=False)
        except (ValueError, TypeError, msgpack.UnpackException):
            continue
        return data[:start] + msgpack.packb(confused(rng, fields), use_bin_type=data[1:2] == b"z")
    return data


@cache
def said() -> tuple[list[bytes], list[bytes]]:
    """(packets, streams) of a pool in which members join, fail and leave, caches fill, facts spread."""
    pool = Pool(seed=3, loss=0.05)
    hosts = pool.start(5, replace(GossipSettings(), holdings_log=4, relay_log=4, eager_peers=1))
    packets: dict[tuple[int, ...], bytes] = {}
    streams: dict[tuple[int, ...], bytes] = {}
    for host in hosts:
        taking = host.swim.take_actions

        def take(taking: Any = taking) -> list[Any]:
            actions = taking()
            for action in actions:
                if isinstance(action, SendPacket):
                    packets.setdefault((*action.data[:4], len(action.data) // 40), action.data)
                elif isinstance(action, StreamCall):
                    streams.setdefault((*action.data[:4], len(action.data) // 200), action.data)
            return list(actions)

        host.swim.take_actions = take  # type: ignore[method-assign]
    for second in range(40):
        pool.run(1)
        for number, host in enumerate(hosts):
            first = second * 50
            pool.do(host, "holding", range(first, first + 40), range(max(0, first - 30), first))
            pool.do(host, "publish", summary(host, second * 5 + number))
        pool.do(hosts[second % 5], "spread", Fact("invalidate", f"api:{second}", "", second, "n000"))
        if second == 10:
            hosts[4].up = False
        if second == 20:
            pool.do(hosts[3], "leave")
    return list(packets.values()), list(streams.values())


def garbage(rng: random.Random, good: list[bytes], wrap: bool) -> bytes:
    """Mostly a good message damaged, inside and out; now and then plain noise."""
    if rng.random() < 0.1:
        return rng.randbytes(rng.randrange(200))
    if rng.random() < 0.4:
        return mistyped(rng, rng.choice(good))
    data = damaged(rng, rng.choice(good))
    if wrap and data and len(data) < 20_000 and rng.random() < 0.4:
        data = compound([data, rng.choice(good), damaged(rng, rng.choice(good)) or b"?"])
        data = rng.choice((lambda d: d, with_crc, compressed))(data)
        data = damaged(rng, data) if rng.random() < 0.3 else data
    return data
