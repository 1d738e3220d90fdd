"""Reads of two dependencies in one store, which are not served best by the same policy.

Of ``scan``, half the reads walk through what is never asked for again, the others follow Zipf's law: LRU
lets its working set go for the walk. ``recent`` is read again soon and then never: what FIFO queues on
probation let go too early, and what counts of past uses keep too long.
"""

from __future__ import annotations

import random
from itertools import accumulate

SCAN, RECENT = "scan", "recent"


def reads(count: int, seed: int) -> list[tuple[str, int]]:
    """(dependency, instance) in order."""
    rng, weights = random.Random(seed), list(accumulate([1.0 / rank for rank in range(1, 1001)]))
    found: list[tuple[str, int]] = []
    recent: list[int] = []
    for step in range(count):
        if rng.random() < 0.5:
            walked = rng.random() < 0.5
            found.append(
                (SCAN, 10_000 + step if walked else rng.choices(range(1000), cum_weights=weights)[0])
            )
            continue
        if len(recent) < 25 or rng.random() < 0.2:
            recent = [*recent[-149:], step]
        found.append((RECENT, rng.choice(recent) if rng.random() < 0.8 else recent[-1]))
    return found
