"""Rumours on their way out: each is sent a limited number of times, the freshest first.

An epidemic needs each member to pass a rumour on about log(n) times. A newer rumour of the same kind about
the same member replaces the older (``key``), so the queue is bounded by members and not by churn; Consul's
unbounded intent queues are the reason (consul 7960). Membership goes before Serf's intents and events, since
these ride on top of it. Summaries and digests never come here (memberlist 299: they would starve or flood).
"""

from __future__ import annotations

import math

Key = tuple[str, str]


class _Rumour:
    __slots__ = ("made", "message", "rank", "sent")

    def __init__(self, rank: int, made: int, message: bytes) -> None:
        self.rank = rank
        self.made = made
        self.message = message
        self.sent = 0

    def order(self) -> tuple[int, int, int, int]:
        """Rank, then least sent, then largest (packs better), then newest."""
        return self.rank, self.sent, -len(self.message), -self.made


class BroadcastQueue:
    """The rumours that this member still passes on."""

    def __init__(self, limit: int, retransmit_mult: int) -> None:
        self._limit = limit
        self._mult = retransmit_mult
        self._rumours: dict[Key, _Rumour] = {}
        self._made = 0
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._rumours)

    def put(self, key: Key, message: bytes, rank: int = 0) -> None:
        """Pass ``message`` on from now; ``rank`` 0 is membership, 1 what rides on it."""
        self._made += 1
        if key not in self._rumours and len(self._rumours) >= self._limit:
            spent = max(self._rumours, key=lambda each: self._rumours[each].order())
            del self._rumours[spent]
            self.dropped += 1
        self._rumours[key] = _Rumour(rank, self._made, message)

    def drop(self, key: Key) -> None:
        """No longer pass this on."""
        self._rumours.pop(key, None)

    def clear(self) -> None:
        """Nobody is there to hear any of it."""
        self._rumours.clear()

    def has(self, key: Key) -> bool:
        """Whether a rumour of that key is still being passed on."""
        return key in self._rumours

    def take(self, room: int, overhead: int, members: int, most: int = 254) -> list[bytes]:
        """Messages that fit into ``room`` bytes at ``overhead`` each; counts as one transmission of them."""
        if not self._rumours:
            return []
        limit = self._mult * math.ceil(math.log10(members + 1))
        taken: list[bytes] = []
        for key, rumour in sorted(self._rumours.items(), key=lambda item: item[1].order()):
            size = len(rumour.message) + overhead
            if size > room:
                continue
            room -= size
            taken.append(rumour.message)
            rumour.sent += 1
            if rumour.sent >= limit:
                del self._rumours[key]
            if len(taken) >= most or room < 24:
                break
        return taken
