"""The ways in and out of the gossip stage: bytes to messages, messages to the part that knows them.

Here, and only here, nonsense from the network ends: a PeerError is counted under its reason and forgotten.
The parts: rumours (SWIM's state rules), prober (failure detector), spread (the epidemic), exchange and dialer
(push/pull, joining, healing), serf and queries (Serf's layer), reconcile (summaries, holdings, facts).
"""

from __future__ import annotations

import random
from typing import Any

from zoned.core.actions import Action, StreamReply
from zoned.core.errors import PeerError
from zoned.core.gossip.channel import MARK
from zoned.core.gossip.dialer import Dialer
from zoned.core.gossip.exchange import Exchange
from zoned.core.gossip.keys import KeyQueries
from zoned.core.gossip.messages import (
    Ack,
    Alive,
    Dead,
    ErrorReply,
    IndirectPing,
    Nack,
    PacketMessage,
    Ping,
    PushPull,
    StreamMessage,
    Suspect,
    User,
)
from zoned.core.gossip.prober import Prober
from zoned.core.gossip.queries import Queries
from zoned.core.gossip.reconcile import Reconciler
from zoned.core.gossip.rumours import Rumours
from zoned.core.gossip.serf import QUERY, RELAY, SerfLayer
from zoned.core.gossip.settings import GossipSettings
from zoned.core.gossip.spread import Spreader
from zoned.core.gossip.stream import decode_stream, encode_stream
from zoned.core.gossip.tags import Identity
from zoned.core.gossip.wire import decode_packet
from zoned.core.gossip.wiring import Wiring
from zoned.core.members import News
from zoned.core.names import Address, Instant, NodeName

MAX_QUESTIONS = 16
"""Messages of one packet that make us send something, however short they are; members send one or two at a
time. 250 in a packet would make us work, and send, for as many (to whatever address they name)."""
MAX_SERF_BYTES = 4096
"""Of one Serf message: four times what Serf itself allows."""
MAX_OWN_BYTES = 16384
"""Of one message between agents in a packet: ten times what they send there, and a few ms of work."""
_ASKING_BYTES = (bytes((QUERY,)), bytes((RELAY,)))


class Endpoint:
    """The parts of one stage, wired, and the traffic between them and the world."""

    def __init__(self, settings: GossipSettings, me: Identity, rng: random.Random, now: Instant) -> None:
        self._wiring = wiring = Wiring(settings, me, rng)
        self._rumours = rumours = Rumours(wiring, now)
        self._spreader = Spreader(wiring)
        self._serf = SerfLayer(wiring, rumours)
        self.next_deadline = wiring.timers.next_s
        """[hot] When to call ``tick``, on the mono clock."""
        self.keys = KeyQueries(wiring, self._serf)
        self._queries = Queries(wiring, self._serf, self.keys)
        self._prober = prober = Prober(wiring, rumours, now)
        self._exchange = Exchange(wiring, rumours, self._serf, now)
        self._dialer = Dialer(wiring, self._exchange)
        self._reconciler = Reconciler(wiring, self._exchange.call, now)
        rumours.listeners += [self._dialer.on_change, self._reconciler.on_change]
        self._routes: dict[type, Any] = {
            Ping: prober.ping,
            IndirectPing: prober.indirect,
            Ack: prober.ack,
            Nack: prober.nack,
            User: self._user,
            Alive: lambda what, sender, now: rumours.alive(what, now),
            Suspect: lambda what, sender, now: rumours.suspect(what, now),
            Dead: lambda what, sender, now: rumours.dead(what, now),
        }

    def packet(self, data: bytes, sender: Address, now: Instant, private: bool = False) -> None:
        """A datagram came. ``private``: keys may be in it and in what we answer."""
        wiring = self._wiring
        counters = wiring.counters
        counters["packets_in"] = counters.get("packets_in", 0) + 1
        counters["bytes_in"] = counters.get("bytes_in", 0) + len(data)
        try:
            messages, rejected = decode_packet(data)
        except PeerError as error:
            wiring.reject(error.reason)
            return
        for reason in rejected:
            wiring.reject(reason)
        questions = 0
        for message in messages:
            questions += _asks(message)
            wiring.traffic.came(message)
            try:
                if questions > MAX_QUESTIONS and _asks(message):
                    raise PeerError("questions")
                if private and type(message) is User:
                    self._user(message, sender, now, private)
                else:
                    self._routes[type(message)](message, sender, now)
            except PeerError as error:
                wiring.reject(error.reason)
        self._spreader.arm(now)

    def _user(self, user: User, sender: Address, now: Instant, private: bool = False) -> None:
        if not user.body:
            raise PeerError("empty")
        if user.body[0] == MARK:
            if len(user.body) > max(MAX_OWN_BYTES, self._wiring.settings.packet_bytes):
                raise PeerError("reconcile_limit")
            self._reconciler.heard(user.body, now)
        elif len(user.body) > MAX_SERF_BYTES:
            raise PeerError("serf_limit")
        else:
            self._queries.heard(user.body, now, private)

    def stream(self, stream: int, data: bytes, sender: Address, now: Instant) -> None:
        """A whole message came on a stream; it is answered in any case, if only by an error or nothing."""
        wiring = self._wiring
        wiring.count("streams_in")
        wiring.count("stream_bytes_in", len(data))
        try:
            self._stream_message(stream, decode_stream(data), sender, now)
        except PeerError as error:
            wiring.reject(error.reason)
            wiring.actions.append(StreamReply(stream=stream, data=encode_stream(ErrorReply(str(error)))))
        self._spreader.arm(now)

    def _stream_message(self, stream: int, what: StreamMessage, sender: Address, now: Instant) -> None:
        self._wiring.traffic.came(what)
        if isinstance(what, PushPull):
            self._exchange.received(stream, what, now)
            return
        if isinstance(what, User) and what.body[:1] == bytes((MARK,)):
            self._reconciler.heard_on_stream(stream, what.body, now)
            return
        answer = b""
        if isinstance(what, User):
            self._user(what, sender, now)
        elif isinstance(what, Ping) and what.node == self._wiring.me.node:
            answer = encode_stream(Ack(what.seq, b""))
        else:
            self._wiring.reject("unexpected_stream")
        self._wiring.actions.append(StreamReply(stream=stream, data=answer))

    def answered(self, call: int, data: bytes | None, now: Instant, refused: bool = False) -> None:
        """The answer to our stream of that number came, or none did in time, or nobody listens there."""
        if data is not None:
            self._wiring.count("stream_bytes_in", len(data))
        self._wiring.answered(call, data, now, refused)
        self._spreader.arm(now)

    def refute(self, incarnation: int, now: Instant) -> None:
        """Others hold us out at that incarnation: outrank it, unless we have done so."""
        if incarnation >= self._rumours.own.incarnation:
            self._rumours.refute(incarnation)
            self._spreader.arm(now)

    def weigh(self, weight: int, now: Instant) -> None:
        """We advertise another weight."""
        self._wiring.me = self._wiring.me._replace(weight=weight)
        self._rumours.announce()
        self._spreader.arm(now)

    def compare(self, node: NodeName, now: Instant) -> None:
        """Its ring is another one than ours, for long: push and pull tables with it, and compare the rest."""
        known = self._wiring.table.get(node)
        if known is not None and known.is_zoned():
            self._exchange.call(known.address)
            self._reconciler.greet(known, now)

    def tick(self, now: Instant) -> None:
        """``next_deadline`` has come."""
        wiring = self._wiring
        late_s = wiring.timers.hold_s(now, wiring.settings.probe_timeout_s)
        if late_s:
            wiring.count("frozen")
            wiring.awareness.add(1)
            wiring.note("warning", "frozen", f"woken {late_s:.1f} s late: judging nobody for as long")
        wiring.timers.run(now)
        self._spreader.arm(now)

    def take_actions(self) -> list[Action]:
        """What is to be done, in order; once."""
        actions = self._wiring.actions
        if actions:
            self._wiring.actions = []
            for action in actions:
                if type(action) is StreamReply:
                    self._wiring.traffic.streamed(action.data)
                    self._wiring.count("stream_bytes_out", len(action.data))
        return actions

    def take_news(self) -> list[News]:
        """What the other stages should hear, in order; once."""
        news = self._wiring.news
        if news:
            self._wiring.news = []
        return news


def _asks(message: PacketMessage) -> bool:
    """Whether it wants something sent."""
    if isinstance(message, User):
        return message.body[:1] in _ASKING_BYTES
    return isinstance(message, Ping | IndirectPing)
