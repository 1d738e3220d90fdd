"""Serf's user events and queries, as far as a good neighbour must go.

zoned sends none of its own but those about keys. It passes others' on (or a pool with many zoned agents would
swallow them), acknowledges queries that name it, and answers the internal ones: ``_serf_ping`` by the ack,
``_serf_conflict`` with what it knows of a name, those about keys by way of ``keys.py``. Whatever the votes on
a name say, nobody here ends for it. A relayed response is handed on to members only: nobody may use us to
send packets elsewhere.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from typing import Any

from zoned.core.errors import PeerError
from zoned.core.events import KeyVerb
from zoned.core.gossip import bounded
from zoned.core.gossip.keys import NO_BROADCAST, VERBS, KeyQueries
from zoned.core.gossip.lamport import lamport
from zoned.core.gossip.messages import Kind, User
from zoned.core.gossip.responses import ACK, read_query, respond
from zoned.core.gossip.serf import (
    CONFLICT,
    EVENT,
    JOIN,
    LEAVE,
    QUERY,
    RELAY,
    RESPONSE,
    SerfLayer,
)
from zoned.core.gossip.tags import tags_map
from zoned.core.gossip.user_events import WINDOW, read_event
from zoned.core.gossip.wire import MAX_NAME, address, pack_old, packed_host, raw, text, unpack_map, unsigned
from zoned.core.gossip.wiring import Wiring
from zoned.core.names import Instant

_MAX_FILTERS = 16
_MAX_RELAY = 64  # objects in the header of what is to be relayed
_MAX_PATTERN = 128
_RISKY = re.compile(r"\)[*+?{]|\\\d|\(\?(?!:|i\))")  # repeated groups, back references: exponential here
_REPEAT = re.compile(r"[*+?{]")
_MAX_REPEATS = 3
_VERSION_FIELDS = [who + which for who in ("Protocol", "Delegate") for which in ("Min", "Max", "Cur")]
_STATUS = {"alive": 1, "suspect": 1, "leaving": 2, "left": 3, "failed": 4}


class Queries:
    """Passing on and answering what comes as a Serf user message."""

    def __init__(self, wiring: Wiring, serf: SerfLayer, keys: KeyQueries) -> None:
        self._wiring = wiring
        self._serf = serf
        self._keys = keys
        self._seen: OrderedDict[tuple[int, int], None] = OrderedDict()

    def heard(self, body: bytes, now: Instant, private: bool = False) -> None:
        """One Serf message; PeerError for nonsense and unknown types. ``private``: keys may be in it."""
        kind = body[0]
        if kind in (LEAVE, JOIN):
            self._serf.intent(kind, unpack_map(body[1:]), now)
        elif kind == EVENT:
            self._event(body)
        elif kind == QUERY:
            self._query(body, private, now)
        elif kind == RELAY:
            self._relay(body)
        elif kind == RESPONSE:
            self._response(unpack_map(body[1:]), private, now)
        else:
            raise PeerError("unknown_serf_type", str(kind))

    def _event(self, body: bytes) -> None:
        fields = unpack_map(body[1:])
        time, (title, payload) = lamport(fields), read_event(fields)
        if not self._serf.events.hear(time, title, payload):
            return
        self._wiring.count("events_heard")
        key = (f"event {time}", (title + b"\0" + payload).hex())
        self._wiring.queue.put(key, bytes((Kind.USER,)) + body, rank=1)

    def _query(self, body: bytes, private: bool, now: Instant) -> None:
        fields = unpack_map(body[1:])
        time, number = lamport(fields), unsigned(fields, b"ID")
        clock = self._serf.queries
        clock.witness(time)
        if time + WINDOW < clock.time or not self._is_new(time, number):
            return
        self._wiring.count("queries_heard")
        title = text(fields, b"Name")
        flags, verb = unsigned(fields, b"Flags"), VERBS.get(title)
        if not flags & NO_BROADCAST:
            if private or verb in (None, KeyVerb.LIST):
                self._wiring.queue.put((f"query {time}", str(number)), bytes((Kind.USER,)) + body, rank=1)
            else:
                self._wiring.count("key_queries_kept")  # a key in the clear is nothing to pass on
        if not self._is_meant(fields.get(b"Filters")):
            return
        query = read_query(fields, time, number)
        payload = raw(fields, b"Payload", 65536)
        if flags & ACK:
            respond(self._wiring, query, ACK, None)
        if verb is not None:
            self._keys.heard(query, verb, payload, private, now)
            return
        answer = self._answer(title, payload)
        if answer is not None:
            respond(self._wiring, query, 0, answer)

    def _response(self, fields: dict[bytes, Any], private: bool, now: Instant) -> None:
        """An answer to a query; we only ask about keys, and only where gossip is sealed."""
        lamport(fields)
        number, node = unsigned(fields, b"ID"), text(fields, b"From", MAX_NAME)
        payload = raw(fields, b"Payload", 65536)
        acknowledges = unsigned(fields, b"Flags") & ACK
        if not private or acknowledges or not self._keys.response(number, node, payload, now):
            self._wiring.count("responses_unasked")

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
        end = bounded.walk(body, 1, _MAX_RELAY)
        header, inner = unpack_map(body[1:end]), body[end:]
        destination = header.get(b"DestAddr")
        if type(destination) is not dict:
            raise PeerError("relay")
        to = address(destination, b"IP", b"Port")
        if not any(each.address == to for each in self._wiring.table.all()):
            self._wiring.reject("relay_stranger")
            return
        self._wiring.send(to, User(inner))

    def _is_new(self, time: int, number: int) -> bool:
        key = (time, number)
        if key in self._seen:
            return False
        self._seen[key] = None
        if len(self._seen) > self._wiring.settings.intent_limit:
            self._seen.popitem(last=False)
        return True


def _names(packed: bytes) -> list[object]:
    names = bounded.unpack(packed, raw=True, tail=True)
    return names if type(names) is list else []


def _matches(fields: dict[bytes, Any], tags: dict[str, str]) -> bool:
    """A tag filter: the tag, empty where there is none, matches the expression (bounded: it comes from the
    network)."""
    value = tags.get(text(fields, b"Tag", 128), "")
    expression = text(fields, b"Expr", _MAX_PATTERN)
    if _RISKY.search(expression) or len(_REPEAT.findall(expression)) > _MAX_REPEATS:
        raise PeerError("filter_expression")
    try:
        return re.search(expression, value) is not None
    except (re.error, OverflowError, RecursionError) as error:
        raise PeerError("filter_expression") from error
