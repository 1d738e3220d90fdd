"""Serf's layer: who means to leave, three Lamport clocks, and the state that push/pulls carry for it.

SWIM knows that a member is gone; whether it *left* or *failed* is an intent, said beforehand as a user
message and ordered by a Lamport clock (an intent older than what is known of that member is void). Intents
for members not known yet wait for them. Push/pull carries the same as one map, so that latecomers learn it.

Our own zoned agents need no intents, since dead{from: itself} says as much; Serf's agents do.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from zoned.core.errors import PeerError
from zoned.core.gossip.lamport import LamportClock, bounded_time, lamport
from zoned.core.gossip.membership import Known
from zoned.core.gossip.messages import Kind, Standing
from zoned.core.gossip.rumours import Rumours
from zoned.core.gossip.user_events import UserEvents
from zoned.core.gossip.wire import checked_name, name, pack_old, unpack_map
from zoned.core.gossip.wiring import Wiring
from zoned.core.members import MemberState
from zoned.core.names import Instant, NodeName

LEAVE, JOIN, PUSH_PULL, EVENT, QUERY, RESPONSE, CONFLICT, KEY_REQUEST, KEY_RESPONSE, RELAY = range(10)
_MAX_LISTED = 65536


def user_message(kind: int, fields: dict[str, Any]) -> bytes:
    """A memberlist user message with a Serf message in it."""
    packed: bytes = pack_old(fields)
    return bytes((Kind.USER, kind)) + packed


class SerfLayer:
    """Intents and clocks of one member."""

    def __init__(self, wiring: Wiring, rumours: Rumours) -> None:
        self._wiring = wiring
        self._rumours = rumours
        self._own = rumours.own
        self._waiting: OrderedDict[NodeName, tuple[bool, int, float]] = OrderedDict()  # leave?, time, since
        self.clock = LamportClock()
        self.events = UserEvents(wiring)
        self.queries = LamportClock()
        rumours.listeners.append(self._on_change)

    # ---- saying ----

    def say_join(self) -> None:
        """We are (again) a member: later than whatever was said of our leaving."""
        time = self.clock.tick()
        self._own.status_ltime = time
        self._pass_on(JOIN, self._own.node, {"LTime": time, "Node": self._own.node})

    def say_leave(self, node: NodeName, prune: bool = False) -> None:
        """``node`` (ourselves, or one that failed) leaves for good; ``prune``: forget it altogether."""
        time = self.clock.tick()
        self._pass_on(LEAVE, node, {"LTime": time, "Node": node, "Prune": prune})

    def state(self) -> bytes:
        """What a push/pull carries for Serf."""
        known = self._wiring.table.all()
        left = [each.node for each in known if each.state() in (MemberState.LEFT, MemberState.LEAVING)]
        fields = {
            "EventLTime": self.events.clock.time,
            "Events": self.events.listed(),
            "LTime": self.clock.time,
            "LeftMembers": left,
            "QueryLTime": self.queries.time,
            "StatusLTimes": {each.node: each.status_ltime for each in known},
        }
        packed: bytes = pack_old(fields)
        return bytes((PUSH_PULL,)) + packed

    # ---- hearing ----

    def intent(self, kind: int, fields: dict[bytes, Any], now: Instant) -> None:
        """A join or leave intent from a packet; passed on if it was news."""
        node, time = name(fields), lamport(fields)
        prune = fields.get(b"Prune") is True
        self.clock.witness(time)
        if kind == JOIN:
            if self._joins(node, time, now):
                self._pass_on(JOIN, node, {"LTime": time, "Node": node})
        elif self._leaves(node, time, prune, now):
            self._pass_on(LEAVE, node, {"LTime": time, "Node": node, "Prune": prune})

    def merge(self, body: bytes, now: Instant) -> None:
        """The Serf part of a push/pull."""
        if body[0] != PUSH_PULL:
            raise PeerError("serf_state")
        fields = unpack_map(body[1:])
        events = self.events.clock
        clocks = ((self.clock, b"LTime"), (events, b"EventLTime"), (self.queries, b"QueryLTime"))
        for clock, key in clocks:
            clock.witness(max(0, lamport(fields, key) - 1))
        times = fields.get(b"StatusLTimes") or {}
        left = fields.get(b"LeftMembers") or []
        if type(times) is not dict or type(left) is not list or len(times) + len(left) > _MAX_LISTED:
            raise PeerError("serf_state")
        gone = dict.fromkeys(left) if all(type(each) is bytes for each in left) else {}
        for node in gone:
            self._leaves(_name(node), bounded_time(times.get(node, 0)), False, now)
        for node, time in times.items():
            if node not in gone:
                self._joins(_name(node), bounded_time(time), now)
        self.events.merge(fields.get(b"Events") or [])

    def _joins(self, node: NodeName, time: int, now: Instant) -> bool:
        known = self._wiring.table.get(node)
        if known is None:
            return self._wait(node, False, time, now)
        if time <= known.status_ltime:
            return False
        known.status_ltime = time
        if known.leaving and known.is_up() and known is not self._own:
            self._intend(known, False, now)
        return True

    def _leaves(self, node: NodeName, time: int, prune: bool, now: Instant) -> bool:
        known = self._wiring.table.get(node)
        if known is None:
            return self._wait(node, True, time, now)
        if time <= known.status_ltime:
            return False
        if known is self._own:
            if not self._wiring.leaving:
                self.clock.witness(time)
                self.say_join()  # we are here: our join outranks the rumour of our leaving
            return False
        known.status_ltime = time
        if not known.leaving and known.standing is not Standing.LEFT:
            self._intend(known, True, now)
        if prune and not known.is_up():
            self._rumours.forget(node, now)
        return True

    def _intend(self, known: Known, leaving: bool, now: Instant) -> None:
        before = known.state()
        known.leaving = leaving
        self._rumours.changed(known, before, now)

    def _wait(self, node: NodeName, leave: bool, time: int, now: Instant) -> bool:
        """Keep an intent for a member not known yet; False when a newer one waits already."""
        waiting = self._waiting.get(node)
        if waiting is not None and waiting[1] >= time:
            return False
        self._waiting[node] = (leave, time, now.mono_s)
        self._waiting.move_to_end(node)
        while len(self._waiting) > self._wiring.settings.intent_limit:
            self._waiting.popitem(last=False)
            self._wiring.count("intents_dropped")
        return True

    def _on_change(self, known: Known, before: MemberState | None, now: Instant) -> None:
        if before is not None or known.node not in self._waiting:
            return
        leave, time, since_s = self._waiting.pop(known.node)
        if now.mono_s - since_s <= self._wiring.settings.intent_keep_s:
            known.status_ltime = time
            if leave:
                self._intend(known, True, now)

    def _pass_on(self, kind: int, node: NodeName, fields: dict[str, Any]) -> None:
        self._wiring.queue.put(("intent", node), user_message(kind, fields), rank=1)


def _name(raw: object) -> NodeName:
    if type(raw) is not bytes:
        raise PeerError("name")
    try:
        return checked_name(raw.decode())
    except UnicodeDecodeError as error:
        raise PeerError("name") from error
