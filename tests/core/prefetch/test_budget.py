"""Token buckets and the allowance."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoned.core.names import InstanceKey
from zoned.core.prefetch.budget import Allowance, Credit, Failures, TokenBucket
from zoned.core.records import Reason


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


def test_allowance() -> None:
    allowance = Allowance(2.0, 0.5, 3.0, 4.0, Credit(100.0, 0.0, 2.0, 1000.0))
    for _ in range(2):
        allowance.spend(Reason.FORECAST)
    allowance.used(Reason.REFRESH, 10)
    assert allowance.tokens == 0.0
    allowance.missed()
    assert allowance.tokens == 0.5
    allowance.used(Reason.FORECAST, 10)
    assert allowance.tokens == 2.5
    allowance.used(Reason.FORECAST, 10)
    assert allowance.tokens == 2.5
    for _ in range(100):
        allowance.missed()
    assert allowance.tokens <= 3.5


def test_a_reason_lives_on_its_own_uses() -> None:
    allowance = Allowance(1000.0, 0.0, 1000.0, 4.0, Credit(2.0, 0.5, 2.0, 5.0))
    for _ in range(2):
        allowance.spend(Reason.FORECAST)
    assert allowance.credit(Reason.FORECAST) == 0.0 and allowance.credit(Reason.ELSEWHERE) == 2.0
    allowance.used(Reason.ELSEWHERE, 3)  # not ours: nothing was spent
    allowance.used(Reason.FORECAST, 10)
    assert allowance.credit(Reason.FORECAST) == 4.0 and allowance.credit(Reason.ELSEWHERE) == 2.0
    allowance.spend(Reason.ELSEWHERE)
    allowance.failed(Reason.ELSEWHERE)
    assert allowance.credit(Reason.ELSEWHERE) == 2.0
    for _ in range(100):
        allowance.missed()
    assert allowance.credit(Reason.ELSEWHERE) == 5.0
    for _ in range(5):
        allowance.spend(Reason.ELSEWHERE)
    assert allowance.credit(Reason.ELSEWHERE) == 0.0  # what did not fit is not there later


def test_failures_are_remembered_for_a_while_and_bounded() -> None:
    one, two, three = (InstanceKey("d", b"%d" % number) for number in range(3))
    failures = Failures(60.0, 2)
    failures.add(one, 0.0)
    failures.add(two, 10.0)
    assert failures.lately(one, 59.0) and not failures.lately(one, 60.0)
    failures.add(one, 60.0)
    failures.add(three, 61.0)
    assert not failures.lately(two, 62.0), "the oldest is forgotten first"
    assert failures.lately(one, 62.0) and failures.lately(three, 62.0)


def test_who_cannot_wait_has_the_last_tokens() -> None:
    allowance = Allowance(2.0, 1.0, 100.0, 3.0, Credit(100.0, 0.0, 2.0, 1000.0))
    reasons = Reason.ASSOCIATION, Reason.FORECAST
    allowance.lacked()  # for something else than tokens
    assert [allowance.allows(reason) for reason in reasons] == [True, True]
    allowance.spend(Reason.FORECAST)
    allowance.spend(Reason.FORECAST)
    assert [allowance.allows(reason) for reason in reasons] == [False, False]
    allowance.lacked()
    for tokens in (1, 2, 3):
        allowance.missed()
        assert allowance.tokens == tokens and [allowance.allows(one) for one in reasons] == [True, False]
    allowance.missed()
    assert [allowance.allows(reason) for reason in reasons] == [True, True]
