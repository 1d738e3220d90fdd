"""Commands out of bytes: the request half of the Redis protocol, strictly, in pieces of any size.

A request is an array of bulk strings, or one line of words (*inline*, what telnet types). Nothing else is
one, so this is a hundred lines and no library: hiredis reads replies, takes any nested type, knows no inline
commands, and allocates what a header claims before anybody could object. Here every limit is checked on the
header, before a byte of what it announces has been kept.

Where it stands within a command is remembered, so bytes that come one by one cost no second look.
"""

from __future__ import annotations

MAX_ARGUMENTS = 1025
"""A command and 1024 keys."""
MAX_BULK_BYTES = 64 << 10
MAX_COMMAND_BYTES = 256 << 10
MAX_INLINE_BYTES = 8 << 10
STRANGER_ARGUMENTS, STRANGER_BULK_BYTES = 10, 1 << 10
"""The same for who has not said the password yet."""
_MAX_HEADER_BYTES = 32


class ProtocolError(Exception):
    """These bytes are no command; nothing that follows them can be understood either."""


class CommandParser:
    """One connection's bytes, as commands."""

    __slots__ = ("_args", "_at", "_bulk", "_buffer", "_left", "_size", "trusted")

    def __init__(self, trusted: bool) -> None:
        """``trusted``: the client may send long commands; set when it has said the password."""
        self.trusted = trusted
        self._buffer = bytearray()
        self._at = 0  # up to here the buffer has been read
        self._args: list[bytes] = []
        self._left = 0  # arguments that the command still lacks
        self._bulk = -1  # length of the argument that comes next; -1: its header comes first
        self._size = 0  # bytes of the command's arguments so far

    @property
    def partial(self) -> bool:
        """Whether a command has begun and has not ended."""
        return self._left > 0 or len(self._buffer) > self._at

    def feed(self, data: bytes) -> None:
        """More bytes came."""
        if self._at:
            del self._buffer[: self._at]
            self._at = 0
        self._buffer += data

    def next(self) -> list[bytes] | None:
        """The next whole command, its name first; None: more bytes are needed. Raises ProtocolError."""
        while True:
            if not self._left:
                if not self._begin():
                    return None
            while self._left:
                if not self._argument():
                    return None
            if self._args:
                args, self._args, self._size = self._args, [], 0
                return args

    def _begin(self) -> bool:
        """Read the array's header, or an inline command as a whole; False: not all there yet."""
        if self._at >= len(self._buffer):
            return False
        if self._buffer[self._at] != 0x2A:  # *
            return self._inline()
        count = self._header("multibulk")
        if count is None:
            return False
        if count > (MAX_ARGUMENTS if self.trusted else STRANGER_ARGUMENTS):
            raise ProtocolError(
                "invalid multibulk length" if self.trusted else "unauthenticated multibulk length"
            )
        self._left = max(0, count)  # an empty array is no command and no error
        return True

    def _inline(self) -> bool:
        end = self._buffer.find(b"\n", self._at, self._at + MAX_INLINE_BYTES)
        if end < 0:
            if len(self._buffer) - self._at >= MAX_INLINE_BYTES:
                raise ProtocolError("too big inline request")
            return False
        self._args = bytes(self._buffer[self._at : end]).split()
        self._at = end + 1
        if len(self._args) > MAX_ARGUMENTS:
            raise ProtocolError("too many words")
        return True

    def _argument(self) -> bool:
        """Read one argument, header and bytes; False: not all there yet."""
        if self._bulk < 0:
            if self._at >= len(self._buffer):
                return False
            if self._buffer[self._at] != 0x24:  # $
                raise ProtocolError(f"expected '$', got {chr(self._buffer[self._at])!r}")
            length = self._header("bulk")
            if length is None:
                return False
            self._size += length
            if not 0 <= length <= (MAX_BULK_BYTES if self.trusted else STRANGER_BULK_BYTES):
                raise ProtocolError("invalid bulk length" if self.trusted else "unauthenticated bulk length")
            if self._size > MAX_COMMAND_BYTES:
                raise ProtocolError(f"a command has at most {MAX_COMMAND_BYTES} bytes")
            self._bulk = length
        end = self._at + self._bulk
        if len(self._buffer) < end + 2:
            return False
        if self._buffer[end : end + 2] != b"\r\n":
            raise ProtocolError("expected CRLF behind an argument")
        self._args.append(bytes(self._buffer[self._at : end]))
        self._at, self._bulk = end + 2, -1
        self._left -= 1
        return True

    def _header(self, what: str) -> int | None:
        """The number of a ``*`` or ``$`` line; None: not all there yet."""
        end = self._buffer.find(b"\r\n", self._at, self._at + _MAX_HEADER_BYTES)
        if end < 0:
            if len(self._buffer) - self._at >= _MAX_HEADER_BYTES:
                raise ProtocolError(f"too big {what} count string")
            return None
        digits = bytes(self._buffer[self._at + 1 : end])
        if not digits.removeprefix(b"-").isdigit():
            raise ProtocolError(f"invalid {what} length")
        self._at = end + 2
        return int(digits)
