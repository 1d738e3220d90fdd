"""The eviction policies against the reference simulator's own classes, step by step, on a real trace.

    .venv/bin/python tests/bench/eviction_refsim.py ../shared/lab/refsim.py \\
        ../shared/data/objects/hurence_web.csv.gz [SHARE]

Every access of every zone goes to both; after each of them hit, size and the evicted must agree. Prints
the hit ratios after the warm-up (the reference's figures) and the time per access of both.
"""

from __future__ import annotations

import importlib.util
import sys
from time import perf_counter
from types import ModuleType

from zoned.core.eviction import PLAIN, Eviction, make

WARM = 0.2


def reference(path: str) -> ModuleType:
    """The reference simulator as a module."""
    spec = importlib.util.spec_from_file_location("refsim", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main(refsim: str, trace: str, share: float) -> None:
    """Compare, then time."""
    theirs = reference(refsim)
    _, zones, objects, _, names, unique = theirs.load(trace)
    every = range(max(objects) + 1)

    def ours_of(policy: str) -> list[Eviction]:
        caches = [make(policy, capacity, None, every) for _ in names]
        for cache in caches:
            cache.reserve(len(every))
        return caches

    capacity = max(4, int(unique * share))
    warm = int(len(zones) * WARM)
    twins = {"lru": theirs.LRU, "sieve": theirs.SIEVE, "s3fifo": theirs.S3FIFO}
    for name in PLAIN:
        ours = ours_of(name)
        twin = [twins[name](capacity) for _ in names]
        hits = 0
        for step, (zone, item) in enumerate(zip(zones, objects, strict=True)):
            mine, other = ours[zone], twin[zone]
            hit = mine.hit(item)
            assert hit == other.hit(item), (name, step)
            if hit:
                hits += step >= warm
                continue
            evicted = mine.put(item, 1)
            other.put(item)
            assert all(gone not in other for gone in evicted), (name, step)
            assert len(mine) == sum(key in other for key in mine.order()), (name, step)
        seconds = []
        for made in (ours_of(name), [twins[name](capacity) for _ in names]):
            start = perf_counter()
            for zone, item in zip(zones, objects, strict=True):
                policy = made[zone]
                if not policy.hit(item):
                    policy.put(item, 1) if made[0].__class__.__module__ != "refsim" else policy.put(item)
            seconds.append((perf_counter() - start) / len(zones) * 1e6)
        print(
            f"{name}: {len(zones)} steps equal at capacity {capacity}, hit ratio "
            f"{hits / (len(zones) - warm):.4f}, {seconds[0]:.2f} us per access (reference {seconds[1]:.2f})"
        )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]) if len(sys.argv) > 3 else 0.05)
