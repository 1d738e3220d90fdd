"""What a copy is worth: the only one stands for everybody, a promise is a rate until it is kept or over."""

from __future__ import annotations

import random

import pytest

from zoned.core.eviction import Demand, Worth


def made(elsewhere: set[int]) -> Worth:
    worth = Worth(Demand(100, 4096, random.Random(1).random))
    worth.elsewhere = elsewhere.__contains__
    worth.prices(0.001, 0.081, 0.201)
    return worth


def test_a_copy_that_another_zone_has_is_worth_the_way_there() -> None:
    worth = made({1})
    for key in (1, 2):
        worth.used(key)
    demand = worth.demand
    own, others = (demand.own[demand.rows.get(1)], demand.others[demand.rows.get(1)])
    assert worth.of(1) == pytest.approx(0.080 * own, rel=1e-3)
    assert worth.of(2) == pytest.approx(0.080 * own + 0.120 * (own + others), rel=1e-3)


def test_the_only_copy_is_worth_what_others_would_lose() -> None:
    worth = made(set())
    worth.used(1)
    worth.used(2)
    before = worth.of(1)
    for _ in range(5):
        worth.demand.asked(1)
    assert worth.of(1) > 2 * before
    assert worth.of(3) == 0.0, "nobody ever asked"


def test_a_promise_holds_until_it_is_kept_or_over() -> None:
    worth = made({5, 6})
    worth.promise(5, 0.5)
    worth.promise(6, 0.5)
    promised = worth.of(5)
    assert promised == pytest.approx(0.080 * 0.5 * 20)
    worth.used(5)
    assert worth.of(5) < promised
    for number in range(101):
        worth.used(1000 + number)
    assert worth.of(6) == 0.0
    worth.promise(7, 0.1)
    assert 6 not in worth.promised, "what is over is forgotten"


def test_promises_are_bounded() -> None:
    worth = made(set())
    for key in range(10_000):
        worth.promise(key, 0.5)
    assert len(worth.promised) <= 4097 and 9999 in worth.promised


def test_prices_never_turn_a_value_around() -> None:
    worth = made(set())
    worth.prices(0.3, 0.2, 0.1)  # a zone farther away than the origin, which is faster than ourselves
    worth.used(1)
    assert worth.of(1) > 0.0 and worth.far_s == 0.0


def test_what_is_told_of_other_zones_is_not_counted_twice() -> None:
    worth, plain = made(set()), made(set())
    for one in (worth, plain):
        one.used(1)
    for _ in range(3):
        worth.asked(1)
    worth.told(1, 3.1)  # the three, and what rounding adds
    for _ in range(3):
        plain.demand.asked(1)
    assert worth.of(1) == pytest.approx(plain.of(1))
    worth.told(1, 2.0)
    plain.demand.asked(1, 2.0)
    assert worth.of(1) == pytest.approx(plain.of(1))


def test_last_copies_are_guarded_for_a_while_after_others_went() -> None:
    worth = Worth(Demand(10, 1000, random.Random(1).random))
    worth.prices(0.0, 0.1, 0.3)
    assert worth.far_s == pytest.approx(0.2)
    worth.shrunk(0.05)
    worth.prices(0.0, 0.1, 0.3)
    assert worth.far_s == pytest.approx(0.25) and worth.near_s == pytest.approx(0.1)
    worth.shrunk(0.9)
    worth.prices(0.0, 0.1, 0.3)
    assert worth.far_s == pytest.approx(0.3), "no more than half"
    for number in range(20):  # two stores' worth
        worth.shrunk(0.0)
        worth.prices(0.0, 0.1, 0.3)
        assert worth.far_s == pytest.approx(0.3)
        worth.used(number)
    worth.shrunk(0.0)
    worth.prices(0.0, 0.1, 0.3)
    assert worth.far_s == pytest.approx(0.2)
