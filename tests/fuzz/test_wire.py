"""Garbage into gossip: 20,000 packets and streams, wholly random or one good message damaged.

Only PeerError may leave a decoder, nothing may leave the stage, every packet dropped is counted under its
reason, and what is kept stays within its limits.
"""

from __future__ import annotations

import random
from typing import Any

import msgpack
import pytest

from tests.core.gossip.pool import Pool
from zoned.core.actions import StreamReply
from zoned.core.errors import PeerError
from zoned.core.gossip import Swim, decode_stream, stream_complete
from zoned.core.gossip.channel import encode_body
from zoned.core.gossip.messages import (
    Ack,
    Alive,
    Dead,
    ErrorReply,
    IndirectPing,
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
from zoned.core.gossip.wire import VERSIONS, compound, compressed, decode_packet, encode, with_crc

PACKETS = 20_000
HOME = ("10.0.0.1", 7946)
META = meta_of(Identity("n001", "z", 1, ("10.0.0.2", 7946)))


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
    ours: list[tuple[Any, ...]] = [
        (1, "n001", 123456789),
        (2, "n001", 5, [["n000", 1, 2, 1, 4], ["n001", 1 << 40, 3, 1, 4]], True),
        (3, "n001", "n001", 7, b"\x01\x00\x90"),
        (4, "n001", "n001", 1 << 41, 1, [b"abcd", b""]),
        (5, "n001", "n001", 1 << 42, 9),
        (6, "n001", 3, 1),
        (7, "n001", 0, 0),
        (8, "n001", [["drain", "z", "yes", 3, "n001"]], True),
    ]
    bodies = [*serf, *(encode_body(fields) for fields in ours)]
    return [encode(each) for each in plain] + [encode(User(body)) for body in bodies]


def good_streams() -> list[bytes]:
    there = ("10.0.0.2", 7946)
    rows = tuple(Row(f"n{i:03d}", there, META, 5, state, VERSIONS) for i, state in enumerate(Standing))
    fields = {"LTime": 4, "StatusLTimes": {"n001": 3}, "LeftMembers": ["n003"], "Events": [None]}
    serf = b"\x02" + msgpack.packb(fields)
    plain = [
        encode_stream(each)
        for each in (
            PushPull(True, rows, serf), User(encode_body((7, "n001", 0, 0))), Ping(4, "n000", None, ""),
            Ack(4, b""), ErrorReply("no"), User(b"\x01\x80"),
        )
    ]  # fmt: skip
    return plain + [compressed_stream(each) for each in plain]


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
        except (ValueError, msgpack.UnpackException):
            continue
        return data[:start] + msgpack.packb(confused(rng, fields), use_bin_type=data[1:2] == b"z")
    return data


def garbage(rng: random.Random, good: list[bytes], wrap: bool) -> bytes:
    """Mostly a good message damaged, inside and out; now and then plain noise."""
    if rng.random() < 0.1:
        return rng.randbytes(rng.randrange(200))
    if rng.random() < 0.4:
        return mistyped(rng, rng.choice(good))
    data = damaged(rng, rng.choice(good))
    if wrap and data and rng.random() < 0.4:
        data = compound([data, rng.choice(good), damaged(rng, rng.choice(good)) or b"?"])
        data = rng.choice((lambda d: d, with_crc, compressed))(data)
        data = damaged(rng, data) if rng.random() < 0.3 else data
    return data


@pytest.mark.parametrize("seed", range(4))
def test_only_peer_errors_leave_the_decoders(seed: int) -> None:
    rng = random.Random(seed)
    packets, streams = good_packets(), good_streams()
    for _ in range(PACKETS // 4):
        for read, good in ((decode_packet, packets), (decode_stream, streams), (stream_complete, streams)):
            try:
                read(garbage(rng, good, read is decode_packet))
            except PeerError as error:
                assert error.reason.replace("_", "").isalnum() and len(error.reason) < 32


def victim(seed: int) -> Swim:
    pool = Pool(seed=seed)
    hosts = pool.start(3)
    pool.run(2)
    hosts[0].swim.holdings_are(range(100), pool.now())
    hosts[0].swim.take_actions()
    return hosts[0].swim


@pytest.mark.parametrize("seed", range(4))
def test_nothing_leaves_the_stage_and_all_is_counted(seed: int) -> None:
    rng = random.Random(seed)
    packets, streams = good_packets(), good_streams()
    swim = victim(seed)
    now = Pool().now()._replace(mono_s=2.0)
    for number in range(PACKETS // 4):
        now = now._replace(mono_s=now.mono_s + 0.001)
        swim.packet(garbage(rng, packets, True), (f"10.1.{number % 250}.1", 7946), now)
        if number % 4 == 0:
            swim.stream(number, garbage(rng, streams, False), ("10.1.1.1", 7946), now)
            replies = [action for action in swim.take_actions() if isinstance(action, StreamReply)]
            assert [reply.stream for reply in replies] == [number]
        if number % 5 == 0:
            swim.answered(rng.randrange(1, 200), garbage(rng, streams, False), now)
        deadline_s = swim.next_deadline()
        if deadline_s is not None and deadline_s <= now.mono_s:
            swim.tick(now)
        swim.take_news()
        swim.take_actions()
    counters = swim.counters
    rejected = sum(count for name, count in counters.items() if name.startswith("rejected_"))
    assert rejected > PACKETS // 16
    assert len([name for name in counters if name.startswith("rejected_")]) < 64
    assert swim.members() and all(member.node.isprintable() for member in swim.members())
    assert counters["queue_length"] <= 4096
