"""An adversary against live nodes: what they learn is made false again and again, and LRU is no better.

Three zones, an hour at a time: the popularity is turned around, clients follow pairs that hold just long
enough to be believed, a third of the hours are scans. Measured per hour against plain LRU on the same
accesses.
"""

from __future__ import annotations

import os
import random
from collections import defaultdict

import pytest

from zoned.core.names import InstanceKey
from zoned.simulation import policies, zoned_policy
from zoned.simulation.results import ReplayOptions, no_progress
from zoned.simulation.trace import Trace

pytestmark = pytest.mark.timeout(60)  # some seconds each, on a machine of its own

HOURS, A_HOUR, OBJECTS, CAPACITY = 6, 1200, 400, 40
MOST_WORSE = 1.01  # in any one hour
SEEDS = range(1, 1 + int(os.environ.get("ZONED_ADVERSARY_SEEDS", "3")))  # more of them: a soak


def adversary(seed: int, shared: bool) -> Trace:
    """``shared``: all zones ask for the same instances; else each for its own, so that nobody can help."""
    rng = random.Random(seed)
    numbers: dict[tuple[int, int], int] = {}
    ts, zones, objects, clients = [], [], [], []
    scan_at = 0
    for number in range(HOURS * A_HOUR):
        hour, zone = number // A_HOUR, rng.randrange(3)
        kind = hour % 3
        if kind == 2 and rng.random() < 0.7:  # a scan, with some of the usual in between
            scan_at += 1
            item = 1000 + scan_at
        else:
            rank = int(OBJECTS * rng.random() ** 3)
            item = rank if hour % 2 else OBJECTS - 1 - rank  # popularity is turned around
            if rng.random() < 0.3:  # a pair that holds for a quarter of an hour
                item = (item // 2 * 2 + 7 * (number // (A_HOUR // 4))) % OBJECTS
        ts.append(1e6 + number * 3600.0 / A_HOUR)
        zones.append(zone)
        objects.append(numbers.setdefault((0 if shared else zone, item), len(numbers)))
        clients.append(b"%d" % rng.randrange(12))
    names = tuple(InstanceKey("adversary", b"%d/%d" % name) for name in numbers)
    return Trace(
        name="adversary",
        ts=ts,
        zones=zones,
        objects=objects,
        sizes=[1] * len(ts),
        clients=clients,
        zone_names=("a", "b", "c"),
        instances=names,
        object_sizes=[1] * len(names),
    )


def hours_of_zoned(trace: Trace) -> dict[int, float]:
    replay = zoned_policy.Replay(trace, CAPACITY, ReplayOptions(warmup=0.0))
    waited: dict[int, float] = defaultdict(float)
    cluster, start_s = replay._cluster, replay._start_s
    counted, cluster.answered = cluster.answered, lambda answer: None

    def answered(answer: zoned_policy.Answer) -> None:
        counted(answer)
        waited[int((cluster.schedule.now_s + start_s - trace.ts[0]) // 3600.0)] += answer.latency_s

    cluster.answered = answered
    replay.run(no_progress)
    return waited


def hours_of_lru(trace: Trace) -> dict[int, float]:
    caches = policies.caches_of("lru", trace, CAPACITY, False)
    waited: dict[int, float] = defaultdict(float)
    for at_s, zone, item in zip(trace.ts, trace.zones, trace.objects, strict=True):
        hit = caches[zone].hit(item)
        if not hit:
            caches[zone].put(item, 1)
        waited[int((at_s - trace.ts[0]) // 3600.0)] += 0.001 if hit else 0.201
    return waited


def ratios(trace: Trace) -> list[float]:
    """Each hour's mean latency as a multiple of LRU's; the last one is that of all hours but the first."""
    ours, lru = hours_of_zoned(trace), hours_of_lru(trace)
    assert sorted(ours) == sorted(lru) == list(range(HOURS))
    hours = range(1, HOURS)
    return [*(ours[hour] / lru[hour] for hour in hours), sum(map(ours.get, hours)) / sum(map(lru.get, hours))]


def test_where_zones_share_they_are_better_than_lru_all_the_same() -> None:
    assert max(ratios(adversary(1, shared=True))) < 0.97


@pytest.mark.parametrize("seed", SEEDS)
def test_where_nobody_can_help_they_do_no_harm(seed: int) -> None:
    *hours, together = ratios(adversary(seed, shared=False))
    assert max(hours) <= MOST_WORSE and together <= 1.002
