"""What one packet or stream may cost: memory traced, objects and replies counted (times: tests/bench)."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Callable
from functools import cache

import msgpack
import pytest

from tests.fuzz.hostile import HOME, MOST, PACKETS, STREAMS, THERE, VICTIM
from zoned.core.actions import SendPacket, StreamReply
from zoned.core.errors import PeerError
from zoned.core.gossip import GossipSettings, Identity, Swim
from zoned.core.gossip.bounded import MAX_DEPTH, MAX_OBJECTS, unpack, walk
from zoned.core.gossip.endpoint import MAX_QUESTIONS
from zoned.core.gossip.messages import Alive
from zoned.core.gossip.stream import LIMIT_BYTES
from zoned.core.gossip.tags import meta_of
from zoned.core.gossip.wire import MAX_MESSAGES, VERSIONS, decode_packet, encode
from zoned.core.names import Instant
from zoned.daemon.gossip_seal import Seal
from zoned.daemon.keyring import Keyring

PACKET_MIB, STREAM_MIB = 8, 20


def at(seconds: float) -> Instant:
    return Instant(seconds, 1.7e9 + seconds, 1.7e9 + seconds)


def victim(members: int = 60) -> Swim:
    swim = Swim(GossipSettings(), Identity(VICTIM, "z", 1, HOME), random.Random(1), at(0))
    for number in range(1, members):
        address = THERE if number == 1 else (f"10.1.0.{number}", 7946)
        meta = meta_of(Identity(f"n{number:03d}", "z", 1, address))
        swim.packet(encode(Alive(5, f"n{number:03d}", address, meta, VERSIONS)), address, at(0.1))
        swim.take_actions()
        swim.take_news()
    return swim


@cache
def opened() -> Swim:
    """One victim for all packets, as an agent has to take them all."""
    return victim()


def peak_mib(work: Callable[[], object]) -> float:
    tracemalloc.start()
    try:
        base = tracemalloc.get_traced_memory()[0]
        work()
        return (tracemalloc.get_traced_memory()[1] - base) / (1 << 20)
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", PACKETS)
def test_a_packet_costs_little(name: str) -> None:
    data, swim = PACKETS[name](), opened()
    assert len(data) <= MOST
    try:
        messages, rejected = decode_packet(data)
        assert len(messages) + len(rejected) <= MAX_MESSAGES + 4
        held = sum(len(message.body) for message in messages if hasattr(message, "body"))
        assert held <= MOST + (1 << 16)
    except PeerError:
        pass
    assert peak_mib(lambda: swim.packet(data, THERE, at(10))) < PACKET_MIB
    packets = [action for action in swim.take_actions() if isinstance(action, SendPacket)]
    assert sum(len(each.data) for each in packets) <= 1400 * (MAX_QUESTIONS + MAX_MESSAGES // 4)
    swim.take_news()
    counters = swim.counters
    assert counters["queue_length"] <= 4096 and len(swim.members()) <= 4096


SEALED = [("an error that is a tome", True), ("an LZW bomb", True)]
"""Sealing adds one more copy for a moment: those two are the largest without it."""


@pytest.mark.parametrize(("name", "sealed"), [*((name, False) for name in STREAMS), *SEALED])
def test_a_stream_costs_no_more_than_is_allowed(name: str, sealed: bool) -> None:
    seal = Seal(Keyring((b"k" * 16,) if sealed else ()))
    data = seal.stream(STREAMS[name](LIMIT_BYTES - 64))
    swim = victim(3)
    pieces = [data[start : start + 65536] for start in range(0, len(data), 65536)]
    del data

    def take() -> None:
        reader = seal.reader(LIMIT_BYTES)
        try:
            for piece in pieces:
                plain = reader.feed(piece)
            assert plain is not None
        except PeerError:
            return
        swim.stream(1, plain, THERE, at(10))

    assert peak_mib(take) < STREAM_MIB
    assert len([each for each in swim.take_actions() if isinstance(each, StreamReply)]) <= 1
    assert len(swim.members()) <= 4096


def test_the_walk_ends_where_msgpack_does() -> None:
    rng = random.Random(2)

    def anything(depth: int) -> object:
        match rng.randrange(9 if depth < MAX_DEPTH - 2 else 7):
            case 0:
                return rng.choice((None, True, 0.5))
            case 1:
                return rng.randrange(-(1 << 63), 1 << 64)
            case 2:
                return rng.randbytes(rng.choice((0, 31, 32, 300, 70_000)))
            case 3:
                return "é" * rng.choice((0, 15, 16, 300))
            case 4 | 5 | 6:
                return rng.randrange(-40, 300)
            case 7:
                return [anything(depth + 1) for _ in range(rng.choice((0, 1, 15, 16)))]
            case _:
                return {str(n): anything(depth + 1) for n in range(rng.choice((0, 1, 15, 16)))}

    for _ in range(300):
        value = anything(0)
        packed = msgpack.packb(value, use_bin_type=rng.random() < 0.5)
        assert walk(packed + b"more") == len(packed)
        assert walk(b"before" + packed, 6) == len(packed) + 6
        for cut in (0, len(packed) // 2, len(packed) - 1):
            with pytest.raises(PeerError, match="truncated"):
                walk(packed[:cut])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\xdd\x00\x00\xff\x00" * 3000, "msgpack_limit"),
        (b"\x91" * (MAX_DEPTH + 2) + b"\xdd\0\0\0\1" * 400, "msgpack_limit"),
        (b"\xdd" + (MAX_OBJECTS + 1).to_bytes(4, "big") + bytes(MAX_OBJECTS + 1), "msgpack_limit"),
        (b"\xdc\xff\xff", "truncated"),
        (b"\xc1", "msgpack"),
        (b"\x01\x02", "msgpack"),
        (b"", "truncated"),
    ],
)
def test_what_would_cost_too_much_is_not_unpacked(data: bytes, reason: str) -> None:
    with pytest.raises(PeerError) as caught:
        unpack(data, raw=True)
    assert caught.value.reason == reason


def test_long_honest_lists_are_unpacked() -> None:
    entries = [[f"node-{n}", n, b"\xdd\xdc" * 4] for n in range(16_384)]
    assert unpack(msgpack.packb(entries), raw=False) == entries
