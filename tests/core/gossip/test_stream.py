"""Streams: the scanner finds the end however the bytes arrive, and decoding takes exactly those."""

from __future__ import annotations

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoned.core.errors import PeerError
from zoned.core.gossip.messages import Ack, ErrorReply, Ping, PushPull, Row, Standing, StreamMessage, User
from zoned.core.gossip.stream import (
    StreamScanner,
    compressed_stream,
    decode_stream,
    encode_stream,
    stream_complete,
)
from zoned.core.gossip.wire import VERSIONS

names = st.text("abcxyz-.9", min_size=1, max_size=20)
rows = st.builds(
    Row,
    names,
    st.tuples(st.sampled_from(["10.0.0.1", "::1"]), st.integers(0, 65535)),
    st.binary(max_size=300),
    st.integers(0, 0xFFFFFFFF),
    st.sampled_from(Standing),
    st.sampled_from([VERSIONS, b""]),
)
messages = st.one_of(
    st.builds(PushPull, st.booleans(), st.lists(rows, max_size=8).map(tuple), st.binary(max_size=600)),
    st.builds(User, st.binary(max_size=600)),
    st.builds(Ping, st.integers(0, 9), names, st.none(), st.just("")),
    st.builds(Ack, st.integers(0, 9), st.binary(max_size=50)),
    st.builds(ErrorReply, names),
)


@given(messages, st.booleans())
def test_every_stream_comes_back(message: StreamMessage, squeeze: bool) -> None:
    data = encode_stream(message)
    data = compressed_stream(data) if squeeze else data
    assert stream_complete(data) == len(data)
    assert decode_stream(data) == message


@given(messages, st.lists(st.integers(1, 60), min_size=1), st.binary(max_size=20))
def test_the_end_is_found_however_it_is_cut(message: StreamMessage, cuts: list[int], after: bytes) -> None:
    data = encode_stream(message)
    scanner, at, step = StreamScanner(), 0, 0
    while at < len(data):
        size = cuts[step % len(cuts)]
        step += 1
        piece = data[at : at + size]
        at += size
        last = at >= len(data)
        found = scanner.feed(piece + after if last else piece)
        assert found == (len(data) if last else None)


def test_an_incomplete_message_has_no_length_yet() -> None:
    data = encode_stream(User(b"x" * 100))
    assert all(stream_complete(data[:cut]) is None for cut in range(len(data)))
    assert stream_complete(data + b"more") == len(data)


def test_limits() -> None:
    with pytest.raises(PeerError, match="stream_limit"):
        stream_complete(b"\x08" + msgpack.packb({"UserMsgLen": 30 << 20}))
    with pytest.raises(PeerError, match="number"):
        stream_complete(b"\x06" + msgpack.packb({"Nodes": 1 << 20, "UserStateLen": 0}))
    with pytest.raises(PeerError, match="stream_limit"):
        StreamScanner(limit=100).feed(bytes(101))
    with pytest.raises(PeerError, match="header"):
        stream_complete(b"\x08" + b"\xdb\x00\x10\x00\x00" + bytes(70_000))


@pytest.mark.parametrize("first", [1, 3, 4, 5, 7, 11, 12, 200])
def test_packet_messages_are_not_streams(first: int) -> None:
    with pytest.raises(PeerError, match="unknown_type"):
        stream_complete(bytes((first, 0x80)))
    with pytest.raises(PeerError, match="unknown_type"):
        decode_stream(bytes((first, 0x80)))


def test_compression_does_not_nest() -> None:
    once = compressed_stream(encode_stream(User(b"x")))
    with pytest.raises(PeerError, match="unknown_type"):
        decode_stream(compressed_stream(once))


@given(st.binary(max_size=300))
def test_garbage_is_a_peer_error(data: bytes) -> None:
    for read in (stream_complete, decode_stream):
        try:
            read(data)
        except PeerError:
            pass
