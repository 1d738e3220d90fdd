"""Whole zones with ``coalesce = "auto"``: misses go by their homes only where duplicates pay for it."""

from __future__ import annotations

import pytest

from tests.core.pool import HIT_S, Pool
from tests.core.solo import DEP, key
from zoned.core.records import DependencyPolicy, Source

ORIGIN_S = 0.9  # below the hedge


def pool(coalesce: str = "auto", origin_s: float = ORIGIN_S) -> Pool:
    made = Pool("a1", "b1", "c1", policies=(DependencyPolicy(name=DEP, coalesce=coalesce),))
    made.origin.latency = origin_s
    return made


def asked_a_new_thing(one: Pool, numbers: range, apart_s: float) -> float:
    """All zones read each new instance at once, or one after the other; origin fetches of each."""
    before = sum(one.origin.asked.values())
    for number in numbers:
        for name in one.names:
            one.host(name).read(key(number), b"")
            one.wait(apart_s)
        one.wait(6.0)
    return (sum(one.origin.asked.values()) - before) / len(numbers)


def test_what_all_want_at_once_comes_by_way_of_the_home_after_a_while() -> None:
    one = pool()
    assert asked_a_new_thing(one, range(20), 0.05) > 2.5
    asked_a_new_thing(one, range(20, 40), 0.05)
    assert asked_a_new_thing(one, range(40, 60), 0.05) == 1.0
    assert all(one.node(name).stages.duplicates.pays(DEP) for name in one.names)
    told = one.node("a1").snapshot(one.cluster.instant())
    assert told.counters["flight"]["origin_duplicates"] > 20


@pytest.mark.parametrize(("apart_s", "origin_s"), [(4.0, ORIGIN_S), (0.05, 0.1)])
def test_elsewhere_misses_go_straight(apart_s: float, origin_s: float) -> None:
    """Zones that ask one after the other have no duplicates; where the origin is near, the hop costs more."""
    one = pool(origin_s=origin_s)
    asked_a_new_thing(one, range(45), apart_s)
    assert not any(one.node(name).stages.duplicates.pays(DEP) for name in one.names)
    answer = one.read("a1", key(99))
    assert answer.source is Source.ORIGIN and answer.latency_s == pytest.approx(HIT_S + origin_s)


def test_an_operators_word_is_followed_whatever_is_measured() -> None:
    one = pool("zone")
    asked_a_new_thing(one, range(45), 0.05)
    assert one.node("a1").stages.duplicates.pays(DEP), "it would pay"
    assert asked_a_new_thing(one, range(45, 55), 0.05) > 2.5


def test_when_zones_no_longer_want_the_same_at_once_misses_go_straight_again() -> None:
    one = pool()
    asked_a_new_thing(one, range(60), 0.05)
    for number in range(100, 900):
        one.host(one.names[number % 3]).read(key(number), b"")
        one.wait(1.0)
    assert not any(one.node(name).stages.duplicates.pays(DEP) for name in one.names)
    assert one.answers[-1].latency_s == pytest.approx(HIT_S + ORIGIN_S)
