"""Lamport clocks: which of two things said about the pool came later, without anybody's wall clock.

Serf has three of them, for intents, events and queries. A time so large that nobody could ever tick past it
is refused, or one forged message would freeze its clock for good.
"""

from __future__ import annotations

from typing import Any

from zoned.core.errors import PeerError

_MAX_TIME = 1 << 53


class LamportClock:
    """A counter that never falls behind any that it has seen."""

    def __init__(self) -> None:
        self.time = 1

    def tick(self) -> int:
        """A time later than all seen so far."""
        self.time += 1
        return self.time

    def witness(self, seen: int) -> None:
        """Somebody is at ``seen``."""
        self.time = max(self.time, seen + 1)


def lamport(fields: dict[bytes, Any], key: bytes = b"LTime") -> int:
    """A Lamport time of a message; PeerError for an absurd one."""
    return bounded_time(fields.get(key, 0))


def bounded_time(value: object) -> int:
    """``value`` as a Lamport time."""
    if type(value) is not int or not 0 <= value < _MAX_TIME:
        raise PeerError("clock")
    return value
