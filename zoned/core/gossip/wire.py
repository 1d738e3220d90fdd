"""Bytes of datagrams: memberlist protocol 2, both ways.

A packet is ``[12 crc32]? message``; a message one type byte and a msgpack map with Go's field names, in the
old dialect (raw, never str8 or bin), because tags are gossiped on verbatim to third parties. Compound and
compressed messages nest; nesting, parts and all that is unpacked are bounded (and msgpack itself, in
``bounded.py``). Unknown keys are ignored and missing ones zero, as Go reads them. A damaged part of a
compound costs that part only.

Labels (244) and encryption (10, or the AES envelope) are peeled off by the daemon before: the core
sees plain packets only. Streams are in ``stream.py``.
"""

from __future__ import annotations

import ipaddress
import zlib
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import msgpack

from zoned.core.errors import PeerError
from zoned.core.gossip import bounded, lzw
from zoned.core.gossip.messages import (
    Ack,
    Alive,
    Dead,
    IndirectPing,
    Kind,
    Nack,
    PacketMessage,
    Ping,
    Suspect,
    User,
)
from zoned.core.names import Address, NodeName

VERSIONS = bytes((1, 5, 2, 2, 5, 5))
"""Protocol min, max, current of memberlist and of Serf: what Debian's 0.9.4 and the newest agent say too."""

USER = bytes((Kind.USER,))
"""What a message for the layers above begins with."""
MAX_META = 512
MAX_NAME = 128
MAX_PARTS = 255
"""Of one compound; more goes in the next packet."""
MAX_MESSAGES = 256
"""Taken of one packet, nested compounds and damaged parts included."""
MAX_INFLATED = 65536
"""Bytes unpacked of one packet, in all: what could have come plain. Compression spares packets, no limits."""
_MAX_NESTING = 4

_packer = msgpack.Packer(use_bin_type=False, autoreset=True)
"""One packer for all: making one allocates 256 KiB. It holds nothing between calls."""
pack_old = _packer.pack


class Packet(NamedTuple):
    """A decoded datagram: its messages, and the reasons why parts of it were dropped."""

    messages: list[PacketMessage]
    rejected: list[str]


# ---- reading ----------------------------------------------------------------------------------


def decode_packet(data: bytes) -> Packet:
    """Every message of a datagram, in order; PeerError when the whole of it means nothing."""
    if data[:1] == USER:  # one message of ours alone, as most are
        return Packet([User(data[1:])], [])
    reading = _Reading()
    reading.read(data, 0)
    return reading.packet


class _Reading:
    """One datagram being taken apart, and how much of it may still be unpacked."""

    __slots__ = ("packet", "room")

    def __init__(self) -> None:
        self.packet = Packet([], [])
        self.room = MAX_INFLATED

    def read(self, data: bytes, depth: int) -> None:
        if not data:
            raise PeerError("empty")
        kind = data[0]
        if kind == Kind.USER:
            self.packet.messages.append(User(data[1:]))
        elif kind in _READERS:
            self.packet.messages.append(_READERS[kind](unpack_map(data[1:])))
        elif depth >= _MAX_NESTING:
            raise PeerError("nesting")
        elif kind == Kind.CRC:
            if len(data) < 6 or zlib.crc32(data[5:]) != int.from_bytes(data[1:5], "big"):
                raise PeerError("crc")
            self.read(data[5:], depth + 1)
        elif kind == Kind.COMPOUND:
            self._parts(data, depth)
        elif kind == Kind.COMPRESSED:
            plain = decompressed(unpack_map(data[1:]), self.room)
            self.room -= len(plain)
            self.read(plain, depth + 1)
        elif kind in (Kind.LABEL, Kind.ENCRYPTED):
            raise PeerError("labelled" if kind == Kind.LABEL else "encrypted")
        else:
            raise PeerError("unknown_type", str(kind))

    def _parts(self, data: bytes, depth: int) -> None:
        messages, rejected = self.packet
        count = data[1] if len(data) > 1 else 0
        at = 2 + 2 * count
        if at > len(data):
            raise PeerError("compound")
        for index in range(count):
            size = int.from_bytes(data[2 + 2 * index : 4 + 2 * index], "big")
            if at + size > len(data):
                rejected.append("compound_cut")
                return
            if len(messages) + len(rejected) >= MAX_MESSAGES:
                rejected.append("compound_limit")
                return
            try:
                self.read(data[at : at + size], depth + 1)
            except PeerError as error:
                rejected.append(error.reason)
                if error.reason.startswith("lzw"):
                    self.room = 0  # one bomb is enough
            at += size


def decompressed(fields: dict[bytes, Any], limit: int) -> bytes:
    """The content of a compressed message's map, at most ``limit`` bytes."""
    if unsigned(fields, b"Algo", 255) != 0:
        raise PeerError("compression")
    return lzw.decompress(raw(fields, b"Buf", 2 * limit), limit)


def unpack_map(data: bytes) -> dict[bytes, Any]:
    """One msgpack map with raw keys; what follows it is ignored, as Go does."""
    fields = bounded.unpack(data, raw=True, tail=True)
    if type(fields) is not dict:
        raise PeerError("msgpack", "not a map")
    return fields


def unsigned(fields: dict[bytes, Any], key: bytes, most: int = 0xFFFFFFFF) -> int:
    """A whole number 0..most; 0 when it is missing."""
    value = fields.get(key, 0)
    if value is None:
        return 0
    if not isinstance(value, int) or not 0 <= value <= most:
        raise PeerError("number", repr(key))
    return int(value)


def raw(fields: dict[bytes, Any], key: bytes, most: int) -> bytes:
    """Bytes, at most so many; empty when missing or nil."""
    value = fields.get(key)
    if value is None:
        return b""
    if type(value) is str:  # the new msgpack dialect
        value = value.encode("utf-8", "surrogateescape")
    if type(value) is not bytes or len(value) > most:
        raise PeerError("bytes", repr(key))
    return value


def text(fields: dict[bytes, Any], key: bytes, most: int = 1024) -> str:
    """UTF-8 text; empty when missing."""
    try:
        return raw(fields, key, most).decode()
    except UnicodeDecodeError as error:
        raise PeerError("text", repr(key)) from error


def name(fields: dict[bytes, Any], key: bytes = b"Node") -> NodeName:
    """A member's name: 1..128 bytes, no spaces nor control characters, which would break log lines."""
    return checked_name(text(fields, key, MAX_NAME))


@lru_cache(maxsize=4096)
def checked_name(found: str) -> NodeName:
    """``found`` if it may be a member's name, else PeerError."""
    if not found or len(found) > MAX_NAME or not found.isprintable() or " " in found:
        raise PeerError("name")
    return found


@lru_cache(maxsize=4096)
def host_of(packed: bytes) -> str:
    """The IP literal of 4 or 16 bytes; an IPv4 address mapped into IPv6 (Go makes these) as IPv4."""
    if len(packed) == 4:
        return ".".join(map(str, packed))
    if len(packed) != 16:
        raise PeerError("address", f"{len(packed)} bytes")
    long = ipaddress.IPv6Address(packed)
    return str(long.ipv4_mapped or long)


@lru_cache(maxsize=4096)
def packed_host(host: str) -> bytes:
    """4 or 16 bytes of an IP literal; ValueError for anything else (our own mistake)."""
    return ipaddress.ip_address(host).packed


def address(fields: dict[bytes, Any], host: bytes = b"Addr", port: bytes = b"Port") -> Address:
    """An address that must be there."""
    return host_of(raw(fields, host, 16)), unsigned(fields, port, 65535)


def _source(fields: dict[bytes, Any]) -> Address | None:
    if not fields.get(b"SourceAddr") or not fields.get(b"SourcePort"):
        return None
    return address(fields, b"SourceAddr", b"SourcePort")


def read_ping(fields: dict[bytes, Any]) -> Ping:
    """A ping's map."""
    source_node = text(fields, b"SourceNode", MAX_NAME)
    return Ping(unsigned(fields, b"SeqNo"), name(fields), _source(fields), source_node)


def _read_indirect(fields: dict[bytes, Any]) -> IndirectPing:
    return IndirectPing(
        unsigned(fields, b"SeqNo"),
        address(fields, b"Target"),
        name(fields),
        fields.get(b"Nack") is True,
        _source(fields),
        text(fields, b"SourceNode", MAX_NAME),
    )


def read_ack(fields: dict[bytes, Any]) -> Ack:
    """An ack's map."""
    return Ack(unsigned(fields, b"SeqNo"), raw(fields, b"Payload", 1024))


def _read_nack(fields: dict[bytes, Any]) -> Nack:
    return Nack(unsigned(fields, b"SeqNo"))


def _read_suspect(fields: dict[bytes, Any]) -> Suspect:
    return Suspect(unsigned(fields, b"Incarnation"), name(fields), text(fields, b"From", MAX_NAME))


def _read_dead(fields: dict[bytes, Any]) -> Dead:
    return Dead(unsigned(fields, b"Incarnation"), name(fields), text(fields, b"From", MAX_NAME))


def _read_alive(fields: dict[bytes, Any]) -> Alive:
    return Alive(
        unsigned(fields, b"Incarnation"),
        name(fields),
        address(fields),
        raw(fields, b"Meta", MAX_META),
        raw(fields, b"Vsn", 6),
    )


_READERS: dict[int, Callable[[dict[bytes, Any]], PacketMessage]] = {
    int(Kind.PING): read_ping,
    int(Kind.INDIRECT_PING): _read_indirect,
    int(Kind.ACK): read_ack,
    int(Kind.NACK): _read_nack,
    int(Kind.SUSPECT): _read_suspect,
    int(Kind.ALIVE): _read_alive,
    int(Kind.DEAD): _read_dead,
}


# ---- writing ----------------------------------------------------------------------------------


def message(kind: Kind, fields: dict[str, Any]) -> bytes:
    """One type byte and a map in the old dialect."""
    packed: bytes = pack_old(fields)
    return bytes((kind,)) + packed


def encode(what: PacketMessage) -> bytes:
    """The bytes of any message that travels in packets."""
    return _WRITERS[type(what)](what)


def _write_ping(ping: Ping) -> bytes:
    fields: dict[str, Any] = {"Node": ping.node, "SeqNo": ping.seq}
    if ping.source is not None:
        fields["SourceAddr"] = packed_host(ping.source[0])
        fields["SourceNode"] = ping.source_node
        fields["SourcePort"] = ping.source[1]
    return message(Kind.PING, fields)


def _write_indirect(ping: IndirectPing) -> bytes:
    fields: dict[str, Any] = {"Nack": ping.nack, "Node": ping.node, "Port": ping.target[1], "SeqNo": ping.seq}
    if ping.source is not None:
        fields["SourceAddr"] = packed_host(ping.source[0])
        fields["SourceNode"] = ping.source_node
        fields["SourcePort"] = ping.source[1]
    fields["Target"] = packed_host(ping.target[0])
    return message(Kind.INDIRECT_PING, fields)


def _write_ack(ack: Ack) -> bytes:
    return message(Kind.ACK, {"Payload": ack.payload or None, "SeqNo": ack.seq})


def _write_nack(nack: Nack) -> bytes:
    return message(Kind.NACK, {"SeqNo": nack.seq})


def _write_suspect(what: Suspect) -> bytes:
    fields = {"From": what.accuser, "Incarnation": what.incarnation, "Node": what.node}
    return message(Kind.SUSPECT, fields)


def _write_dead(what: Dead) -> bytes:
    fields = {"From": what.accuser, "Incarnation": what.incarnation, "Node": what.node}
    return message(Kind.DEAD, fields)


def _write_alive(what: Alive) -> bytes:
    fields = {
        "Addr": packed_host(what.address[0]),
        "Incarnation": what.incarnation,
        "Meta": what.meta,
        "Node": what.node,
        "Port": what.address[1],
        "Vsn": what.versions,
    }
    return message(Kind.ALIVE, fields)


def _write_user(what: User) -> bytes:
    return USER + what.body


_WRITERS: dict[type, Callable[[Any], bytes]] = {
    Ping: _write_ping,
    IndirectPing: _write_indirect,
    Ack: _write_ack,
    Nack: _write_nack,
    Suspect: _write_suspect,
    Dead: _write_dead,
    Alive: _write_alive,
    User: _write_user,
}


def compound(parts: Sequence[bytes]) -> bytes:
    """Up to 255 messages in one; a single one is sent as it is."""
    assert 0 < len(parts) <= MAX_PARTS, "a compound has 1..255 parts"
    if len(parts) == 1:
        return parts[0]
    lengths = b"".join([len(part).to_bytes(2, "big") for part in parts])
    return bytes((Kind.COMPOUND, len(parts))) + lengths + b"".join(parts)


def with_crc(data: bytes) -> bytes:
    """``data`` behind its CRC-32; only for members that speak protocol 5."""
    return bytes((Kind.CRC,)) + zlib.crc32(data).to_bytes(4, "big") + data


def compressed(data: bytes) -> bytes:
    """``data`` as a compressed message (which may be longer)."""
    return message(Kind.COMPRESSED, {"Algo": 0, "Buf": lzw.compress(data)})
