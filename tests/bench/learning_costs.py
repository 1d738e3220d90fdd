"""What observing and learning cost per access, and how right they are, on traces. Not a test: prints.

    python tests/bench/learning_costs.py TRACE.csv.gz... [--sample 256] [--salts 8]

Per trace, taken as one zone without peers, at 5 and 10 % of its objects:
cost      microseconds of CPU per access of each hot method
ledger    error of LRU's hit ratio: by default settings, and on a forced sample (hit told / not told)
choice    mean latency (hit 1 ms, miss 201 ms) of each eviction policy and of the one that is advised
and association: prefetches, precision and hit ratio (S3-FIFO, 5 % a zone), learnt per zone or from all.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import random
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from zoned.core.eviction import PLAIN
from zoned.core.graph import Analyzer, GraphSettings
from zoned.core.learning import LearningSettings, Tuner
from zoned.core.names import InstanceKey, Instant, key_hash
from zoned.core.observe import Observer, ObserveSettings
from zoned.core.records import Access, Forecast, Source

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.core.eviction.keyed import Keyed

PRICES = {Source.LOCAL: 0.001, Source.PEER: 0.081, Source.ORIGIN: 0.201, Source.HOME: 0.281}
NO_FORECAST = Forecast(made=Instant(0.0, 0.0, 0.0), dependencies=(), instances=())
ROOM = 1 << 40  # bytes: no bound


class Row(NamedTuple):
    key: InstanceKey
    hashed: int
    zone: str
    client: bytes
    now: Instant


def load(path: Path) -> tuple[list[Row], int]:
    """The accesses, and how many objects there are."""
    rows, keys = [], {}
    with gzip.open(path, "rt") as lines:
        for line in csv.DictReader(lines):
            key = keys.get(line["object"])
            if key is None:
                instance = InstanceKey(path.stem, line["object"].encode())
                key = keys[line["object"]] = (instance, key_hash(instance))
            at_s = float(line["ts"])
            rows.append(Row(*key, line["zone"], line["req"].encode(), Instant(at_s, at_s, at_s)))
    return rows, len(keys)


def cost(name: str, count: int, work: Callable[[], None]) -> None:
    before = time.process_time()
    work()
    print(f"  cost        {name:16s} {(time.process_time() - before) / count * 1e6:6.2f} us")


def costs(rows: list[Row], capacity: int) -> None:
    observer, analyzer = Observer(ObserveSettings(), rows[0].now), Analyzer(GraphSettings())
    tuner = Tuner(LearningSettings(), capacity, ROOM, random.Random(1))
    accesses = [Access(row.key, row.hashed, 1, True, row.client) for row in rows]
    name, local = rows[0].key.dependency, Source.LOCAL

    def windows() -> None:
        for start in range(0, len(rows), 2000):
            for access in accesses[start : start + 2000]:
                observer.access(access)
            observer.close_window(rows[start].now)

    def served() -> None:
        for _ in rows:
            observer.served(name, local, 0.001)

    def analyze() -> None:
        for row in rows:
            analyzer.access(row.key, row.hashed, row.client, row.now)

    def tune() -> None:
        for row in rows:
            tuner.access(row.key, row.hashed, 1, row.now, True)

    def tuned() -> None:
        for _ in rows:
            tuner.served(name, local)

    for label, work in (
        ("Observer.access", windows), ("Observer.served", served), ("Analyzer.access", analyze),
        ("Tuner.access", tune), ("Tuner.served", tuned),
    ):  # fmt: skip
        cost(label, len(rows), work)


def hits_of(policy: str, rows: list[Row], capacity: int) -> list[bool]:
    cache, hits = Keyed(policy, capacity, None), []
    for row in rows:
        hits.append(cache.hit(row.hashed))
        if not hits[-1]:
            cache.put(row.hashed, 1)
    return hits


def ledger_error(
    rows: list[Row], capacity: int, exact: float, told: Sequence[bool | None], sample: int, salt: int
) -> float:
    settings = LearningSettings(sample_objects=sample, arms=("lru",))
    tuner = Tuner(settings, capacity, None, random.Random(salt))
    for row, hit in zip(rows, told, strict=True):
        tuner.access(row.key, row.hashed, 1, row.now, hit)
    return tuner.ledger(PRICES.__getitem__)[0].lru_hit_ratio - exact


def ledger(rows: list[Row], capacity: int, sample: int, salts: int) -> None:
    exact = sum(hits_of("lru", rows, capacity)) / len(rows)
    real = hits_of("s3fifo", rows, capacity)
    error = ledger_error(rows, capacity, exact, real, LearningSettings().sample_objects, 1)
    print(f"  ledger      lru {exact:.4f}, error {error * 100:.4f} points", end="")
    if sample < capacity:
        for label, told in (("told", real), ("not told", [None] * len(rows))):
            errors = [ledger_error(rows, capacity, exact, told, sample, salt) for salt in range(salts)]
            rms = (sum(one * one for one in errors) / salts) ** 0.5
            worst = max(abs(one) for one in errors)
            print(f"; on {sample} keys {label}: rms {rms * 100:.2f}, worst {worst * 100:.2f}", end="")
    print()


def choice(rows: list[Row], capacity: int) -> None:
    tuner = Tuner(LearningSettings(), capacity, None, random.Random(1))
    name, cache, hits = "lru", Keyed("lru", capacity, None), 0
    for index, row in enumerate(rows):
        hit = cache.hit(row.hashed)
        hits += hit
        if not hit:
            cache.put(row.hashed, 1)
        tuner.access(row.key, row.hashed, 1, row.now, hit)
        tuner.served(row.key.dependency, Source.LOCAL if hit else Source.ORIGIN)
        if index % 50 == 49:
            advised = tuner.review((), PRICES.__getitem__, NO_FORECAST, row.now).eviction
            if advised != name:
                name, adopted = advised, Keyed(advised, capacity, None)
                adopted.adopt([(hashed, 1) for hashed in cache.order()])
                cache = adopted
    scores = {policy: sum(hits_of(policy, rows, capacity)) for policy in PLAIN}
    scores["advised"] = hits
    text = "  ".join(f"{policy} {1 + 200 * (1 - count / len(rows)):.1f}" for policy, count in scores.items())
    print(f"  choice      {text} ms, {tuner.counters['arm_changes']} changes")


def association(rows: list[Row], objects: int, shared: bool) -> str:
    capacity, zones = max(4, objects // 20), sorted({row.zone for row in rows})
    everyone = Analyzer(GraphSettings())
    analyzers = {zone: everyone if shared else Analyzer(GraphSettings()) for zone in zones}
    caches = {zone: Keyed("s3fifo", capacity, None) for zone in zones}
    waiting: dict[str, set[int]] = {zone: set() for zone in zones}
    hits = fetched = used = 0
    for row in rows:
        cache, fresh = caches[row.zone], waiting[row.zone]
        if cache.hit(row.hashed):
            hits += 1
            used += row.hashed in fresh
            fresh.discard(row.hashed)
        else:
            fresh.difference_update(cache.put(row.hashed, 1))
        for follower in analyzers[row.zone].access(row.key, row.hashed, row.client, row.now):
            if follower.key_hash not in cache:
                fetched += 1
                fresh.add(follower.key_hash)
                fresh.difference_update(cache.put(follower.key_hash, 1))
    return f"hits {hits / len(rows):.4f}, {fetched} prefetches, precision {used / max(1, fetched):.2f}"


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("traces", nargs="+", type=Path)
    parser.add_argument("--sample", type=int, default=256)
    parser.add_argument("--salts", type=int, default=8)
    options = parser.parse_args(arguments)
    for path in options.traces:
        rows, objects = load(path)
        print(f"{path.name}: {len(rows)} accesses, {objects} objects")
        costs(rows, max(4, objects // 20))
        for share in (20, 10):
            capacity = max(4, objects // share)
            print(f" capacity {capacity}")
            ledger(rows, capacity, options.sample, options.salts)
            choice(rows, capacity)
        for shared in (False, True):
            who = "all zones" if shared else "per zone "
            print(f" association, {who}: {association(rows, objects, shared)}")


if __name__ == "__main__":
    main(sys.argv[1:])
