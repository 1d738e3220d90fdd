from __future__ import annotations

from dataclasses import replace
from math import nan

from tests.core.placement.scenery import DEP, forecast_of, ring_of, zones_of
from zoned.core.names import SHARDS
from zoned.core.placement import PlacementSettings, adjust_dependencies
from zoned.core.placement.policy import Policies, prediction_errors, sharding_lines
from zoned.core.records import DependencyPolicy, Reason

SETTINGS = PlacementSettings()
RING = ring_of(zones_of(5))


def policies(*some: DependencyPolicy) -> Policies:
    return Policies({policy.name: policy for policy in some}, SETTINGS)


def test_what_nobody_configured_is_auto() -> None:
    default = policies()
    assert default.kind(DEP) == "auto"
    assert default.allows(DEP, 1 << 40)
    assert default.replicas(DEP, RING) == RING.replicas
    assert default.threshold(DEP, Reason.FORECAST, {}) == SETTINGS.forecast_threshold
    assert default.threshold(DEP, Reason.FORECAST, {(DEP, Reason.FORECAST): 0.9}) == 0.9
    assert default.threshold(DEP, Reason.DRAIN, {}) == 0.0


def test_the_operators_word() -> None:
    some = policies(
        DependencyPolicy(name="a", policy="lru"),
        DependencyPolicy(name="b", policy="replicate", replicas=3, max_object_bytes=100),
    )
    assert not some.allows("a", 1)
    assert some.allows("b", 100)
    assert not some.allows("b", 101)
    assert some.replicas("b", RING) == 3
    assert some.replicated == ("b",)


def test_the_sharding_configuration_adds_up() -> None:
    some = policies(DependencyPolicy(name="a", policy="lru"), DependencyPolicy(name="b", policy="replicate"))
    lines = sharding_lines(RING, some, ["c"], SETTINGS)
    for name, word in (("a", "plain cache"), ("b", "replicated"), ("c", "by demand")):
        mine = [line for line in lines if line.dependency == name]
        assert sum(line.shards for line in mine) == SHARDS
        assert len(mine) == SETTINGS.max_lines_per_dependency < len(RING.groups(2))
        assert all(len(line.zones) == line.replicas == 2 for line in mine[:-1])
        assert mine[-1].zones == ()
        assert all(line.reason.startswith(word) for line in mine)


def test_lines_are_bounded() -> None:
    settings = PlacementSettings(max_lines=40)
    assert len(sharding_lines(RING, policies(), [f"dep{n}" for n in range(1000)], settings)) == 40


def test_adjust_dependencies_names_those_over_the_threshold_worst_first() -> None:
    errors = {"fine": 0.2, "edge": 0.5, "bad": 0.7, "worse": 3.0, "unknown": nan, "also": 0.7}
    assert adjust_dependencies(errors, 0.5) == ("unknown", "worse", "also", "bad")
    assert adjust_dependencies({}, 0.5) == ()


def test_the_error_that_counts_is_that_of_the_shortest_horizon_once_it_is_known() -> None:
    line = forecast_of({}, more=("catalog",)).dependencies[0]
    forecast = replace(
        forecast_of({}),
        dependencies=(
            replace(line, horizon_s=86_400.0, error=0.1),
            replace(line, horizon_s=3600.0, error=0.9),
            replace(line, dependency="catalog", error=None),
        ),
    )
    assert prediction_errors(forecast) == {DEP: 0.9}
