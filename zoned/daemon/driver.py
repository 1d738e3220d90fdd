"""The node's driver: the one place that calls ``node.handle``, and has done what it says.

One event is one step: the node takes it, its actions are performed in order, and nothing waits in between, so
two steps can never interleave (house.md, habit 4). An event that an action causes at once is queued behind
the step it came from. After each step one loop timer is armed for ``next_deadline``; it is left alone when
the deadline moved away, and re-armed when it fires too early, because a busy node moves its deadline
thousands of times a second.

An exception from the core is our own mistake: ``died`` gets it, the composition root ends the process, and no
further event is taken by a node that is half way through one.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Callable

from zoned.core.events import Event, FetchOutcome, PeerRead, Purpose, Read, Tick, Timed
from zoned.core.names import InstanceKey, Instant, NodeName
from zoned.core.records import Source
from zoned.daemon.clock import Clock
from zoned.daemon.effects import Effects, Spawn, World
from zoned.daemon.pending import Pending
from zoned.daemon.ports import NodePort, PeerReply, ReadReply

MAX_WAITING = 8192
READ_TIMEOUT_S = 30.0
"""Over the longest way that FlightSettings allow, so this only catches what was lost."""


class Driver:
    """Runs one node in the real world. Belongs to one event loop."""

    def __init__(
        self, node: NodePort, clock: Clock, world: World, spawn: Spawn, read_timeout_s: float = READ_TIMEOUT_S
    ) -> None:
        self._node = node
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self.died: asyncio.Future[None] = self._loop.create_future()
        """Gets the exception that ended the node."""
        self._queue: deque[Event] = deque()
        self._stepping = False
        self._numbers = itertools.count(1)
        self._reads: Pending[ReadReply] = Pending(MAX_WAITING, read_timeout_s)
        self._peer_reads: Pending[PeerReply] = Pending(MAX_WAITING, read_timeout_s)
        self._effects = Effects(world, clock, spawn, self.submit, self._reads, self._peer_reads)
        self._local_count, self._local_s = 0, 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._timer_s = 0.0
        self._last_s = 0.0
        self._events = 0

    def start(self) -> None:
        """Arm the timer for what the node has planned since it was made."""
        self._arm()

    # ---- steps ----------------------------------------------------------------------------------

    def submit(self, event: Event) -> None:
        """Give the node an event: now, or as soon as the step that is under way has been done."""
        if self.died.done():
            return
        self._queue.append(event)
        if self._stepping:
            return
        self._stepping = True
        try:
            while self._queue:
                self._events += 1
                self._effects.perform(self._node.handle(self._queue.popleft(), self._now()))
            self._effects.check()
        except Exception as error:
            if not self.died.done():
                self.died.set_exception(error)
            self.close()
            raise
        finally:
            self._stepping = False
        self._arm()

    def _now(self) -> Instant:
        """This moment, never before one that the node has seen (see ``_on_timer``)."""
        now = self._clock.now()
        if now.mono_s < self._last_s:
            return now._replace(mono_s=self._last_s)
        self._last_s = now.mono_s
        return now

    def _arm(self) -> None:
        """See that a timer fires no later than the node's next deadline."""
        deadline_s = self._node.next_deadline()
        if deadline_s is None or (self._timer is not None and self._timer_s <= deadline_s):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_s = deadline_s
        self._timer = self._loop.call_later(max(0.0, deadline_s - self._clock.now().mono_s), self._on_timer)

    def _on_timer(self) -> None:
        armed_s, self._timer = self._timer_s, None
        deadline_s = self._node.next_deadline()
        if deadline_s is None:
            return
        if deadline_s > armed_s and deadline_s > self._clock.now().mono_s:
            self._arm()  # the deadline moved away since the timer was armed for it
            return
        # Loop timers have steps of a millisecond and fire up to that much early. For the node its deadline
        # has come all the same, or it would be asked over and over within that millisecond.
        self._last_s = max(self._last_s, armed_s)
        self.submit(Tick())

    def close(self) -> None:
        """Take no more events; whoever waits is told so."""
        if not self.died.done():
            self.died.cancel()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._queue.clear()
        self._reads.answer_all(ReadReply(outcome=FetchOutcome.FAILED, detail="agent is stopping"))
        self._peer_reads.answer_all(PeerReply(outcome=FetchOutcome.FAILED))

    # ---- requests -------------------------------------------------------------------------------

    async def read(self, key: InstanceKey, client: bytes) -> ReadReply:
        """A client's read. A local hit is answered without giving up control once."""
        request = next(self._numbers)
        waiting = None if self.died.done() else self._reads.open(request, key, client)
        if waiting is None:
            return ReadReply(outcome=FetchOutcome.FAILED, detail="too many reads under way")
        self.submit(Read(request=request, key=key, client=client))
        reply = await self._reads.answered(request, waiting)
        return reply or ReadReply(outcome=FetchOutcome.TIMEOUT, detail="no answer in time")

    def ask(self, key: InstanceKey, client: bytes, then: Callable[[ReadReply], None]) -> ReadReply | None:
        """A client's read without a task: the reply if it can be had at once, as every local hit can; else
        None, and ``then`` gets it later, once."""
        request = next(self._numbers)
        waiting = None if self.died.done() else self._reads.open(request, key, client)
        if waiting is None:
            return ReadReply(outcome=FetchOutcome.FAILED, detail="too many reads under way")
        self.submit(Read(request=request, key=key, client=client))
        if waiting.reply is None:
            too_late = ReadReply(outcome=FetchOutcome.TIMEOUT, detail="no answer in time")
            self._reads.when_answered(request, then, too_late)
        return waiting.reply

    async def peer_read(
        self, key: InstanceKey, sender: NodeName, purpose: Purpose, ring_id: str
    ) -> PeerReply:
        """Another agent's read."""
        request = next(self._numbers)
        waiting = None if self.died.done() else self._peer_reads.open(request, key)
        if waiting is None:
            return PeerReply(outcome=FetchOutcome.FAILED)
        self.submit(PeerRead(request=request, key=key, sender=sender, purpose=purpose, ring_id=ring_id))
        return await self._peer_reads.answered(request, waiting) or PeerReply(outcome=FetchOutcome.TIMEOUT)

    def served_locally(self, seconds: float) -> None:
        """A front served a read from our store in that time."""
        self._local_count += 1
        self._local_s += seconds

    def report_latency(self) -> None:
        """Tell the node what local reads took since the last report; called once a second."""
        count, seconds = self._local_count, self._local_s
        if count:
            self._local_count, self._local_s = 0, 0.0
            self.submit(Timed(source=Source.LOCAL, mean_s=seconds / count, count=count))

    def counters(self) -> dict[str, float]:
        """What was done and dropped here, for the metrics."""
        reads, peer_reads = self._reads, self._peer_reads
        return {
            "events": self._events,
            "waiting_reads": len(reads),
            "waiting_peer_reads": len(peer_reads),
            "refused_reads": reads.refused + peer_reads.refused,
            "timed_out_reads": reads.timed_out + peer_reads.timed_out,
            "late_answers": reads.late + peer_reads.late,
            **self._effects.counters,
        }
