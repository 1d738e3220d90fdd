"""Bytes of TCP exchanges: push/pull, pings, user messages, error replies.

A stream carries one message each way and neither has a length prefix: a push/pull is a header, then rows,
then the user state whose length stood in the header. ``StreamScanner`` finds the end while the bytes come
in, without decoding them twice: it skips msgpack objects and keeps its place, and the bytes. The daemon reads
until the scanner knows the length, then hands the whole message over.

Limits: ``LIMIT_BYTES`` on the wire and the same unpacked, so that no stream ever holds 20 MiB at once (it is
there sealed, opened, and unpacked). memberlist allows 20 MiB on the wire; a table of all the members that we
know by default takes 1.2. Compressed streams above ``INFLATE_APART_BYTES`` are for the daemon to unpack
(``inflated``) where the event loop does not wait for it.
"""

from __future__ import annotations

from typing import Any

import msgpack

from zoned.core.errors import PeerError
from zoned.core.gossip.bounded import walk
from zoned.core.gossip.messages import (
    ErrorReply,
    Kind,
    PushPull,
    Row,
    Standing,
    StreamMessage,
    User,
)
from zoned.core.gossip.wire import (
    MAX_META,
    address,
    compressed,
    decompressed,
    encode,
    message,
    name,
    pack_old,
    packed_host,
    raw,
    read_ack,
    read_ping,
    text,
    unpack_map,
    unsigned,
)

LIMIT_BYTES = 4 << 20
INFLATE_APART_BYTES = 50_000
"""About 10 ms of decompression."""
MAX_ROWS = 16384
_MAX_ROW = 4096  # bytes of one row, six times the longest
_MAX_ROW_OBJECTS = 512
_MAX_HEADER = 1024
_MAX_ONE = 64  # msgpack objects in a message that is one map
_MAX_ERROR = 4096
_BROKEN = (ValueError, TypeError, OverflowError, msgpack.UnpackException)
_ONE_OBJECT = (Kind.PING, Kind.ACK, Kind.COMPRESSED, Kind.ERROR)


class StreamScanner:
    """Takes in the bytes of one stream message and finds its end."""

    def __init__(self, limit: int = LIMIT_BYTES) -> None:
        self._limit = limit
        self._buffer = bytearray()
        self._rows: int | None = None  # still to skip; None: the header is not read yet
        self._at = 1  # where the next of them begins
        self._tail = 0  # raw bytes after them

    def feed(self, data: bytes) -> int | None:
        """The message's whole length once it is all there, else None; PeerError for nonsense."""
        self._buffer += data
        if len(self._buffer) > self._limit:
            raise PeerError("stream_limit")
        return self.scan(self._buffer) if self._buffer else None

    def take(self, length: int) -> bytes:
        """The message that begins what came; what came after it is dropped."""
        buffer, self._buffer = self._buffer, bytearray()
        del buffer[length:]
        return bytes(buffer)

    def scan(self, buffer: bytes | bytearray) -> int | None:
        """``feed`` for somebody who keeps the bytes: all that came so far."""
        kind = buffer[0]
        try:
            if kind in _ONE_OBJECT:
                length = walk(buffer, 1, _MAX_ONE)
            elif kind in (Kind.PUSH_PULL, Kind.USER):
                length = self._long(buffer)
            elif kind in (Kind.LABEL, Kind.ENCRYPTED):
                raise PeerError("labelled" if kind == Kind.LABEL else "encrypted")
            else:
                raise PeerError("unknown_type", str(kind))
        except PeerError as error:
            if error.reason != "truncated":
                raise
            return None
        if length > self._limit:
            raise PeerError("stream_limit")
        return length if length <= len(buffer) else None

    def _long(self, buffer: bytes | bytearray) -> int:
        """Header, rows, tail; PeerError ``truncated`` while the rows are not all there."""
        if self._rows is None:
            self._header(buffer)
        assert self._rows is not None
        while self._rows:
            self._at = _ended(buffer, self._at, _MAX_ROW, "row")
            self._rows -= 1
        return self._at + self._tail

    def _header(self, buffer: bytes | bytearray) -> None:
        end = _ended(buffer, 1, _MAX_HEADER, "header")
        header = unpack_map(bytes(buffer[1:end]))
        if buffer[0] == Kind.USER:
            self._rows, self._tail = 0, unsigned(header, b"UserMsgLen")
        else:
            self._rows = unsigned(header, b"Nodes", MAX_ROWS)
            self._tail = unsigned(header, b"UserStateLen")
        self._at = end


def _ended(buffer: bytes | bytearray, at: int, most: int, what: str) -> int:
    """Where the map at that place ends; PeerError ``truncated`` if later than what is there, ``what`` if it
    is larger than such a map ever is."""
    try:
        end = walk(buffer, at, _MAX_ROW_OBJECTS)
    except PeerError as error:
        if error.reason == "truncated" and len(buffer) - at > most:
            raise PeerError(what) from error
        raise
    if end - at > most:
        raise PeerError(what)
    return end


def stream_complete(buffer: bytes) -> int | None:
    """Length of the whole message that ``buffer`` starts with, None while some of it is missing."""
    return StreamScanner().scan(buffer) if buffer else None


def inflated(data: bytes) -> bytes:
    """The message inside a compressed one, any other as it is. Costs 0.25 ms a KiB: see the module."""
    if data[:1] != bytes((Kind.COMPRESSED,)):
        return data
    return decompressed(unpack_map(data[1:]), LIMIT_BYTES)


def decode_stream(data: bytes) -> StreamMessage:
    """The message of a whole stream; PeerError for anything else."""
    data = inflated(data)
    if not data:
        raise PeerError("empty")
    kind = data[0]
    if kind == Kind.PUSH_PULL or kind == Kind.USER:
        return _decode_long(data)
    body = data[1:]
    if kind == Kind.PING:
        return read_ping(unpack_map(body))
    if kind == Kind.ACK:
        return read_ack(unpack_map(body))
    if kind == Kind.ERROR:
        return ErrorReply(text(unpack_map(body), b"Error", _MAX_ERROR))
    raise PeerError("unknown_type", str(kind))


def _decode_long(data: bytes) -> StreamMessage:
    unpacker = msgpack.Unpacker(raw=True, max_buffer_size=len(data))
    try:
        unpacker.feed(memoryview(data)[1:])
        header = _next_map(data, unpacker, _MAX_HEADER, "header")
        if data[0] == Kind.USER:
            return User(_tail(data, unpacker.tell(), unsigned(header, b"UserMsgLen")))
        count = unsigned(header, b"Nodes", MAX_ROWS)
        rows = tuple([_read_row(_next_map(data, unpacker, _MAX_ROW, "row")) for _ in range(count)])
        user = _tail(data, unpacker.tell(), unsigned(header, b"UserStateLen"))
        return PushPull(header.get(b"Join") is True, rows, user)
    except msgpack.OutOfData as error:
        raise PeerError("stream_cut") from error
    except _BROKEN as error:
        raise PeerError("msgpack", type(error).__name__) from error


def _next_map(data: bytes, unpacker: Any, most: int, what: str) -> dict[bytes, Any]:
    """The next map: looked for where it costs nothing, made once its length is known."""
    start = 1 + unpacker.tell()
    unpacker.skip()
    end = 1 + unpacker.tell()
    if end - start > most:
        raise PeerError(what)
    return unpack_map(data[start:end])


def _tail(data: bytes, read: int, size: int) -> bytes:
    start = 1 + read
    if start + size > len(data):
        raise PeerError("stream_cut")
    return data[start : start + size]


def _read_row(fields: dict[bytes, Any]) -> Row:
    return Row(
        name(fields, b"Name"),
        address(fields),
        raw(fields, b"Meta", MAX_META),
        unsigned(fields, b"Incarnation"),
        Standing(unsigned(fields, b"State", 3)),
        raw(fields, b"Vsn", 6),
    )


def encode_push_pull(exchange: PushPull) -> bytes:
    """A push/pull's bytes."""
    header = {"Join": exchange.join, "Nodes": len(exchange.rows), "UserStateLen": len(exchange.user)}
    parts = [message(Kind.PUSH_PULL, header)]
    for row in exchange.rows:
        fields = {
            "Addr": packed_host(row.address[0]),
            "Incarnation": row.incarnation,
            "Meta": row.meta,
            "Name": row.node,
            "Port": row.address[1],
            "State": int(row.standing),
            "Vsn": row.versions,
        }
        parts.append(pack_old(fields))
    parts.append(exchange.user)
    return b"".join(parts)


def encode_stream(what: StreamMessage) -> bytes:
    """The bytes of any stream message."""
    if isinstance(what, PushPull):
        return encode_push_pull(what)
    if isinstance(what, User):
        return message(Kind.USER, {"UserMsgLen": len(what.body)}) + what.body
    if isinstance(what, ErrorReply):
        return message(Kind.ERROR, {"Error": what.text})
    return encode(what)


def compressed_stream(data: bytes) -> bytes:
    """A stream message, LZW-compressed."""
    return compressed(data)
