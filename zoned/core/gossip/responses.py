"""Answers to Serf's queries: straight to who asks, and by way of others where it wants that.

An answer is one packet and packets get lost, so an asker may want each answer by several ways
(``RelayFactor``): the same response wrapped for so many random members, who unwrap it and send it on.

Answers carry no rumours. What is newest in our queue is the query, whose asker is the one member that has no
use for it, and each rumour is sent a few times only.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from zoned.core.gossip.messages import User
from zoned.core.gossip.serf import RELAY, RESPONSE
from zoned.core.gossip.wire import address, encode, pack_old, packed_host, text, unsigned
from zoned.core.gossip.wiring import Wiring
from zoned.core.names import Address, NodeName

ACK = 1
MAX_RELAYS = 5
MAX_TIMEOUT_S = 60.0


class Query(NamedTuple):
    """A query as far as its answers need it."""

    to: Address
    node: NodeName
    """Who asks ("" where an old agent does not say)."""
    time: int
    number: int
    timeout_s: float
    relays: int


def read_query(fields: dict[bytes, Any], time: int, number: int) -> Query:
    """Where the answers to these fields go; PeerError when they do not say."""
    timeout_s = unsigned(fields, b"Timeout", (1 << 63) - 1) / 1e9
    relays = min(MAX_RELAYS, unsigned(fields, b"RelayFactor", 255))
    node = text(fields, b"SourceNode", 128)
    return Query(address(fields), node, time, number, min(timeout_s, MAX_TIMEOUT_S), relays)


def respond(wiring: Wiring, query: Query, flags: int, payload: bytes | None) -> None:
    """Send an answer."""
    me = wiring.me.node
    fields = {"Flags": flags, "From": me, "ID": query.number, "LTime": query.time, "Payload": payload}
    packed: bytes = pack_old(fields)
    body = bytes((RESPONSE,)) + packed
    wiring.datagram(query.to, encode(User(body)))  # no rumours with it: the query itself is the newest
    if not query.relays:
        return
    host, port = query.to
    where = {"DestAddr": {"IP": packed_host(host), "Port": port, "Zone": ""}, "DestName": query.node}
    header: bytes = pack_old(where)
    others = [each for each in wiring.table.all() if each.is_up() and each.node not in (me, query.node)]
    for each in wiring.rng.sample(others, min(query.relays, len(others))):
        wiring.datagram(each.address, encode(User(bytes((RELAY,)) + header + body)))
