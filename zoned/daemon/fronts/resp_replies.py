"""Replies of the Redis protocol, as bytes, in its versions 2 and 3.

Only what we say: simple strings, errors, integers, bulk strings, nulls, arrays and maps. In version 2 a map
is a flat array, a null a bulk string of length -1; everything else is the same in both.
"""

from __future__ import annotations

from typing import TypeAlias

OK = b"+OK\r\n"
MAX_ERROR_CHARS = 300

Value: TypeAlias = "str | bytes | int | None | list[Value] | dict[str, Value]"
"""What ``encoded`` takes; ``str`` and ``bytes`` become bulk strings."""


def simple(text: str) -> bytes:
    """``+text``; the text is ours, so it has no line ends."""
    return b"+%b\r\n" % text.encode()


def error(text: str) -> bytes:
    """``-text``, on one line whatever is in it: what clients sent is quoted in errors."""
    line = " ".join(text.split())[:MAX_ERROR_CHARS]
    return b"-%b\r\n" % line.encode("utf-8", "backslashreplace")


def integer(number: int) -> bytes:
    """``:number``."""
    return b":%d\r\n" % number


def bulk(body: bytes) -> bytes:
    """``$length`` and the bytes."""
    return b"$%d\r\n%b\r\n" % (len(body), body)


def null(proto: int) -> bytes:
    """There is no such thing."""
    return b"_\r\n" if proto == 3 else b"$-1\r\n"


def array(parts: list[bytes]) -> bytes:
    """An array of replies that are encoded already."""
    return b"*%d\r\n%b" % (len(parts), b"".join(parts))


def encoded(value: Value, proto: int) -> bytes:
    """Any value that we answer questions about ourselves with."""
    match value:
        case None:
            return null(proto)
        case int():
            return integer(value)
        case str():
            return bulk(value.encode())
        case bytes():
            return bulk(value)
        case list():
            return array([encoded(one, proto) for one in value])
    head = b"%%%d\r\n" % len(value) if proto == 3 else b"*%d\r\n" % (2 * len(value))
    return head + b"".join(encoded(name, proto) + encoded(one, proto) for name, one in value.items())
