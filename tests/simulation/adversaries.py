"""Adversaries: traces in which what was learnt is made false again and again, and plain LRU is hard to beat.

For the suite, which plays two of them small (`test_adversary`), and for `tests/bench/bench_adversary.py`,
which has all of them large. Each is a function of a seed and sizes; ``copies`` is what a zone's store holds,
``reads`` are those of all zones in an hour. Unless they share, each zone asks for instances of its own, so
that nobody can help another.

    turned     popularity is turned around every hour, pairs hold for a quarter of one, a third are scans
    betrayed   what withstands scans is good in even hours; in odd ones what was read last counts, and fills
               four fifths of the store, so that every place taken from it costs hits
    paired     half of what clients read leads to another instance seconds later; who leads to whom is dealt
               anew every hour
    trapped    pairs hold in even hours and are of rare instances, so that guessing pays; in odd ones the
               first of each goes on to be read and the second never is, and the rest just fits the store
    inverted   a steep popularity, turned around every hour
    looped     a client goes round a list, which is a little smaller than the store, a little larger, far
               smaller, far larger, by the hour
    parted     all zones read the same in even hours, so that what is made for sharing is played; in odd ones
               each reads its own as in the odd hours of ``betrayed``
    patient    something other than LRU is better in all hours but the last, so that it is proved and played;
               the last is an odd one of ``betrayed``
    crept      as ``patient``, but in the last hour half of the reads are of a few that were popular before,
               which every policy holds: there is no sign before the loss
    walked     clients go along a list in its order, which is another one every hour; the rest just fits
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import NamedTuple

from zoned.core.names import InstanceKey
from zoned.simulation import policies, zoned_policy
from zoned.simulation.results import ReplayOptions, no_progress
from zoned.simulation.trace import Trace

HIT_S, MISS_S = 0.001, 0.201
HOUR_S = 3600.0

Row = tuple[float, int, int, int]
"""(seconds since the start, zone, item, client)."""


class Hour(NamedTuple):
    """An hour of the whole pool: seconds waited, which eviction policies the stores went by, and how many
    copies had been fetched ahead by its end."""

    waited_s: float
    evictions: tuple[str, ...]
    ahead: int


def trace_of(rows: Iterable[Row], zones: int, shared: bool = False) -> Trace:
    """``shared``: an item is the same instance in all zones."""
    numbers: dict[tuple[int, int], int] = {}
    ordered = sorted(rows, key=lambda row: row[0])
    objects = [
        numbers.setdefault((0 if shared else zone, item), len(numbers)) for _, zone, item, _ in ordered
    ]
    return Trace(
        name="adversary",
        ts=[1e6 + at_s for at_s, *_ in ordered],
        zones=[zone for _, zone, *_ in ordered],
        objects=objects,
        sizes=[1] * len(ordered),
        clients=[b"%d" % client for *_, client in ordered],
        zone_names=tuple("abcdefgh"[:zones]),
        instances=tuple([InstanceKey("adversary", b"%d/%d" % name) for name in numbers]),
        object_sizes=[1] * len(numbers),
    )


def _of_late(rng: random.Random, window: list[int], most: int, fresh: int, share: float = 0.25) -> int:
    """One of the last ``most`` items that were new, or for that share of reads ``fresh``, now one of them."""
    if len(window) >= most and rng.random() >= share:
        return rng.choice(window)
    window.append(fresh)
    del window[: max(0, len(window) - most)]
    return fresh


# ---- the shapes -------------------------------------------------------------------------------------


def turned(seed: int, copies: int, reads: int, hours: int, zones: int = 3, shared: bool = False) -> Trace:
    """See above. There are ten times as many instances as a store holds."""
    rng, rows, scan_at, count = random.Random(seed), [], 0, 10 * copies
    for number in range(hours * reads):
        hour, zone = number // reads, rng.randrange(zones)
        if hour % 3 == 2 and rng.random() < 0.7:  # a scan, with some of the usual in between
            scan_at += 1
            item = 10**6 + scan_at
        else:
            rank = int(count * rng.random() ** 3)
            item = rank if hour % 2 else count - 1 - rank
            if rng.random() < 0.3:
                item = (item // 2 * 2 + 7 * (number // (reads // 4))) % count
        rows.append((number * HOUR_S / reads, zone, item, rng.randrange(12)))
    return trace_of(rows, zones, shared)


def betrayed(seed: int, copies: int, reads: int, hours: int, zones: int = 3, shared: bool = False) -> Trace:
    """See above. Half of the reads of even hours are the scan."""
    rng, rows, fresh = random.Random(seed), [], 10**6
    recent: list[list[int]] = [[] for _ in range(zones)]
    most = int(0.8 * copies)
    for number in range(hours * reads):
        zone = rng.randrange(zones)
        window = recent[0 if shared else zone]
        if number // reads % 2 == 0:
            scan = rng.random() < 0.5
            fresh += scan
            item = fresh if scan else int(1.3 * copies * rng.random() ** 1.5)
        else:
            item = _of_late(rng, window, most, fresh + 1)
            fresh = max(fresh, item)
        rows.append((number * HOUR_S / reads, zone, item, rng.randrange(12)))
    return trace_of(rows, zones, shared)


def parted(seed: int, copies: int, reads: int, hours: int, zones: int = 3, shared: bool = False) -> Trace:
    """See above. ``shared`` changes nothing: who shares what is the point."""
    rng, rows, fresh = random.Random(seed), [], 10**6
    recent: list[list[int]] = [[] for _ in range(zones)]
    most = int(0.8 * copies)
    for number in range(hours * reads):
        zone = rng.randrange(zones)
        window = recent[zone]
        if number // reads % 2 == 0:
            item = int(4 * copies * rng.random() ** 2)
        else:
            item = _of_late(rng, window, most, fresh + 1)
            fresh = max(fresh, item)
        rows.append((number * HOUR_S / reads, zone, item, rng.randrange(12)))
    return trace_of(rows, zones, shared=True)


def patient(
    seed: int,
    copies: int,
    reads: int,
    hours: int,
    zones: int = 3,
    shared: bool = False,
    stays: float = 0.0,
) -> Trace:
    """See above. In good hours half is a loop, a third larger than the store, half what is popular. Of the
    last hour's reads the share ``stays`` is of the most popular of these."""
    rng, rows, fresh, places = random.Random(seed), [], 10**7, [0] * zones
    recent: list[list[int]] = [[] for _ in range(zones)]
    most = int((0.6 if stays else 0.8) * copies)
    for number in range(hours * reads):
        zone = rng.randrange(zones)
        window = recent[0 if shared else zone]
        if number // reads < hours - 1:
            if rng.random() < 0.5:
                places[zone] += 1
                item = 10**6 + places[zone] % int(1.3 * copies)
            else:
                item = int(0.9 * copies * rng.random() ** 1.2)
        elif stays and rng.random() < stays:
            item = int(0.1 * copies * rng.random())
        else:
            item = _of_late(rng, window, most, fresh + 1)
            fresh = max(fresh, item)
        rows.append((number * HOUR_S / reads, zone, item, rng.randrange(500)))
    return trace_of(rows, zones, shared)


def crept(seed: int, copies: int, reads: int, hours: int, zones: int = 3, shared: bool = False) -> Trace:
    """See above."""
    return patient(seed, copies, reads, hours, zones, shared, stays=0.5)


def paired(seed: int, copies: int, reads: int, hours: int, zones: int = 3, shared: bool = False) -> Trace:
    """See above. There are five times as many instances as a store holds."""
    rng, rows, at_s = random.Random(seed), [], 0.0
    follower = list(range(5 * copies))
    for hour in range(hours):
        rng.shuffle(follower)
        while at_s < HOUR_S * (hour + 1):
            at_s += rng.expovariate(reads / 1.45 / HOUR_S)
            zone, client, item = rng.randrange(zones), rng.randrange(40), int(5 * copies * rng.random() ** 2)
            rows.append((at_s, zone, item, client))
            if rng.random() < 0.45:
                rows.append((at_s + rng.uniform(1.5, 10.0), zone, follower[item], client))
    return trace_of([row for row in rows if row[0] < hours * HOUR_S], zones, shared)


def trapped(seed: int, copies: int, reads: int, hours: int, zones: int = 3, shared: bool = False) -> Trace:
    """See above. The pairs are four times as many as a store holds."""
    rng, rows, at_s, fresh = random.Random(seed), [], 0.0, 10**6
    recent: list[list[int]] = [[] for _ in range(zones)]
    most = int(0.75 * copies)
    while at_s < hours * HOUR_S:
        at_s += rng.expovariate(reads / HOUR_S)
        zone, client, first = rng.randrange(zones), rng.randrange(40), rng.randrange(4 * copies)
        window = recent[0 if shared else zone]
        if int(at_s // HOUR_S) % 2 == 0:
            rows.append((at_s, zone, first, client))
            if rng.random() < 0.8:
                rows.append((at_s + rng.uniform(1.5, 8.0), zone, 10**5 + first, client))
                at_s += rng.expovariate(reads / HOUR_S)
        elif rng.random() < 0.2:
            rows.append((at_s, zone, first, client))
        else:
            item = _of_late(rng, window, most, fresh + 1, 0.05)
            fresh = max(fresh, item)
            rows.append((at_s, zone, item, client))
    return trace_of([row for row in rows if row[0] < hours * HOUR_S], zones, shared)


def inverted(seed: int, copies: int, reads: int, hours: int, zones: int = 3, shared: bool = False) -> Trace:
    """See above. There are five times as many instances as a store holds."""
    rng, rows, count = random.Random(seed), [], 5 * copies
    for number in range(hours * reads):
        zone, rank = rng.randrange(zones), int(count * rng.random() ** 3)
        item = rank if number // reads % 2 else count - 1 - rank
        rows.append((number * HOUR_S / reads, zone, item, rng.randrange(12)))
    return trace_of(rows, zones, shared)


def looped(seed: int, copies: int, reads: int, hours: int, zones: int = 3, shared: bool = False) -> Trace:
    """See above. Three reads in ten are of what is popular all along."""
    rng, rows, places = random.Random(seed), [], [0] * zones
    for number in range(hours * reads):
        hour, zone = number // reads, rng.randrange(zones)
        if rng.random() < 0.7:
            places[zone] += 1
            item = 10**6 * (hour + 1) + places[zone] % int(copies * (0.9, 1.1, 0.7, 3.0)[hour % 4])
            client = 12
        else:
            item, client = int(2 * copies * rng.random() ** 3), rng.randrange(12)
        rows.append((number * HOUR_S / reads, zone, item, client))
    return trace_of(rows, zones, shared)


def walked(seed: int, copies: int, reads: int, hours: int, zones: int = 3, shared: bool = False) -> Trace:
    """See above. The list is three times as long as a store; of ten steps one is a leap."""
    rng, rows = random.Random(seed), []
    way = list(range(3 * copies))
    places: dict[tuple[int, int], int] = defaultdict(int)
    for number in range(hours * reads):
        if number % reads == 0:
            rng.shuffle(way)
        zone, client = rng.randrange(zones), rng.randrange(20)
        if rng.random() < 0.4:
            step = (places[zone, client] + 1) % len(way)
            places[zone, client] = step if rng.random() < 0.9 else rng.randrange(len(way))
            item = 10**6 + way[places[zone, client]]
        else:
            item = int(copies * rng.random() ** 1.2)
        rows.append((number * HOUR_S / reads, zone, item, client))
    return trace_of(rows, zones, shared)


SHAPES: dict[str, Callable[..., Trace]] = {
    shape.__name__: shape
    for shape in (turned, betrayed, paired, trapped, inverted, looped, parted, patient, crept, walked)
}


# ---- what readers wait ------------------------------------------------------------------------------


def hours_of_zoned(trace: Trace, copies: int) -> list[Hour]:
    """The live nodes, hour by hour."""
    replay = zoned_policy.Replay(trace, copies, ReplayOptions(warmup=0.0))
    waited: dict[int, float] = defaultdict(float)
    evictions: dict[int, set[str]] = defaultdict(set)
    ahead: dict[int, int] = {}
    cluster, start_s = replay._cluster, replay._start_s
    counted, cluster.answered = cluster.answered, lambda answer: None

    def answered(answer: zoned_policy.Answer) -> None:
        counted(answer)
        hour = int((cluster.schedule.now_s + start_s - trace.ts[0]) // HOUR_S)
        waited[hour] += answer.latency_s
        evictions[hour] |= {host.node.cache.eviction for host in replay.hosts if host.node is not None}
        ahead[hour] = sum([host.transfers.prefetched for host in replay.hosts])

    cluster.answered = answered
    replay.run(no_progress)
    return [Hour(waited[hour], tuple(sorted(evictions[hour])), ahead[hour]) for hour in range(len(waited))]


def hours_of_lru(trace: Trace, copies: int) -> list[float]:
    """Seconds waited in each hour with plain LRU, each zone for itself."""
    caches = policies.caches_of("lru", trace, copies, False)
    waited: dict[int, float] = defaultdict(float)
    for at_s, zone, item in zip(trace.ts, trace.zones, trace.objects, strict=True):
        hit = caches[zone].hit(item)
        if not hit:
            caches[zone].put(item, 1)
        waited[int((at_s - trace.ts[0]) // HOUR_S)] += HIT_S if hit else MISS_S
    return [waited[hour] for hour in range(len(waited))]
