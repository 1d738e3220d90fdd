"""How long one plan takes. Prints; asserts nothing (``python tests/bench/bench_planner.py``)."""

from __future__ import annotations

import sys
from pathlib import Path
from random import Random
from time import perf_counter

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.core.placement.scenery import Bench, forecast_of, hashed, key, summary_of


def measure(zones: int, hot: int, own: int = 500, rounds: int = 15) -> tuple[float, int]:
    rng = Random(7)
    bench = Bench(zones=zones)
    universe = hot * 3
    # Zipf-like: the zones like mostly the same instances.
    ranks = list(range(universe))

    def likes(count: int) -> dict[int, float]:
        chosen = sorted(ranks, key=lambda rank: (rank + 1) * rng.expovariate(1.0))[:count]
        return {rank: 1000.0 / (rank + 1) for rank in chosen}

    bench.forecast = forecast_of({n: min(0.99, 200.0 / (n + 1)) for n in likes(own)}, demand=5000.0)
    for number in ranks[: universe // 4]:
        bench.cache.copies[key(number)] = bench.cache.entry(key(number))
    bench.cache.free = 0.0
    for number in ranks:
        bench.cache.claims[hashed(number)] = ("n1",) if rng.random() < 0.7 else ()
    best, wants = 1e9, 0
    for _ in range(rounds):
        for zone in range(1, zones):
            bench.summaries[f"n{zone}"] = summary_of(f"n{zone}", f"z{zone}", likes(hot), demand=4000.0)
        for summary in bench.summaries.values():
            bench.planner._lists.of(summary)  # hashing comes with the summary, a few of them per plan
        bench.ring.groups(2)
        started = perf_counter()
        wants = len(bench.plan().wants)
        best = min(best, perf_counter() - started)
    return best, wants


if __name__ == "__main__":
    for zones, hot in ((5, 200), (20, 500)):
        seconds, wants = measure(zones, hot)
        print(f"{zones} zones x {hot} hot instances: {seconds * 1e3:.2f} ms a plan, {wants} wants")
