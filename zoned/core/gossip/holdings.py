"""What a cache holds, as a log: each flush is one version, some fingerprints gained and some lost.

Receivers apply versions in order, so a flush costs 4 bytes a change and not a new digest. The last few
hundred flushes are kept; whoever is further behind takes a snapshot, in pieces. Rejected: Bloom filters
(Summary Cache's own choice): a counting filter of equal precision is larger than the 4-byte fingerprints of
what really changed, and cannot be updated in order by a third party.

An ``epoch`` names one life of a log; a greater one voids everything known of the one before.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections import deque
from collections.abc import Iterable
from itertools import islice
from typing import NamedTuple

from zoned.core.errors import PeerError
from zoned.core.eviction import FINGERPRINTS, Table
from zoned.core.names import Fingerprint


class Flush(NamedTuple):
    """One version of a log: fingerprints as little-endian uint32 arrays."""

    held: bytes
    dropped: bytes


def pack_fingerprints(fingerprints: Iterable[Fingerprint]) -> bytes:
    """Fingerprints as a little-endian uint32 array."""
    packed = array("I", fingerprints)
    if sys.byteorder == "big":
        packed.byteswap()
    return packed.tobytes()


def unpack_fingerprints(data: bytes) -> tuple[Fingerprint, ...]:
    """The reverse; PeerError for a broken length."""
    if len(data) & 3:
        raise PeerError("fingerprints")
    return struct.unpack(f"<{len(data) >> 2}I", data)


class HoldingsLog:
    """The newest flushes of one cache, ours or another's: versions ``first .. version``."""

    __slots__ = ("_flushes", "epoch", "version")

    def __init__(self, epoch: int, version: int, limit: int) -> None:
        self.epoch = epoch
        self.version = version
        self._flushes: deque[Flush] = deque(maxlen=limit)

    @property
    def first(self) -> int:
        """The oldest version kept; version + 1 when none is."""
        return self.version - len(self._flushes) + 1

    def append(self, flush: Flush) -> None:
        """The next version."""
        self.version += 1
        self._flushes.append(flush)

    def since(self, version: int) -> list[Flush] | None:
        """The flushes after ``version``, None when the log does not reach back to them."""
        if version + 1 < self.first or version > self.version:
            return None
        skip = version + 1 - self.first
        return [flush for at, flush in enumerate(self._flushes) if at >= skip]

    def restart(self, epoch: int, version: int) -> None:
        """A new life: what was logged is void."""
        self.epoch = epoch
        self.version = version
        self._flushes.clear()


class OwnHoldings:
    """Our own cache: what it holds, what is not flushed yet, and the log of flushes."""

    def __init__(self, epoch: int, log_limit: int, chunk: int) -> None:
        self.log = HoldingsLog(epoch, 0, log_limit)
        self._held = Table(FINGERPRINTS)
        self._pending: dict[Fingerprint, bool] = {}
        self._chunk = chunk
        self._reach = log_limit
        self._snapshot: tuple[int, int, list[bytes]] | None = None

    @property
    def pending(self) -> int:
        """Changes that wait for a flush."""
        return len(self._pending)

    @property
    def held(self) -> int:
        """Fingerprints in the last version."""
        return len(self._held)

    def note(self, held: Iterable[Fingerprint], dropped: Iterable[Fingerprint]) -> None:
        """The cache gained and lost these."""
        pending = self._pending
        for each in dropped:
            pending[each] = False
        for each in held:
            pending[each] = True

    def flush(self) -> Flush | None:
        """Make what is pending, or as much of it as a piece of a snapshot has, the next version; None when
        it comes to nothing."""
        held, pending, self._pending = self._held, self._pending, {}
        if len(pending) > self._chunk:
            changes = iter(pending.items())
            pending = dict(islice(changes, self._chunk))
            self._pending = dict(changes)
        gained = [each for each, here in pending.items() if here and held.find(each) < 0]
        lost = [each for each, here in pending.items() if not here and held.find(each) >= 0]
        if not gained and not lost:
            return None
        for each in gained:
            held.add(each)
        for each in lost:
            held.release(held.find(each))
        flush = Flush(pack_fingerprints(gained), pack_fingerprints(lost))
        self.log.append(flush)
        if self._snapshot is not None and self.log.version - self._snapshot[1] > self._reach:
            self._snapshot = None
        return flush

    def rise(self, epoch: int) -> None:
        """Others know a life of our log that is not this one (a clock went back): outlive it."""
        self._snapshot = None
        self.log.restart(max(epoch, self.log.epoch) + 1, 1 if len(self._held) else 0)

    def piece(self, version: int, index: int) -> tuple[int, int, bytes]:
        """(version, pieces, fingerprints) of a snapshot. ``version`` 0 begins one; a snapshot stays while
        the log still reaches back to it, so that its pieces fit together."""
        kept = self._snapshot
        if version == 0 or kept is None:
            if kept is None or kept[0] != self.log.epoch or self.log.version - kept[1] > self._reach // 2:
                packed, size = pack_fingerprints(self._held), self._chunk * 4
                pieces = [packed[at : at + size] for at in range(0, len(packed), size)] or [b""]
                kept = self._snapshot = (self.log.epoch, self.log.version, pieces)
        assert kept is not None, "made above"
        return kept[1], len(kept[2]), kept[2][index] if index < len(kept[2]) else b""
