from __future__ import annotations

from random import Random

from tests.core.placement.scenery import at, hashed, key
from zoned.core.names import group_of
from zoned.core.prefetch import Prefetcher, PrefetchSettings
from zoned.core.records import Reason


def test_groups_are_filled_while_anything_offered_of_them_waits_or_travels() -> None:
    prefetcher = Prefetcher(PrefetchSettings(max_in_flight=2), Random(1))
    prefetcher.offered((key(9),), (10,), "n9", at(0))  # a drain's
    assert prefetcher.inheritance.groups() == 0
    keys = tuple(key(number) for number in range(4))
    prefetcher.offered(keys, (10,) * 4, "n1", at(0), Reason.MIGRATE)
    all_of_them = 0
    for number in range(4):
        all_of_them |= 1 << group_of(hashed(number))
    assert prefetcher.inheritance.groups() == all_of_them
    orders = prefetcher.orders(at(0), lambda one: False)
    assert len(orders) == 2
    assert prefetcher.inheritance.groups() == all_of_them, "two wait, two travel"
    while orders:
        for order in orders:
            prefetcher.settled(order.key, order.key != key(1), 10, at(1))
        orders = prefetcher.orders(at(1), lambda one: False)
    assert prefetcher.inheritance.groups() == 0, "fetched, or failed"
    assert prefetcher.counters["ordered_migrate"] == 4 and prefetcher.counters["failed_migrate"] == 1


def test_what_the_gone_offered_is_let_go_and_nothing_else() -> None:
    prefetcher = Prefetcher(PrefetchSettings(), Random(1))
    prefetcher.offered((key(1),), (10,), "n1", at(0), Reason.MIGRATE)
    prefetcher.offered((key(2),), (10,), "n2", at(0), Reason.MIGRATE)
    prefetcher.offered((key(3),), (10,), "n1", at(0))
    prefetcher.inheritance.only_from(["n2"])
    assert {want.key for want in prefetcher.queue()} == {key(2), key(3)}
    assert prefetcher.counters["withdrawn"] == 1
