"""What the cache controller costs: microseconds per call and bytes per copy.

    .venv/bin/python tests/bench/cache_index.py [COPIES]

Bytes are counted by tracemalloc while the store fills with instances that somebody else already keeps
(their keys, versions and hashes are made before), then turned over by evictions, so that ghosts and holes
count.
Times are the best of three, since the machine may be busy.
"""

from __future__ import annotations

import sys
import tracemalloc
from random import Random
from time import perf_counter

from zoned.core.cache import CacheController, CacheSettings
from zoned.core.eviction import PLAIN
from zoned.core.members import HoldingsHeard
from zoned.core.names import InstanceKey, Instant, key_hash
from zoned.core.records import Reason


def main(copies: int) -> None:
    """Fill, measure, read, evict."""
    rng = Random(1)
    keys = [InstanceKey("pricing-api", b"/v1/prices/%d" % number) for number in range(2 * copies)]
    hashes = [key_hash(key) for key in keys]
    sizes = [rng.randrange(300, 40_000) for _ in keys]
    now = Instant(1.0, 1.0, 1.0)
    for name in PLAIN:
        settings = CacheSettings(max_bytes=None, max_objects=copies, eviction=name)
        tracemalloc.start()
        cache = CacheController(settings, {})
        for number in range(copies):
            cache.admit(keys[number], hashes[number], sizes[number], "", None, Reason.DEMAND, now)
        cache.take_digest_changes()
        full = tracemalloc.get_traced_memory()[0] / copies
        for number in range(copies, 2 * copies):
            cache.admit(keys[number], hashes[number], sizes[number], "", None, Reason.DEMAND, now)
        cache.take_digest_changes()
        churned = tracemalloc.get_traced_memory()[0] / copies
        tracemalloc.stop()

        held = [number for number in range(2 * copies) if cache.holds(keys[number])]
        picks = [held[int(len(held) * rng.random() ** 3)] for _ in range(200_000)]
        hit_us = 1e9
        for _ in range(3):
            start = perf_counter()
            for number in picks:
                cache.lookup(keys[number], hashes[number], now)
            hit_us = min(hit_us, (perf_counter() - start) / len(picks) * 1e6)
        absent = [number for number in range(2 * copies) if not cache.holds(keys[number])]
        start = perf_counter()
        for number in absent:
            cache.lookup(keys[number], hashes[number], now)
        miss_us = (perf_counter() - start) / len(absent) * 1e6
        admit_us = 1e9
        for part in (absent[: copies // 3], absent[copies // 3 : 2 * copies // 3], absent[2 * copies // 3 :]):
            start = perf_counter()
            for number in part:
                cache.admit(keys[number], hashes[number], sizes[number], "", None, Reason.DEMAND, now)
            admit_us = min(admit_us, (perf_counter() - start) / len(part) * 1e6)
        start = perf_counter()
        cache.sweep(now)
        cache.expiring(now)
        turn_ms = (perf_counter() - start) * 1e3
        print(
            f"{name}: {full:.0f} B a copy, {churned:.0f} after a turnover; lookup hit {hit_us:.2f} us, "
            f"miss {miss_us:.2f} us, admit with eviction {admit_us:.2f} us, sweep + expiring {turn_ms:.2f} ms"
        )
    tracemalloc.start()
    cache = CacheController(CacheSettings(), {})
    fingerprints = tuple(hashed & 0xFFFFFFFF for hashed in hashes)
    before = tracemalloc.get_traced_memory()[0]
    for member in range(4):
        held_there = fingerprints[member * copies // 4 : member * copies // 4 + copies]
        cache.heard(HoldingsHeard(f"node-{member}", held_there, (), True))
    claim = (tracemalloc.get_traced_memory()[0] - before) / (4 * copies)
    tracemalloc.stop()
    start = perf_counter()
    for hashed in hashes:
        cache.holders(hashed)
    print(f"directory: {claim:.0f} B a claim, holders {(perf_counter() - start) / len(hashes) * 1e6:.2f} us")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
