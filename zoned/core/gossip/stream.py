"""Bytes of TCP exchanges: push/pull, pings, user messages, error replies.

A stream carries one message each way and neither has a length prefix: a push/pull is a header, then rows,
then the user state whose length stood in the header. ``StreamScanner`` finds the end while the bytes come
in, without decoding them twice: it skips msgpack objects and keeps its place. The daemon reads until the
scanner knows the length, then hands the whole message over.

Limits: 20 MiB, as memberlist; unpacked size the same, against decompression bombs.
"""

from __future__ import annotations

from typing import Any

import msgpack

from zoned.core.errors import PeerError
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

LIMIT_BYTES = 20 << 20
_MAX_ROWS = 65536
_MAX_HEADER = 65536
_BROKEN = (ValueError, TypeError, OverflowError, msgpack.UnpackException)
_ONE_OBJECT = (Kind.PING, Kind.ACK, Kind.COMPRESSED, Kind.ERROR)


class StreamScanner:
    """Finds the length of one stream message while its bytes arrive."""

    def __init__(self, limit: int = LIMIT_BYTES) -> None:
        self._limit = limit
        self._seen = 0
        self._kind: int | None = None
        self._objects: int | None = None  # msgpack objects still to skip; None: the header is not read yet
        self._tail = 0  # raw bytes after them
        self._unpacker = msgpack.Unpacker(raw=True, max_buffer_size=limit)

    def feed(self, data: bytes) -> int | None:
        """The message's whole length once it is all there, else None; PeerError for nonsense."""
        self._seen += len(data)
        if self._seen > self._limit:
            raise PeerError("stream_limit")
        if self._kind is None:
            if not data:
                return None
            self._kind = data[0]
            data = data[1:]
        if self._kind == Kind.LABEL or self._kind == Kind.ENCRYPTED:
            raise PeerError("labelled" if self._kind == Kind.LABEL else "encrypted")
        try:
            self._unpacker.feed(data)
            return self._advance()
        except _BROKEN as error:
            raise PeerError("msgpack", type(error).__name__) from error

    def _advance(self) -> int | None:
        if self._objects is None and not self._start():
            return None
        assert self._objects is not None
        while self._objects:
            try:
                self._unpacker.skip()
            except msgpack.OutOfData:
                return None
            self._objects -= 1
        total: int = 1 + self._unpacker.tell() + self._tail
        if total > self._limit:
            raise PeerError("stream_limit")
        return total if total <= self._seen else None

    def _start(self) -> bool:
        if self._kind in _ONE_OBJECT:
            self._objects = 1
            return True
        if self._kind not in (Kind.PUSH_PULL, Kind.USER):
            raise PeerError("unknown_type", str(self._kind))
        try:
            header = self._unpacker.unpack()
        except msgpack.OutOfData:
            if self._seen > _MAX_HEADER:
                raise PeerError("header") from None
            return False
        if type(header) is not dict:
            raise PeerError("header")
        if self._kind == Kind.USER:
            self._objects, self._tail = 0, unsigned(header, b"UserMsgLen")
        else:
            self._objects = unsigned(header, b"Nodes", _MAX_ROWS)
            self._tail = unsigned(header, b"UserStateLen")
        return True


def stream_complete(buffer: bytes) -> int | None:
    """Length of the whole message that ``buffer`` starts with, None while some of it is missing."""
    return StreamScanner().feed(buffer)


def decode_stream(data: bytes, nested: bool = False) -> StreamMessage:
    """The message of a whole stream; PeerError for anything else."""
    if not data:
        raise PeerError("empty")
    kind, body = data[0], data[1:]
    if kind == Kind.PUSH_PULL or kind == Kind.USER:
        return _decode_long(kind, body)
    if kind == Kind.PING:
        return read_ping(unpack_map(body))
    if kind == Kind.ACK:
        return read_ack(unpack_map(body))
    if kind == Kind.ERROR:
        return ErrorReply(text(unpack_map(body), b"Error"))
    if kind == Kind.COMPRESSED and not nested:
        return decode_stream(decompressed(unpack_map(body), LIMIT_BYTES), nested=True)
    raise PeerError("unknown_type", str(kind))


def _decode_long(kind: int, body: bytes) -> StreamMessage:
    unpacker = msgpack.Unpacker(raw=True, max_buffer_size=LIMIT_BYTES)
    try:
        unpacker.feed(body)
        header = _next_map(unpacker)
        if kind == Kind.USER:
            return User(_tail(body, unpacker.tell(), unsigned(header, b"UserMsgLen")))
        count = unsigned(header, b"Nodes", _MAX_ROWS)
        rows = tuple([_read_row(_next_map(unpacker)) for _ in range(count)])
        user = _tail(body, unpacker.tell(), unsigned(header, b"UserStateLen"))
        return PushPull(header.get(b"Join") is True, rows, user)
    except _BROKEN as error:
        raise PeerError("msgpack", type(error).__name__) from error


def _next_map(unpacker: Any) -> dict[bytes, Any]:
    fields = unpacker.unpack()
    if type(fields) is not dict:
        raise PeerError("msgpack", "not a map")
    return fields


def _tail(body: bytes, start: int, size: int) -> bytes:
    if start + size > len(body):
        raise PeerError("stream_cut")
    return body[start : start + size]


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
