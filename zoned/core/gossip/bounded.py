"""msgpack from strangers, whose cost is known before it is paid.

msgpack makes a list as long as its header claims before it has seen one element. Five bytes can claim 65,000
elements, and lists nest: a packet of such headers alone makes the reader allocate 80 MiB, a stream gigabytes.
And each byte 0x80 is an empty map of 64 bytes: 20 MiB of them are 1.4 GiB.

So what may hold such things is walked over first: lists nest a few levels deep, and objects are counted.
Short messages with few bytes that could be a long list's header cannot cost much and are not walked (all of
gossip's daily traffic). *Rejected*: msgpack's own ``max_array_len``, which limits each list and not all of
them; its pure Python reader, which grows lists as elements come, at ten times the cost for everybody.
"""

from __future__ import annotations

from typing import Any

import msgpack

from zoned.core.errors import PeerError

MAX_DEPTH = 8
MAX_OBJECTS = 131072
"""About 9 MiB if all are empty maps. The longest honest message has 16,384 facts of 6 objects."""
_WALKED_FROM = 65536  # bytes: shorter ones cannot hold more than half of MAX_OBJECTS
_CLAIMED = 1 << 19  # elements (of 8 bytes) that may be claimed unwalked, if each list claims one per byte
_BROKEN = (ValueError, TypeError, OverflowError, RecursionError, msgpack.UnpackException)

_HEADERS: dict[int, tuple[int, int, int]] = {  # first byte: (header bytes, of which the last so many are a
    0xC4: (2, 1, 1), 0xC5: (3, 2, 1), 0xC6: (5, 4, 1),  # length), and its unit: 1 bytes, 2 objects, 3 pairs
    0xC7: (3, 1, 1), 0xC8: (4, 2, 1), 0xC9: (6, 4, 1),
    0xD9: (2, 1, 1), 0xDA: (3, 2, 1), 0xDB: (5, 4, 1),
    0xDC: (3, 2, 2), 0xDD: (5, 4, 2), 0xDE: (3, 2, 3), 0xDF: (5, 4, 3),
}  # fmt: skip
_FIXED = {
    0xCA: 5, 0xCB: 9, 0xCC: 2, 0xCD: 3, 0xCE: 5, 0xCF: 9, 0xD0: 2, 0xD1: 3, 0xD2: 5, 0xD3: 9,
    0xD4: 3, 0xD5: 4, 0xD6: 6, 0xD7: 10, 0xD8: 18,
}  # fmt: skip


def unpack(data: bytes, *, raw: bool, tail: bool = False) -> Any:
    """One msgpack object, of ``raw`` strings or of text; ``tail``: more may follow, which is ignored.

    Raises PeerError: ``truncated``, ``msgpack_limit`` for what would cost too much, else ``msgpack``."""
    check(data)
    try:
        return msgpack.unpackb(data, raw=raw)
    except msgpack.ExtraData as extra:
        if tail:
            return extra.unpacked
        raise PeerError("msgpack", "more than one object") from extra
    except _BROKEN as error:
        cut = type(error) is ValueError  # msgpack's others are subclasses
        raise PeerError("truncated" if cut else "msgpack", type(error).__name__) from error


def check(data: bytes) -> None:
    """PeerError if unpacking this might cost too much."""
    size = len(data)
    if size * size <= _CLAIMED:
        return  # as most are: of whatever bytes it is made
    if size > _WALKED_FROM or (data.count(0xDD) + data.count(0xDC)) * size > _CLAIMED:
        walk(data)


def walk(data: bytes | bytearray, at: int = 0, most: int = MAX_OBJECTS) -> int:
    """Pass over the object at that place without making it; returns where it ends. Raises as ``unpack`` does,
    and ``msgpack_limit`` for one with more than ``most`` objects inside."""
    objects, size = 0, len(data)
    left = [1]  # objects still to come, of each list that we are in
    while left:
        if not left[-1]:
            left.pop()
            continue
        left[-1] -= 1
        objects += 1
        if at >= size or objects > most:
            raise PeerError("truncated" if at >= size else "msgpack_limit")
        length, children = _measured(data, at)
        at += length
        if children:
            if len(left) > MAX_DEPTH or objects + children > most:
                raise PeerError("msgpack_limit")
            left.append(children)
    if at > size:
        raise PeerError("truncated")
    return at


def _measured(data: bytes | bytearray, at: int) -> tuple[int, int]:
    """Bytes of the object at that place (of its header, for a list or map), and the objects inside it."""
    first = data[at]
    if first < 0x80 or first >= 0xE0:
        return 1, 0
    if first < 0xA0:
        return 1, (first & 0x0F) << (first < 0x90)
    if first < 0xC0:
        return 1 + (first & 0x1F), 0
    header = _HEADERS.get(first)
    if header is None:
        return _FIXED.get(first, 1), 0
    size, width, unit = header
    start = at + 1
    length = int.from_bytes(data[start : start + width], "big")
    if unit == 1:
        return size + length, 0
    return size, length * (unit - 1)
