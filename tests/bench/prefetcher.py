"""What the prefetcher costs per read: associations in, orders out, with and without a long queue behind.

.venv/bin/python tests/bench/prefetcher.py
"""

from __future__ import annotations

from random import Random
from time import perf_counter

from zoned.core.names import InstanceKey, Instant, key_hash
from zoned.core.prefetch import Prefetcher, PrefetchSettings
from zoned.core.promises import Association
from zoned.core.records import Plan, Reason, Want


def at(seconds: float) -> Instant:
    """That moment on all clocks."""
    return Instant(seconds, seconds, seconds)


def main() -> None:
    """Measure."""
    keys = [InstanceKey("pricing-api", b"/v1/prices/%d" % number) for number in range(20_000)]
    hashes = [key_hash(key) for key in keys]
    pairs = tuple(Association(keys[n], hashes[n], 0.9, 1.0) for n in range(4))
    held = dict.fromkeys(keys)
    prefetcher = Prefetcher(PrefetchSettings(), Random(1))
    rounds = 20_000
    start = perf_counter()
    for step in range(rounds):
        prefetcher.associated(pairs, {}, at(1.0 + step))
        prefetcher.orders(at(1.0 + step), held.__contains__)
    print(f"4 associations, all held, and orders: {(perf_counter() - start) / rounds * 1e6:.2f} us")
    wants = tuple(
        Want(keys[n], hashes[n], 5000, Reason.FORECAST, 1.0 + Random(n).random(), "") for n in range(10_000)
    )
    now = at(1e6)
    plan = Plan(
        made=now,
        ring_id="",
        paused=False,
        wants=wants,
        hand_over=(),
        lines=(),
        draining=(),
        drained_ratio=None,
    )
    prefetcher = Prefetcher(PrefetchSettings(allowance_start=0.0), Random(1))
    start = perf_counter()
    prefetcher.follow(plan, now)
    print(f"a plan of 10,000 wants: {(perf_counter() - start) * 1e3:.1f} ms")
    start = perf_counter()
    for _ in range(rounds):
        prefetcher.missed()
        prefetcher.orders(now, {}.__contains__)
        if prefetcher._budget.allowance.tokens >= 1:
            prefetcher._budget.allowance.tokens = 0.0
    print(f"orders with 10,000 behind a closed gate: {(perf_counter() - start) / rounds * 1e6:.2f} us")


if __name__ == "__main__":
    main()
