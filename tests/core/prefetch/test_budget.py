"""The budget: which kinds of wants may go, and when the others may."""

from __future__ import annotations

from dataclasses import replace

import pytest

from zoned.core.names import InstanceKey
from zoned.core.prefetch.budget import Budget
from zoned.core.prefetch.queue import ALL, OPEN_KINDS, Queued, kinds_of
from zoned.core.prefetch.settings import PrefetchSettings
from zoned.core.records import Reason

SETTINGS = PrefetchSettings(
    bandwidth_bytes_s=1000.0, burst_bytes=10_000, origin_rate=2.0, origin_burst=1.0, allowance_start=1.0
)
OPEN_FORECAST = kinds_of(Reason.FORECAST) & OPEN_KINDS


def want(size: int = 100, reason: Reason = Reason.HOME, source: str = "", dependency: str = "d") -> Queued:
    return Queued(
        key=InstanceKey(dependency, b"k"), key_hash=1, size=size, reason=reason, value=1.0, source=source,
        until_s=9.0,
    )  # fmt: skip


def make(**changes: object) -> Budget:
    return Budget(replace(SETTINGS, **changes))  # type: ignore[arg-type]


def test_each_bucket_holds_back_its_kinds() -> None:
    budget = make()
    assert budget.kinds(0.0) == ALL
    budget.start(want(), 0.0)
    assert budget.kinds(0.0) == ALL & ~OPEN_KINDS
    assert budget.ready_s(OPEN_KINDS, 0.0) == pytest.approx(0.5)
    assert budget.ready_s(ALL, 0.0) == 0.0
    budget.start(want(reason=Reason.FORECAST, source="b"), 1.0)
    assert budget.kinds(1.0) == kinds_of(None), "no guess has a token"
    assert budget.ready_s(OPEN_FORECAST, 1.0) is None, "a miss will let it go, not time"
    budget.start(want(size=10_500, source="b"), 2.0)
    assert budget.kinds(2.0) == 0
    assert budget.ready_s(kinds_of(None), 2.0) == pytest.approx(2.501)


def test_sizes_are_learnt_from_what_travelled() -> None:
    budget = make(expected_size_bytes=100)
    travelling = budget.start(want(size=0), 0.0)
    assert travelling.expected_bytes == 100.0 and budget.bytes_of(7) == 7.0
    budget.settle(travelling, True, 1100, 0.0)
    assert budget.bytes_of(0) == pytest.approx(150.0)
    budget.settle(budget.start(want(size=0), 0.0), False, 0, 0.0)
    assert budget.bytes_of(0) == pytest.approx(150.0)


def test_a_guess_that_never_travelled_has_its_token_back() -> None:
    budget = make()
    guess = budget.start(want(reason=Reason.FORECAST), 0.0)
    assert guess.guess and budget.allowance.tokens == 0.0
    budget.settle(guess, False, 0, 0.0)
    assert budget.allowance.tokens == 1.0
