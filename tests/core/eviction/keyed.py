"""A policy by keys instead of slots: the smallest owner there is, for tests that think in keys.

Like the store's index it gives a slot to another key as soon as the policy has let it go, and a key that
comes back gets whichever is free, so what a policy remembers by slot alone shows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from zoned.core.eviction import Eviction, Worth, make


class Keyed:
    """``make``'s policy over a dictionary of integer keys, which are their own hashes."""

    def __init__(self, name: str, objects: int | None, size: int | None, worth: Worth | None = None) -> None:
        self.hashes: list[int] = []
        self._slots: dict[int, int] = {}
        self._free: list[int] = []
        self.policy: Eviction = make(name, objects, size, self.hashes, worth)

    def __contains__(self, key: int) -> bool:
        held = key in self._slots
        assert not held or self._slots[key] in self.policy
        return held

    def __len__(self) -> int:
        assert len(self._slots) == len(self.policy)
        return len(self._slots)

    @property
    def used_bytes(self) -> int:
        return self.policy.used_bytes

    def hit(self, key: int) -> bool:
        return key in self._slots and self.policy.hit(self._slots[key])

    def put(self, key: int, size: int) -> list[int]:
        slot = self._enter(key)
        return self._let_go(self.policy.put(slot, size))

    def remove(self, key: int) -> bool:
        removed = key in self._slots and self.policy.remove(self._slots[key])
        if removed:
            self._let_go([self._slots[key]])
        return removed

    def size_of(self, key: int) -> int:
        return self.policy.size_of(self._slots[key])

    def order(self) -> Iterator[int]:
        return map(self.hashes.__getitem__, self.policy.order())

    def adopt(self, items: Iterable[tuple[int, int]]) -> list[int]:
        return self._let_go(self.policy.adopt([(self._enter(key), size) for key, size in items]))

    def _enter(self, key: int) -> int:
        assert key not in self._slots
        slot = self._free.pop() if self._free else len(self.hashes)
        if slot == len(self.hashes):
            self.hashes.append(key)
            self.policy.reserve(slot + 1)
        self.hashes[slot], self._slots[key] = key, slot
        return slot

    def _let_go(self, slots: list[int]) -> list[int]:
        keys = [self.hashes[slot] for slot in slots]
        for key, slot in zip(keys, slots, strict=True):
            del self._slots[key]
            self._free.append(slot)
            self.hashes[slot] = -1
        return keys
