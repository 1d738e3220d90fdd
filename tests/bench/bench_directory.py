"""What a late and lossy directory costs: real nodes in virtual time, their digests told sooner or later.

    PYTHONPATH=. .venv/bin/python tests/bench/bench_directory.py [TRACE] [--capacity 0.05]    # tests/data

The first rows are the reference policies: plain LRU, and S3-FIFO where any holder serves and is known at
once. Then zoned, with digests told after at most so long (``gossip.holdings_flush``; agents wait a
second) and with none. Printed: the mean latency; how often a member was asked for a copy that it no
longer had, and what these ways in vain add to the mean of all reads; fetches from the origin, among which
are those of copies that somebody held and had not told of yet. Two instances that share a fingerprint of
32 bits are among the ways in vain, too: about one pair in four thousand million.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from zoned.core.settings import NodeSettings
from zoned.simulation import zoned_policy
from zoned.simulation.policies import REFERENCE
from zoned.simulation.results import Own, PolicyResult, ReplayOptions, no_progress
from zoned.simulation.trace import read

DATA = Path(__file__).resolve().parents[1] / "data" / "semicomplete_web.csv.gz"
DELAYS_S = (0.1, 1.0, 10.0, 60.0, 600.0, 3600.0)


def told_after(delay_s: float) -> Callable[[NodeSettings], NodeSettings]:
    """Settings whose digests wait so long, whatever has changed."""

    def apply(settings: NodeSettings) -> NodeSettings:
        gossip = replace(settings.gossip, holdings_flush_s=delay_s, holdings_flush_count=65_536)
        if delay_s > 1.0:  # comparing what is known would repair sooner what was not told yet
            gossip = replace(gossip, reconcile_interval_s=max(gossip.reconcile_interval_s, delay_s))
        return replace(settings, gossip=gossip)

    return apply


def row(name: str, result: PolicyResult, rtt_s: float) -> None:
    """One line of the table."""
    in_vain = int(str(result.details.get("asked_in_vain", 0)))
    cost_ms = 1e3 * rtt_s * in_vain / result.requests
    print(f"{name:24} {result.mean_latency_ms:8.2f} {in_vain:8,} {cost_ms:9.3f} {result.origin_fetches:8,}")


def main() -> None:
    """Run them all."""
    parser = argparse.ArgumentParser()
    parser.add_argument("trace", nargs="?", type=Path, default=DATA)
    parser.add_argument("--capacity", type=float, default=0.05)
    given = parser.parse_args()
    trace = read([given.trace])
    room, options = trace.capacity(given.capacity), ReplayOptions()
    print(f"{'':24} {'mean ms':>8} {'in vain':>8} {'of it ms':>9} {'origin':>8}")
    for name in ("lru", "peer"):
        row(name, REFERENCE[name](trace, room, options, no_progress), options.rtt_s)
    for delay_s in DELAYS_S:
        own = Own(apply=told_after(delay_s))
        result = zoned_policy.run(trace, room, replace(options, own=own), no_progress)
        row(f"zoned, told in {delay_s:g} s", result, options.rtt_s)
    row(
        "zoned, nothing told",
        zoned_policy.run(trace, room, replace(options, ablate=("digests",)), no_progress),
        0.0,
    )


if __name__ == "__main__":
    main()
