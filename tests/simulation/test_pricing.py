"""The latency model and the meter against a naive twin."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoned.simulation.pricing import Meter, Prices
from zoned.simulation.results import ReplayOptions


def test_prices_of_the_contract() -> None:
    prices = Prices.of(ReplayOptions(hit_s=0.001, rtt_s=0.08, origin_s=0.2))
    assert (prices.local_s, prices.peer_s, prices.origin_s) == pytest.approx((0.001, 0.081, 0.201))


@given(st.lists(st.tuples(st.integers(0, 5_000_000), st.integers(1, 300)), min_size=1, max_size=30))
def test_meter_equals_the_list_of_all_waits(waits: list[tuple[int, int]]) -> None:
    meter, plain = Meter(), []
    for microseconds, requests in waits:
        meter.add(microseconds / 1e6, requests)
        plain += [microseconds] * requests
    plain.sort()
    assert meter.count == len(plain)
    assert meter.mean_s == pytest.approx(sum(plain) / len(plain) / 1e6)
    assert meter.p99_s == plain[math.ceil(len(plain) * 99 / 100) - 1] / 1e6


def test_an_empty_meter_has_a_result() -> None:
    result = Meter().result()
    assert (result.requests, result.hit_ratio, result.mean_latency_ms, result.p99_latency_ms) == (
        0,
        0.0,
        0.0,
        0.0,
    )
