"""The reference policies: their figures are refsim's, and `peer` is what its definition says."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.simulation.reference import DATA, GOLDEN, RETAIL, rounded, run_refsim
from tests.simulation.small_traces import small_traces
from zoned.core import eviction
from zoned.simulation.policies import REFERENCE, lru_misses, span_length, spans
from zoned.simulation.results import Own, ReplayOptions, no_progress
from zoned.simulation.trace import Trace, read

pytestmark = pytest.mark.timeout(120)  # whole runs, on a machine that may be busy

POLICIES = ("lru", "sieve", "s3fifo", "peer")
TRACES = ("hurence_web", "semicomplete_web")


@cache
def trace_of(name: str) -> Trace:
    return read([RETAIL if name == "retail" else DATA / f"{name}.csv.gz"])


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("name", [*TRACES, "retail"])
def test_figures_are_the_references(name: str, policy: str) -> None:
    trace = trace_of(name)
    result = REFERENCE[policy](trace, trace.capacity(0.05), ReplayOptions(), no_progress)
    assert rounded(result) == GOLDEN[name, 0.05, policy]


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("name", TRACES)
def test_the_reference_itself_agrees(name: str, policy: str) -> None:
    trace = trace_of(name)
    result = REFERENCE[policy](trace, trace.capacity(0.10), ReplayOptions(), no_progress)
    assert rounded(result) == run_refsim(DATA / f"{name}.csv.gz", 0.10, 3600.0)[policy]


def naive_lru(trace: Trace, capacity: int, measured_from: int) -> int:
    """Hits of one list per zone, the most recent last."""
    held: list[list[int]] = [[] for _ in trace.zone_names]
    hits = 0
    for index, (zone, instance) in enumerate(zip(trace.zones, trace.objects, strict=True)):
        if instance in held[zone]:
            held[zone].remove(instance)
            hits += index >= measured_from
        held[zone] = [*held[zone], instance][-capacity:]
    return hits


@given(small_traces(), st.integers(1, 6), st.sampled_from((0.0, 0.2, 0.9)))
def test_lru_equals_a_list(trace: Trace, capacity: int, warmup: float) -> None:
    options = ReplayOptions(warmup=warmup)
    result = REFERENCE["lru"](trace, capacity, options, no_progress)
    warm = trace.warm_from(warmup)
    assert result.hits == naive_lru(trace, capacity, warm)
    assert result.requests == len(trace) - warm == result.hits + result.origin_fetches


@given(small_traces(), st.integers(1, 6))
def test_peer_hits_as_s3fifo_and_shares_the_misses(trace: Trace, capacity: int) -> None:
    options = ReplayOptions(warmup=0.0)
    alone = REFERENCE["s3fifo"](trace, capacity, options, no_progress)
    shared = REFERENCE["peer"](trace, capacity, options, no_progress)
    assert shared.hits == alone.hits and shared.transfers == alone.transfers
    assert shared.mean_latency_ms <= alone.mean_latency_ms
    if len(trace.zone_names) == 1:
        assert shared == alone


@given(small_traces(), st.integers(1, 6))
def test_misses_per_window_add_up(trace: Trace, capacity: int) -> None:
    result = REFERENCE["lru"](trace, capacity, ReplayOptions(warmup=0.0), no_progress)
    for window_s in (1.0, 7.0, 1e9):
        missed = lru_misses(trace, capacity, False, trace.windows(window_s))
        assert sum(missed.values()) == result.origin_fetches


@pytest.mark.parametrize("policy", eviction.PLAIN)
def test_by_bytes_never_exceeds_the_bytes(policy: str) -> None:
    trace = trace_of("semicomplete_web")
    capacity = trace.capacity_bytes(0.05)
    few = REFERENCE[policy](trace, capacity, ReplayOptions(by_bytes=True), no_progress)
    many = REFERENCE[policy](trace, sum(trace.object_sizes), ReplayOptions(by_bytes=True), no_progress)
    assert 0 < few.hits < many.hits


@pytest.mark.parametrize("warmup", [0.0, 0.2, 0.5, 0.999])
def test_spans_cover_the_trace_and_meet_at_the_end_of_the_warmup(warmup: float) -> None:
    trace, told = trace_of("hurence_web"), []
    found = list(spans(trace, warmup, told.append))
    assert [start for start, _, _ in found] == [0, *told[:-1]] and told[-1] == len(trace)
    assert all(0 < end - start <= span_length(trace) for start, end, _ in found)
    assert sum(end - start for start, end, measured in found if not measured) == trace.warm_from(warmup)


def with_ttl(ttl_s: float) -> ReplayOptions:
    return ReplayOptions(warmup=0.0, own=Own(ttl_s={"small": ttl_s}))


@given(small_traces(), st.sampled_from([1.0, 2.0, 5.0]), st.booleans())
def test_with_room_for_all_only_time_takes_copies_away(trace: Trace, ttl_s: float, shared: bool) -> None:
    until: dict[tuple[int, int], float] = {}
    hits = peers = 0
    for now_s, zone, instance in zip(trace.ts, trace.zones, trace.objects, strict=True):
        if until.get((zone, instance), 0.0) > now_s:
            hits += 1
            continue
        theirs = max((until.get((z, instance), 0.0) for z in range(3) if z != zone), default=0.0)
        fresh = shared and theirs > now_s
        peers += fresh
        until[zone, instance] = theirs if fresh else now_s + ttl_s
    found = REFERENCE["peer" if shared else "lru"](trace, 9, with_ttl(ttl_s), no_progress)
    assert (found.hits, found.peer_transfers) == (hits, peers)
    assert found.origin_fetches == len(trace) - hits - peers


@given(small_traces(), st.integers(1, 9), st.sampled_from(POLICIES))
def test_copies_that_outlive_the_trace_change_nothing(trace: Trace, capacity: int, policy: str) -> None:
    plain = REFERENCE[policy](trace, capacity, ReplayOptions(warmup=0.0), no_progress)
    assert REFERENCE[policy](trace, capacity, with_ttl(1e9), no_progress) == plain
