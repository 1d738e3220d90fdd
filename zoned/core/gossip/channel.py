"""How zoned agents speak to one another beside membership: memberlist user messages of our own kind.

A user message's first byte tells layers apart: Serf's types are 0..10, ours is 0x7A ("z"). The rest is one
msgpack array (new dialect), kind and sender first. Serf's agents warn about unknown types, so these go only
to members with the tag role=zoned. What does not fit into a packet goes as the same user message on a stream.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgpack

from zoned.core.errors import PeerError
from zoned.core.gossip import bounded
from zoned.core.gossip.membership import Known
from zoned.core.gossip.messages import User
from zoned.core.gossip.stream import encode_stream
from zoned.core.gossip.wire import USER
from zoned.core.gossip.wiring import Answered, Wiring
from zoned.core.names import Instant

MARK = 0x7A
SYN, VECTOR, SUMMARY, DELTA, HEAD, PULL, PIECE, FACTS, KEYS, TREE, COUNTS, PAIRS = range(1, 13)
"""KEYS is between the daemons, which hold the keys; the core sees one only in passing, in Serf's queries."""

_packer = msgpack.Packer(use_bin_type=True, autoreset=True)


def encode_body(fields: Sequence[Any]) -> bytes:
    """The body of a user message with these fields."""
    packed: bytes = _packer.pack(fields)
    return bytes((MARK,)) + packed


def decode_body(body: bytes) -> list[Any]:
    """[kind, sender, ...] of a user message that starts with our mark; PeerError for nonsense."""
    fields = bounded.unpack(body[1:], raw=False)
    if type(fields) is not list or len(fields) < 2:
        raise PeerError("reconcile")
    if type(fields[0]) is not int or type(fields[1]) is not str:
        raise PeerError("reconcile")
    return fields


def whole(value: object) -> int:
    """A number 0 .. 2^63; PeerError for anything else."""
    if type(value) is not int or not 0 <= value < 1 << 63:
        raise PeerError("reconcile", "number")
    return value


class Channel:
    """Ways to reach the other zoned agents."""

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring
        self._peers: list[Known] = []
        self._ranked: list[Known] = []  # by name, beginning with the first after us
        self._version = -1

    def peers(self) -> list[Known]:
        """The other zoned agents that are up."""
        table = self._wiring.table
        if self._version != table.version:
            own = self._wiring.me.node
            self._peers = [each for each in table.all() if each.is_zoned() and each.node != own]
            ranked = sorted(self._peers, key=lambda each: each.node)
            at = next((at for at, each in enumerate(ranked) if each.node > own), 0)
            self._ranked = ranked[at:] + ranked[:at]
            self._version = table.version
        return self._peers

    def after_us(self, step: int) -> Known:
        """Of the other agents in the order of their names, round from ours on, number ``step``."""
        self.peers()
        return self._ranked[step]

    def tell(self, to: Known, fields: Sequence[Any]) -> None:
        """Send to one agent."""
        self._deliver(to, encode_body(fields))

    def push(self, fields: Sequence[Any], but: str = "") -> None:
        """Send to all other agents where they are few, else to a random few; not to ``but``."""
        settings = self._wiring.settings
        peers = [each for each in self.peers() if each.node != but]
        if len(peers) > settings.eager_peers:
            peers = self._wiring.rng.sample(peers, min(settings.reconcile_fanout, len(peers)))
        if peers:
            body = encode_body(fields)
            for each in peers:
                self._deliver(each, body)

    def ask(self, to: Known, fields: Sequence[Any], answered: Answered) -> bool:
        """Ask one agent on a stream; the answer comes as stream bytes."""
        return self._wiring.call(to.address, encode_stream(User(encode_body(fields))), answered)

    def _deliver(self, to: Known, body: bytes) -> None:
        wiring = self._wiring
        wiring.count("reconcile_out")
        if len(body) < wiring.settings.room_bytes:
            data = USER + body
            wiring.traffic.went((data,))
            wiring.datagram(to.address, data)
        else:
            wiring.call(to.address, encode_stream(User(body)), _nothing, expects_answer=False)


def _nothing(data: bytes | None, now: Instant) -> None:
    """Nobody waits for this answer."""
