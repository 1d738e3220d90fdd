"""What went in and out, by kind: each message once, however many share a packet.

The difference between packets and messages is what an operator sees when gossip is busy: many small packets
of pings, or few large ones of rumours. Kinds are memberlist's; its user messages are told apart as Serf's and
our own (``reconcile``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from zoned.core.gossip.messages import (
    Ack,
    Alive,
    Dead,
    ErrorReply,
    IndirectPing,
    Kind,
    Nack,
    Ping,
    PushPull,
    Suspect,
    User,
)

_NAMES = {
    Kind.PING: "ping",
    Kind.INDIRECT_PING: "indirect_ping",
    Kind.ACK: "ack",
    Kind.NACK: "nack",
    Kind.SUSPECT: "suspect",
    Kind.ALIVE: "alive",
    Kind.DEAD: "dead",
    Kind.PUSH_PULL: "push_pull",
    Kind.COMPRESSED: "push_pull",  # nothing else is compressed here
    Kind.ERROR: "error",
}
_TYPES: dict[type, str] = {
    Ping: "ping",
    IndirectPing: "indirect_ping",
    Ack: "ack",
    Nack: "nack",
    Suspect: "suspect",
    Alive: "alive",
    Dead: "dead",
    PushPull: "push_pull",
    ErrorReply: "error",
}
_SERF_KINDS = 16  # the first byte of a user message is below this for Serf's


class Traffic:
    """Counts of one agent."""

    def __init__(self) -> None:
        self._in: dict[str, int] = {}
        self._out: dict[str, int] = {}

    def came(self, what: object) -> None:
        """A decoded message came."""
        kind = _TYPES.get(type(what))
        if kind is None:
            assert isinstance(what, User), "every other type has a name"
            kind = _user(what.body)
        self._in[kind] = self._in.get(kind, 0) + 1

    def went(self, parts: Iterable[bytes]) -> None:
        """These messages went out in one packet."""
        out = self._out
        for part in parts:
            kind = _NAMES.get(part[0])  # type: ignore[call-overload]
            if kind is None:
                kind = _user(part[1:2])
            out[kind] = out.get(kind, 0) + 1

    def streamed(self, data: bytes) -> None:
        """A message went out on a stream."""
        if not data:
            return
        kind = _NAMES.get(data[0])  # type: ignore[call-overload]
        if kind is None:
            kind = "user"  # behind a header of its own: whose it is stands further in
        self._out[kind] = self._out.get(kind, 0) + 1

    def counters(self) -> dict[str, int]:
        """``messages_in_ping`` and so on."""
        found = {f"messages_in_{kind}": count for kind, count in self._in.items()}
        return found | {f"messages_out_{kind}": count for kind, count in self._out.items()}


def _user(body: Sequence[int]) -> str:
    return "serf" if len(body) and body[0] < _SERF_KINDS else "reconcile"
