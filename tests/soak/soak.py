"""The long targets of the simulator: many random seeds of everything that the suite does for a few.

    make soak-sim ARGS="--runs 100 --seed 7"      # without --seed: another one each time, printed first

Prints one line per run, and for a failure the command or seed that plays it again. Exit 1 if any failed.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable

from tests.core.gossip import test_paper_swim as swim
from tests.simulation.test_churn import simulated_churn, watched_churn
from tests.simulation.test_partitions import heals
from zoned.simulation.gossip_run import GossipOptions, simulate_members


def chaos(zones: int, minutes: float) -> Callable[[int], None]:
    """Members alone under random faults."""

    def run(seed: int) -> None:
        report = simulate_members(GossipOptions(zones=zones, minutes=minutes, fault="chaos", seed=seed))
        assert report["breaches"] == [], f"{report['again']}: {report['breaches']}"

    return run


def promises(seed: int) -> None:
    """What SWIM promises, at 300 members with 5 % loss."""
    told, first, whole = swim.promises_at_300(seed)
    swim.assert_infection(told)
    swim.assert_detection(first, whole)


def partitions(seed: int) -> None:
    """Of a minute and of ten, at 10 and 30 members."""
    for count in (10, 30):
        heals(count, 60.0, 5.0, seed)
        heals(count, 600.0, 60.0, seed)


RUNS: tuple[tuple[str, float, Callable[[int], None]], ...] = (
    ("churn of rings, 8 zones", 1.0, simulated_churn),
    ("churn of rings, closely watched", 1.0, watched_churn),
    ("chaos, 10 members", 1.0, chaos(10, 5.0)),
    ("chaos, 30 members", 0.3, chaos(30, 5.0)),
    ("chaos, 300 members", 0.02, chaos(300, 2.0)),
    ("partitions", 0.05, partitions),
    ("promises at 300", 0.05, promises),
)
"""(what, runs as a share of --runs, how)"""


def main() -> int:
    """Run all of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--only", default="", help="part of a name above")
    options = parser.parse_args()
    print(f"soak --seed {options.seed}", flush=True)
    failed = 0
    for what, share, run in RUNS:
        if options.only not in what:
            continue
        seeds = random.Random(f"{options.seed}/{what}")
        for _ in range(max(1, round(share * options.runs))):
            seed, begin = seeds.randrange(1 << 31), time.perf_counter()
            try:
                run(seed)
                result = "ok"
            except AssertionError as error:
                failed += 1
                result = f"FAILED {error}"
            print(f"{what}, seed {seed}: {result} ({time.perf_counter() - begin:.1f} s)", flush=True)
    print(f"{failed} failed" if failed else "all held")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
