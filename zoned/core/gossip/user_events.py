"""Serf's user events of late, kept for those who come later.

An event is a rumour, and rumours end. Serf keeps the last 512 ticks of its event clock and gives them away in
each push/pull, so that a newcomer that wants them (``serf agent -replay``) and one that was cut off still get
them. Whoever joins by way of us must not get less, so we keep the same window and tell it the same way. It is
also how an event is known that has been passed on already.

A slot for each tick modulo 512, as Serf has; what is older than the window would only make Serf warn. Bounded
in bytes, too: newer agents allow events of 9 KiB, and all of this goes into every push/pull.
"""

from __future__ import annotations

from typing import Any

from zoned.core.errors import PeerError
from zoned.core.gossip.lamport import LamportClock, bounded_time
from zoned.core.gossip.wire import raw
from zoned.core.gossip.wiring import Wiring

WINDOW = 512
MAX_NAME = 1024
MAX_PAYLOAD = 9216
MAX_AT_ONCE = 32
"""Events of one tick that are told apart; more are taken for known."""
MAX_BYTES = 131_072
_OVERHEAD = 16

Event = tuple[bytes, bytes]


class UserEvents:
    """The events of the last ``WINDOW`` ticks."""

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring
        self._slots: dict[int, tuple[int, list[Event]]] = {}
        self._bytes = 0
        self.clock = LamportClock()

    def hear(self, time: int, title: bytes, payload: bytes) -> bool:
        """An event of that time; False when it is known already or too old to matter."""
        self.clock.witness(time)
        slot = time % WINDOW
        kept_time, kept = self._slots.get(slot, (-1, []))
        if time + WINDOW < self.clock.time or kept_time > time:
            self._wiring.count("events_old")
            return False
        event = (title, payload)
        if kept_time != time:
            self._drop(slot)
            kept = []
            self._slots[slot] = (time, kept)
        if event in kept:
            return False
        if len(kept) >= MAX_AT_ONCE:
            self._wiring.count("events_dropped")
            return False
        kept.append(event)
        self._bytes += _size(event)
        while self._bytes > MAX_BYTES:
            self._wiring.count("events_forgotten")
            self._drop(min(self._slots, key=lambda each: self._slots[each][0]))
        return True

    def _drop(self, slot: int) -> None:
        _, events = self._slots.pop(slot, (0, ()))
        self._bytes -= sum(map(_size, events))

    def listed(self) -> list[dict[str, Any]]:
        """As a push/pull tells them, the oldest first."""
        first = self.clock.time - WINDOW
        return [
            {"Events": [{"Name": title, "Payload": payload} for title, payload in events], "LTime": time}
            for time, events in sorted(self._slots.values(), key=lambda each: each[0])
            if time >= first
        ]

    def merge(self, told: object) -> None:
        """What another member's push/pull tells; PeerError for nonsense. Not passed on: it is old news, and
        whoever lacks it has push/pulls, too."""
        if type(told) is not list or len(told) > WINDOW:
            raise PeerError("serf_events")
        for slot in told:
            if slot is None:
                continue
            events = slot.get(b"Events") if type(slot) is dict else None
            if type(events) is not list or not all(type(each) is dict for each in events):
                raise PeerError("serf_events")
            time = bounded_time(slot.get(b"LTime", 0))
            for each in events[:MAX_AT_ONCE]:
                if self.hear(time, *read_event(each)):
                    self._wiring.count("events_merged")


def read_event(fields: dict[bytes, Any]) -> Event:
    """Name and payload of an event."""
    return raw(fields, b"Name", MAX_NAME), raw(fields, b"Payload", MAX_PAYLOAD)


def _size(event: Event) -> int:
    return len(event[0]) + len(event[1]) + _OVERHEAD
