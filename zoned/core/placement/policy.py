"""Policy: what each dependency's operator allows, and what that means in homes, words and refits.

    replicate   the home zones keep a copy, always: for what must survive the loss of a zone warm
    auto        prediction decides; homes keep a copy only where that pays by measured latencies
    lru         nothing is ever fetched that nobody asked for: a plain cache, as a control; what goes first
                is decided as for all, by store.eviction

Plain "each miss goes through its home, which keeps a copy" made real traces slower (house copies push out
local ones), so it is the operator's word, never the default.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import inf, isnan

from zoned.core.names import Dependency
from zoned.core.placement.settings import PlacementSettings
from zoned.core.records import DependencyPolicy, Forecast, PlanLine, Reason
from zoned.core.ring import Ring

REPLICATE, AUTO, LRU = "replicate", "auto", "lru"

_WORDS = {
    REPLICATE: "replicated: the home zones always keep a copy",
    AUTO: "by demand: homes keep a copy where it pays",
    LRU: "plain cache: nothing is fetched ahead; homes only coalesce misses",
}


class Policies:
    """The operators' words, with defaults for dependencies that nobody configured."""

    def __init__(self, policies: Mapping[Dependency, DependencyPolicy], settings: PlacementSettings) -> None:
        """``policies`` by dependency name."""
        self._policies = dict(policies)
        self._default = {
            Reason.FORECAST: settings.forecast_threshold,
            Reason.ELSEWHERE: settings.elsewhere_threshold,
            Reason.HOME: settings.home_threshold,
        }
        self.replicated = tuple(sorted(name for name in policies if policies[name].policy == REPLICATE))

    def names(self) -> tuple[Dependency, ...]:
        """Dependencies that the operator configured, sorted."""
        return tuple(sorted(self._policies))

    def kind(self, dependency: Dependency) -> str:
        """``replicate``, ``auto`` or ``lru``."""
        policy = self._policies.get(dependency)
        return policy.policy if policy is not None else AUTO

    def allows(self, dependency: Dependency, size: int) -> bool:
        """Whether an instance may be fetched ahead at all."""
        policy = self._policies.get(dependency)
        return policy is None or (policy.policy != LRU and size <= policy.max_object_bytes)

    def replicas(self, dependency: Dependency, ring: Ring) -> int:
        """How many zones an instance is homed on."""
        policy = self._policies.get(dependency)
        return ring.replicas if policy is None or policy.replicas is None else policy.replicas

    def threshold(
        self, dependency: Dependency, reason: Reason, learnt: Mapping[tuple[Dependency, Reason], float]
    ) -> float:
        """The least probability for a want: what was learnt, else the default."""
        return learnt.get((dependency, reason), self._default.get(reason, 0.0))


def sharding_lines(
    ring: Ring, policies: Policies, dependencies: Iterable[Dependency], settings: PlacementSettings
) -> tuple[PlanLine, ...]:
    """The sharding configuration: per dependency, how many of the shards are homed on which zones."""
    lines: list[PlanLine] = []
    for dependency in sorted({*policies.names(), *dependencies}):
        replicas = policies.replicas(dependency, ring)
        words = _WORDS[policies.kind(dependency)]
        for group in ring.groups(replicas, settings.max_lines_per_dependency):
            reason = words if group.zones else f"{words} (the smaller groups together)"
            lines.append(PlanLine(dependency, group.zones, group.shards, replicas, reason))
        if len(lines) >= settings.max_lines:
            break
    return tuple(lines[: settings.max_lines])


def adjust_dependencies(errors: Mapping[Dependency, float], threshold: float) -> tuple[Dependency, ...]:
    """The seed's decision: whose prediction error is over the threshold, worst first.

    For these the model is refitted (``Forecaster.refit``); the next forecast makes the next plan, and the
    plan's wants and hand-overs are the migration. An error that is no number counts as over.
    """
    known = ((inf if isnan(error) else error, name) for name, error in errors.items())
    over = [(error, name) for error, name in known if error > threshold]
    return tuple(name for error, name in sorted(over, key=lambda pair: (-pair[0], pair[1])))


def prediction_errors(forecast: Forecast) -> dict[Dependency, float]:
    """The error of each dependency at its shortest horizon, where it is known yet."""
    nearest: dict[Dependency, tuple[float, float]] = {}
    for line in forecast.dependencies:
        if line.error is not None:
            known = nearest.get(line.dependency)
            if known is None or line.horizon_s < known[0]:
                nearest[line.dependency] = (line.horizon_s, line.error)
    return {name: error for name, (_, error) in nearest.items()}
