"""Serf's key queries, both ways: what its agents ask of our keyring, and what we ask of theirs.

Serf changes the keys of a pool by four queries that every member answers: ``_serf_list-keys``, ``install``,
``use`` and ``remove``. The keyring is the world's, so a query becomes a ``KeyRequest`` and the world's answer
goes out as Serf's KeyResponse, if it comes while the asker still waits. Keys stand in these queries as they
are: one that did not come sealed is refused, and not passed on.

The other way round we do not let a query loose but send it straight to the members that are meant, marked
as not to be passed on: zoned agents have a better way (their daemons speak on streams), and so a key goes to
nobody else. A lost packet is asked for again, as a new query, since Serf answers each only once; all four
verbs may be repeated.
"""

from __future__ import annotations

from typing import Any

from zoned.core.actions import KeyReplies, KeyReply, KeyRequest
from zoned.core.errors import PeerError
from zoned.core.events import AskKeys, KeyAnswered, KeyVerb
from zoned.core.gossip.messages import User
from zoned.core.gossip.responses import Query, respond
from zoned.core.gossip.serf import KEY_REQUEST, KEY_RESPONSE, QUERY, SerfLayer
from zoned.core.gossip.wire import pack_old, packed_host, raw, text, unpack_map
from zoned.core.gossip.wiring import Wiring
from zoned.core.names import Instant, NodeName

VERBS = {
    "_serf_list-keys": KeyVerb.LIST,
    "_serf_install-key": KeyVerb.INSTALL,
    "_serf_use-key": KeyVerb.USE,
    "_serf_remove-key": KeyVerb.REMOVE,
}
NO_BROADCAST = 2
AGAIN_S = 1.0
MAX_ASKED = 64
"""Requests of others that the world has under way; one more is not answered."""
MAX_ASKING = 16
"""Askings of ours under way; one more gets no answers."""
_MAX_KEYS = 64
_NAMES = {verb: title for title, verb in VERBS.items()}
_OPEN = "gossip is not encrypted both ways here, so keys are neither told nor taken"


class _Asking:
    """One ``AskKeys`` under way; ``numbers`` are those of the queries sent for it."""

    def __init__(self, order: AskKeys, deadline_s: float) -> None:
        self.order = order
        self.deadline_s = deadline_s
        self.waiting = dict.fromkeys(order.nodes)
        self.replies: list[KeyReply] = []
        self.numbers: list[int] = []


class KeyQueries:
    """Questions about keys, asked of us and by us."""

    def __init__(self, wiring: Wiring, serf: SerfLayer) -> None:
        self._wiring = wiring
        self._serf = serf
        self._asked: dict[int, tuple[Query, KeyVerb, float]] = {}
        self._requests = 0
        self._asking: dict[int, _Asking] = {}  # by the number of each query of it

    # ---- asked of us ----

    def heard(self, query: Query, verb: KeyVerb, payload: bytes, private: bool, now: Instant) -> None:
        """A member asks. PeerError for a payload that is none."""
        if not private:
            self._wiring.count("key_queries_open")
            self._tell(query, _OPEN, ())
            return
        key = b""
        if verb is not KeyVerb.LIST:
            if payload[:1] != bytes((KEY_REQUEST,)):
                raise PeerError("key_request")
            key = raw(unpack_map(payload[1:]), b"Key", 64)
        self._asked = {number: each for number, each in self._asked.items() if each[2] >= now.mono_s}
        if len(self._asked) >= MAX_ASKED:
            self._wiring.count("key_queries_dropped")
            return
        self._wiring.count("key_queries")
        self._requests += 1
        self._asked[self._requests] = (query, verb, now.mono_s + query.timeout_s)
        request = KeyRequest(request=self._requests, verb=verb, key=key, asker=query.node)
        self._wiring.actions.append(request)

    def answered(self, answer: KeyAnswered, now: Instant) -> None:
        """The world has done it, or has not; too late is nothing that anybody waits for."""
        query, verb, deadline_s = self._asked.pop(answer.request, (None, None, 0.0))
        if query is None or now.mono_s > deadline_s:
            self._wiring.count("key_answers_late")
            return
        self._tell(query, answer.error, answer.keys if verb is KeyVerb.LIST else ())

    def _tell(self, query: Query, error: str, keys: tuple[str, ...]) -> None:
        fields: dict[str, Any] = {"Keys": list(keys), "Message": error, "Result": not error}
        if keys:
            fields["PrimaryKey"] = keys[0]  # newer agents than 0.9.4 read it; for the others it is the first
        packed: bytes = pack_old(fields)
        respond(self._wiring, query, 0, bytes((KEY_RESPONSE,)) + packed)

    # ---- asked by us ----

    def ask(self, order: AskKeys, now: Instant) -> None:
        """Ask these members, until all have answered or the time is up."""
        asking = _Asking(order, now.mono_s + order.timeout_s)
        running = dict.fromkeys(each.order.request for each in self._asking.values())
        if len(running) >= MAX_ASKING:
            self._wiring.count("key_askings_dropped")
            self._done(asking)
            return
        self._send(asking, now)

    def _send(self, asking: _Asking, now: Instant) -> None:
        """Ask those who have not answered yet; when the time is up, tell what came."""
        left_s = asking.deadline_s - now.mono_s
        to = [self._wiring.table.get(node) for node in asking.waiting]
        if left_s <= 0 or not to:
            self._done(asking)
            return
        number = self._wiring.rng.getrandbits(32)
        self._asking[number] = asking
        asking.numbers.append(number)
        body = self._query(asking.order, number, left_s)
        for known in to:
            if known is not None and known.is_up():
                self._wiring.send(known.address, User(body))
        again_s = now.mono_s + min(AGAIN_S, left_s)
        self._wiring.timers.at(again_s, lambda when: self._again(number, when))

    def _again(self, number: int, now: Instant) -> None:
        asking = self._asking.get(number)
        if asking is not None:
            self._send(asking, now)

    def _query(self, order: AskKeys, number: int, left_s: float) -> bytes:
        me = self._wiring.me
        request: bytes = pack_old({"Key": order.key or None})
        fields = {
            "Addr": packed_host(me.gossip[0]),
            "Filters": None,
            "Flags": NO_BROADCAST,
            "ID": number,
            "LTime": self._serf.queries.tick(),
            "Name": _NAMES[order.verb],
            "Payload": bytes((KEY_REQUEST,)) + request,
            "Port": me.gossip[1],
            "RelayFactor": 0,
            "SourceNode": me.node,
            "Timeout": int(left_s * 1e9),
        }
        packed: bytes = pack_old(fields)
        return bytes((QUERY,)) + packed

    def response(self, number: int, node: NodeName, payload: bytes, now: Instant) -> bool:
        """An answer to a query; False when it is to none of ours. PeerError for nonsense."""
        asking = self._asking.get(number)
        if asking is None or node not in asking.waiting:
            return False
        reply = _read(node, payload)
        del asking.waiting[node]
        asking.replies.append(reply)
        if not asking.waiting:
            self._done(asking)
        return True

    def _done(self, asking: _Asking) -> None:
        for number in asking.numbers:
            self._asking.pop(number, None)
        replies = KeyReplies(request=asking.order.request, replies=tuple(asking.replies))
        self._wiring.actions.append(replies)


def _read(node: NodeName, payload: bytes) -> KeyReply:
    if payload[:1] != bytes((KEY_RESPONSE,)):
        raise PeerError("key_response")
    fields = unpack_map(payload[1:])
    message = text(fields, b"Message", 1024) or "refused without a word"
    error = "" if fields.get(b"Result") is True else message
    found = fields.get(b"Keys") or []
    if type(found) is not list or len(found) > _MAX_KEYS:
        raise PeerError("key_response")
    keys = [text({b"": key}, b"", 64) for key in found]
    primary = text(fields, b"PrimaryKey", 64)
    if primary in keys:
        keys.remove(primary)
        keys.insert(0, primary)
    return KeyReply(node=node, error=error, keys=tuple(keys))
