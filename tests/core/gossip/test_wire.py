"""Datagrams: golden bytes, round trips of every message, compounds, CRC, limits."""

from __future__ import annotations

import zlib

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoned.core.errors import PeerError
from zoned.core.gossip.messages import (
    Ack,
    Alive,
    Dead,
    IndirectPing,
    Nack,
    PacketMessage,
    Ping,
    Suspect,
    User,
)
from zoned.core.gossip.wire import (
    MAX_MESSAGES,
    VERSIONS,
    compound,
    compressed,
    decode_packet,
    encode,
    with_crc,
)

names = st.text("abcdefghijklmnopqrstuvwxyzABC0123456789-._", min_size=1, max_size=40)
u32 = st.integers(0, 0xFFFFFFFF)
ports = st.integers(1, 65535)
hosts = st.sampled_from(["10.1.2.3", "127.0.0.1", "255.255.255.255", "fe80::1", "2001:db8::7"])
addresses = st.tuples(hosts, ports)
blobs = st.binary(max_size=400)
plain = st.one_of(
    st.builds(Ping, u32, names, st.none(), st.just("")),
    st.builds(Ping, u32, names, addresses, names),
    st.builds(IndirectPing, u32, addresses, names, st.booleans(), addresses, names),
    st.builds(Ack, u32, blobs),
    st.builds(Nack, u32),
    st.builds(Suspect, u32, names, names),
    st.builds(Dead, u32, names, names),
    st.builds(Alive, u32, names, addresses, blobs, st.just(VERSIONS)),
    st.builds(User, blobs),
)


def test_a_ping_as_go_writes_it() -> None:
    ping = b"\x00\x82\xa4Node\xa2n1\xa5SeqNo\x2a"
    assert encode(Ping(42, "n1", None, "")) == ping
    assert decode_packet(ping).messages == [Ping(42, "n1", None, "")]


def test_bytes_and_text_are_raw_in_the_old_dialect() -> None:
    data = encode(Alive(7, "n" * 40, ("10.0.0.1", 7946), b"m" * 300, VERSIONS))
    fields = msgpack.unpackb(data[1:], raw=True)
    assert fields[b"Node"] == b"n" * 40
    assert b"\xda\x00\x28" + b"n" * 40 in data  # raw16, where the new dialect would write str8
    assert b"\xda\x01\x2c" + b"m" * 300 in data
    assert fields[b"Vsn"] == VERSIONS


def test_the_new_dialect_is_understood() -> None:
    data = b"\x05" + msgpack.packb({"Incarnation": 3, "Node": "n1", "From": "n2"}, use_bin_type=True)
    assert decode_packet(data).messages == [Dead(3, "n1", "n2")]


def test_unknown_keys_trailing_bytes_and_missing_fields() -> None:
    data = b"\x03" + msgpack.packb({"Node": "n1", "Later": [1, {"a": 2}]}) + b"\0\0"
    assert decode_packet(data).messages == [Suspect(0, "n1", "")]


def test_ipv4_in_ipv6_is_ipv4() -> None:
    host = bytes(10) + b"\xff\xff" + bytes((10, 0, 0, 9))
    data = b"\x04" + msgpack.packb({"Node": "n", "Addr": host, "Port": 1}, use_bin_type=False)
    assert decode_packet(data).messages[0] == Alive(0, "n", ("10.0.0.9", 1), b"", b"")


@given(plain)
def test_every_message_comes_back(message: PacketMessage) -> None:
    assert decode_packet(encode(message)) == ([message], [])


@given(st.lists(plain, min_size=1, max_size=30))
def test_compounds_crc_and_compression_nest(messages: list[PacketMessage]) -> None:
    data = compound([encode(message) for message in messages])
    assert decode_packet(data).messages == messages
    assert decode_packet(with_crc(data)).messages == messages
    assert decode_packet(with_crc(compressed(data))).messages == messages


def test_a_cut_compound_keeps_what_is_whole() -> None:
    data = compound([encode(Nack(1)), encode(Nack(2)), encode(Nack(3))])
    assert decode_packet(data[:-2]) == ([Nack(1), Nack(2)], ["compound_cut"])


def test_a_bad_part_costs_only_itself() -> None:
    data = compound([encode(Nack(1)), b"\x63?", b"\x02\xc1", encode(Nack(3))])
    assert decode_packet(data) == ([Nack(1), Nack(3)], ["unknown_type", "msgpack"])


def test_nesting_is_bounded() -> None:
    data = encode(Nack(1))
    for _ in range(4):
        data = with_crc(data)
    assert decode_packet(data).messages == [Nack(1)]
    with pytest.raises(PeerError, match="nesting"):
        decode_packet(with_crc(data))


def test_parts_are_bounded() -> None:
    inner = compound([encode(Nack(1))] * 255)
    messages, rejected = decode_packet(compound([inner] * 200))
    assert len(messages) + len(rejected) <= MAX_MESSAGES + 5 and "compound_limit" in rejected


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"\xf4\x03abc", "labelled"),
        (b"\x0a\0\0\0\0", "encrypted"),
        (b"\x0c\0\0\0\0\x08x", "crc"),
        (b"\x0c" + zlib.crc32(b"").to_bytes(4, "big"), "crc"),
        (b"\x09" + msgpack.packb({"Algo": 1, "Buf": b"x"}), "compression"),
        (b"\x00" + msgpack.packb({"SeqNo": -1, "Node": "n"}), "number"),
        (b"\x00" + msgpack.packb({"SeqNo": 1 << 32, "Node": "n"}), "number"),
        (b"\x00" + msgpack.packb({"SeqNo": 1, "Node": "two words"}), "name"),
        (b"\x00" + msgpack.packb({"SeqNo": 1, "Node": "line\nbreak"}), "name"),
        (b"\x00" + msgpack.packb({"SeqNo": 1, "Node": ""}), "name"),
        (b"\x00" + msgpack.packb({"SeqNo": 1, "Node": b"\xff\xfe"}, use_bin_type=False), "text"),
        (b"\x00" + msgpack.packb({"SeqNo": 1, "Node": "n" * 200}), "bytes"),
        (b"\x04" + msgpack.packb({"Node": "n", "Addr": b"abc", "Port": 1}), "address"),
        (b"\x04" + msgpack.packb({"Node": "n", "Addr": b"abcd", "Port": 70000}), "number"),
        (b"\x00" + msgpack.packb([1, 2]), "msgpack"),
        (b"\x00", "truncated"),
        (b"\x00" + msgpack.packb({"SeqNo": 1, "Node": "name"})[:-2], "truncated"),
        (b"\x00\xc1", "msgpack"),
    ],
)
def test_nonsense_has_a_reason(data: bytes, reason: str) -> None:
    with pytest.raises(PeerError) as caught:
        decode_packet(data)
    assert caught.value.reason == reason
