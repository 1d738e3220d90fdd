"""What a zone's coming and going costs the others, at twenty zones: one line per move and way to make it.

    PYTHONPATH=. .venv/bin/python tests/bench/bench_moves.py [MOVE ...]    # join leave drain crash; all

A part of the shipped retail trace, its clients hashed to 20 zones, a hundred times faster than it was, so
that the agents' timers are those of life while the trace passes in hours. "without" is the same seed without
the move; "cold" the same move with nothing handed over. Wanted: a join, a leave and a drain cost at most 1 %
more origin fetches and 3 % more misses in the 5,000 reads that follow; after a crash no 500 reads fetch more
than 1.5 times the mean of before. A quarter of an hour for all of it.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from zlib import crc32

from zoned.core.gossip import GossipSettings
from zoned.core.settings import NodeSettings
from zoned.simulation.moves import Kind, Move, Prepared, run
from zoned.simulation.results import ReplayOptions
from zoned.simulation.trace import Trace, read
from zoned.simulation.zoned_policy import settings_of

RETAIL = Path(__file__).resolve().parents[2] / "zoned" / "demo" / "data" / "retail.csv.gz"
ZONES, FASTER = 20, 100.0
READS, MOVED_AT = 25_000, 0.72  # of the last reads of the trace


def twenty_zones(trace: Trace) -> Trace:
    """The end of the trace, spread over more zones and squeezed in time."""
    start = len(trace) - READS
    ts, clients = trace.ts[start:], trace.clients[start:]
    return replace(
        trace,
        ts=[ts[0] + (at - ts[0]) / FASTER for at in ts],
        zones=[crc32(client) % ZONES for client in clients],
        objects=trace.objects[start:],
        sizes=trace.sizes[start:],
        clients=clients,
        zone_names=tuple(f"z{index:02d}" for index in range(ZONES)),
    )


def main() -> None:
    """Play each move three times."""
    kinds = [Kind(name) for name in sys.argv[1:]] or list(Kind)
    trace = twenty_zones(read([RETAIL]))
    options = ReplayOptions()
    capacity = trace.capacity(0.05)
    at_s = trace.ts[int(MOVED_AT * len(trace))] - trace.ts[0]

    def settings(zone: int) -> NodeSettings:
        """A replay's settings with the timers of life."""
        made = settings_of(trace, capacity, options, zone)
        return replace(
            made,
            turn_interval_s=1.0,
            idle_turn_s=30.0,
            summary_interval_s=5.0,
            gossip=replace(
                GossipSettings.profile("lan"),
                probe_interval_s=5.0,
                push_pull_interval_s=60.0,
                reconcile_interval_s=5.0,
                compress_streams_below_bytes=0,
            ),
            placement=replace(made.placement, plan_interval_s=5.0),
        )

    print(f"{len(trace):,} reads of {len(trace.instances):,} objects, {ZONES} zones of {capacity} copies")
    for kind in kinds:
        found = run(trace, capacity, options, Move(kind, "z03", at_s), settings=settings)
        for how, toll in found.tolls.items():
            more = (
                f"origin {found.extra(how, 'origin_fetches'):+.1%}, misses {found.extra(how, 'misses'):+.1%}"
            )
            print(
                f"{kind.value:>6} {how.value:>8}: {toll.origin_fetches:5} origin fetches,"
                f" {toll.misses:5} misses, {toll.mean_latency_ms:6.1f} ms,"
                f" {toll.failed} failed, waited {toll.waited_s:3.0f} s;",
                "" if how is Prepared.NOT_AT_ALL else more,
                flush=True,
            )
        if kind is Kind.CRASH:
            print(f"  most in 500 reads / mean before: {found.burst:.2f}")


if __name__ == "__main__":
    main()
