"""The embedded store: bytes by instance, in this process.

A dictionary, because the core's cache index is authoritative here: it says what to keep (``Keep``) and what
to give up (``Discard``), so the store has no order, no clock and no eviction of its own. Two books of one
truth can differ only by our own mistake, so the limits are asserted and never enforced.

A copy's body is one immutable ``bytes``: the origin's answer, the store and every reply that is being written
share it, so a hit copies nothing and an eviction during a slow write harms nobody.
"""

from __future__ import annotations

from collections.abc import Callable

from zoned.core.names import InstanceKey
from zoned.daemon.copies import Copy


class MemoryStore:
    """Copies by instance. All methods are synchronous and O(1)."""

    def __init__(self, max_bytes: int, max_objects: int | None = None) -> None:
        self._max_bytes = max_bytes
        self._max_objects = max_objects
        self._copies: dict[InstanceKey, Copy] = {}
        self.used_bytes = 0
        self._watchers: list[Callable[[InstanceKey], None]] = []

    def watch(self, changed: Callable[[InstanceKey], None]) -> None:
        """Call ``changed`` whenever a copy that was here is replaced or deleted, or must be asked for again:
        for whoever keeps something made from copies."""
        self._watchers.append(changed)

    def __len__(self) -> int:
        return len(self._copies)

    def __contains__(self, key: InstanceKey) -> bool:
        return key in self._copies

    def get(self, key: InstanceKey) -> Copy | None:
        """The copy, or None."""
        return self._copies.get(key)

    def put(self, key: InstanceKey, copy: Copy) -> None:
        """Store a copy in place of the one before."""
        before = self._copies.get(key)
        if before is not None:
            self.used_bytes -= len(before.body)
            self.changed(key)
        self._copies[key] = copy
        self.used_bytes += len(copy.body)

    def delete(self, key: InstanceKey) -> bool:
        """Give up a copy; whether there was one."""
        copy = self._copies.pop(key, None)
        if copy is None:
            return False
        self.used_bytes -= len(copy.body)
        self.changed(key)
        return True

    def changed(self, key: InstanceKey) -> None:
        """Nothing made from the copy may be used any more."""
        for watcher in self._watchers:
            watcher(key)

    def check_limits(self) -> None:
        """Assert that the core kept its books: called when a step's actions are done, not in between."""
        assert self.used_bytes <= self._max_bytes, (self.used_bytes, self._max_bytes)
        assert self._max_objects is None or len(self._copies) <= self._max_objects, len(self._copies)
