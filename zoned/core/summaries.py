"""What a node tells the others about its zone, made from what its stages know.

Only when it has changed enough to matter, and never more often than ``summary_interval_s``: a summary that
repeats the last one costs every member of the pool its bytes.
"""

from __future__ import annotations

from collections.abc import Mapping

from zoned.core.cache import CacheController
from zoned.core.members import DependencyDemand, HotInstance, Summary
from zoned.core.names import Instant, NodeName, Zone
from zoned.core.observe import Observer
from zoned.core.peers import serving_load
from zoned.core.records import Forecast, Load, Plan
from zoned.core.settings import NodeSettings

_HOUR_S = 3600.0
_LOAD_JUMP = 0.25
_LOAD_STEP = 0.05  # loads are told in these steps, so that their noise is not news


def is_drained(plan: Plan | None) -> bool:
    """Whether the others hold what this zone held, so that its traffic may move."""
    return plan is not None and plan.drained


def is_evacuating(plan: Plan, zone: Zone, summaries: Mapping[NodeName, Summary]) -> bool:
    """Whether copies of a zone that drains, ours or another, are still to be taken: an operator waits."""
    if zone in plan.draining and not is_drained(plan):
        return True
    others = (one for one in summaries.values() if one.zone != zone)
    return any(one.zone in plan.draining and not one.drained for one in others)


class Publisher:
    """Makes the summaries of one node."""

    def __init__(self, settings: NodeSettings) -> None:
        self._settings = settings
        self._last: Summary | None = None
        self._told_of: Forecast | None = None  # the forecast of which these two are
        self._demand: tuple[DependencyDemand, ...] = ()
        self._hot: tuple[HotInstance, ...] = ()
        self._load_of: Load | None = None  # as measured, and as it is told:
        self._load = Load()

    def summary(
        self,
        forecast: Forecast,
        plan: Plan,
        observer: Observer,
        cache: CacheController,
        ring_id: str,
        now: Instant,
        leaving: bool = False,
        warming: int = 0,
        warming_since_wall_s: float = 0.0,
    ) -> Summary | None:
        """The summary to publish now, or None while the last one still says it. ``leaving``: this agent gives
        up what it holds, whatever its zone does. ``warming``: what others still serve of its shards."""
        settings, last = self._settings, self._last
        draining = leaving or settings.zone in plan.draining
        drained = draining and is_drained(plan)
        pressing = (ring_id, draining, drained, warming)
        urgent = last is None or pressing != (last.ring_id, last.draining, last.drained, last.warming)
        if not urgent and last is not None and now.wall_s - last.made_wall_s < settings.summary_interval_s:
            return None
        if forecast is not self._told_of:
            self._foretell(forecast)
        if observer.load is not self._load_of:
            self._load_of, self._load = observer.load, _stepped(observer.load)
        used_ratio, hit_ratio = _step(1.0 - cache.capacity_left()), _step(observer.hit_ratio)
        if last is not None and not urgent and (used_ratio, hit_ratio) == (last.used_ratio, last.hit_ratio):
            unmoved = self._load == last.load
            soon = not unmoved and jumped(self._load, last.load)
            late = now.wall_s - last.made_wall_s >= settings.load_interval_s
            if self._demand is last.demand and self._hot is last.hot and (unmoved or not (soon or late)):
                return None
        self._last = Summary(
            node=settings.node,
            zone=settings.zone,
            made_wall_s=now.wall_s,
            ring_id=ring_id,
            load=self._load,
            capacity_bytes=settings.cache.max_bytes or 0,
            capacity_objects=settings.cache.max_objects or 0,
            used_ratio=used_ratio,
            hit_ratio=hit_ratio,
            demand=self._demand,
            hot=self._hot,
            draining=draining,
            drained=drained,
            warming=warming,
            warming_since_wall_s=warming_since_wall_s if warming else 0.0,
        )
        return self._last

    def _foretell(self, forecast: Forecast) -> None:
        """What that forecast says, as it is told: most turns bring the same one back, with hundreds of
        instances. What says the same as the last summary is the same object."""
        self._told_of, last = forecast, self._last
        demand, hot = _demand(forecast), _hot(forecast, self._settings.summary_instances)
        self._demand = last.demand if last is not None and last.demand == demand else demand
        self._hot = last.hot if last is not None and last.hot == hot else hot


def jumped(one: Load, other: Load) -> bool:
    """Whether loads differ so much that whoever chooses among holders should hear of it soon."""
    return abs(serving_load(one) - serving_load(other)) >= _LOAD_JUMP


def _demand(forecast: Forecast) -> tuple[DependencyDemand, ...]:
    """Per dependency, the next hour's quantiles and the next day's mean."""
    hour = {f.dependency: f.quantiles for f in forecast.dependencies if f.horizon_s <= _HOUR_S}
    day = {f.dependency: f.mean for f in forecast.dependencies if f.horizon_s > _HOUR_S}
    return tuple(
        DependencyDemand(name, (_about(low), _about(mid), _about(high)), _about(day.get(name, 0.0)))
        for name, (low, mid, high) in sorted(hour.items())
    )


def _hot(forecast: Forecast, most: int) -> tuple[HotInstance, ...]:
    """The hottest, by expected uses, then key: the order that a patch of a summary can rely on."""
    hot = [HotInstance(one.key, _about(one.expected), one.size) for one in forecast.instances[:most]]
    hot.sort(key=lambda one: (-one.uses, one.key))
    return tuple(hot)


def _stepped(load: Load) -> Load:
    return Load(cpu=_step(load.cpu), memory=_step(load.memory), network=_step(load.network))


def _about(amount: float) -> float:
    """To two digits: a forecast is not better than that, and the third would make every line news."""
    return float(f"{amount:.2g}")


def _step(ratio: float) -> float:
    return round(ratio / _LOAD_STEP) * _LOAD_STEP
