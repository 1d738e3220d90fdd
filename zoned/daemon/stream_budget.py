"""One allowance of memory for all gossip streams together.

Each stream is small (``LIMIT_BYTES`` in the core), but 128 of them from strangers, each just not complete,
would be half a gigabyte. What arrived, what is being unpacked and what waits to be sent is held against one
total; the stream that would pass it ends there and is counted as ``stream_memory``. Honest pools never come
near: a push/pull of 300 members is 100 KiB.
"""

from __future__ import annotations

from types import TracebackType

from zoned.core.errors import PeerError


class StreamBudget:
    """The total, and how much of it is taken."""

    def __init__(self, total_bytes: int) -> None:
        self._total = total_bytes
        self.used = 0

    def hold(self) -> Held:
        """One stream's part of it, for a ``with``."""
        return Held(self)

    def take(self, count: int) -> None:
        """Take some of it; PeerError when that is more than is left."""
        if self.used + count > self._total:
            raise PeerError("stream_memory")
        self.used += count

    def give_back(self, count: int) -> None:
        """That much is free again."""
        self.used -= count
        assert self.used >= 0, "more was given back than was taken"


class Held:
    """What one stream holds; given back at the end of the ``with``."""

    def __init__(self, budget: StreamBudget) -> None:
        self._budget = budget
        self._bytes = 0

    def __enter__(self) -> Held:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._budget.give_back(self._bytes)
        self._bytes = 0

    def add(self, count: int) -> None:
        """Hold more; PeerError ``stream_memory`` when too much is held already."""
        self._budget.take(count)
        self._bytes += count
