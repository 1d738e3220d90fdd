"""Demand: how likely is it that this zone will be asked for an instance soon?

Two witnesses. Our own forecast knows what was used here. The other zones' summaries know what is hot
elsewhere, which comes here too as far as the zones' users want the same things: the *overlap*, measured
per dependency as the share of what is hot elsewhere that our own forecast knows too. For an instance
that we have not seen, the expected uses here are

    lambda = (its share of the dependency's accesses elsewhere) x (our demand for the dependency)
    P      = overlap x (1 - exp(-lambda))                          (Poisson arrivals)

and a zone being drained adds its accesses to the zones that stay, in equal parts, since nobody knows
where its traffic will be sent.

Overlap counts only what our own *accesses* vouch for, not what we hold: else a prefetch would be taken as
evidence for more of its kind. Rejected: correlating the zones' series (needs days; a campaign is over).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import exp, log
from typing import NamedTuple, TypeAlias

from zoned.core.members import HotInstance, Summary
from zoned.core.names import Dependency, KeyHash, NodeName, Zone, key_hashes
from zoned.core.placement.settings import PlacementSettings
from zoned.core.records import Forecast, InstanceDemand


class Listed(NamedTuple):
    """What one agent's summary lists of one dependency."""

    hot: dict[KeyHash, HotInstance]
    uses: dict[KeyHash, float]  # the same by uses alone: pools are added up by every plan


HotByDependency: TypeAlias = Mapping[Dependency, Listed]

HOUR_S = 3600.0
NEVER = float("inf")


def chance_of_use(expected: float) -> float:
    """P(at least one) of a Poisson count with that mean."""
    return 1.0 - exp(-expected) if expected > 0 else 0.0


def chance_within(chance: float, share: float) -> float:
    """P(at least one) in that share of the time over which it is ``chance``."""
    return 1.0 - (1.0 - chance) ** share if share < 1.0 else chance


def expected_for(chance: float) -> float:
    """The mean at which P(at least one) reaches ``chance``; never for 1 and more."""
    return -log(1.0 - chance) if chance < 1.0 else NEVER


def demand_per_hour(forecast: Forecast) -> dict[Dependency, float]:
    """Expected accesses here over an hour, by each dependency's shortest horizon."""
    shortest: dict[Dependency, tuple[float, float]] = {}
    for line in forecast.dependencies:
        known = shortest.get(line.dependency)
        if known is None or line.horizon_s < known[0]:
            shortest[line.dependency] = (line.horizon_s, line.mean)
    return {name: mean * HOUR_S / horizon_s for name, (horizon_s, mean) in shortest.items() if horizon_s > 0}


def _listed(hot: Sequence[HotInstance]) -> Listed:
    hashes = key_hashes(hot[0].key.dependency, [one[0][1] for one in hot])
    listed = Listed(
        dict(zip(hashes, hot, strict=True)), dict(zip(hashes, [one.uses for one in hot], strict=True))
    )
    if len(listed.hot) < len(hot):  # one that is listed twice
        listed.uses.update(dict.fromkeys(hashes, 0.0))
        for hashed, one in zip(hashes, hot, strict=True):
            listed.uses[hashed] += one.uses
    return listed


class HotLists:
    """What is expected, here and by the other agents, found by hash: worth keeping between plans, of which
    each comes of a new summary or a new forecast, and most of the others are still the same."""

    def __init__(self) -> None:
        """Nothing heard yet."""
        self._kept: dict[NodeName, tuple[Summary, HotByDependency]] = {}
        self._forecast: Forecast | None = None
        self._own: dict[KeyHash, InstanceDemand] = {}
        self._names: tuple[Dependency, ...] = ()
        self._floor = 0.0

    def own(self, forecast: Forecast) -> tuple[dict[KeyHash, InstanceDemand], tuple[Dependency, ...], float]:
        """Our own forecast: its instances, their dependencies, the least expected of any (0 of none)."""
        if forecast is not self._forecast:
            self._forecast = forecast
            self._own = {item.key_hash: item for item in forecast.instances}
            self._names = tuple(dict.fromkeys([item.key.dependency for item in forecast.instances]))
            self._floor = min([item.expected for item in forecast.instances], default=0.0)
        return self._own, self._names, self._floor

    def of(self, summary: Summary) -> HotByDependency:
        """Per dependency, the instances of a summary; hashed once per summary."""
        kept = self._kept.get(summary.node)
        if kept is not None and kept[0] is summary:
            return kept[1]
        by_name: dict[Dependency, list[HotInstance]] = {}
        for one in summary.hot:
            name = one[0][0]
            if name not in by_name:
                by_name[name] = []
            by_name[name].append(one)
        listed = {name: _listed(hot) for name, hot in by_name.items()}
        self._kept[summary.node] = (summary, listed)
        return listed

    def forget_others(self, summaries: Mapping[NodeName, Summary]) -> None:
        """Keep only agents that are still heard."""
        if len(self._kept) > len(summaries):
            self._kept = {node: kept for node, kept in self._kept.items() if node in summaries}


class Demand:
    """Everything that is known of demand at the time of one plan."""

    __slots__ = ("_overlap", "elsewhere", "floor", "hot", "hour_elsewhere", "hour_here", "leaving", "moving",
                 "names", "own", "siblings")  # fmt: skip

    def __init__(
        self,
        forecast: Forecast,
        summaries: Mapping[NodeName, Summary],
        lists: HotLists,
        zone: Zone,
        draining: Sequence[Zone],
        staying: int,
    ) -> None:
        """``staying``: how many zones take the traffic of the draining ones."""
        self.own, self.names, self.floor = lists.own(forecast)
        self.hour_here = demand_per_hour(forecast)
        self.hour_elsewhere: dict[Dependency, float] = {}
        # Pooled uses per hour of the other zones, and of the other agents of our zone.
        self.elsewhere: dict[Dependency, dict[KeyHash, float]] = {}
        self.siblings: dict[Dependency, dict[KeyHash, float]] = {}
        self.moving: dict[KeyHash, float] = {}  # what each staying zone gets of the draining zones' uses
        self.leaving: list[tuple[NodeName, HotByDependency]] = []  # hot lists of agents of draining zones
        self.hot: dict[KeyHash, HotInstance] = {}
        self._overlap: dict[Dependency, float] = {}
        for node in sorted(summaries):
            summary = summaries[node]
            local = summary.zone == zone
            leaves = not local and summary.zone in draining and zone not in draining
            self._pool(summary, lists, local, 1.0 / max(1, staying) if leaves else 0.0)

    def _pool(self, summary: Summary, lists: HotLists, local: bool, moving: float) -> None:
        hours = self.hour_here if local else self.hour_elsewhere
        for line in summary.demand:
            hours[line.dependency] = hours.get(line.dependency, 0.0) + line.hour[1]
        pools = self.siblings if local else self.elsewhere
        hot_lists = lists.of(summary)
        if moving:
            self.leaving.append((summary.node, hot_lists))
        for dependency, (hot, uses) in hot_lists.items():
            pool = pools.get(dependency)
            if pool is None:
                pools[dependency] = dict(uses)
            else:
                get = pool.get
                for hashed, count in uses.items():
                    pool[hashed] = get(hashed, 0.0) + count
            self.hot.update(hot)
            if moving:
                for hashed, count in uses.items():
                    self.moving[hashed] = self.moving.get(hashed, 0.0) + count * moving

    def uses_elsewhere(self, dependency: Dependency) -> float:
        """Accesses per hour of a dependency in the other zones, at least what their hot lists add up to."""
        listed = sum(self.elsewhere.get(dependency, {}).values())
        return max(listed, self.hour_elsewhere.get(dependency, 0.0))

    def scale(self, dependency: Dependency) -> float:
        """Expected uses here per use elsewhere: our demand over theirs; 0 when we have none."""
        theirs = self.uses_elsewhere(dependency)
        return self.hour_here.get(dependency, 0.0) / theirs if theirs > 0 else 0.0

    def overlap(self, dependency: Dependency, known: int, of: int, settings: PlacementSettings) -> float:
        """P(used here | hot elsewhere): ``known`` ``of`` those weighed are in our own forecast."""
        weight = settings.overlap_prior_weight
        found = (known + weight * settings.overlap_prior) / (of + weight) if of + weight > 0 else 0.0
        self._overlap[dependency] = found
        return found

    def overlaps(self) -> Mapping[Dependency, float]:
        """What was measured, for `zoned explain`."""
        return self._overlap
