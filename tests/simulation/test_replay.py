"""Several policies over one trace: the JSON of the contract, the gap, the progress."""

from __future__ import annotations

import json

import pytest

from tests.simulation.reference import DATA
from tests.simulation.small_traces import trace_from
from zoned.simulation.replay import REFERENCE, Replay, capacity_of, run
from zoned.simulation.results import PolicyResult, Progress, ReplayOptions
from zoned.simulation.trace import Trace, read

FIELDS = ["hit_ratio", "mean_latency_ms", "p99_latency_ms", "origin_fetches", "peer_transfers"]
FIELDS += ["prefetches", "prefetch_used", "late"]


def result(mean_ms: float) -> PolicyResult:
    return PolicyResult(
        requests=10,
        hits=5,
        mean_latency_ms=mean_ms,
        p99_latency_ms=201.0,
        origin_fetches=4,
        peer_transfers=1,
        prefetches=2,
        prefetch_used=1,
        late=0,
    )


def replay_of(**means: float) -> Replay:
    results = {policy: result(mean) for policy, mean in means.items()}
    trace = trace_from([(1, 0, 0)])
    return Replay(trace=trace, options=ReplayOptions(), capacity=4, share=0.05, results=results)


def test_gap_closed() -> None:
    gaps = replay_of(lru=100.0, zoned=60.0, peer=110.0, best=10.0, oracle=20.0).gap_closed()
    assert gaps == pytest.approx({"zoned": 0.5, "peer": -0.125, "best": 1.125})


def test_no_gap_without_both_ends_or_where_nothing_is_to_gain() -> None:
    assert replay_of(lru=100.0, zoned=60.0).gap_closed() == {}
    assert replay_of(oracle=100.0, zoned=60.0).gap_closed() == {}
    assert replay_of(lru=100.0, zoned=60.0, oracle=100.0).gap_closed() == {"zoned": None}


def test_json_of_the_contract() -> None:
    trace = read([DATA / "semicomplete_web.csv.gz"])
    capacity, share = capacity_of(trace, 0.05, None, False)
    names = ("lru", "peer", "oracle")
    found = json.loads(json.dumps(run(trace, names, ReplayOptions(), capacity, share).as_json()))
    assert list(found["policies"]) == list(names)
    for policy in names:
        assert list(found["policies"][policy]) == FIELDS
    assert found["capacity"] == {"share": 0.05, "count": 69}
    assert found["model"] == {"hit_ms": 1.0, "rtt_ms": 80.0, "origin_ms": 200.0}
    assert (found["requests"], found["measured"], found["zones"], found["unique"]) == (9581, 7665, 4, 1387)
    assert found["trace"].endswith("semicomplete_web.csv.gz") and found["seed"] == 1
    assert found["policies"]["lru"]["hit_ratio"] == pytest.approx(0.6200, abs=5e-5)
    assert found["policies"]["lru"]["p99_latency_ms"] == 201.0
    assert found["gap_closed"] == {"peer": pytest.approx(0.3053, abs=1e-4)}


def test_capacity_of() -> None:
    trace = trace_from([(1, 0, instance) for instance in range(200)])
    assert capacity_of(trace, 0.05, None, False) == (10, 0.05)
    assert capacity_of(trace, 0.05, 50, False) == (50, 0.25)
    assert capacity_of(trace, 0.05, None, True) == (1005, 0.05)


def test_progress_and_own_runners() -> None:
    trace, told, given = trace_from([(1, 0, 0)] * 3), [], []

    def runner(trace: Trace, capacity: int, options: ReplayOptions, progress: Progress) -> PolicyResult:
        given.append((capacity, options.seed))
        progress(2)
        return result(1.0)

    runners = {**REFERENCE, "mine": runner}
    done = run(
        trace, ("lru", "mine"), ReplayOptions(seed=9), 4, 0.05, runners=runners,
        progress=lambda policy, count: told.append((policy, count)),
    )  # fmt: skip
    assert told == [("lru", 3), ("mine", 2)] and given == [(4, 9)]
    assert list(done.results) == ["lru", "mine"]


def test_details_travel() -> None:
    plain = result(1.0)
    assert "details" not in plain.as_json()
    assert plain.hit_ratio == 0.5 and plain.transfers == 5
