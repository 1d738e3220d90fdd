"""Plain LRU as one would write it on a blackboard: the truth that the ledger must equal."""

from __future__ import annotations

import random


class TwinLru:
    """Keys in a list, least recently used first; bounded in objects and bytes; copies may expire."""

    def __init__(self, objects: int | None, size: int | None = None) -> None:
        self.objects, self.size = objects, size
        self.held: list[tuple[object, int, float]] = []  # key, size, when fetched

    def access(self, key: object, size: int, now_s: float = 0.0, ttl_s: float | None = None) -> bool:
        """Whether it was a hit; a miss fetches."""
        for index, entry in enumerate(self.held):
            if entry[0] == key:
                del self.held[index]
                if ttl_s is None or now_s <= entry[2] + ttl_s:
                    self.held.append(entry)
                    return True
        if self.size is not None and size > self.size:
            return False
        self.held.append((key, size, now_s))
        while self._over():
            del self.held[0]
        return False

    def _over(self) -> bool:
        used = sum(size for _, size, _ in self.held)
        return (self.objects is not None and len(self.held) > self.objects) or (
            self.size is not None and used > self.size
        )


def zipf(count: int, keys: int, exponent: float, seed: int) -> list[int]:
    """Accesses to keys by Zipf's law."""
    weights = [1.0 / (rank + 1) ** exponent for rank in range(keys)]
    return random.Random(seed).choices(range(keys), weights, k=count)
