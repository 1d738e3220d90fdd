"""What members say to one another: memberlist's messages as values, valid once decoded.

Named tuples and not dataclasses: an idle pool makes four of these per member and second, a simulated
pool of hundreds makes millions, and a named tuple costs a third. Field names are memberlist's, in our
spelling. ``wire.py`` is the only place that knows their bytes.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple, TypeAlias

from zoned.core.names import Address, NodeName


class Kind(IntEnum):
    """memberlist's message types: the first byte of every message."""

    PING = 0
    INDIRECT_PING = 1
    ACK = 2
    SUSPECT = 3
    ALIVE = 4
    DEAD = 5
    PUSH_PULL = 6
    COMPOUND = 7
    USER = 8
    COMPRESSED = 9
    ENCRYPTED = 10
    NACK = 11
    CRC = 12
    ERROR = 13
    LABEL = 244


class Standing(IntEnum):
    """memberlist's states of a member, as they travel in push/pull rows."""

    ALIVE = 0
    SUSPECT = 1
    DEAD = 2
    LEFT = 3


class Ping(NamedTuple):
    """Are you there? Only the member of that name answers, to ``source`` if given."""

    seq: int
    node: NodeName
    source: Address | None
    source_node: NodeName


class IndirectPing(NamedTuple):
    """Please ping ``target`` for me; say so (``nack``) if it does not answer in time."""

    seq: int
    target: Address
    node: NodeName
    nack: bool
    source: Address | None
    source_node: NodeName


class Ack(NamedTuple):
    """Here I am; the payload is the sender's network coordinate (empty when relayed)."""

    seq: int
    payload: bytes


class Nack(NamedTuple):
    """I did ping it for you, and it did not answer me either."""

    seq: int


class Suspect(NamedTuple):
    """``accuser`` had no answer from ``node``."""

    incarnation: int
    node: NodeName
    accuser: NodeName


class Alive(NamedTuple):
    """``node`` lives at ``address``. ``meta``: Serf's tags; ``versions``: six protocol numbers."""

    incarnation: int
    node: NodeName
    address: Address
    meta: bytes
    versions: bytes


class Dead(NamedTuple):
    """``node`` is gone; when it says so itself (``accuser`` == ``node``) it has left."""

    incarnation: int
    node: NodeName
    accuser: NodeName


class User(NamedTuple):
    """Bytes for the layer above: Serf's, or our reconciliation's."""

    body: bytes


class Row(NamedTuple):
    """One member as a push/pull states it."""

    node: NodeName
    address: Address
    meta: bytes
    incarnation: int
    standing: Standing
    versions: bytes


class PushPull(NamedTuple):
    """A whole table, and Serf's state (``user``) with it. ``join``: the caller is new here."""

    join: bool
    rows: tuple[Row, ...]
    user: bytes


class ErrorReply(NamedTuple):
    """The other side could not use what we sent on a stream."""

    text: str


PacketMessage: TypeAlias = Ping | IndirectPing | Ack | Nack | Suspect | Alive | Dead | User
StreamMessage: TypeAlias = Ping | Ack | PushPull | User | ErrorReply
