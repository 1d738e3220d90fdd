"""Serf's user events and queries, as far as a good neighbour must go.

zoned sends none of its own. It passes others' on (or a pool with many zoned agents would swallow them),
acknowledges queries that name it, and answers the internal ones: ``_serf_ping`` by the ack,
``_serf_conflict`` with what it knows of a name, key queries by "not this way". A relayed response is
handed on to members only: nobody may use us to send packets elsewhere.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from typing import Any

import msgpack

from zoned.core.errors import PeerError
from zoned.core.gossip.messages import Kind, User
from zoned.core.gossip.serf import (
    CONFLICT,
    EVENT,
    JOIN,
    KEY_RESPONSE,
    LEAVE,
    QUERY,
    RELAY,
    RESPONSE,
    SerfLayer,
    lamport,
)
from zoned.core.gossip.tags import tags_map
from zoned.core.gossip.wire import address, pack_old, packed_host, raw, text, unpack_map, unsigned
from zoned.core.gossip.wiring import Wiring
from zoned.core.names import Address, Instant

_ACK = 1
_NO_BROADCAST = 2
_WINDOW = 512  # events and queries older than this many ticks are too old to matter
_MAX_FILTERS = 32
_MAX_PATTERN = 128
_RISKY = re.compile(r"\)[*+?{]|\\\d|\(\?")  # repeated groups, back references: exponential here, not in Go
_REPEAT = re.compile(r"[*+?{]")
_MAX_REPEATS = 3
_VERSION_FIELDS = [who + which for who in ("Protocol", "Delegate") for which in ("Min", "Max", "Cur")]
_STATUS = {"alive": 1, "suspect": 1, "leaving": 2, "left": 3, "failed": 4}


class Queries:
    """Passing on and answering what comes as a Serf user message."""

    def __init__(self, wiring: Wiring, serf: SerfLayer) -> None:
        self._wiring = wiring
        self._serf = serf
        self._seen: OrderedDict[tuple[int, int, bytes], None] = OrderedDict()

    def heard(self, body: bytes, sender: Address, now: Instant) -> None:
        """One Serf message; PeerError for nonsense and unknown types."""
        kind = body[0]
        if kind in (LEAVE, JOIN):
            self._serf.intent(kind, unpack_map(body[1:]), now)
        elif kind == EVENT:
            self._event(body)
        elif kind == QUERY:
            self._query(body)
        elif kind == RELAY:
            self._relay(body)
        elif kind == RESPONSE:
            self._wiring.count("query_responses")  # we never ask
        else:
            raise PeerError("unknown_serf_type", str(kind))

    def _event(self, body: bytes) -> None:
        fields = unpack_map(body[1:])
        time = lamport(fields)
        clock = self._serf.events
        clock.witness(time)
        title = raw(fields, b"Name", 1024)
        what = title + raw(fields, b"Payload", 65536)
        if time + _WINDOW < clock.time or not self._is_new(EVENT, time, what):
            return
        self._wiring.count("events_heard")
        self._wiring.queue.put((f"event {time}", title.hex()), bytes((Kind.USER,)) + body, rank=1)

    def _query(self, body: bytes) -> None:
        fields = unpack_map(body[1:])
        time, number = lamport(fields), unsigned(fields, b"ID")
        clock = self._serf.queries
        clock.witness(time)
        if time + _WINDOW < clock.time or not self._is_new(QUERY, time, number.to_bytes(4, "big")):
            return
        self._wiring.count("queries_heard")
        flags = unsigned(fields, b"Flags")
        if not flags & _NO_BROADCAST:
            self._wiring.queue.put((f"query {time}", str(number)), bytes((Kind.USER,)) + body, rank=1)
        if not self._is_meant(fields.get(b"Filters")):
            return
        to = address(fields)
        if flags & _ACK:
            self._respond(to, time, number, _ACK, None)
        payload = self._answer(text(fields, b"Name"), raw(fields, b"Payload", 65536))
        if payload is not None:
            self._respond(to, time, number, 0, payload)

    def _respond(self, to: Address, time: int, number: int, flags: int, payload: bytes | None) -> None:
        me = self._wiring.me.node
        fields = {"Flags": flags, "From": me, "ID": number, "LTime": time, "Payload": payload}
        packed: bytes = pack_old(fields)
        self._wiring.send(to, User(bytes((RESPONSE,)) + packed))

    def _answer(self, title: str, payload: bytes) -> bytes | None:
        """The payload of our answer to an internal query; None: the ack is all we have to say."""
        if title == "_serf_conflict":
            known = self._wiring.table.get(payload.decode("utf-8", "replace"))
            if known is None or known.node == self._wiring.me.node:
                return None
            versions = known.versions.ljust(6, b"\0")
            fields: dict[str, Any] = dict(zip(_VERSION_FIELDS, versions, strict=True))
            fields["Addr"] = packed_host(known.address[0])
            fields["Name"] = known.node
            fields["Port"] = known.address[1]
            fields["Status"] = _STATUS[known.state().value]
            fields["Tags"] = dict(tags_map(known.meta))
            packed: bytes = pack_old(fields)
            return bytes((CONFLICT,)) + packed
        if title.startswith("_serf_") and title.endswith(("-key", "-keys")):
            refusal = {"Keys": [], "Message": "zoned agents take keys by: zoned keyring", "Result": False}
            packed = pack_old(refusal)
            return bytes((KEY_RESPONSE,)) + packed
        return None

    def _is_meant(self, filters: object) -> bool:
        """Whether a query's filters let us answer."""
        if not filters:
            return True
        if type(filters) is not list or len(filters) > _MAX_FILTERS:
            raise PeerError("filters")
        own = self._wiring.table.get(self._wiring.me.node)
        assert own is not None, "we are always in our own table"
        tags = dict(tags_map(own.meta))
        for each in filters:
            if type(each) is not bytes or len(each) < 2:
                raise PeerError("filters")
            if each[0] == 0:
                if own.node.encode() not in _names(each[1:]):
                    return False
            elif not _matches(unpack_map(each[1:]), tags):
                return False
        return True

    def _relay(self, body: bytes) -> None:
        unpacker = msgpack.Unpacker(raw=True, max_buffer_size=len(body))
        unpacker.feed(body[1:])
        try:
            header = unpacker.unpack()
            inner = body[1 + unpacker.tell() :]
            to = address(header[b"DestAddr"], b"IP", b"Port")
        except (ValueError, TypeError, KeyError, AttributeError, msgpack.UnpackException) as error:
            raise PeerError("relay", type(error).__name__) from error
        if not any(each.address == to for each in self._wiring.table.all()):
            self._wiring.reject("relay_stranger")
            return
        self._wiring.send(to, User(inner))

    def _is_new(self, kind: int, time: int, what: bytes) -> bool:
        key = (kind, time, what)
        if key in self._seen:
            return False
        self._seen[key] = None
        if len(self._seen) > self._wiring.settings.intent_limit:
            self._seen.popitem(last=False)
        return True


def _names(packed: bytes) -> list[object]:
    try:
        names = msgpack.unpackb(packed, raw=True)
    except (ValueError, TypeError, OverflowError, msgpack.UnpackException) as error:
        raise PeerError("filters") from error
    return names if type(names) is list else []


def _matches(fields: dict[bytes, Any], tags: dict[str, str]) -> bool:
    """A tag filter: the tag exists and matches the expression (bounded: it comes from the network)."""
    value = tags.get(text(fields, b"Tag", 128))
    expression = text(fields, b"Expr", _MAX_PATTERN)
    if value is None:
        return False
    if _RISKY.search(expression) or len(_REPEAT.findall(expression)) > _MAX_REPEATS:
        raise PeerError("filter_expression")
    try:
        return re.search(expression, value) is not None
    except (re.error, OverflowError, RecursionError) as error:
        raise PeerError("filter_expression") from error
