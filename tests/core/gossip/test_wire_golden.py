"""The wire byte by byte, as gossip-wire's facts say that Debian's serf 0.9.4 speaks it."""

from __future__ import annotations

import random
import zlib
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from zoned.core.actions import SendPacket
from zoned.core.gossip import GossipSettings, Identity
from zoned.core.gossip.membership import Known
from zoned.core.gossip.messages import (
    Ack,
    Alive,
    Dead,
    ErrorReply,
    IndirectPing,
    Nack,
    PacketMessage,
    Ping,
    PushPull,
    Row,
    Standing,
    StreamMessage,
    Suspect,
    User,
)
from zoned.core.gossip.stream import decode_stream, encode_stream
from zoned.core.gossip.wire import MAX_PARTS, VERSIONS, compound, decode_packet, encode, with_crc
from zoned.core.gossip.wiring import Wiring
from zoned.core.names import Instant
from zoned.daemon.gossip_seal import Seal
from zoned.daemon.keyring import Keyring

NOW = Instant(1.0, 1e9, 1e9)
HERE, THERE = ("10.0.0.1", 7946), ("10.0.0.2", 7946)
SOURCE = b"\xaaSourceAddr\xa4\x0a\0\0\x01\xaaSourceNode\xa1b\xaaSourcePort\xcd\x1f\x0a"
VSN = b"\xa3Vsn\xa6\x01\x05\x02\x02\x05\x05"
PACKETS: list[tuple[PacketMessage, bytes]] = [
    (Ping(7, "a", HERE, "b"), b"\x00\x85\xa4Node\xa1a\xa5SeqNo\x07" + SOURCE),
    (
        IndirectPing(7, THERE, "a", True, HERE, "b"),
        b"\x01\x88\xa4Nack\xc3\xa4Node\xa1a\xa4Port\xcd\x1f\x0a\xa5SeqNo\x07" + SOURCE
        + b"\xa6Target\xa4\x0a\0\0\x02",
    ),
    (Ack(300, b""), b"\x02\x82\xa7Payload\xc0\xa5SeqNo\xcd\x01\x2c"),
    (Suspect(7, "a", "b"), b"\x03\x83\xa4From\xa1b\xabIncarnation\x07\xa4Node\xa1a"),
    (
        Alive(7, "a", HERE, b"m", VERSIONS),
        b"\x04\x86\xa4Addr\xa4\x0a\0\0\x01\xabIncarnation\x07\xa4Meta\xa1m\xa4Node\xa1a"
        b"\xa4Port\xcd\x1f\x0a" + VSN,
    ),
    (Dead(1 << 31, "a", "a"), b"\x05\x83\xa4From\xa1a\xabIncarnation\xce\x80\0\0\0\xa4Node\xa1a"),
    (User(b"hello"), b"\x08hello"),
    (Nack(7), b"\x0b\x81\xa5SeqNo\x07"),
]  # fmt: skip
STREAMS: list[tuple[StreamMessage, bytes]] = [
    (
        PushPull(True, (Row("a", HERE, b"", 7, Standing.LEFT, VERSIONS),), b"\x02\x80"),
        b"\x06\x83\xa4Join\xc3\xa5Nodes\x01\xacUserStateLen\x02"
        b"\x87\xa4Addr\xa4\x0a\0\0\x01\xabIncarnation\x07\xa4Meta\xa0\xa4Name\xa1a\xa4Port\xcd\x1f\x0a\xa5State\x03"
        + VSN + b"\x02\x80",
    ),
    (User(b"abc"), b"\x08\x81\xaaUserMsgLen\x03abc"),
    (ErrorReply("no"), b"\x0d\x81\xa5Error\xa2no"),
    (Ping(7, "a", None, ""), b"\x00\x82\xa4Node\xa1a\xa5SeqNo\x07"),
]  # fmt: skip


@pytest.mark.parametrize(("message", "data"), PACKETS)
def test_packets(message: PacketMessage, data: bytes) -> None:
    assert encode(message) == data
    assert decode_packet(data) == ([message], [])


@pytest.mark.parametrize(("message", "data"), STREAMS)
def test_streams(message: StreamMessage, data: bytes) -> None:
    assert encode_stream(message) == data
    assert decode_stream(data) == message


def test_compound_and_crc() -> None:
    nack = PACKETS[-1][1]
    assert compound([nack, b"\x08x"]) == b"\x07\x02\x00\x09\x00\x02" + nack + b"\x08x"
    assert with_crc(nack) == b"\x0c" + zlib.crc32(nack).to_bytes(4, "big") + nack


def wiring(packet_bytes: int = 1400) -> Wiring:
    settings = replace(GossipSettings(), packet_bytes=packet_bytes)
    return Wiring(settings, Identity("a", "z", 1, HERE), random.Random(1))


@pytest.mark.parametrize(("most", "first"), [(4, 3), (5, 12)])
def test_a_crc_only_for_those_who_know_it(most: int, first: int) -> None:
    one = wiring()
    one.queue.put(("member", "x"), encode(Suspect(1, "x", "y")))
    assert one.gossip(Known("b", THERE, b"", bytes((1, most, 2, 2, 5, 5)), NOW))
    (sent,) = one.actions
    assert isinstance(sent, SendPacket) and sent.data[0] == first


def test_more_than_255_rumours_go_in_several_packets() -> None:
    one = wiring(packet_bytes=65000)
    rumours = [b"\x08\x01%d" % number for number in range(600)]
    for rumour in rumours:
        one.queue.put(("intent", rumour.hex()), rumour)
    told: list[bytes] = []
    for _ in range(3):
        one.send(THERE, Nack(1), Suspect(1, "x", "y"))
    for sent in one.actions:
        assert isinstance(sent, SendPacket) and sent.data[1] <= MAX_PARTS
        messages = decode_packet(sent.data).messages
        told += [b"\x08" + message.body for message in messages if isinstance(message, User)]
    assert set(told) == set(rumours)


def test_version_0_streams_with_a_label_are_read() -> None:
    plain = STREAMS[1][1]
    padded = plain + bytes((16 - len(plain) % 16,)) * (16 - len(plain) % 16)
    head = b"\x0a" + (29 + len(padded)).to_bytes(4, "big")
    sealed = head + b"\0" + b"n" * 12 + AESGCM(b"k" * 16).encrypt(b"n" * 12, padded, head + b"shop")
    seal = Seal(Keyring((b"k" * 16,)), "shop")
    assert seal.reader(1 << 20).feed(b"\xf4\x04shop" + sealed) == plain
    assert seal.reader(1 << 20, answer=True).feed(sealed) == plain  # the answer carries no label
