"""The price of what is moved: in the arms' reward, in what a guess has to promise, and in a whole node."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.solo import DEP, SIZE, Solo, key, some
from zoned.core import events as ev
from zoned.core.actions import FetchOrigin
from zoned.core.cache import CacheSettings
from zoned.core.forecast import ForecastSettings
from zoned.core.learning import LearningSettings, Tuner
from zoned.core.learning.foresight import Foresight
from zoned.core.learning.reward import Toll, least_probability, moved_s
from zoned.core.names import InstanceKey, Instant, key_hash
from zoned.core.placement import PlacementSettings
from zoned.core.records import DependencyPolicy, Forecast, Reason, Source

MIB = 1 << 20
SECONDS = {Source.LOCAL: 0.001, Source.PEER: 0.08, Source.ORIGIN: 0.2, Source.HOME: 0.28}


@given(st.floats(0.001, 10.0), st.floats(0.0, 10.0), st.floats(0.0, 1.0))
def test_a_guess_gains_from_the_least_probability_on(saved_s: float, moved: float, p: float) -> None:
    worth = p * saved_s - (1.0 - p) * moved
    least = least_probability(saved_s, moved)
    assert 0.0 <= least < 1.0
    if abs(p - least) > 1e-9:
        assert (worth > 0.0) == (p > least)


def test_what_is_moved_counts_by_size_and_price() -> None:
    assert moved_s(MIB / 2, 0.01) == pytest.approx(0.005)
    assert least_probability(0.0, 0.0) == 0.0


def test_the_dearer_the_way_the_less_a_holder_near_by_spares() -> None:
    parts = [Toll(0.001, 0.08 + moved, 0.2 + moved).part for moved in (0.0, 0.2, 2.0, 200.0)]
    assert parts[0] == pytest.approx(0.12 / 0.199) and parts == sorted(parts, reverse=True)
    assert parts[-1] < 0.001, "a miss is a miss: all of them move as much"


@pytest.mark.parametrize(("price", "least"), [(0.0, None), (0.01, 0.01 / 0.209), (1.0, 1.0 / 1.199)])
def test_associations_and_refreshes_have_to_promise_what_their_way_costs(
    price: float, least: float | None
) -> None:
    tuner = Tuner(LearningSettings(), 100, None, random.Random(1), transfer_s_per_mib=price)
    for number in range(50):
        one = InstanceKey(DEP, b"%d" % number)
        now = Instant(float(number), float(number), float(number))
        tuner.access(one, key_hash(one), MIB, now)
        tuner.served(DEP, Source.ORIGIN)
    thresholds = tuner.review(
        (), SECONDS.__getitem__, Forecast(made=now, dependencies=(), instances=()), now
    ).thresholds
    for reason in (Reason.ASSOCIATION, Reason.REFRESH):
        assert thresholds.get((DEP, reason)) == (None if least is None else pytest.approx(least))
    guessed = Foresight(LearningSettings()).least(DEP, Reason.FORECAST)
    assert thresholds[DEP, Reason.FORECAST] == guessed, "the plan has the price of each copy"


@pytest.mark.parametrize(("price", "ahead"), [(0.01, True), (1e6, False)])
def test_a_node_fetches_ahead_what_is_worth_its_transfer(price: float, ahead: bool) -> None:
    """What follows 19 times of 20 saves 0.2 s; two KiB at a million seconds a MiB cost hours."""
    one = Solo(
        policies=(DependencyPolicy(name=DEP),),
        placement=PlacementSettings(transfer_price_s_per_mib=price),
        forecast=ForecastSettings(enabled=False),
    )
    for visitor in range(40):
        for number in (1, 2) if visitor % 20 else (1,):
            for fetch in some(FetchOrigin, one.read(key(number), b"c%d" % visitor)):
                one.end(fetch, size=SIZE)
            one.wait(2.0)
        for number in (1, 2):
            one.give(ev.Invalidate(dependency=DEP, key=key(number).key))
        one.wait(30.0)
    assert (one.node.prefetcher.counters["ordered_association"] > 0) == ahead


@pytest.mark.parametrize("room", [{"max_bytes": None, "max_objects": 5000}, {"max_bytes": 10 << 20}])
def test_promises_are_believed_while_the_store_fills(room: dict[str, int | None]) -> None:
    """Ten reads of others come between a page and its part: more than an empty store holds copies."""
    one = Solo(cache=CacheSettings(default_ttl_s=None, **room), forecast=ForecastSettings(enabled=False))  # type: ignore[arg-type]
    for visitor in range(30):
        for number in (1, *range(10), 2):
            other = number if number in (1, 2) else 1000 + 20 * (visitor % 3) + number
            for fetch in some(
                FetchOrigin, one.read(key(other), b"c%d" % visitor if number in (1, 2) else b"")
            ):
                one.end(fetch, size=SIZE)
            one.wait(0.3)
        for number in (1, 2):
            one.give(ev.Invalidate(dependency=DEP, key=key(number).key))
        one.wait(30.0)
    assert one.node.prefetcher.counters["used_association"] >= 20
