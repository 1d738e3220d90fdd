"""What it is worth that each dependency goes by its own eviction policy: one for all, beside one for each.

    .venv/bin/python tests/bench/bench_by_dependency.py [TRACE.csv.gz:ZONE TRACE.csv.gz:ZONE SHARE]

Real nodes, one a zone, in virtual time. Without arguments a made-up trace of two zones and five
dependencies: ``scan0`` and ``scan1`` walk through what is never asked for again, ``recent0`` and
``recent1`` are read again soon and then never, each in its own zone, and ``shared`` is read in both. With
two traces: that zone of each, as two dependencies of one zone, the second trace in the time that the first
takes, the first 60,000 reads of both together; the zone holds SHARE of their objects.

Prints for each policy the mean latency, hits and transfers, and how many reads a second; ``whole`` is
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


def merged(first: str, second: str) -> Trace:
    """Two zones' reads (``TRACE:ZONE``) as those of two dependencies of one zone."""
    rows: list[tuple[float, InstanceKey, bytes]] = []
    start_s = span_s = 0.0
    for said in (first, second):
        path, _, zone = said.rpartition(":")
        whole = read([Path(path)])
        of = whole.zone_names.index(zone)
        columns = zip(whole.ts, whole.zones, whole.objects, whole.clients, strict=True)
        own = [(at_s, item, client) for at_s, place, item, client in columns if place == of]
        began_s, took_s = own[0][0], own[-1][0] - own[0][0]
        start_s, span_s = (start_s, span_s) if rows else (began_s, took_s)
        for at_s, item, client in own:
            scaled_s = start_s + (at_s - began_s) / took_s * span_s
            rows.append((scaled_s, whole.instances[item], client))
    rows = sorted(rows, key=lambda row: row[0])[:READS]
    numbers: dict[InstanceKey, int] = {}
    objects = [numbers.setdefault(key, len(numbers)) for _, key, _ in rows]
    return Trace(
        name=f"{first} and {second}",
        ts=[at_s for at_s, _, _ in rows],
        zones=[0] * len(rows),
        objects=objects,
        sizes=[1] * len(rows),
        clients=[client for _, _, client in rows],
        zone_names=("z0",),
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
        trace = merged(*sys.argv[1:3])
        copies = trace.capacity(float(sys.argv[3]))
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
