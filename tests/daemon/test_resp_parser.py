"""Commands out of bytes: whole, in pieces, and what is none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoned.daemon.fronts import resp_parser
from zoned.daemon.fronts.resp_parser import CommandParser, ProtocolError

Commands = list[list[bytes]]


def frame(args: list[bytes]) -> bytes:
    return b"*%d\r\n" % len(args) + b"".join(b"$%d\r\n%b\r\n" % (len(one), one) for one in args)


def parsed(parser: CommandParser, *pieces: bytes) -> Commands:
    found = []
    for piece in pieces:
        parser.feed(piece)
        while (args := parser.next()) is not None:
            found.append(args)
    return found


@given(
    st.lists(st.lists(st.binary(max_size=30), min_size=1, max_size=5), max_size=6),
    st.lists(st.integers(0, 300), max_size=8),
)
def test_what_was_framed_comes_out_however_it_is_cut(commands: Commands, cuts: list[int]) -> None:
    data = b"".join(frame(args) for args in commands)
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    parser = CommandParser(trusted=True)
    pieces = [data[a:b] for a, b in zip(places, places[1:], strict=False)]
    assert parsed(parser, *pieces) == commands
    assert not parser.partial


def test_one_byte_at_a_time() -> None:
    data = frame([b"GET", b"shop:\r\n$3\r\n"]) + b"PING\r\n" + b"*0\r\n\r\n" + frame([b"ECHO", b""])
    parser = CommandParser(trusted=True)
    found = parsed(parser, *[bytes([byte]) for byte in data])
    assert found == [[b"GET", b"shop:\r\n$3\r\n"], [b"PING"], [b"ECHO", b""]]


def test_a_command_that_has_begun_is_partial() -> None:
    parser = CommandParser(trusted=True)
    for piece in (b"*", b"2\r\n", b"$3\r\nGET\r\n", b"$6\r\nsho"):
        assert parsed(parser, piece) == [] and parser.partial
    assert parsed(parser, b"p:a\r\n") == [[b"GET", b"shop:a"]] and not parser.partial


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"*x\r\n", "invalid multibulk length"),
        (b"*1025000000000000000000000000000000", "too big multibulk count string"),
        (b"*1026\r\n", "invalid multibulk length"),
        (b"*1\r\n:3\r\n", "expected '$', got ':'"),
        (b"*1\r\n$-1\r\n", "invalid bulk length"),
        (b"*1\r\n$1_0\r\n", "invalid bulk length"),
        (b"*1\r\n$65537\r\n", "invalid bulk length"),
        (b"*1\r\n$1\r\nabc", "expected CRLF"),
        (b"a" * resp_parser.MAX_INLINE_BYTES, "too big inline request"),
        (b"a " * 1026 + b"\n", "too many words"),
        (
            b"*6\r\n" + b"".join(b"$65000\r\n" + b"x" * 65000 + b"\r\n" for _ in range(5)),
            "at most 262144 bytes",
        ),
    ],
)
def test_what_is_no_command_is_an_error_as_soon_as_it_is_seen(data: bytes, said: str) -> None:
    with pytest.raises(ProtocolError, match=said.replace("$", r"\$")):
        parsed(CommandParser(trusted=True), data)


def test_strangers_are_kept_short() -> None:
    for data in (b"*11\r\n", b"*2\r\n$4\r\nAUTH\r\n$1025\r\n"):
        with pytest.raises(ProtocolError, match="unauthenticated"):
            parsed(CommandParser(trusted=False), data)
        assert parsed(CommandParser(trusted=True), data) == []


@given(st.binary(max_size=200), st.booleans())
def test_garbage_is_commands_or_a_protocol_error(data: bytes, trusted: bool) -> None:
    parser = CommandParser(trusted)
    try:
        for args in parsed(parser, *[data[i : i + 7] for i in range(0, len(data), 7)]):
            assert args and all(isinstance(one, bytes) for one in args)
    except ProtocolError:
        pass
