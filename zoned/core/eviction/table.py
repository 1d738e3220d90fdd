"""A table that gives each hash a slot: a small number, dense, given again after its release.

A dictionary of integers costs 100 to 150 bytes an entry, most of it for boxed keys and values. Here the hash
is 8 bytes in a column (a fingerprint 4), and buckets are chains through another one: 16 to 20 bytes an
entry, and 0.2 us a look-up, four times a dictionary's. That is right where many instances are remembered and
each is looked up once per access; not where look-ups are in an inner loop.

The hashes are well mixed (xxh3), so the low bits choose the bucket. Chains are one or two long, as there
are at least as many buckets as entries.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator

import numpy as np

from zoned.core.names import FINGERPRINT_MASK

NOBODY = -1
HASHES, FINGERPRINTS = "Q", "I"
"""What a table is of: 64-bit hashes, or their low 32 bits."""
_FIRST_BUCKETS = 16


class Table:
    """hash -> slot. ``hashes`` is the column of hashes by slot; what is in it at free slots says nothing."""

    __slots__ = ("_chain", "_free", "_heads", "_held", "_mask", "hashes")

    def __init__(self, kind: str = HASHES) -> None:
        self.hashes = array(kind)
        self._chain = array("i")  # by slot: the next one of the same bucket, or of the free ones
        self._heads = array("i", (NOBODY,)) * _FIRST_BUCKETS  # by bucket: its first slot
        self._mask = _FIRST_BUCKETS - 1
        self._free = NOBODY
        self._held = 0

    def __len__(self) -> int:
        return self._held

    def __iter__(self) -> Iterator[int]:
        """All hashes, by bucket. Lazy; nothing may change while it is used."""
        hashes, chain = self.hashes, self._chain
        for slot in self._heads:
            while slot >= 0:
                yield hashes[slot]
                slot = chain[slot]

    @property
    def room(self) -> int:
        """All slots given so far are below this number."""
        return len(self.hashes)

    def find(self, hashed: int) -> int:
        """[hot] The slot of that hash; ``NOBODY`` if it has none."""
        slot = self._heads[hashed & self._mask]
        hashes = self.hashes
        while slot >= 0 and hashes[slot] != hashed:
            slot = self._chain[slot]
        return slot

    def of(self, fingerprint: int) -> int:
        """The slot of a hash that ends in these 32 bits, which name its bucket; ``NOBODY``: there is none."""
        slot = self._heads[fingerprint & self._mask]
        hashes = self.hashes
        while slot >= 0 and hashes[slot] & FINGERPRINT_MASK != fingerprint:
            slot = self._chain[slot]
        return slot

    def add(self, hashed: int) -> int:
        """A slot for a hash that has none: one that was released, or the next number."""
        slot = self._free
        if slot >= 0:
            self._free = self._chain[slot]
            self.hashes[slot] = hashed
        else:
            slot = len(self.hashes)
            self.hashes.append(hashed)
            self._chain.append(NOBODY)
        bucket = hashed & self._mask
        self._chain[slot] = self._heads[bucket]
        self._heads[bucket] = slot
        self._held += 1
        if self._held > len(self._heads):
            self._spread()
        return slot

    def release(self, slot: int) -> None:
        """Give the slot back."""
        chain, bucket = self._chain, self.hashes[slot] & self._mask
        at = self._heads[bucket]
        if at == slot:
            self._heads[bucket] = chain[slot]
        else:
            while chain[at] != slot:
                at = chain[at]
            chain[at] = chain[slot]
        chain[slot], self._free = self._free, slot
        self._held -= 1

    def _spread(self) -> None:
        """Twice as many buckets. All slots are in use, as more than ever are: chains are made anew."""
        assert self._held == len(self.hashes)
        buckets = 2 * len(self._heads)
        self._mask = buckets - 1
        of = np.asarray(self.hashes).astype(np.int64) & self._mask
        slots = np.argsort(of, kind="stable").astype(np.int32)
        sorted_of = of[slots]
        first = np.ones(len(slots), dtype=bool)
        first[1:] = sorted_of[1:] != sorted_of[:-1]
        following = np.full(len(slots), NOBODY, dtype=np.int32)
        following[:-1] = np.where(first[1:], NOBODY, slots[1:])
        chain, heads = np.empty(len(slots), dtype=np.int32), np.full(buckets, NOBODY, dtype=np.int32)
        chain[slots] = following
        heads[sorted_of[first]] = slots[first]
        self._chain = array("i", chain.tobytes())
        self._heads = array("i", heads.tobytes())
