"""Summaries: what a node tells of its zone, and that it says so only when it is news."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.core.solo import DEP, SIZE, Solo, at, key, settings_of
from zoned.core.gossip.patch import encode_patch
from zoned.core.members import Summary
from zoned.core.names import key_hash
from zoned.core.records import DependencyForecast, Forecast, InstanceDemand, Load, Plan
from zoned.core.summaries import Publisher, is_drained

HOUR, DAY = 3600.0, 86_400.0


def line(horizon_s: float, mean: float, dependency: str = DEP) -> DependencyForecast:
    return DependencyForecast(
        dependency=dependency,
        horizon_s=horizon_s,
        mean=mean,
        quantiles=(1.0, mean, 9.0),
        model="x",
        error=None,
    )


def forecast_of(*hot: int, lines: tuple[DependencyForecast, ...] = ()) -> Forecast:
    instances = tuple(InstanceDemand(key(n), key_hash(key(n)), 100.0 - n, 0.9, SIZE) for n in hot)
    return Forecast(made=at(0.0), dependencies=lines, instances=instances)


def plan_of(draining: tuple[str, ...] = (), ratio: float | None = None) -> Plan:
    return Plan(
        made=at(0.0), ring_id="r", paused=False, wants=(), hand_over=(), lines=(), draining=draining,
        drained_ratio=ratio, drained=ratio == 1.0,
    )  # fmt: skip


class Desk:
    """A publisher with what it looks at."""

    def __init__(self) -> None:
        self.solo = Solo()
        self.publisher = Publisher(settings_of("a1", summary_interval_s=5.0, summary_instances=2))
        self.forecast, self.plan, self.ring_id = forecast_of(1), plan_of(), "r"

    def at(self, seconds: float) -> Summary | None:
        node = self.solo.node
        return self.publisher.summary(
            self.forecast, self.plan, node.observer, node.cache, self.ring_id, at(seconds)
        )

    def load(self, cpu: float) -> None:
        self.solo.node.observer.loaded(Load(cpu=cpu, loop_lag_s=0.3))


def test_it_says_who_holds_what_and_expects_what() -> None:
    desk = Desk()
    desk.forecast = forecast_of(1, 2, 3, lines=(line(HOUR, 5.0), line(DAY, 60.0), line(HOUR, 1.0, "bare")))
    told = desk.at(1.0)
    assert told is not None
    assert (told.node, told.zone, told.ring_id, told.capacity_objects) == ("a1", "a", "r", 100)
    assert [(hot.key, hot.size) for hot in told.hot] == [(key(1), SIZE), (key(2), SIZE)], (
        "bounded, hottest first"
    )
    assert [(d.dependency, d.hour, d.day) for d in told.demand] == [
        ("bare", (1.0, 1.0, 9.0), 0.0),
        (DEP, (1.0, 5.0, 9.0), 60.0),
    ]
    assert not told.draining and not told.drained


def test_forecasts_are_told_to_two_digits_and_in_the_order_of_a_patch() -> None:
    desk = Desk()
    desk.forecast = forecast_of(2, 1, lines=(line(HOUR, 5.4321), line(DAY, 1234.5)))
    told = desk.at(1.0)
    assert told is not None
    assert [hot.key for hot in told.hot] == [key(1), key(2)]
    assert (told.demand[0].hour, told.demand[0].day) == ((1.0, 5.4, 9.0), 1200.0)
    desk.forecast = forecast_of(2, 1, lines=(line(HOUR, 5.4399), line(DAY, 1232.1)))
    assert desk.at(100.0) is None, "no news"
    desk.load(0.5)
    later = desk.at(200.0)
    assert later is not None and len(encode_patch(told, later) or b"") < 80


def test_nothing_new_is_not_told_and_news_waits_for_its_time() -> None:
    desk = Desk()
    assert desk.at(1.0) is not None
    assert desk.at(100.0) is None, "nothing has changed"
    desk.forecast = forecast_of(2)
    assert desk.at(101.0) is not None
    desk.forecast = forecast_of(3)
    assert desk.at(103.0) is None, "too soon"
    assert desk.at(106.0) is not None


def test_the_noise_of_a_load_is_no_news() -> None:
    desk = Desk()
    desk.load(0.50)
    first = desk.at(1.0)
    assert first is not None and first.load.cpu == pytest.approx(0.5) and first.load.loop_lag_s == 0.0
    desk.load(0.51)
    assert desk.at(10.0) is None
    desk.load(0.70)
    assert desk.at(20.0) is None, "it moves all the time, and waits for other news"
    desk.forecast = forecast_of(2)
    told = desk.at(21.0)
    assert told is not None and told.load.cpu == pytest.approx(0.7)
    desk.load(0.50)
    assert desk.at(49.0) is None
    assert desk.at(51.0) is not None, "or until it is stale"


@pytest.mark.parametrize("what", ["ring", "drain", "drained"])
def test_what_others_wait_for_is_told_at_once(what: str) -> None:
    desk = Desk()
    desk.plan = plan_of(("a",), 0.2) if what == "drained" else plan_of()
    assert desk.at(1.0) is not None
    if what == "ring":
        desk.ring_id = "s"
    else:
        desk.plan = plan_of(("a",), 1.0 if what == "drained" else 0.2)
    told = desk.at(1.1)
    assert told is not None
    assert (told.ring_id == "s", told.draining, told.drained) == (
        what == "ring",
        what != "ring",
        what == "drained",
    )


def test_drained_is_what_the_plan_says_and_only_of_our_own_zone() -> None:
    assert not is_drained(None) and not is_drained(plan_of())
    assert not is_drained(plan_of(("a",), 0.98)) and is_drained(plan_of(("a",), 1.0))
    desk = Desk()
    desk.plan = plan_of(("b",), 1.0)  # somebody else's drain says nothing of our zone
    told = desk.at(1.0)
    assert told is not None and not told.draining and not told.drained
    assert replace(told, drained=True) != told


def test_another_forecast_is_news_if_it_says_something_else() -> None:
    desk = Desk()
    first = desk.at(1.0)
    assert first is not None
    desk.forecast = forecast_of(1)
    assert desk.at(20.0) is None, "another, that says the same"
    desk.forecast = forecast_of(2)
    desk.at(22.0)
    desk.forecast = forecast_of(1, lines=(line(HOUR, 3.0),))
    told = desk.at(40.0)
    assert told is not None and told.hot == first.hot and told.demand != first.demand
    assert desk.at(60.0) is None
