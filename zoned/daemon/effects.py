"""What the node's actions do in the real world.

One method an action, all synchronous: what takes time becomes a named task, and its end is a new event. The
bytes of a fetch are here, under its number, while the step of its ``FetchDone`` runs; ``Keep``,
``ServeFetched`` and ``AnswerPeer`` pick them up, and then they are dropped, or are the store's and the
reply's.

Fetching again what the store still holds (a refresh) is made conditional here and not in the core: the
version is the daemon's to compare, and the bytes that a 304 vouches for must be held from the question to the
answer.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

from zoned.core import actions as act
from zoned.core.events import Event, FetchDone, FetchOutcome, ModelsFitted, Read, StoreLost
from zoned.core.names import Dependency
from zoned.core.records import Source
from zoned.daemon.clock import Clock
from zoned.daemon.copies import Copy, Fetched
from zoned.daemon.log import Log
from zoned.daemon.pending import Pending
from zoned.daemon.ports import GossipPort, KeysPort, OriginPort, PeerReply, PeersPort, ReadReply, WorkerPort
from zoned.daemon.stores.memory import MemoryStore

Spawn = Callable[[Coroutine[Any, Any, None], str], object]
"""Runs a named task whose death ends the process."""
Submit = Callable[[Event], None]
MAX_OFFERS = 64
"""Offers being told at once; one more is dropped (the next turn offers again)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Everything that actions reach."""

    gossip: GossipPort
    store: MemoryStore
    origins: Mapping[Dependency, OriginPort]
    peers: PeersPort
    worker: WorkerPort | None
    keys: KeysPort
    log: Log


class Effects:
    """Performs actions, in the order given."""

    def __init__(
        self,
        world: World,
        clock: Clock,
        spawn: Spawn,
        submit: Submit,
        reads: Pending[ReadReply],
        peer_reads: Pending[PeerReply],
    ) -> None:
        """``submit`` takes the events that actions lead to, queueing those that come during a step."""
        self._world = world
        self._clock = clock
        self._spawn = spawn
        self._submit = submit
        self._reads = reads
        self._peer_reads = peer_reads
        self._bodies: dict[int, Copy] = {}
        self._offers = 0
        self._performers = self._table()
        self.counters = {
            "fetches": 0,
            "dropped_offers": 0,
            "lost_copies": 0,
            "failed_fits": 0,
            "not_modified": 0,
        }

    def perform(self, actions: list[act.Action]) -> None:
        """Do all of these."""
        performers = self._performers
        for action in actions:
            performers[type(action)](action)

    def check(self) -> None:
        """Assert what must hold between steps."""
        self._world.store.check_limits()

    def _table(self) -> dict[type, Callable[[Any], None]]:
        gossip = self._world.gossip.perform
        return {
            act.SendPacket: gossip,
            act.StreamCall: gossip,
            act.StreamReply: gossip,
            act.Serve: self._serve,
            act.ServeFetched: self._serve_fetched,
            act.Refuse: self._refuse,
            act.FetchPeer: lambda a: self._start(self._fetch_peer(a), f"fetch {a.fetch} from {a.node}"),
            act.FetchOrigin: lambda a: self._start(self._fetch_origin(a), f"fetch {a.fetch} from origin"),
            act.Keep: self._keep,
            act.Discard: self._discard,
            act.AskAgain: self._ask_again,
            act.AnswerPeer: self._answer_peer,
            act.Offer: self._offer,
            act.Fit: lambda a: self._start(self._fit(a), f"fit {a.job.job}"),
            act.KeyRequest: self._world.keys.requested,
            act.KeyReplies: self._world.keys.replied,
            act.Note: lambda a: self._world.log.note(a, self._clock.now().wall_s),
        }

    def _start(self, work: Coroutine[Any, Any, None], name: str) -> None:
        self._spawn(work, name)

    # ---- answers --------------------------------------------------------------------------------

    def _serve(self, action: act.Serve) -> None:
        copy = self._world.store.get(action.key)
        if copy is not None:
            reply = ReadReply(
                outcome=FetchOutcome.OK,
                copy=copy,
                source=Source.LOCAL,
                stale=action.stale,
                expires_s=action.expires_s,
                again=not (action.stale or action.armed),
            )
            self._reads.answer(action.request, reply)
            return
        # The index believed in a copy that the store has lost: correct it, then ask again.
        self.counters["lost_copies"] += 1
        self._submit(StoreLost(keys=(action.key,)))
        client = self._reads.client_of(action.request)
        if client is not None:
            self._submit(Read(request=action.request, key=action.key, client=client))

    def _serve_fetched(self, action: act.ServeFetched) -> None:
        copy = self._bodies[action.fetch]
        reply = ReadReply(
            outcome=FetchOutcome.OK,
            copy=copy,
            source=action.source,
            node=action.node,
            expires_s=action.expires_s,
        )
        self._reads.answer(action.request, reply)

    def _refuse(self, action: act.Refuse) -> None:
        self._reads.answer(action.request, ReadReply(outcome=action.outcome, detail=action.detail))

    def _answer_peer(self, action: act.AnswerPeer) -> None:
        reply = PeerReply(
            outcome=action.outcome, ttl_s=action.ttl_s, ring_id=action.ring_id, detail=action.detail
        )
        if action.outcome is FetchOutcome.OK:
            if action.fetch is not None:
                reply.copy = self._bodies[action.fetch]
            else:
                reply.copy = self._world.store.get(action.key)
            if reply.copy is None:
                self.counters["lost_copies"] += 1
                self._submit(StoreLost(keys=(action.key,)))
                reply.outcome = FetchOutcome.NOT_HELD
        self._peer_reads.answer(action.request, reply)

    # ---- the store ------------------------------------------------------------------------------

    def _keep(self, action: act.Keep) -> None:
        self._world.store.put(action.key, self._bodies[action.fetch])

    def _discard(self, action: act.Discard) -> None:
        for key in action.keys:
            self._world.store.delete(key)

    def _ask_again(self, action: act.AskAgain) -> None:
        for key in action.keys:
            self._world.store.changed(key)

    # ---- what takes time ------------------------------------------------------------------------

    async def _fetch_peer(self, action: act.FetchPeer) -> None:
        started_s = self._clock.now().mono_s
        self._land(action.fetch, await self._world.peers.fetch(action), started_s)

    async def _fetch_origin(self, action: act.FetchOrigin) -> None:
        started_s = self._clock.now().mono_s
        origin = self._world.origins.get(action.key.dependency)
        if origin is None:
            fetched = Fetched(outcome=FetchOutcome.NOT_FOUND, detail="unknown dependency")
        else:
            held = self._world.store.get(action.key)
            version = "" if held is None else held.version
            fetched = await origin.fetch(action.key.key, action.timeout_s, version, action.prefetch)
            if fetched.unchanged:
                fetched = self._unchanged(fetched, held)
        self._land(action.fetch, fetched, started_s)

    def _unchanged(self, fetched: Fetched, held: Copy | None) -> Fetched:
        """A 304: what we held when we asked is as good as new."""
        if held is None:
            return Fetched(outcome=FetchOutcome.FAILED, detail="origin says 304 to an unconditional request")
        self.counters["not_modified"] += 1
        copy = held._replace(born_s=self._clock.now().mono_s)
        return Fetched(outcome=FetchOutcome.OK, copy=copy, ttl_s=fetched.ttl_s)

    def _land(self, fetch: int, fetched: Fetched, started_s: float) -> None:
        """A fetch ended: the node hears of it, while its bytes are here."""
        self.counters["fetches"] += 1
        copy = fetched.copy
        if copy is not None:
            self._bodies[fetch] = copy
        try:
            self._submit(
                FetchDone(
                    fetch=fetch,
                    outcome=fetched.outcome,
                    size=0 if copy is None else len(copy.body),
                    version="" if copy is None else copy.version,
                    ttl_s=fetched.ttl_s,
                    latency_s=self._clock.now().mono_s - started_s,
                    detail=fetched.detail,
                    ring_id=fetched.ring_id,
                )
            )
        finally:
            self._bodies.pop(fetch, None)

    def _offer(self, action: act.Offer) -> None:
        if self._offers >= MAX_OFFERS:
            self.counters["dropped_offers"] += 1
            return
        self._offers += 1
        self._start(self._tell_offer(action), f"offer to {action.node}")

    async def _tell_offer(self, action: act.Offer) -> None:
        try:
            await self._world.peers.offer(action)
        finally:
            self._offers -= 1

    async def _fit(self, action: act.Fit) -> None:
        result = None if self._world.worker is None else await self._world.worker.fit(action.job)
        self.counters["failed_fits"] += result is None
        self._submit(ModelsFitted(job=action.job.job, result=result))
