"""One virtual machine: a node, its store, and the carrying out of the node's actions in virtual time.

The twin of ``daemon.driver``. It is as strict as the real one: it serves only what its store has, keeps
only what was fetched, and wakes the node exactly when it asked to be woken.

With ``instant`` fetches (replay), a read that misses is resolved within the same moment and its waiting is
priced, not lived through: the reference simulator does so, and a trace whose lines share one time stamp
would otherwise measure its own rounding. Prefetches always travel in virtual time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from zoned.core import actions as act
from zoned.core import events as ev
from zoned.core.errors import StateError
from zoned.core.events import FetchOutcome
from zoned.core.members import Fact
from zoned.core.names import InstanceKey, Instant
from zoned.core.node import Node
from zoned.core.records import Source
from zoned.core.settings import NodeSettings
from zoned.simulation.fetches import Fetches
from zoned.simulation.station import Station
from zoned.simulation.world import Answer, Transfers, World


@dataclass(slots=True)
class _Open:
    """A client's read that is not answered yet."""

    key: InstanceKey
    asked_s: float
    late: bool = False


class Host(Station):
    """A node in its virtual world. ``crash`` and ``boot`` are power off and on."""

    __slots__ = (
        "_open", "_peer_calls", "_unused", "cluster", "cut_short", "inline_s", "node", "settings", "store",
        "transfers",
    )  # fmt: skip

    node: Node | None

    def __init__(self, cluster: World, settings: NodeSettings) -> None:
        super().__init__(cluster, settings.node, settings.zone, settings.gossip_address)
        self.cluster = cluster
        self.settings = settings
        self.node = None
        self.inline_s = 0.0
        self.cut_short = 0
        """Reads that waited here when the machine was switched off."""
        self.store: dict[InstanceKey, int] = {}
        self.transfers = Transfers()
        self._open: dict[int, _Open] = {}
        self._peer_calls: dict[int, Callable[[act.AnswerPeer], None]] = {}
        self._unused: set[InstanceKey] = set()  # membership only
        fetches = Fetches(self, cluster, self._later, self._arrived)
        self._perform |= {
            act.Serve: self._serve,
            act.ServeFetched: lambda a: self._served(a.request, a.source),
            act.Refuse: lambda a: self._served(a.request, None),
            act.FetchPeer: fetches.peer,
            act.FetchOrigin: fetches.origin,
            act.Keep: self._keep,
            act.Discard: self._discard,
            act.AnswerPeer: lambda a: self._peer_calls.pop(a.request, _ignore)(a),
            act.Offer: lambda a: cluster.offer(self, a),
            act.Fit: lambda a: cluster.fit(self, a),
        }

    # ---- life -----------------------------------------------------------------------------------

    def _start(self, now: Instant, state: dict[str, Any] | None) -> Node:
        try:
            return Node(self.settings, now, state)
        except StateError:  # as the agent: does without (one saved by a clock far ahead, say)
            return Node(self.settings, now)

    def facts(self) -> tuple[Fact, ...]:
        """What this machine holds for agreed, in an order that all share."""
        return () if self.node is None else self.node.facts.all()

    def crash(self) -> None:
        """Power off: memory, store and everything under way are gone."""
        super().crash()
        self.store.clear()
        self._unused.clear()
        self._peer_calls.clear()
        self.cut_short += len(self._open)
        for request in list(self._open):
            self._served(request, None)

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

    # ---- actions --------------------------------------------------------------------------------

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


def _ignore(answer: act.AnswerPeer) -> None:
    """Nobody waits for that answer any more."""
