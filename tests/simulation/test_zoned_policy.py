"""Replays by real nodes: they beat LRU on a real log, repeat, and decide everything themselves."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest

from tests.simulation.reference import DATA
from zoned.core.events import Read
from zoned.core.node import Node
from zoned.core.records import FitJob, FitResult, FittedSeries
from zoned.core.settings import ABLATIONS
from zoned.simulation import policies
from zoned.simulation.results import PolicyResult, ReplayOptions, no_progress
from zoned.simulation.trace import Trace, read
from zoned.simulation.zoned_policy import Replay, paces, run

pytestmark = pytest.mark.timeout(120)  # whole runs, on a machine that may be busy

CAPACITY = 30


@cache
def trace(rows: int = 3000) -> Trace:
    """The first rows of a real web log of four hosts."""
    whole = read([DATA / "semicomplete_web.csv.gz"])
    return replace(
        whole,
        ts=whole.ts[:rows],
        zones=whole.zones[:rows],
        objects=whole.objects[:rows],
        sizes=whole.sizes[:rows],
        clients=whole.clients[:rows],
    )


def replayed(rows: int = 3000, **options: object) -> PolicyResult:
    return run(trace(rows), CAPACITY, ReplayOptions(**options), no_progress)  # type: ignore[arg-type]


@cache
def plain() -> PolicyResult:
    """The whole trace, no warm-up left out, nothing switched off."""
    return replayed(warmup=0.0)


@cache
def short(*ablate: str) -> PolicyResult:
    return replayed(1500, ablate=ablate)


def lru(**options: object) -> PolicyResult:
    return policies.REFERENCE["lru"](trace(), CAPACITY, ReplayOptions(**options), no_progress)  # type: ignore[arg-type]


def test_it_beats_lru() -> None:
    found, floor = plain(), lru(warmup=0.0)
    assert found.requests == floor.requests == 3000
    assert found.mean_latency_ms < 0.95 * floor.mean_latency_ms
    assert found.origin_fetches < floor.origin_fetches
    assert found.transfers <= 1.1 * floor.transfers, "prefetching keeps its budget"


def test_the_ledger_knows_what_lru_would_have_done() -> None:
    """Its shadow, fed by the same accesses, agrees with the reference policy to two points."""
    told = plain().details["ledger_lru_hit_ratio"]
    assert isinstance(told, float)
    assert told == pytest.approx(lru(warmup=0.0).hit_ratio, abs=0.02)
    hits = plain().details["ledger_hit_ratio"]
    assert isinstance(hits, float) and hits == pytest.approx(plain().hit_ratio, abs=0.001)


def test_the_same_seed_gives_the_same_result_to_the_last_packet() -> None:
    assert replayed(1500) == short()


def test_without_the_node_there_is_no_replay(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing outside of the node answers a read, or decides anything about caching."""
    handle = Node.handle
    monkeypatch.setattr(Node, "handle", lambda n, e, now: [] if isinstance(e, Read) else handle(n, e, now))
    assert replayed(200).requests == 0
    monkeypatch.delattr(Node, "handle")
    with pytest.raises(AttributeError, match="handle"):
        replayed(200)


@pytest.mark.parametrize("stage", ["digests", "forecast", "association", "placement"])
def test_what_is_switched_off_is_missed(stage: str) -> None:
    assert stage in ABLATIONS
    without, full = short(stage), short()
    assert without.details["gossip"] != full.details["gossip"], "other decisions, other digests"
    if stage == "digests":
        assert without.peer_transfers == 0 < full.peer_transfers
        assert without.mean_latency_ms > full.mean_latency_ms
    elif stage == "association":  # of the plan's wants the store keeps few here
        assert without.prefetches < full.prefetches


def test_hosts_stay_readable_and_timers_are_slow_enough() -> None:
    replay = Replay(trace(300), CAPACITY, ReplayOptions())
    result = replay.run(no_progress)
    assert {host.zone for host in replay.hosts} == set(trace().zone_names)
    assert all(host.node is not None and len(host.store) <= CAPACITY for host in replay.hosts)
    assert result.details["paces_s"] == paces(trace(300))._asdict()
    assert paces(trace(300)).turn_s >= 1.0


def test_capacity_may_count_bytes() -> None:
    limit = 100_000
    options = ReplayOptions(by_bytes=True)
    replay = Replay(trace(300), limit, options)
    replay.run(no_progress)
    for host in replay.hosts:
        assert host.node is not None and 0 < sum(host.store.values()) <= limit
        assert host.node.cache.used_bytes == sum(host.store.values())


def test_an_empty_trace_is_replayed_in_no_time() -> None:
    assert run(trace(0), CAPACITY, ReplayOptions(), no_progress).requests == 0


def test_models_are_fitted_where_that_is_asked_for() -> None:
    whole = read([DATA / "semicomplete_web.csv.gz"])  # two days of it are the least to fit
    columns = ("ts", "zones", "objects", "sizes", "clients")
    days = replace(whole, **{name: getattr(whole, name)[:7000:8] for name in columns})
    jobs: list[FitJob] = []

    def fitter(job: FitJob) -> FitResult:
        jobs.append(job)
        path = (3.0,) * job.steps
        fitted = [
            FittedSeries(one.dependency, one.end_s, one.step_s, "three", *[path] * 4) for one in job.series
        ]
        return FitResult(fitted=tuple(fitted), failures=(), seconds=0.2)

    found = run(days, CAPACITY, ReplayOptions(fitter=fitter), no_progress)
    assert found.details["fits"] == sum(len(job.series) for job in jobs) >= 4
    assert all(sum(value == value for value in one.values) >= 48 for job in jobs for one in job.series)
    assert plain().details["fits"] == 0
