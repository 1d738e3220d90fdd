"""Ready replies: what the hot lane serves without asking anybody.

For an instance that was just read from our store, the reply's bytes, under the very bytes that a client sends
to ask for it. A pipeline of plain GETs is cut at what they have in common, and each piece is looked up here
as it stands: found is found, with no parsing, because a frame says its own length; anything else is left to
the slow lane.

There is one truth, the store. An entry lives no longer than the copy's freshness that the node named, and the
store tells us when a copy is replaced or deleted (expired, evicted, invalidated), in the same step. What the
hot lane served is told to the node in batches (``resp_uses``), or eviction would take the hottest for unused.

Bounded in bytes; the first that came goes first, unless it was used since it was last looked at (CLOCK): an
LRU's move to the end at each hit would cost as much as the hit.
"""

from __future__ import annotations

from zoned.core.names import InstanceKey, KeyHash, key_hash
from zoned.daemon.copies import Copy
from zoned.daemon.stores import MemoryStore

GET = b"*2\r\n$3\r\nGET\r\n$"
"""How every plain GET begins; what follows is an entry's frame."""
MAX_BODY_BYTES = 16 << 10
"""Of a larger one, copying the bytes costs more than finding them."""
ENTRY_BYTES = 500
"""What an entry costs beside its key and body, about."""
MAX_SPARED = 16


class Ready:
    """One reply. ``until_s``: fresh until then (mono)."""

    __slots__ = ("hashed", "key", "reply", "size", "until_s", "used")

    def __init__(self, key: InstanceKey, reply: bytes, size: int, until_s: float) -> None:
        self.key = key
        self.hashed: KeyHash = key_hash(key)
        self.reply = reply
        self.size = size
        self.until_s = until_s
        self.used = False


class ReadyReplies:
    """All of them, by frame."""

    def __init__(self, store: MemoryStore, max_bytes: int) -> None:
        """``store``: whose copies the replies are made of."""
        self._store = store
        store.watch(self.drop)
        self.entries: dict[bytes, Ready] = {}
        self.used_bytes = 0
        self._max_bytes = max_bytes
        self.counts = {"made": 0, "dropped": 0, "evicted": 0}

    def keep(self, key: InstanceKey, copy: Copy, until_s: float) -> None:
        """Make the reply ready, if it is small enough and the store still has that copy."""
        body = copy.body
        if len(body) > MAX_BODY_BYTES or self._store.get(key) is not copy:
            return
        frame = _frame(key)
        size = len(frame) + len(body) + ENTRY_BYTES
        if size > self._max_bytes:
            return
        self._forget(frame)
        while self.used_bytes + size > self._max_bytes:
            self._make_room()
        self.entries[frame] = Ready(key, b"$%d\r\n%b\r\n" % (len(body), body), size, until_s)
        self.used_bytes += size
        self.counts["made"] += 1

    def drop(self, key: InstanceKey) -> None:
        """The copy has changed or is gone, or the node wants to be asked."""
        if self.entries:
            self.counts["dropped"] += self._forget(_frame(key))

    def counters(self) -> dict[str, float]:
        """For the metrics."""
        told = {"ready_" + name: count for name, count in self.counts.items()}
        return {**told, "ready_replies": len(self.entries), "ready_bytes": self.used_bytes}

    def _make_room(self) -> None:
        """Let one go: the oldest that was not used since it was last spared, and spare only so many."""
        entries = self.entries
        for _ in range(MAX_SPARED):
            frame = next(iter(entries))
            entry = entries[frame]
            if not entry.used:
                break
            entry.used = False
            entries[frame] = entries.pop(frame)
        self.counts["evicted"] += self._forget(next(iter(entries)))

    def _forget(self, frame: bytes) -> bool:
        gone = self.entries.pop(frame, None)
        if gone is None:
            return False
        self.used_bytes -= gone.size
        return True


def _frame(key: InstanceKey) -> bytes:
    """What follows ``GET`` when a client asks for it."""
    name = key.dependency.encode()
    return b"%d\r\n%b:%b\r\n" % (len(name) + 1 + len(key.key), name, key.key)
