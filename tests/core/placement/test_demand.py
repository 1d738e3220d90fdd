from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.placement.scenery import DEP, at, forecast_of, hashed, summary_of
from zoned.core.placement import PlacementSettings
from zoned.core.placement.demand import Demand, HotLists, chance_of_use, demand_per_hour, expected_for
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
    assert [pair[0] for pair in first[DEP]] == [hashed(1)]
    newer = replace(summary, made_wall_s=5.0)
    assert lists.of(newer) is not first
    lists.forget_others({})
    assert lists.of(newer) == first
