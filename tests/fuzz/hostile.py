"""Packets and streams made to cost their receiver much more than their sender, by name.

Each is a legal opening of something that grows: nesting, compression, counts claimed in headers, many small
messages, or messages that each call for an answer. Used by the tests of limits and by the bench of times.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

import msgpack

from zoned.core.gossip import lzw
from zoned.core.gossip.channel import MARK, encode_body
from zoned.core.gossip.messages import Alive, Dead, IndirectPing, Kind, Ping, Row, Standing, Suspect, User
from zoned.core.gossip.serf import EVENT, JOIN, LEAVE, QUERY, RELAY
from zoned.core.gossip.tags import Identity, meta_of
from zoned.core.gossip.wire import VERSIONS, compound, compressed, encode, pack_old, with_crc

MOST = 65507
"""Bytes of the largest UDP packet over IPv4."""
VICTIM = "n000"
HOME = ("10.0.0.1", 7946)
THERE = ("10.0.0.2", 7946)
META = meta_of(Identity("n001", "z", 1, THERE))


def parts(count: int, make: Callable[[int], bytes]) -> bytes:
    """As many as fit of these in a compound of up to 255, several such nested where there is room."""
    chunks: list[list[bytes]] = [[]]
    room = MOST - 600
    for number in range(count):
        one = make(number)
        room -= len(one) + 2
        if room < 0:
            break
        if len(chunks[-1]) == 250:
            chunks.append([])
            room -= 4
        chunks[-1].append(one)
    return compound([*map(compound, chunks), b"\x0b\x80"])


def user(kind: int, fields: dict[str, object]) -> bytes:
    """A Serf message as a user message."""
    return encode(User(bytes((kind,)) + pack_old(fields)))


def meta(number: int) -> bytes:
    """Tags of a zoned agent, each a little different."""
    return meta_of(Identity(f"x{number}", "z", 1, (f"10.9.{number >> 8 & 255}.{number & 255}", 7946)))


def claims(opening: bytes, body: bytes = b"") -> bytes:
    """msgpack headers that claim what never comes, one in the other."""
    return body + opening * ((MOST - 16 - len(body)) // len(opening))


def big_map(value: bytes) -> bytes:
    """{"x": value} as raw msgpack."""
    return b"\x81\xa1x" + value


def query(number: int) -> bytes:
    """A query with as many filters as are read, each with an expression of its own."""
    filters = [
        b"\x01" + pack_old({"Tag": "zone", "Expr": f"z?{number}?|.*{at}" + "[a-z0-9]|x" * 8})
        for at in range(32)
    ]
    return user(
        QUERY,
        {"LTime": 3, "ID": number, "Addr": b"\x0a\0\0\2", "Port": 1, "Flags": 1, "Name": "q",
         "Filters": filters},
    )  # fmt: skip


def bomb(size: int) -> bytes:
    """A compressed user message of so many equal bytes."""
    return compressed(b"\x08" + bytes(size))


def nested_bombs(depth: int) -> bytes:
    """Compounds of compressed compounds of ..."""
    inner = b"\x08" + bytes(60_000)
    for _ in range(depth):
        one = compressed(inner)
        if len(one) > 60_000:
            break
        inner = compound([one] * max(2, min(250, 60_000 // (len(one) + 2))))
    return inner


def facts(count: int) -> bytes:
    """Facts of one kind, all new."""
    return encode(
        User(encode_body((8, "n001", 0, [["out", f"{n:x}", "", 9 + n, "n"] for n in range(count)])))
    )


PACKETS: dict[str, Callable[[], bytes]] = {
    "pings": lambda: parts(3000, lambda n: encode(Ping(n, VICTIM, None, "n001"))),
    "indirect pings": lambda: parts(3000, lambda n: encode(IndirectPing(n, THERE, "n001", True, None, ""))),
    "alive newcomers": lambda: parts(
        3000, lambda n: encode(Alive(9, f"x{n}", (f"10.9.{n >> 8}.{n & 255}", 7946), meta(n), VERSIONS))
    ),
    "suspicions": lambda: parts(3000, lambda n: encode(Suspect(1 << 31, f"n{n % 4000:03d}", "n001"))),
    "deaths": lambda: parts(3000, lambda n: encode(Dead(1 << 31, f"n{n % 4000:03d}", "n001"))),
    "departures": lambda: parts(
        3000, lambda n: encode(Dead(1 << 31, f"n{n % 4000:03d}", f"n{n % 4000:03d}"))
    ),
    "accusations of us": lambda: parts(3000, lambda n: encode(Suspect((1 << 31) + n, VICTIM, "n001"))),
    "events": lambda: parts(
        3000, lambda n: user(EVENT, {"LTime": 5, "Name": f"e{n}", "Payload": b"", "CC": False})
    ),
    "one large event": lambda: user(EVENT, {"LTime": 5, "Name": "e", "Payload": bytes(65_000), "CC": False}),
    "queries": lambda: parts(40, query),
    "relays": lambda: parts(
        3000,
        lambda n: encode(
            User(
                bytes((RELAY,))
                + pack_old({"DestAddr": {"IP": b"\x0a\0\0\2", "Port": 7946}, "DestName": "n001"})
            )
        ),
    ),
    "joins of strangers": lambda: parts(3000, lambda n: user(JOIN, {"LTime": 9 + n, "Node": f"y{n}"})),
    "leaves": lambda: parts(3000, lambda n: user(LEAVE, {"LTime": 9 + n, "Node": f"n{n % 4000:03d}"})),
    "facts": lambda: facts(4000),
    "a vector of many": lambda: encode(
        User(encode_body((2, "n001", [[f"n{n:03d}", 1 << 40, 3, 1, 4] for n in range(700)], 1)))
    ),
    "facts that just fit": lambda: facts(1100),
    "a delta of many": lambda: encode(User(encode_body((4, "n001", "n001", 1 << 41, 1, [b""] * 8000)))),
    "lists in lists": lambda: bytes((Kind.PING,)) + claims(b"\xdd\x00\x00\xff\x00", b"\x81\xa1x"),
    "short lists in lists": lambda: bytes((Kind.PING,)) + claims(b"\xdc\xf0\x00", b"\x81\xa1x"),
    "maps in maps": lambda: bytes((Kind.PING,)) + claims(b"\x81\xa1x", b""),
    "empty maps": lambda: (
        bytes((Kind.PING,)) + big_map(b"\xdc" + struct.pack(">H", 65000) + b"\x80" * 65_000)
    ),
    "our lists in lists": lambda: bytes((Kind.USER, MARK)) + claims(b"\xdd\x00\x00\xff\x00"),
    "our empty maps": lambda: (
        bytes((Kind.USER, MARK)) + b"\xdc" + struct.pack(">H", 65000) + b"\x80" * 65_000
    ),
    "an LZW bomb": lambda: bomb(60_000),
    "a large LZW bomb": lambda: bomb(1 << 20),
    "many LZW bombs": lambda: parts(255, lambda n: bomb(60_000)),
    "nested LZW bombs": lambda: nested_bombs(3),
    "LZW of clear codes": lambda: (
        bytes((Kind.COMPRESSED,)) + pack_old({"Algo": 0, "Buf": clear_codes(65_000)})
    ),
    "LZW of a map bomb": lambda: compressed(
        bytes((Kind.PING,)) + big_map(b"\xdd" + struct.pack(">I", 250_000) + b"\x80" * 250_000)
    ),
    "deep compounds": lambda: deep(lambda data: compound([data, data])),
    "deep CRCs": lambda: deep(with_crc),
    "oversize tags": lambda: encode(Alive(9, "x", THERE, bytes(60_000), VERSIONS)),
    "long names": lambda: encode(Alive(9, "x" * 60_000, THERE, META, VERSIONS)),
}


def clear_codes(size: int) -> bytes:
    """LZW that only says "clear": a table is made anew each time."""
    bits = 0
    for at in range(8):
        bits |= 256 << 9 * at
    return (bits.to_bytes(9, "little") * (size // 9 + 1))[:size]


def deep(wrap: Callable[[bytes], bytes]) -> bytes:
    """Wrapped until it is as long as a packet, or a thousand times."""
    data = encode(Ping(1, VICTIM, None, ""))
    for _ in range(1000):
        longer = wrap(data)
        if len(longer) > MOST:
            break
        data = longer
    return data


def push_pull(count: int, make: Callable[[int], bytes], user_state: bytes = b"") -> bytes:
    """A push/pull whose rows are these bytes."""
    header = bytes((Kind.PUSH_PULL,)) + pack_old(
        {"Join": False, "Nodes": count, "UserStateLen": len(user_state)}
    )
    return header + b"".join(make(number) for number in range(count)) + user_state


def row(number: int) -> bytes:
    """The smallest row of a member."""
    return bytes(pack_old({"Name": f"r{number}", "Addr": b"\x0a" + number.to_bytes(3, "big")}))


LISTS = b"\xdd\x00\x10\x00\x00" * 1000
"""Each claims a million elements, and is the first one of the list before."""


def tome(size: int) -> bytes:
    """A user message of a stream."""
    return b"\x08" + bytes(pack_old({"UserMsgLen": size})) + bytes(size)


STREAMS: dict[str, Callable[[int], bytes]] = {
    "rows": lambda limit: push_pull(min(65_000, limit // 24), row),
    "a row of empty maps": lambda limit: push_pull(
        1, lambda n: big_map(b"\xdd" + struct.pack(">I", limit - 100) + b"\x80" * (limit - 100))
    ),
    "rows that claim lists": lambda limit: push_pull(1, lambda n: big_map(LISTS)),
    "a header that claims lists": lambda limit: bytes((Kind.PUSH_PULL,)) + big_map(LISTS),
    "state of empty maps": lambda limit: push_pull(
        0, row, b"\x02" + big_map(b"\xdd" + struct.pack(">I", limit - 200) + b"\x80" * (limit - 200))
    ),
    "state that claims lists": lambda limit: push_pull(0, row, b"\x02" + big_map(LISTS)),
    "our empty maps": lambda limit: (
        bytes((Kind.USER,)) + pack_old({"UserMsgLen": limit - 100})
        + bytes((MARK,)) + b"\xdd" + struct.pack(">I", limit - 106) + b"\x80" * (limit - 106)
    ),
    "our claims": lambda limit: (
        bytes((Kind.USER,)) + pack_old({"UserMsgLen": 5001}) + bytes((MARK,)) + LISTS
    ),
    "an LZW bomb": lambda limit: bytes((Kind.COMPRESSED,))
    + pack_old({"Algo": 0, "Buf": lzw.compress(tome(limit - 99))}),
    "LZW of clear codes": lambda limit: bytes((Kind.COMPRESSED,))
    + pack_old({"Algo": 0, "Buf": clear_codes(limit // 8)}),
    "an error that is a tome": lambda limit: bytes((Kind.ERROR,)) + pack_old({"Error": "x" * (limit - 100)}),
}  # fmt: skip

__all__ = ["PACKETS", "STREAMS", "Row", "Standing", "msgpack"]
