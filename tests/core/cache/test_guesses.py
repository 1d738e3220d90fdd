"""Copies that nobody asked for, in a store that goes by LRU: what they cost, and whose they are."""

from __future__ import annotations

import pytest

from tests.core.cache.test_controller import at, look, name
from zoned.core.cache import CacheController, CacheSettings
from zoned.core.names import key_hash
from zoned.core.records import DependencyPolicy, Lookup, Reason

COPIES = 100
LIMITS = CacheSettings(
    max_bytes=None, max_objects=COPIES, default_ttl_s=None, guess_share=0.03, guess_cost=0.5
)
ORDERED = {
    name(n).dependency: DependencyPolicy(name=name(n).dependency, policy="replicate") for n in range(3)
}


def admit(cache: CacheController, number: int, reason: Reason, time: float, asked: bool = False) -> bool:
    key = name(number)
    return cache.admit(key, key_hash(key), 1, "", None, reason, at(time), asked=asked).stored


def read(cache: CacheController, number: int, time: float) -> bool:
    """As a reader has it: whether it was here."""
    if look(cache, number, time) is Lookup.HIT:
        return True
    assert admit(cache, number, Reason.DEMAND, time)
    return False


def full(policies: dict[str, DependencyPolicy] | None = None) -> CacheController:
    """A store whose copies are all used in turn, after many misses: LRU has them all, and not one more."""
    cache = CacheController(LIMITS, policies or {})
    for number in range(-400, COPIES):
        read(cache, number + 1000, float(number + 400))
    return cache


def misses(cache: CacheController, rounds: int, time: float) -> int:
    reads = [read(cache, number + 1000, time) for _ in range(rounds) for number in range(COPIES)]
    return reads.count(False)


def keeps(cache: CacheController, number: int) -> bool:
    return cache.keeps_guess(name(number), key_hash(name(number)), 1)


@pytest.mark.parametrize(
    "reason", [Reason.ASSOCIATION, Reason.FORECAST, Reason.ELSEWHERE, Reason.HOME, Reason.REFRESH]
)
def test_a_wrong_guess_costs_one_hit_and_there_are_few(reason: Reason) -> None:
    cache = full()
    taken = [keeps(cache, number) and admit(cache, number, reason, 500.0) for number in range(10)]
    assert taken == [True] * 3 + [False] * 7
    assert misses(cache, 5, 500.0) == 3 and not read(cache, 600, 500.0)
    assert cache.counters["hits_lost_to_guesses"] == 3 and cache.counters["hits_guessed"] == 0


def test_a_right_guess_brings_one() -> None:
    cache = full()
    assert admit(cache, 1, Reason.ASSOCIATION, 500.0)
    assert read(cache, 1, 500.0) and not read(cache, 600, 500.0)
    assert admit(cache, 2, Reason.ASSOCIATION, 500.0)
    assert cache.counters["hits_guessed"] == 1


def test_a_guess_on_which_a_reader_waits_is_none_any_more() -> None:
    cache = full()
    assert all(admit(cache, number, Reason.FORECAST, 500.0, asked=True) for number in range(10))
    assert all(look(cache, number, 500.0) is Lookup.HIT for number in range(10))


def test_what_was_ordered_is_no_guess() -> None:
    cache = full(ORDERED)
    assert all(admit(cache, number, Reason.HOME, 500.0) for number in range(10))
    assert all(look(cache, number, 500.0) is Lookup.HIT for number in range(10))


def test_a_guess_that_other_zones_use_stays_one() -> None:
    cache, key = full(), name(1)
    assert admit(cache, 1, Reason.HOME, 500.0)
    entry = cache.peer_lookup(key, key_hash(key), at(500.0), touch=True)
    assert entry is not None and entry.used and misses(cache, 3, 500.0) == 1 and not cache.holds(key)


def test_without_misses_of_late_no_guess_has_a_place() -> None:
    cache = full()
    assert keeps(cache, 1)
    assert not admit(cache, 1, Reason.FORECAST, 500.0 + 3 * 3600.0) and not keeps(cache, 1)
