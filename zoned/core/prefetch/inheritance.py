"""What former owners of our shards offered us and what has not come yet (reason MIGRATE).

A view of the prefetcher's queue and of its flights; nothing is stored twice. ``warming`` asks it whether a
group of shards is still being filled. When an offerer is gone its offers go with it: nobody else is known to
have these copies, and fetching them from the origin unasked would make a crash dearer than it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from zoned.core.names import InstanceKey, NodeName, group_of, key_hash
from zoned.core.prefetch.queue import WantQueue
from zoned.core.records import Reason


class _Travelling(Protocol):
    @property
    def reason(self) -> Reason: ...


class Inheritance:
    """Offered to us as the new owner, and still to come."""

    def __init__(
        self, queue: WantQueue, travelling: Mapping[InstanceKey, _Travelling], counters: dict[str, int]
    ) -> None:
        """``counters`` of the whole stage: ``withdrawn`` counts what is let go."""
        self._queue = queue
        self._travelling = travelling
        self._counters = counters

    def groups(self) -> int:
        """The groups of shards that something is still to come of, as a mask. Walks the queue."""
        mask = 0
        for queued in self._queue:
            if queued.reason is Reason.MIGRATE:
                mask |= 1 << group_of(queued.key_hash)
        for key, one in self._travelling.items():
            if one.reason is Reason.MIGRATE:
                mask |= 1 << group_of(key_hash(key))
        return mask

    def only_from(self, nodes: Iterable[NodeName]) -> None:
        """Let go what was offered by others than these, who can still give it."""
        there = frozenset(nodes)
        for queued in list(self._queue):
            if queued.reason is Reason.MIGRATE and queued.source not in there:
                self._queue.remove(queued.key)
                self._counters["withdrawn"] += 1
