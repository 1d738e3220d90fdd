"""The clairvoyant is refsim's ``clair_seen``: by golden figures, by refsim itself, and by a naive twin."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.simulation.reference import DATA, GOLDEN, Figures, rounded, run_refsim
from tests.simulation.small_traces import small_traces, trace_from
from zoned.simulation.oracle import FarthestCache, next_uses, run
from zoned.simulation.policies import REFERENCE, lru_misses
from zoned.simulation.results import ReplayOptions, no_progress
from zoned.simulation.trace import Trace, read


@pytest.mark.parametrize("name", ["hurence_web", "semicomplete_web"])
def test_figures_are_the_references(name: str) -> None:
    trace = read([DATA / f"{name}.csv.gz"])
    result = run(trace, trace.capacity(0.05), ReplayOptions(), no_progress)
    assert rounded(result) == GOLDEN[name, 0.05, "oracle"]


@pytest.mark.parametrize("share", [0.05, 0.10])
@pytest.mark.parametrize(("name", "window_s"), [("hurence_web", 3600.0), ("semicomplete_web", 300.0)])
def test_the_reference_itself_agrees(name: str, window_s: float, share: float) -> None:
    trace = read([DATA / f"{name}.csv.gz"])
    result = run(trace, trace.capacity(share), ReplayOptions(window_s=window_s), no_progress)
    assert rounded(result) == run_refsim(DATA / f"{name}.csv.gz", share, window_s)["oracle"]


class Naive:
    """The definition, word by word, with lists and scans."""

    def __init__(self, trace: Trace, capacity: int, window_s: float) -> None:
        self.trace, self.capacity = trace, capacity
        self.accesses = list(zip(trace.zones, trace.objects, strict=True))
        self.windows = trace.windows(window_s)
        self.held: list[set[int]] = [set() for _ in trace.zone_names]
        self.allowed = lru_misses(trace, capacity, False, self.windows)

    def next_use(self, zone: int, instance: int, after: int) -> int:
        """The first access of that place from ``after`` on; never is far."""
        for index in range(after, len(self.accesses)):
            if self.accesses[index] == (zone, instance):
                return index
        return 2 * len(self.accesses)

    def put(self, zone: int, instance: int, now: int) -> bool:
        """Belady with bypass: the copy used last goes, unless that is the newcomer."""
        held = self.held[zone]
        if len(held) >= self.capacity:
            worst = max(held, key=lambda copy: (self.next_use(zone, copy, now), -copy))
            if self.next_use(zone, worst, now) <= self.next_use(zone, instance, now):
                return False
            held.remove(worst)
        held.add(instance)
        return True

    def run(self) -> Figures:
        """Play everything, without a warm-up."""
        hits = origin = peer = prefetched = 0
        for index, (zone, instance) in enumerate(self.accesses):
            window = self.windows[index]
            if index == 0 or window != self.windows[index - 1]:
                for to, copy in self.wanted(window, index):
                    elsewhere = any(copy in held for held in self.held)
                    if (
                        self.allowed[window, to] > 0
                        and copy not in self.held[to]
                        and self.put(to, copy, index)
                    ):
                        self.allowed[window, to] -= 1
                        prefetched += 1
                        peer += elsewhere
                        origin += not elsewhere
            if instance in self.held[zone]:
                hits += 1
            else:
                origin += 1
                self.put(zone, instance, index + 1)
        total = len(self.accesses)
        latency = (hits * 1.0 + (total - hits) * 201.0) / total
        return Figures(round(hits / total, 4), round(latency, 2), origin, peer, prefetched, total)

    def wanted(self, window: int, start: int) -> list[tuple[int, int]]:
        """(zone, instance) the window asks for, and some zone asked for before; the most used first."""
        seen = {instance for _, instance in self.accesses[:start]}
        coming = [
            place for place, number in zip(self.accesses, self.windows, strict=True) if number == window
        ]
        places = [place for place in dict.fromkeys(coming) if place[1] in seen]
        return sorted(places, key=lambda place: (place[0], -coming.count(place)))


@given(small_traces(), st.integers(1, 5), st.sampled_from((1.0, 5.0, 20.0, 1e6)))
def test_equals_the_definition_word_by_word(trace: Trace, capacity: int, window_s: float) -> None:
    options = ReplayOptions(warmup=0.0, window_s=window_s)
    assert rounded(run(trace, capacity, options, no_progress)) == Naive(trace, capacity, window_s).run()


@given(small_traces(), st.integers(1, 5))
def test_prefetches_within_the_allowance_and_only_what_was_seen(trace: Trace, capacity: int) -> None:
    options = ReplayOptions(warmup=0.0, window_s=5.0)
    result = run(trace, capacity, options, no_progress)
    lru = REFERENCE["lru"](trace, capacity, options, no_progress)
    assert result.prefetches <= lru.origin_fetches
    assert result.prefetch_used <= result.prefetches
    assert result.requests - result.hits >= len(trace.instances)  # the first use of each is always a miss


@given(small_traces(), st.integers(1, 6))
def test_by_bytes_with_all_sizes_equal_is_by_count(trace: Trace, capacity: int) -> None:
    equal = replace(trace, object_sizes=[7] * len(trace.instances))
    by_count = run(equal, capacity, ReplayOptions(window_s=5.0), no_progress)
    by_bytes = run(equal, 7 * capacity + 6, ReplayOptions(window_s=5.0, by_bytes=True), no_progress)
    assert by_bytes == by_count


def test_next_uses() -> None:
    trace = trace_from([(1, 0, 7), (1, 1, 7), (1, 0, 7), (1, 0, 8)])
    assert next_uses(trace) == [2, 8, 8, 8]


def test_bytes_make_room_for_all_or_change_nothing() -> None:
    cache = FarthestCache(4, [2, 2, 3, 9])
    assert cache.put(0, 10) and cache.put(1, 5)
    assert not cache.put(2, 7)  # instance 0 would go, but 1 is used before it
    assert 0 in cache and 1 in cache and 2 not in cache
    assert not cache.put(3, 1)  # larger than the cache
    assert cache.put(2, 4) and 0 not in cache and 1 not in cache
