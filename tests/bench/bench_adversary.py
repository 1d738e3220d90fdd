"""An adversary that turns what pays around every hour, against live nodes: the worst hour beside plain LRU.

    .venv/bin/python tests/bench/bench_adversary.py [--copies 200] [--reads 6000] [--hours 4] [--seeds 2]

In even hours half of the reads are a scan, so what withstands scans is good; in odd ones all that counts is
what was read last, and that fills four fifths of the store, so that every place taken from it costs hits.
Three zones, each with its own instances: nobody can help another. The goal is 1.01 in every hour after the
first. The line of an hour also says by what each zone's store went at its end and how much the zone has
fetched ahead: LRU is played all along, and the loss is the guesses'. `tests/simulation/test_adversary.py`
is the smaller one that has to pass. With an hour of 6,000 reads the goal is not met (1.012 and 1.021, two
seeds).
"""

from __future__ import annotations

import argparse
import random
from collections import defaultdict

from zoned.core.names import InstanceKey
from zoned.simulation import policies, zoned_policy
from zoned.simulation.results import ReplayOptions, no_progress
from zoned.simulation.trace import Trace

ZONES = ("a", "b", "c")
HIT_S, MISS_S = 0.001, 0.201


def betrayal(seed: int, copies: int, reads: int, hours: int) -> Trace:
    """``reads`` an hour, in all zones together; ``copies``: what a store holds."""
    rng = random.Random(seed)
    numbers: dict[tuple[int, int], int] = {}
    recent: list[list[int]] = [[] for _ in ZONES]
    ts, zones, objects, clients, fresh = [], [], [], [], 10**6
    for number in range(hours * reads):
        zone = rng.randrange(len(ZONES))
        window = recent[zone]
        if number // reads % 2 == 0:
            scan = rng.random() < 0.5
            fresh += scan
            item = fresh if scan else int(1.3 * copies * rng.random() ** 1.5)
        elif len(window) < 0.8 * copies or rng.random() < 0.25:
            fresh += 1
            item = fresh
            window.append(item)
            del window[: max(0, len(window) - int(0.8 * copies))]
        else:
            item = rng.choice(window)
        ts.append(1e6 + number * 3600.0 / reads)
        zones.append(zone)
        objects.append(numbers.setdefault((zone, item), len(numbers)))
        clients.append(b"%d" % rng.randrange(12))
    names = tuple([InstanceKey("adversary", b"%d/%d" % name) for name in numbers])
    return Trace(
        name="adversary", ts=ts, zones=zones, objects=objects, sizes=[1] * len(ts), clients=clients,
        zone_names=ZONES, instances=names, object_sizes=[1] * len(names),
    )  # fmt: skip


def of_zoned(trace: Trace, copies: int) -> tuple[dict[int, float], dict[int, list[str]]]:
    """(seconds waited by hour, by hour and zone: the policy played at its end and copies fetched ahead)."""
    replay = zoned_policy.Replay(trace, copies, ReplayOptions(warmup=0.0))
    waited: dict[int, float] = defaultdict(float)
    seen: dict[int, list[str]] = {}
    cluster, start_s = replay._cluster, replay._start_s
    counted, cluster.answered = cluster.answered, lambda answer: None

    def answered(answer: zoned_policy.Answer) -> None:
        counted(answer)
        hour = int((cluster.schedule.now_s + start_s - trace.ts[0]) // 3600.0)
        waited[hour] += answer.latency_s
        seen[hour] = [
            f"{host.node.cache.eviction} {host.transfers.prefetched}"
            for host in replay.hosts
            if host.node is not None
        ]

    cluster.answered = answered
    replay.run(no_progress)
    return waited, seen


def of_lru(trace: Trace, copies: int) -> dict[int, float]:
    """Seconds waited by hour."""
    caches = policies.caches_of("lru", trace, copies, False)
    waited: dict[int, float] = defaultdict(float)
    for at_s, zone, item in zip(trace.ts, trace.zones, trace.objects, strict=True):
        hit = caches[zone].hit(item)
        if not hit:
            caches[zone].put(item, 1)
        waited[int((at_s - trace.ts[0]) // 3600.0)] += HIT_S if hit else MISS_S
    return waited


def main() -> None:
    """Print each hour's waiting as a multiple of LRU's."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, default in (("copies", 200), ("reads", 6000), ("hours", 4), ("seeds", 2)):
        parser.add_argument(f"--{name}", type=int, default=default)
    told = parser.parse_args()
    worst = 0.0
    for seed in range(1, told.seeds + 1):
        trace = betrayal(seed, told.copies, told.reads, told.hours)
        (ours, seen), lru = of_zoned(trace, told.copies), of_lru(trace, told.copies)
        for hour in range(1, told.hours):
            ratio = ours[hour] / lru[hour]
            worst = max(worst, ratio)
            lost = (ours[hour] - lru[hour]) / MISS_S
            line = f"seed {seed} hour {hour}: {ratio:.4f} x LRU, {lost:+.0f} misses; fetched ahead so far:"
            print(line, "; ".join(seen[hour]), flush=True)
    print(f"worst hour after the first: {worst:.4f} (goal 1.01)")


if __name__ == "__main__":
    main()
