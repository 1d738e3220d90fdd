"""The versions of all that we know, hashed so that two agents find quickly where they differ.

Every zoned agent that is up has one entry: the epoch and version of its log of holdings, and the version of
its summary. Entries are spread over 64 buckets by the agent's name; a bucket's hash is the XOR of its
entries' hashes and the root is a hash over the buckets. So a change costs one XOR and not a walk through the
pool, "do we know the same?" is one number, and "where not?" is 256 bytes for any number of agents: a Merkle
tree of two levels. Deeper trees pay from thousands of agents on; they cost a round trip for each level.

Beside the versions stands when each was last confirmed (``ages``): news from the agent came, or an exchange
showed that somebody else knows the same of it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

import xxhash

from zoned.core.errors import PeerError
from zoned.core.gossip.channel import Channel
from zoned.core.gossip.wiring import Wiring
from zoned.core.members import Ages
from zoned.core.names import NodeName

BUCKETS = 64
HASH_BYTES = 4 * BUCKETS
_HASHES = struct.Struct(f"<{BUCKETS}I")
_ROOT = struct.Struct(f"<{BUCKETS + 1}Q")
_ENTRY = struct.Struct("<3Q")
_NOTHING = (0, 0, 0)
_NEVER = float("-inf")


def bucket_of(node: NodeName) -> int:
    """Which bucket an agent's entry is in."""
    return xxhash.xxh3_64_intdigest(node.encode()) % BUCKETS


class _Entry:
    """What we know of one agent that is up. Times on the mono clock."""

    __slots__ = ("bucket", "hash", "holdings_s", "since_s", "summary_s", "versions")

    def __init__(self, node: NodeName, since_s: float) -> None:
        self.bucket = bucket_of(node)
        self.versions = _NOTHING  # epoch and version of its log, version of its summary
        self.hash = 0
        self.since_s = since_s  # when it came up
        self.holdings_s = self.summary_s = _NEVER  # when each was last confirmed for it alone


class Versions:
    """Entries of ourselves and of every other zoned agent that is up."""

    def __init__(self, wiring: Wiring, channel: Channel) -> None:
        self._me = wiring.me.node
        self._table = wiring.table
        self._channel = channel
        self._seen = -1  # the table's version that the entries follow
        self._entries: dict[NodeName, _Entry] = {}
        self._said: dict[NodeName, tuple[int, int, int]] = {}  # also of agents that are not up (yet)
        self._buckets = [0] * BUCKETS
        self._same_s = [_NEVER] * BUCKETS  # when somebody was last found to have the same bucket
        self._root: int | None = None

    # ---- changes ----

    def holdings(self, node: NodeName, epoch: int, version: int, now_s: float) -> None:
        """We have its log up to there. An empty log has no epoch yet, so that those who never heard of it
        agree with its owner."""
        summary = self._said.get(node, _NOTHING)[2]
        entry = self._say(node, (epoch, version, summary) if version else (0, 0, summary))
        if entry is not None:
            entry.holdings_s = now_s

    def summary(self, node: NodeName, version: int, now_s: float) -> None:
        """We have its summary of that version."""
        epoch, log, _ = self._said.get(node, _NOTHING)
        entry = self._say(node, (epoch, log, version))
        if entry is not None:
            entry.summary_s = now_s

    def gone(self, node: NodeName) -> None:
        """Nothing is known of it any more."""
        self._say(node, _NOTHING)
        self._said.pop(node, None)

    def _say(self, node: NodeName, versions: tuple[int, int, int]) -> _Entry | None:
        self._said[node] = versions
        entry = self._entries.get(node)
        if entry is not None and entry.versions != versions:
            self._put(node, entry, versions)
        return entry

    def _put(self, node: NodeName, entry: _Entry, versions: tuple[int, int, int]) -> None:
        hashed = xxhash.xxh3_64_intdigest(node.encode() + b"\0" + _ENTRY.pack(*versions))
        self._buckets[entry.bucket] ^= entry.hash ^ hashed
        entry.versions, entry.hash = versions, hashed
        self._root = None

    # ---- comparing ----

    def root(self, facts: int, now_s: float) -> int:
        """One hash of it all; ``facts`` is the digest of the facts."""
        self._follow(now_s)
        if self._root is None:
            self._root = xxhash.xxh3_64_intdigest(_ROOT.pack(*self._buckets, 0))
        return self._root ^ facts

    def hashes(self, now_s: float) -> bytes:
        """The buckets' hashes, 32 bits each."""
        self._follow(now_s)
        return _HASHES.pack(*[each & 0xFFFFFFFF for each in self._buckets])

    def differing(self, theirs: object, now_s: float) -> int:
        """A mask of the buckets whose hash is another than ours; the others are confirmed."""
        if type(theirs) is not bytes or len(theirs) != HASH_BYTES:
            raise PeerError("tree")
        self._follow(now_s)
        mask = 0
        for bucket, (mine, their) in enumerate(zip(self._buckets, _HASHES.unpack(theirs), strict=True)):
            mask |= (mine & 0xFFFFFFFF != their) << bucket
        self.same(mask, now_s)
        return mask

    def within(self, mask: int) -> list[NodeName]:
        """The agents in the buckets of ``mask``, sorted."""
        return sorted(node for node, entry in self._entries.items() if mask >> entry.bucket & 1)

    def same(self, mask: int, now_s: float) -> None:
        """Somebody was found to have the same as we, except in the buckets of ``mask``."""
        if not mask:
            self._same_s = [now_s] * BUCKETS
            return
        self._same_s = [old_s if mask >> at & 1 else now_s for at, old_s in enumerate(self._same_s)]

    def confirmed(self, node: NodeName, holdings: bool, now_s: float) -> None:
        """Somebody has the same version of its log (``holdings``), or of its summary."""
        entry = self._entries.get(node)
        if entry is None:
            return
        if holdings:
            entry.holdings_s = now_s
        else:
            entry.summary_s = now_s

    def of(self, node: NodeName, now_s: float) -> tuple[int, int, int] | None:
        """(epoch, version of the log, version of the summary); None for one that is not up here."""
        self._follow(now_s)
        entry = self._entries.get(node)
        return None if entry is None else entry.versions

    def ages(self, now_s: float) -> dict[NodeName, Ages]:
        """Of each other agent that is up: seconds since its summary, and its holdings, were confirmed; since
        it came up, where that never happened."""
        self._follow(now_s)
        ages = {}
        for node, entry in self._entries.items():
            if node != self._me:
                base_s = max(entry.since_s, self._same_s[entry.bucket])
                ages[node] = Ages(now_s - max(base_s, entry.summary_s), now_s - max(base_s, entry.holdings_s))
        return ages

    # ---- who is up ----

    def _follow(self, now_s: float) -> None:
        """Take over who is up; a walk through the pool, but only after the table of members changed."""
        if self._seen == self._table.version:
            return
        self._seen = self._table.version
        up: Iterable[NodeName] = [each.node for each in self._channel.peers()] + [self._me]
        gone = self._entries.keys() - up
        for node in sorted(gone):
            entry = self._entries.pop(node)
            self._buckets[entry.bucket] ^= entry.hash
            self._root = None
        for node in up:
            if node not in self._entries:
                entry = self._entries[node] = _Entry(node, now_s)
                self._put(node, entry, self._said.get(node, _NOTHING))
