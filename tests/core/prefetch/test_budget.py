"""The budget: which kinds of wants may go, and when the others may."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

import pytest

from zoned.core.names import InstanceKey
from zoned.core.prefetch.budget import Budget
from zoned.core.prefetch.links import Link
from zoned.core.prefetch.queue import ALL, OPEN_KINDS, Queued, kinds_of
from zoned.core.prefetch.settings import PrefetchSettings
from zoned.core.records import Reason

SETTINGS = PrefetchSettings(
    bandwidth_bytes_s=1000.0, burst_bytes=10_000, origin_rate=2.0, origin_burst=1.0, allowance_start=1.0
)
B, ORIGIN = ("b", ""), ("", "d")
OPEN_FORECAST = kinds_of(Reason.FORECAST) & OPEN_KINDS


def want(size: int = 100, reason: Reason = Reason.HOME, source: str = "", dependency: str = "d") -> Queued:
    return Queued(
        key=InstanceKey(dependency, b"k"), key_hash=1, size=size, reason=reason, value=1.0, source=source,
        until_s=9.0,
    )  # fmt: skip


def make(**changes: object) -> Budget:
    return Budget(replace(SETTINGS, **changes), Counter())  # type: ignore[arg-type]


def nowhere(kind: int) -> Iterable[Link]:
    return ()


def test_each_bucket_holds_back_its_kinds() -> None:
    budget = make()
    assert budget.kinds(0.0) == ALL
    budget.start(want(), ORIGIN, 0.0)
    assert budget.kinds(0.0) == ALL & ~OPEN_KINDS
    assert budget.ready_s(OPEN_KINDS, nowhere, 0.0) == pytest.approx(0.5)
    assert budget.ready_s(ALL, nowhere, 0.0) == 0.0
    budget.start(want(reason=Reason.FORECAST, source="b"), B, 1.0)
    assert budget.kinds(1.0) == kinds_of(None), "no guess has a token"
    assert budget.ready_s(OPEN_FORECAST, nowhere, 1.0) is None, "a miss will let it go, not time"
    budget.start(want(size=10_500, source="b"), B, 2.0)
    assert budget.kinds(2.0) == 0
    assert budget.ready_s(kinds_of(None), nowhere, 2.0) == pytest.approx(2.501)


def test_sizes_are_learnt_from_what_travelled() -> None:
    budget = make(expected_size_bytes=100)
    travelling = budget.start(want(size=0), ORIGIN, 0.0)
    assert travelling.expected_bytes == 100.0 and budget.bytes_of(7) == 7.0
    budget.settle(travelling, True, 1100, ORIGIN, 0.0)
    assert budget.bytes_of(0) == pytest.approx(150.0)
    budget.settle(budget.start(want(size=0), ORIGIN, 0.0), False, 0, ORIGIN, 0.0)
    assert budget.bytes_of(0) == pytest.approx(150.0)


def test_a_guess_that_never_travelled_has_its_token_back() -> None:
    budget = make()
    guess = budget.start(want(reason=Reason.FORECAST), ORIGIN, 0.0)
    assert guess.guess and budget.allowance.tokens == 0.0
    budget.settle(guess, False, 0, ORIGIN, 0.0)
    assert budget.allowance.tokens == 1.0


def test_a_links_budget_is_as_many_seconds_of_its_rate_as_the_whole_has() -> None:
    budget = make(link_bandwidth_bytes_s=100.0)
    budget.start(want(size=600, source="b"), B, 0.0)
    assert not budget.links.closed(0.0)
    under_way = budget.start(want(size=600, source="b"), B, 0.0)
    assert budget.links.closed(0.0) == {B: pytest.approx(2.01)} and budget.kinds(0.0) == ALL
    budget.settle(under_way, True, 500, ("c", ""), 0.0)
    assert not budget.links.closed(0.0), "another member gave it, and has bytes left"
    assert budget.ready_s(ALL, nowhere, 0.0) == 0.0


@pytest.mark.parametrize("link_bandwidth", [None, 1000.0, 5000.0])
def test_a_link_that_may_take_all_needs_no_bucket(link_bandwidth: float | None) -> None:
    budget = make(link_bandwidth_bytes_s=link_bandwidth)
    budget.start(want(size=10_500, source="b"), B, 0.0)
    assert not budget.links.limited and not budget.links.closed(0.0) and budget.kinds(0.0) == 0


def test_who_waits_for_links_goes_when_the_first_of_them_opens() -> None:
    budget = make(link_bandwidth_bytes_s=100.0, origin_burst=10.0)
    for link, size in ((B, 1200), (("c", ""), 1400), (ORIGIN, 1300)):
        budget.start(want(size=size, source=link[0]), link, 0.0)
    links = {1: [ORIGIN], 0: [B, ("c", "")]}
    named, opened = 1 << 0, 1 << 1
    assert budget.ready_s(named, links.__getitem__, 0.0) == pytest.approx(2.01)
    assert budget.ready_s(opened, links.__getitem__, 0.0) == pytest.approx(3.01)
    assert budget.ready_s(named | opened, links.__getitem__, 0.0) == pytest.approx(2.01)
    assert budget.ready_s(named, lambda _: [B, ("d", "")], 0.0) == 0.0
