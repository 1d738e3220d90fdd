"""What the parts of the gossip stage hold in common, and how their output leaves.

The stage is one machine cut into files: prober, rumours, push/pull, Serf, reconciliation. Each is given this
one object and nothing else: the table, the timers, the rumour queue, and the three ways out (packets,
streams, news). The cut keeps every part small; the shared object keeps them from calling one another in
circles.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from zoned.core.actions import Action, Note, SendPacket, StreamCall
from zoned.core.gossip.awareness import Awareness
from zoned.core.gossip.broadcast import BroadcastQueue
from zoned.core.gossip.membership import Known, Membership
from zoned.core.gossip.messages import PacketMessage
from zoned.core.gossip.seldom import Seldom
from zoned.core.gossip.settings import GossipSettings
from zoned.core.gossip.tags import Identity
from zoned.core.gossip.timers import Timers
from zoned.core.gossip.traffic import Traffic
from zoned.core.gossip.wire import MAX_PARTS, compound, compressed, encode, with_crc
from zoned.core.members import News
from zoned.core.names import Address, Instant

Answered = Callable[[bytes | None, Instant], None]
Refused = Callable[[Instant], None]
_AROUND = 7  # a compound's head and a CRC


class Wiring:
    """Shared parts and ways out of one gossip stage."""

    def __init__(self, settings: GossipSettings, me: Identity, rng: random.Random) -> None:
        self.settings = settings
        self.me = me
        self.rng = rng
        self.timers = Timers()
        self.table = Membership(settings.member_limit)
        largest = settings.room_bytes - _AROUND - 2
        self.queue = BroadcastQueue(settings.queue_limit, settings.retransmit_mult, largest)
        self.awareness = Awareness(settings.awareness_max)
        self.actions: list[Action] = []
        self.news: list[News] = []
        self.counters: dict[str, int | float] = {}
        self.traffic = Traffic()
        self.seldom = Seldom()
        self.leaving = False  # we are on our way out: no more refuting
        self._calls: dict[int, tuple[Address, Answered, Refused | None]] = {}
        self._called = 0

    def count(self, what: str, by: int = 1) -> None:
        """Raise a counter."""
        counters = self.counters
        counters[what] = counters.get(what, 0) + by

    def reject(self, reason: str) -> None:
        """Count something dropped, under its reason."""
        self.count("rejected_" + reason)

    def note(self, level: str, event: str, text: str, *fields: tuple[str, str | int | float]) -> None:
        """A line for the log."""
        self.actions.append(Note(level=level, event=event, text=text, fields=fields))

    def send(self, to: Address, what: PacketMessage, also: PacketMessage | None = None) -> None:
        """One message (and a second one) with as many rumours as fit beside it."""
        parts = [encode(what)] if also is None else [encode(what), encode(also)]
        if len(self.queue):
            room = self.settings.room_bytes - 2 - sum(len(each) + 2 for each in parts)
            parts += self.queue.take(room, 2, self.table.up_count(), MAX_PARTS - len(parts))
        self.traffic.went(parts)
        self.datagram(to, compound(parts))

    def gossip(self, to: Known) -> bool:
        """A packet of rumours only; False when there is nothing left to say."""
        parts = self.queue.take(self.settings.room_bytes - _AROUND, 2, self.table.up_count(), MAX_PARTS)
        if not parts:
            return False
        self.traffic.went(parts)
        data = compound(parts)
        if self.settings.compress_packets:
            shorter = compressed(data)
            data = shorter if len(shorter) < len(data) else data
        self.datagram(to.address, with_crc(data) if to.crc else data)
        return True

    def datagram(self, to: Address, data: bytes) -> None:
        """A packet as it is."""
        counters = self.counters
        counters["packets_out"] = counters.get("packets_out", 0) + 1
        counters["bytes_out"] = counters.get("bytes_out", 0) + len(data)
        self.actions.append(SendPacket(address=to, data=data))

    def call(
        self,
        to: Address,
        data: bytes,
        answered: Answered,
        timeout_s: float | None = None,
        expects_answer: bool = True,
        refused: Refused | None = None,
    ) -> bool:
        """Open a stream; False when too many are open. When nobody listens there, ``refused`` is called, or
        without one ``answered`` with None."""
        if len(self._calls) >= self.settings.call_limit:
            self.count("calls_refused")
            return False
        self._called += 1
        if expects_answer:
            self._calls[self._called] = (to, answered, refused)
        self.count("calls")
        self.traffic.streamed(data)
        self.count("stream_bytes_out", len(data))
        wait_s = self.settings.stream_timeout_s if timeout_s is None else timeout_s
        call = StreamCall(
            call=self._called, address=to, data=data, timeout_s=wait_s, expects_answer=expects_answer
        )
        self.actions.append(call)
        return True

    def calling(self, to: Address) -> bool:
        """Whether a stream of ours to that address is still open."""
        return any(address == to for address, *_ in self._calls.values())

    def answered(self, call: int, data: bytes | None, now: Instant, refused: bool = False) -> None:
        """The answer to one of our streams; None when there was none."""
        entry = self._calls.pop(call, None)
        if entry is None:
            return
        if refused and entry[2] is not None:
            entry[2](now)
        else:
            entry[1](data, now)
