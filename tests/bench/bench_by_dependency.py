"""What it is worth that each dependency goes by its own eviction policy: one for all, beside one for each.

    .venv/bin/python tests/bench/bench_by_dependency.py [TRACE.csv.gz SHARE]

Real nodes, one a zone, in virtual time. Without arguments a made-up trace of two zones and three
dependencies: ``scan`` walks through what is never asked for again, ``recent`` is read again soon and then
never, each in its own zone, and ``shared`` is read in both. A TRACE has objects ``dep:key``; SHARE of its
objects is what a zone holds.

Prints for each policy the mean latency, hits and transfers, and how many accesses a second; ``whole`` is
``auto`` without trials, that is the best that is proved for all.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from time import process_time

from zoned.core.names import InstanceKey
from zoned.core.settings import NodeSettings
from zoned.simulation import zoned_policy
from zoned.simulation.results import Own, ReplayOptions, no_progress
from zoned.simulation.trace import Trace, read

ZONES = 2
READS = 60_000
COPIES = 400
EVICTIONS = ("lru", "s3fifo", "sieve", "value", "whole", "auto")


def made_up(seed: int) -> Trace:
    """Two reads a second, in two zones: eight hours."""
    rng, ranks = random.Random(seed), list(accumulate([1.0 / rank for rank in range(1, 2001)]))
    numbers: dict[InstanceKey, int] = {}
    zones: list[int] = []
    objects: list[int] = []
    recent: list[list[int]] = [[] for _ in range(ZONES)]
    for step in range(READS):
        zone, kind = rng.randrange(ZONES), rng.random()
        if kind < 0.35:
            walked = rng.random() < 0.5
            name, item = (
                f"scan{zone}",
                READS + step if walked else rng.choices(range(2000), cum_weights=ranks)[0],
            )
        elif kind < 0.7:
            if len(recent[zone]) < 50 or rng.random() < 0.2:
                recent[zone] = [*recent[zone][-299:], step]
            name, item = f"recent{zone}", rng.choice(recent[zone])
        else:
            name, item = "shared", rng.choices(range(2000), cum_weights=ranks)[0]
        key = InstanceKey(name, b"%d" % item)
        objects.append(numbers.setdefault(key, len(numbers)))
        zones.append(zone)
    return Trace(
        name="made up",
        ts=[1_750_000_000.0 + step / 2.0 for step in range(READS)],
        zones=zones,
        objects=objects,
        sizes=[1] * READS,
        clients=[b""] * READS,
        zone_names=tuple(f"z{zone}" for zone in range(ZONES)),
        instances=tuple(numbers),
        object_sizes=[1] * len(numbers),
    )


def by(eviction: str) -> Callable[[NodeSettings], NodeSettings]:
    """Nodes that are set to that policy."""

    def apply(settings: NodeSettings) -> NodeSettings:
        if eviction == "whole":
            return replace(settings, learning=replace(settings.learning, trial_share=1.0))
        return replace(settings, cache=replace(settings.cache, eviction=eviction))

    return apply


def main() -> None:
    """One line for each."""
    trace, copies = made_up(1), COPIES
    if len(sys.argv) > 1:
        trace = read([Path(sys.argv[1])], dep_prefix=True)
        copies = trace.capacity(float(sys.argv[2]))
    print(f"{trace.name}: {len(trace):,} reads, {len(trace.instances):,} instances, {copies} copies a zone")
    for eviction in EVICTIONS:
        started = process_time()
        found = zoned_policy.run(trace, copies, ReplayOptions(own=Own(apply=by(eviction))), no_progress)
        speed = len(trace) / (process_time() - started)
        print(
            f"{eviction:7} mean {found.mean_latency_ms:7.2f} ms  hits {found.hit_ratio:.4f}  origin"
            f" {found.origin_fetches:6}  transfers {found.transfers:6}  {speed:6,.0f} reads/s",
            flush=True,
        )


if __name__ == "__main__":
    main()
