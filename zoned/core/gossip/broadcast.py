"""Rumours on their way out: each is sent a limited number of times, the freshest first.

An epidemic needs each member to pass a rumour on about log(n) times. A newer rumour of the same kind about
the same member replaces the older (``key``), so the queue is bounded by members and not by churn; Consul's
unbounded intent queues are the reason (consul 7960). Membership goes before Serf's intents and events, since
these ride on top of it. Summaries and digests never come here (memberlist 299: they would starve or flood).

The order is kept, not made anew for each packet: while 300 agents start together each of them has 300
rumours to choose from, and sorting them for every packet was a third of all the work.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort

Key = tuple[str, str]


_Rumour = tuple[int, int, int, int, Key, bytes]
"""(rank, times sent, -length, -number, key, message): sorts by rank, then least sent, then largest (packs
better), then newest; numbers are unique, so keys are never compared."""


class BroadcastQueue:
    """The rumours that this member still passes on."""

    def __init__(self, limit: int, retransmit_mult: int, largest: int = 65507) -> None:
        """``largest``: bytes of a rumour that fits into a packet; others are dropped, since they would only
        stand in the way of those that do."""
        self._limit = limit
        self._mult = retransmit_mult
        self._largest = largest
        self._rumours: dict[Key, _Rumour] = {}
        self._order: list[_Rumour] = []  # the same, sorted
        self._made = 0
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._order)

    def put(self, key: Key, message: bytes, rank: int = 0) -> None:
        """Pass ``message`` on from now; ``rank`` 0 is membership, 1 what rides on it."""
        self._made += 1
        self.drop(key)
        if len(message) > self._largest:
            self.dropped += 1
            return
        if len(self._order) >= self._limit:
            del self._rumours[self._order.pop()[4]]
            self.dropped += 1
        self._add((rank, 0, -len(message), -self._made, key, message))

    def drop(self, key: Key) -> None:
        """No longer pass this on."""
        rumour = self._rumours.pop(key, None)
        if rumour is not None:
            del self._order[bisect_left(self._order, rumour)]

    def clear(self) -> None:
        """Nobody is there to hear any of it."""
        self._rumours.clear()
        self._order.clear()

    def has(self, key: Key) -> bool:
        """Whether a rumour of that key is still being passed on."""
        return key in self._rumours

    def take(self, room: int, overhead: int, members: int, most: int = 255) -> list[bytes]:
        """Messages that fit into ``room`` bytes at ``overhead`` each; counts as one transmission of them."""
        chosen: list[int] = []
        for index, rumour in enumerate(self._order):
            size = overhead - rumour[2]
            if size > room:
                continue
            room -= size
            chosen.append(index)
            if len(chosen) >= most or room < 24:
                break
        taken = [self._order[index] for index in chosen]
        for index in reversed(chosen):
            del self._order[index]
        limit = self._mult * math.ceil(math.log10(members + 1))
        for rank, sent, size, made, key, message in taken:
            if sent + 1 < limit:
                self._add((rank, sent + 1, size, made, key, message))
            else:
                del self._rumours[key]
        return [rumour[5] for rumour in taken]

    def _add(self, rumour: _Rumour) -> None:
        self._rumours[rumour[4]] = rumour
        insort(self._order, rumour)
