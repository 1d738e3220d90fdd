"""The demo's sums: ledgers of several agents, and what a drain cost."""

from __future__ import annotations

import pytest

from zoned.core.names import InstanceKey
from zoned.demo.origin import DemoOrigin, Served
from zoned.demo.report import Drained, add_ledgers

LEDGER = {
    "origin_fetches": 1,
    "lru_origin_fetches": 2.0,
    "peer_transfers": 3,
    "prefetched": 4,
    "prefetch_used": 2,
    "prefetched_bytes": 100,
    "fabric_hit_ratio": 0.75,
    "lru_hit_ratio": 0.25,
    "lru_mean_latency_ms": 20.0,
}


def test_counts_add_up_and_means_are_weighted() -> None:
    busy = {**LEDGER, "requests": 300, "hit_ratio": 0.5, "mean_latency_ms": 10.0}
    quiet = {**LEDGER, "requests": 100, "hit_ratio": 0.1, "mean_latency_ms": 30.0}
    total = add_ledgers([busy, quiet])
    assert total["requests"] == 400 and total["origin_fetches"] == 2 and total["prefetched_bytes"] == 200
    assert total["hit_ratio"] == pytest.approx(0.4) and total["fabric_hit_ratio"] == 0.75
    assert total["mean_latency_ms"] == pytest.approx(15.0)


def test_no_requests_is_no_division_by_zero() -> None:
    idle = {**LEDGER, "requests": 0, "hit_ratio": 0.0, "mean_latency_ms": 0.0}
    assert add_ledgers([idle])["hit_ratio"] == 0


def test_extra_misses_are_fetches_after_the_move_of_what_was_held() -> None:
    held, other = InstanceKey("d", b"held"), InstanceKey("d", b"other")
    origin = DemoOrigin(0.0)
    origin.served = [Served(1.0, held, False), Served(3.0, other, False), Served(4.0, held, True)]
    drained = Drained(zone="z", waited_s=0.0, held=frozenset([held]), since_s=2.0)
    drained.count(origin)
    assert drained.extra_misses == 1
