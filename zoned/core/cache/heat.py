"""What was hot when the agent stopped: saved, and read back for the warm-up after a restart.

A restarted agent has an empty store and would meet its traffic cold. It needs no bytes to avoid that, only
the names of what was used most: the other zones still hold most of it (groupcache 34, scylladb 14953). Times
are not saved; the monotonic clock of another boot means nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from zoned.core.cache.index import MAX_HEAT, Index
from zoned.core.errors import StateError
from zoned.core.eviction import Eviction, Slot
from zoned.core.names import MAX_KEY_BYTES, InstanceKey, KeyHash, key_hash


class Heat(NamedTuple):
    """One instance that was held at the last stop: its uses (decayed) and its size in bytes."""

    key: InstanceKey
    key_hash: KeyHash
    uses: int
    size: int


class Warmth:
    """How much of what was hot at the last stop has been stored again: each instance by its uses, once."""

    def __init__(self, saved: tuple[Heat, ...]) -> None:
        self.saved = saved
        self._cold = {heat.key_hash: heat.uses + 1 for heat in saved}  # + 1: held, though not used lately
        self._all = self._left = sum(self._cold.values())

    def warmed(self, hashed: KeyHash) -> None:
        """That instance was stored."""
        if self._cold:
            self._left -= self._cold.pop(hashed, 0)

    @property
    def ratio(self) -> float:
        """0: as cold as an empty store; 1: everything was had again, or nothing was saved."""
        return 1.0 - self._left / self._all if self._all else 1.0


def hottest(index: Index, order: Iterator[Slot], limit: int) -> list[tuple[int, int]]:
    """At most ``limit`` (uses, slot), most used first; among equals the last to be evicted first."""
    heat = index.heat
    ranked = [(heat[slot], slot) for slot in order]
    ranked.reverse()
    ranked.sort(key=lambda pair: -pair[0])
    return ranked[:limit]


def heat_rows(index: Index, policy: Eviction, limit: int) -> list[list[str | bytes | int]]:
    """Rows to save: dependency, key, uses, size; hottest first."""
    return [
        [*index.instance(slot), uses, policy.size_of(slot)]
        for uses, slot in hottest(index, policy.order(), limit)
    ]


def heat_of(rows: object, limit: int) -> tuple[Heat, ...]:
    """Read ``heat_rows`` back; StateError when they are something else."""
    if not isinstance(rows, list):
        raise StateError("saved keys: not a list")
    saved = []
    for row in rows[:limit]:
        match row:
            case [str(dependency), bytes(key), int(uses), int(size)] if (
                0 <= uses <= MAX_HEAT and size >= 0 and len(key) <= MAX_KEY_BYTES
            ):
                instance = InstanceKey(dependency, key)
                saved.append(Heat(instance, key_hash(instance), uses, size))
            case _:
                raise StateError(f"saved keys: {str(row)[:80]} is not [dependency, key, uses, size]")
    return tuple(saved)
