from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.placement.scenery import DEP, at, forecast_of, hashed, summary_of
from zoned.core.names import key_hash
from zoned.core.placement import PlacementSettings
from zoned.core.placement.demand import (
    Demand,
    HotLists,
    chance_of_use,
    chance_within,
    demand_per_hour,
    expected_for,
)
from zoned.core.placement.wants import _SURELY
from zoned.core.records import DependencyForecast, Forecast


def demand(forecast=None, *summaries, draining=(), staying=2):  # type: ignore[no-untyped-def]
    heard = {summary.node: summary for summary in summaries}
    return Demand(forecast or forecast_of({}), heard, HotLists(), "z0", draining, staying)


@given(st.floats(0.0, 0.999))
def test_chance_and_expectation_are_inverse(chance: float) -> None:
    assert chance_of_use(expected_for(chance)) == pytest.approx(chance, abs=1e-9)


def test_the_ends_of_chance() -> None:
    assert chance_of_use(-1.0) == 0.0
    assert expected_for(1.0) == expected_for(1.5) == float("inf")


def test_the_shortest_horizon_counts_per_hour() -> None:
    lines = tuple(
        DependencyForecast(
            dependency="d", horizon_s=horizon_s, mean=mean, quantiles=(0.0, 0.0, 0.0), model="x", error=None
        )
        for horizon_s, mean in ((86400.0, 99.0), (1800.0, 10.0), (3600.0, 50.0))
    )
    assert demand_per_hour(Forecast(made=at(0), dependencies=lines, instances=())) == {"d": 20.0}


def test_the_zones_are_pooled_and_our_siblings_are_not_elsewhere() -> None:
    found = demand(
        forecast_of({}, demand=100.0),
        summary_of("n1", "z1", {1: 10.0, 2: 5.0}, demand=400.0),
        summary_of("n2", "z2", {1: 30.0}, demand=600.0),
        summary_of("sibling", "z0", {7: 2.0}, demand=300.0),
    )
    assert found.elsewhere[DEP] == {hashed(1): 40.0, hashed(2): 5.0}
    assert found.siblings[DEP] == {hashed(7): 2.0}
    assert found.scale(DEP) == pytest.approx((100.0 + 300.0) / 1000.0)
    assert found.scale("unknown") == 0.0


def test_demand_elsewhere_is_at_least_what_is_listed() -> None:
    found = demand(forecast_of({}, demand=10.0), summary_of("n1", "z1", {1: 100.0}, demand=1.0))
    assert found.scale(DEP) == pytest.approx(0.1)


def test_a_draining_zones_uses_move_to_those_that_stay() -> None:
    leaving = summary_of("n1", "z1", {1: 10.0})
    found = demand(None, leaving, summary_of("n2", "z2", {1: 4.0}), draining=("z1",), staying=2)
    assert found.moving == {hashed(1): 5.0}
    assert [node for node, _ in found.leaving] == ["n1"]
    # If our own zone drains, nothing moves to us.
    assert demand(None, leaving, draining=("z0", "z1"), staying=1).moving == {}


def test_overlap_learns_from_our_own_forecast() -> None:
    settings = PlacementSettings(overlap_prior=0.25, overlap_prior_weight=8.0)
    found = demand()
    assert found.overlap(DEP, 0, 0, settings) == pytest.approx(0.25)
    assert found.overlap(DEP, 92, 100, settings) == pytest.approx((92 + 2) / 108)
    assert found.overlap(DEP, 0, 1000, settings) < 0.01
    assert set(found.overlaps()) == {DEP}


def test_hot_lists_are_hashed_once_per_summary() -> None:
    lists = HotLists()
    summary = summary_of("n1", "z1", {1: 10.0})
    first = lists.of(summary)
    assert lists.of(summary) is first
    assert first[DEP].uses == {hashed(1): 10.0} and first[DEP].hot[hashed(1)].uses == 10.0
    newer = replace(summary, made_wall_s=5.0)
    assert lists.of(newer) is not first
    lists.forget_others({})
    assert lists.of(newer) == first


@given(
    st.lists(st.tuples(st.integers(1, 4), st.dictionaries(st.integers(1, 6), st.integers(1, 9))), max_size=9)
)
def test_plan_after_plan_adds_up_as_if_it_were_the_first(heard: list[tuple[int, dict[int, int]]]) -> None:
    """What is kept between plans is neither stale nor added to: each time as with nothing kept."""
    lists, summaries, forecast = HotLists(), {}, forecast_of({9: 0.5})
    for made, (agent, hot) in enumerate(heard):
        uses = {number: float(count) for number, count in hot.items()}
        summary = replace(summary_of(f"n{agent}", f"z{agent}", uses), made_wall_s=float(made))
        summaries[summary.node] = summary
        if made % 3 == 2:
            forecast = forecast_of({9: 0.5, made: 0.25})
        kept = Demand(forecast, summaries, lists, "z1", ("z2",), 2)
        fresh = Demand(forecast, summaries, HotLists(), "z1", ("z2",), 2)
        for part in ("own", "floor", "elsewhere", "siblings", "moving", "hot", "leaving", "hour_here"):
            assert getattr(kept, part) == getattr(fresh, part)
        pooled: dict[int, float] = {}
        for one in summaries.values():
            for item in one.hot if one.zone != "z1" else ():
                pooled[key_hash(item.key)] = pooled.get(key_hash(item.key), 0.0) + item.uses
        assert kept.elsewhere.get(DEP, {}) == pooled


@given(st.floats(0.0, 1.0), st.floats(1e-6, 1.0), st.floats(0.0, 1.0))
def test_what_is_unlikely_within_the_hour_is_so_within_a_part_of_it(
    p: float, stay: float, least: float
) -> None:
    assert p >= _SURELY * least or chance_within(p, stay) < least


def test_what_a_summary_lists_twice_counts_twice() -> None:
    summary = summary_of("n1", "z1", {1: 10.0, 2: 1.0})
    twice = replace(summary, hot=(*summary.hot, summary.hot[0]))
    assert demand(None, twice).elsewhere[DEP] == {hashed(1): 20.0, hashed(2): 1.0}
