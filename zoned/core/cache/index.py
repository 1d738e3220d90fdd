"""The index of what the store holds, as columns.

One copy is one slot number; what is known of it lies in parallel columns at that number. A table of the
instances' hashes gives the slots and finds them. Columns because a record object with its floats and ints
costs some 250 B a copy where this costs 60, because the collector of cycles has nothing to walk through, and
because numpy reads them in place: "what expires within a minute" over a million copies takes milliseconds,
so no heap of deadlines (100 B a copy) has to be kept.

Rejected: numpy arrays as the columns themselves (reading one number costs three times as much), and a
dictionary by hash (150 B a copy with its boxed numbers, and twice that with the full ``InstanceKey``; a
look-up costs .04 us instead of .2). Two instances with one 64-bit hash cannot both be held; ``find``
compares the key, so that neither is ever served for the other.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from math import inf

import numpy as np
import numpy.typing as npt

from zoned.core.eviction import NOBODY, Table
from zoned.core.names import Dependency, InstanceKey, KeyHash
from zoned.core.records import Entry, Reason

USED = 1  # asked for since it was stored
ANNOUNCED = 2  # our digest claims it
REASON_SHIFT = 2
REASONS = tuple(Reason)
REASON_BITS = {reason: number << REASON_SHIFT for number, reason in enumerate(REASONS)}
MAX_HEAT = 65_535
MAX_DEPENDENCIES = 65_535  # 16 bits, and 0 means a free slot
NO_DEPENDENCY = 0


class Index:
    """Columns over slots. The columns are public to the cache stage: a hot path reads them directly."""

    __slots__ = (
        "dependencies",
        "expires_s",
        "flags",
        "hashes",
        "heat",
        "keys",
        "names",
        "numbers",
        "stored_s",
        "table",
        "versions",
    )

    def __init__(self) -> None:
        self.table = Table()
        self.hashes = self.table.hashes
        self.names: list[Dependency] = [""]  # number -> dependency
        self.numbers: dict[Dependency, int] = {}
        self.keys: list[bytes] = []
        self.versions: list[str] = []
        self.dependencies = array("H")
        self.stored_s = array("d")
        self.expires_s = array("d")  # infinity: never (and free slots)
        self.heat = array("H")  # uses, capped, halved now and then
        self.flags = bytearray()

    def __len__(self) -> int:
        return len(self.table)

    def number(self, dependency: Dependency) -> int | None:
        """The number of a dependency, given on first sight; None when there are too many."""
        number = self.numbers.get(dependency)
        if number is None and len(self.names) <= MAX_DEPENDENCIES:
            number = self.numbers[dependency] = len(self.names)
            self.names.append(dependency)
        return number

    def find(self, key: InstanceKey, hashed: KeyHash) -> int | None:
        """The slot that holds this very instance."""
        slot = self.table.find(hashed)
        if slot < 0 or self.keys[slot] != key[1] or self.names[self.dependencies[slot]] != key[0]:
            return None
        return slot

    def add(self, hashed: KeyHash, key: bytes, number: int) -> int:
        """A slot for a newcomer; the caller fills in version, times and flags."""
        assert number != NO_DEPENDENCY and self.table.find(hashed) == NOBODY
        slot = self.table.add(hashed)
        if slot == len(self.keys):
            self.keys.append(key)
            self.versions.append("")
            self.dependencies.append(number)
            self.stored_s.append(0.0)
            self.expires_s.append(inf)
            self.heat.append(0)
            self.flags.append(0)
        else:
            self.keys[slot] = key
            self.dependencies[slot] = number
        return slot

    def live(self) -> Iterator[int]:
        """The slots that hold a copy, ascending. Lazy; nothing may change while it is used."""
        return (slot for slot, number in enumerate(self.dependencies) if number != NO_DEPENDENCY)

    def release(self, slot: int) -> None:
        """Give the slot back."""
        self.table.release(slot)
        self.keys[slot] = b""
        self.versions[slot] = ""
        self.dependencies[slot] = NO_DEPENDENCY
        self.expires_s[slot] = inf
        self.heat[slot] = 0
        self.flags[slot] = 0

    def instance(self, slot: int) -> InstanceKey:
        """The name of what the slot holds."""
        return InstanceKey(self.names[self.dependencies[slot]], self.keys[slot])

    def entry(self, slot: int, size: int) -> Entry:
        """The record that the other stages see."""
        expires_s = self.expires_s[slot]
        flags = self.flags[slot]
        return Entry(
            InstanceKey(self.names[self.dependencies[slot]], self.keys[slot]),
            self.hashes[slot],
            size,
            self.versions[slot],
            self.stored_s[slot],
            None if expires_s == inf else expires_s,
            REASONS[flags >> REASON_SHIFT],
            flags & USED != 0,
        )

    def life(self, key: InstanceKey, hashed: KeyHash) -> tuple[float, float] | None:
        """[hot] (stored, expires) of the copy, mono seconds, infinity: never; None where there is none."""
        slot = self.find(key, hashed)
        return None if slot is None else (self.stored_s[slot], self.expires_s[slot])

    # ---- scans: numpy looks at the columns in place; a view must not outlive the call, or they cannot grow

    def slots_of(self, dependency: Dependency) -> list[int]:
        """All slots of one dependency, ascending."""
        number = self.numbers.get(dependency)
        if number is None or not self.hashes:
            return []
        return _where(np.frombuffer(self.dependencies, dtype=np.uint16) == number)

    def expiring(self, after_s: float, until_s: float) -> list[int]:
        """Slots whose copy expires in (after, until], ascending."""
        if not self.hashes:
            return []
        expires = np.frombuffer(self.expires_s, dtype=np.float64)
        return _where((expires > after_s) & (expires <= until_s))

    def over(self, now_s: float, kept_s: list[float]) -> tuple[list[int], list[int]]:
        """(expired longer than ``kept_s[dependency number]`` ago, expired but still announced), ascending."""
        if not self.hashes:
            return [], []
        expires = np.frombuffer(self.expires_s, dtype=np.float64)
        numbers = np.frombuffer(self.dependencies, dtype=np.uint16)
        announced = np.frombuffer(self.flags, dtype=np.uint8) & ANNOUNCED != 0
        gone = expires + np.asarray(kept_s)[numbers] <= now_s
        return _where(gone), _where((expires <= now_s) & announced & ~gone)

    def next_over(self) -> float:
        """When the next copy expires that is announced; infinite: none does."""
        if not self.hashes:
            return inf
        expires = np.frombuffer(self.expires_s, dtype=np.float64)
        announced = np.frombuffer(self.flags, dtype=np.uint8) & ANNOUNCED != 0
        return float(np.min(expires, where=announced, initial=inf))

    def first_expiry(self) -> float:
        """When the first copy of all expires, or has; infinite: none does."""
        return float(np.min(np.frombuffer(self.expires_s, dtype=np.float64))) if self.hashes else inf

    def halve_heat(self) -> None:
        """Every copy's count of uses is worth half."""
        if self.hashes:
            heat = np.frombuffer(self.heat, dtype=np.uint16)
            heat >>= 1


def _where(mask: npt.NDArray[np.bool_]) -> list[int]:
    """The positions of True as Python ints (numpy scalars are slow to compute with)."""
    found: list[int] = np.flatnonzero(mask).tolist()
    return found
