"""One virtual machine: a node, its store, and the carrying out of the node's actions in virtual time.

The twin of ``daemon.driver``. It is as strict as the real one: it serves only what its store has, keeps
only what was fetched, and wakes the node exactly when it asked to be woken.

With ``instant`` fetches (replay), a read that misses is resolved within the same moment and its waiting is
priced, not lived through: the reference simulator does so, and a trace whose lines share one time stamp
would otherwise measure its own rounding. Prefetches always travel in virtual time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from zoned.core import actions as act
from zoned.core import events as ev
from zoned.core.actions import Action
from zoned.core.events import FetchOutcome
from zoned.core.names import Address, InstanceKey, NodeName
from zoned.core.node import Node
from zoned.core.records import Source
from zoned.core.settings import NodeSettings
from zoned.simulation.fetches import Fetches
from zoned.simulation.world import Answer, Transfers, World

_MAX_TICKS_AT_ONCE = 200


@dataclass(slots=True)
class _Open:
    """A client's read that is not answered yet."""

    key: InstanceKey
    asked_s: float
    late: bool = False


@dataclass(slots=True)
class Host:
    """A node in its virtual world. ``crash`` and ``boot`` are power off and on."""

    cluster: World
    settings: NodeSettings
    node: Node | None = None
    paused: bool = False
    life: int = 0
    inline_s: float = 0.0
    store: dict[InstanceKey, int] = field(default_factory=dict)
    transfers: Transfers = field(default_factory=Transfers)
    notes: list[tuple[float, act.Note]] = field(default_factory=list)
    _open: dict[int, _Open] = field(default_factory=dict)
    _peer_calls: dict[int, Callable[[act.AnswerPeer], None]] = field(default_factory=dict)
    _streams: dict[int, Callable[[bytes], None]] = field(default_factory=dict)
    _unused: set[InstanceKey] = field(default_factory=set)  # membership only
    _backlog: list[ev.Event] = field(default_factory=list)
    _numbers: int = 0
    _armed_s: float | None = None
    _ticks: int = 0
    _depth: int = 0
    _tick_at_s: float = -1.0
    _perform: dict[type, Callable[[Any], None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        fetches = Fetches(self, self.cluster, self._later, self._arrived)
        self._perform = {
            act.SendPacket: lambda a: self.cluster.send_packet(self, a),
            act.StreamCall: lambda a: self.cluster.call_stream(self, a),
            act.StreamReply: self._stream_reply,
            act.Serve: self._serve,
            act.ServeFetched: lambda a: self._served(a.request, a.source),
            act.Refuse: lambda a: self._served(a.request, None),
            act.FetchPeer: fetches.peer,
            act.FetchOrigin: fetches.origin,
            act.Keep: self._keep,
            act.Discard: self._discard,
            act.AnswerPeer: lambda a: self._peer_calls.pop(a.request, _ignore)(a),
            act.Offer: lambda a: self.cluster.offer(self, a),
            act.KeyRequest: _ignore,  # no virtual gossip is sealed: nobody has keys to ask for or to tell
            act.KeyReplies: _ignore,
            act.Note: lambda a: self.notes.append((self.cluster.schedule.now_s, a)),
            act.Fit: lambda a: self.cluster.fit(self, a),
        }

    # ---- life -----------------------------------------------------------------------------------

    @property
    def name(self) -> NodeName:
        """The node's name."""
        return self.settings.node

    @property
    def zone(self) -> str:
        """The node's zone."""
        return self.settings.zone

    def boot(self, state: dict[str, Any] | None = None) -> Node:
        """Switch on, with what a restart finds on the disk."""
        assert self.node is None
        self.life += 1
        self.node = Node(self.settings, self.cluster.instant(), state)
        self._arm()
        return self.node

    def crash(self) -> None:
        """Power off: memory, store and everything under way are gone."""
        self.node = None
        self.paused = False
        self._backlog.clear()
        self.store.clear()
        self._unused.clear()
        self._peer_calls.clear()
        self._streams.clear()
        self._armed_s = None
        for request in list(self._open):
            self._served(request, None)

    def pause(self, paused: bool) -> None:
        """Stop (SIGSTOP) or go on: what came meanwhile is handled then, all at once."""
        self.paused = paused
        if not paused:
            backlog, self._backlog = self._backlog, []
            for event in backlog:
                self.give(event)
            self._arm()

    def give(self, event: ev.Event) -> None:
        """Let the node take one event, and carry out what it wants."""
        node = self.node
        if node is None:
            return
        if self.paused:
            self._backlog.append(event)
            return
        actions = node.handle(event, self.cluster.instant())
        if actions:
            self._depth += 1
            self._do(actions)
            self._depth -= 1
        if not self._depth:  # the events that the actions caused at once are over by now: one look will do
            self._arm()

    def read(self, key: InstanceKey, client: bytes) -> None:
        """A client of this zone reads; the answer goes to ``cluster.answered``."""
        self._numbers += 1
        request = self._numbers
        flight = self.node.reads.flights.find(key) if self.node is not None else None
        late = flight is not None and not flight.waiters
        self._open[request] = _Open(key, self.cluster.schedule.now_s, late)
        self.inline_s = 0.0
        if self.node is None:
            self._served(request, None)
        else:
            self.give(ev.Read(request=request, key=key, client=client))

    def ask(self, event: Callable[[int], ev.PeerRead], reply: Callable[[act.AnswerPeer], None]) -> None:
        """Another agent asks us for an instance; ``reply`` gets the answer, whenever it comes."""
        self._numbers += 1
        self._peer_calls[self._numbers] = reply
        self.give(event(self._numbers))

    def take_stream(self, data: bytes, sender: Address, reply: Callable[[bytes], None]) -> None:
        """Another agent opens a gossip stream to us."""
        self._numbers += 1
        self._streams[self._numbers] = reply
        self.give(ev.StreamReceived(stream=self._numbers, data=data, sender=sender))

    # ---- actions --------------------------------------------------------------------------------

    def _do(self, actions: list[Action]) -> None:
        perform = self._perform
        for action in actions:
            perform[type(action)](action)

    def _serve(self, action: act.Serve) -> None:
        assert action.key in self.store, f"{self.name} serves {action.key.text()}, which its store lacks"
        if action.key in self._unused:
            self._unused.discard(action.key)
            self.transfers.prefetch_used += 1
        self._served(action.request, Source.LOCAL)

    def _served(self, request: int, source: Source | None) -> None:
        one = self._open.pop(request)
        waited_s = (
            0.0 if source is Source.LOCAL else self.cluster.schedule.now_s - one.asked_s + self.inline_s
        )
        if one.late:
            self.transfers.late += 1
            self._unused.discard(one.key)
        self.cluster.answered(Answer(self.name, one.key, source, self.cluster.hit_s + waited_s, one.late))

    def _stream_reply(self, action: act.StreamReply) -> None:
        reply = self._streams.pop(action.stream, None)
        if reply is not None and action.data:
            reply(action.data)

    def _keep(self, action: act.Keep) -> None:
        self.store[action.key] = self.cluster.origin.size_of(action.key)

    def _discard(self, action: act.Discard) -> None:
        for key in action.keys:
            del self.store[key]
            self._unused.discard(key)

    def _arrived(self, key: InstanceKey, done: ev.FetchDone, source: Source, prefetch: bool) -> None:
        transfers = self.transfers
        if done.outcome is FetchOutcome.OK:
            if source is Source.ORIGIN:
                transfers.origin += 1
            else:
                transfers.peer += 1
            if prefetch:
                transfers.prefetched += 1
                self._unused.add(key)
        elif source is Source.PEER:
            transfers.asked_in_vain += 1
        self.give(done)
        if prefetch and key not in self.store:
            self._unused.discard(key)

    # ---- timers ---------------------------------------------------------------------------------

    def _later(self, delay_s: float, call: Callable[[], None]) -> None:
        life = self.life

        def still() -> None:
            if life == self.life and self.node is not None:
                call()

        self.cluster.schedule.after(delay_s, still)

    def _arm(self) -> None:
        """See that the node is woken when it wants to be; an earlier wake-up that is set will do."""
        deadline = self.node.next_deadline() if self.node is not None else None
        if deadline is None or (self._armed_s is not None and self._armed_s <= deadline):
            return
        when_s = max(deadline, self.cluster.schedule.now_s)
        self._armed_s = when_s
        life = self.life

        def wake() -> None:
            if life == self.life and self._armed_s == when_s:
                self._armed_s = None
                self._wake()

        self.cluster.schedule.at(when_s, wake)

    def _wake(self) -> None:
        if self.node is None or self.paused:
            return
        now_s = self.cluster.schedule.now_s
        deadline = self.node.next_deadline()
        if deadline is not None and deadline <= now_s + 1e-9:
            self._ticks = self._ticks + 1 if now_s == self._tick_at_s else 0
            self._tick_at_s = now_s
            assert self._ticks < _MAX_TICKS_AT_ONCE, f"{self.name} wants to be woken at {deadline} for ever"
            self.give(ev.Tick())
        else:
            self._arm()


def _ignore(action: act.Action) -> None:
    """Nobody waits for that answer any more, or ever asked."""
