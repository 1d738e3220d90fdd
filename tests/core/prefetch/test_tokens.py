"""Token buckets."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoned.core.prefetch.tokens import TokenBucket


def test_a_bucket_starts_full_and_refills_at_its_rate() -> None:
    bucket = TokenBucket(10.0, 50.0)
    assert bucket.has(50, 1000.0)
    bucket.spend(50, 1000.0)
    assert not bucket.has(1, 1000.0)
    assert bucket.ready_s(1, 1000.0) == pytest.approx(1000.1)
    assert bucket.has(10, 1001.0) and not bucket.has(11, 1001.0)
    assert bucket.has(50, 9999.0)


def test_one_that_is_larger_than_the_burst_overdraws_and_the_next_pays() -> None:
    bucket = TokenBucket(10.0, 50.0)
    assert bucket.has(500, 0.0), "asked for more than the burst, a full bucket has it"
    bucket.spend(500, 0.0)
    assert bucket.ready_s(1, 0.0) == pytest.approx(45.1)
    assert not bucket.has(1, 45.0)
    assert bucket.has(1, 45.2)


def test_what_is_given_back_does_not_pile_up() -> None:
    bucket = TokenBucket(10.0, 50.0)
    bucket.spend(-1000, 0.0)
    bucket.spend(50, 0.0)
    assert not bucket.has(1, 0.0)


@settings(deadline=None)
@given(
    rate=st.floats(0.1, 1000.0),
    burst=st.floats(1.0, 1000.0),
    steps=st.lists(st.tuples(st.floats(0.0, 10.0), st.floats(0.0, 100.0)), max_size=60),
)
def test_over_any_time_no_more_than_rate_and_burst(
    rate: float, burst: float, steps: list[tuple[float, float]]
) -> None:
    bucket = TokenBucket(rate, burst)
    now, spent, last = 5.0, 0.0, 0.0
    for passed, wanted in steps:
        now += passed
        if bucket.has(1, now):
            bucket.spend(wanted, now)
            spent, last = spent + wanted, wanted
        else:
            ready_s = bucket.ready_s(1, now)
            assert ready_s > now
            assert bucket.has(1, ready_s), "what was promised for then is there then"
            now = ready_s
    assert spent - last <= burst + rate * (now - 5.0) + 1e-3
