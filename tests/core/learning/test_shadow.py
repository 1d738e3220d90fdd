"""Shadows: exact where the sample is everything, close where it is not, expiring as the store does."""

from __future__ import annotations

from collections import OrderedDict

import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from tests.core.eviction.keyed import Keyed
from tests.core.learning.lru_twin import TwinLru, zipf
from zoned.core.learning.shadow import Misses, Shadow

ARMS = ("lru", "s3fifo", "sieve")


def hashed(key: int) -> int:
    return xxhash.xxh3_64_intdigest(b"%d" % key)


def holds(shadow: Shadow, arm: int, key: int) -> bool:
    slot = shadow._table.find(hashed(key))
    return slot >= 0 and slot in shadow.arms[arm].cache


steps = st.lists(st.tuples(st.integers(0, 12), st.integers(1, 40), st.floats(0, 5)), max_size=150)


@given(steps, st.integers(1, 6), st.none() | st.integers(20, 200), st.none() | st.floats(1, 20))
def test_the_lru_arm_is_exactly_lru(accesses, objects, size, ttl_s):
    shadow, twin = Shadow(ARMS, objects, size, 8192, 0), TwinLru(objects, size)
    now_s, misses = 0.0, 0.0
    sizes: dict[int, int] = {}
    for key, key_size, gap_s in accesses:
        now_s += gap_s
        key_size = sizes.setdefault(key, key_size)
        missed = shadow.access(hashed(key), key_size, ttl_s, now_s)
        assert missed == (not twin.access(key, key_size, now_s, ttl_s))
        misses += missed or 0.0
    assert shadow.arms[0].misses == misses


@given(st.lists(st.integers(0, 30), max_size=300), st.integers(1, 10))
def test_every_arm_is_its_policy(keys, objects):
    shadow = Shadow(ARMS, objects, None, 8192, 0)
    policies = [Keyed(name, objects, None) for name in ARMS]
    misses = [0, 0, 0]
    for key in keys:
        shadow.access(hashed(key), 1, None, 0.0)
        for index, policy in enumerate(policies):
            if not policy.hit(key):
                policy.put(key, 1)
                misses[index] += 1
    assert [arm.misses for arm in shadow.arms] == misses


@pytest.mark.parametrize("salt", [0, 12345, 0xFFFFFF])
def test_a_sample_comes_within_two_points(salt):
    """2,000 objects shadowed by 500 of them; the ledger counts what is not a miss as a hit."""
    accesses = zipf(60_000, 20_000, 0.9, seed=7)
    shadow = Shadow(ARMS, 2000, None, 500, salt)
    assert shadow.rate == 0.25
    held: OrderedDict[int, None] = OrderedDict()
    hits = 0
    for key in accesses:
        shadow.access(hashed(key), 1, None, 0.0)
        if key in held:
            held.move_to_end(key)
            hits += 1
        else:
            held[key] = None
            if len(held) > 2000:
                held.popitem(last=False)
    assert 1.0 - shadow.arms[0].misses / len(accesses) == pytest.approx(hits / len(accesses), abs=0.02)


def test_a_store_bounded_in_bytes_thins_its_sample_as_it_grows():
    accesses = zipf(40_000, 20_000, 0.8, seed=3)
    shadow = Shadow(ARMS, None, 10 * 3000, 256, 99)
    held: OrderedDict[int, None] = OrderedDict()
    hits = 0
    assert shadow.rate == 1.0
    for key in accesses:
        shadow.access(hashed(key), 10, None, 0.0)
        assert len(shadow.arms[0].cache) <= 512
        if key in held:
            held.move_to_end(key)
            hits += 1
        else:
            held[key] = None
            if len(held) > 3000:
                held.popitem(last=False)
    assert shadow.rate == 0.125  # 3,000 objects in at most 512
    assert all(len(arm.cache) <= 512 for arm in shadow.arms)
    assert 1.0 - shadow.arms[0].misses / len(accesses) == pytest.approx(hits / len(accesses), abs=0.03)


def test_thinning_keeps_what_the_smaller_sample_holds():
    shadow = Shadow(("lru",), None, 1 << 30, 64, 0)
    for key in range(128):
        shadow.access(hashed(key), 1, None, 0.0)
    held = [key for key in range(128) if holds(shadow, 0, key)]
    assert len(held) == 128 and shadow.rate == 1.0
    shadow.access(hashed(128), 1, None, 0.0)
    assert shadow.rate == 0.5
    before = shadow.arms[0].misses
    kept = [key for key in range(129) if holds(shadow, 0, key)]
    assert 40 < len(kept) < 90
    for key in range(129):
        shadow.access(hashed(key), 1, None, 0.0)
    assert shadow.arms[0].misses == before  # what is not sampled is not counted, what is was kept


def test_other_agents_sample_other_keys():
    def sampled(salt: int) -> set[int]:
        shadow = Shadow(("lru",), 1 << 20, None, 1 << 16, salt)
        return {key for key in range(2000) if shadow.access(hashed(key), 1, None, 0.0)}

    assert sampled(1) == sampled(1) and not sampled(0) & sampled(0xF00000)


def test_a_size_not_known_takes_the_mean_of_those_known():
    shadow = Shadow(("lru",), None, 100, 8192, 0)
    shadow.access(hashed(0), 30, None, 0.0)
    for key in (1, 2, 3):
        shadow.access(hashed(key), 0, None, 0.0)
    assert shadow.arms[0].cache.used_bytes == 90 and not holds(shadow, 0, 0)


def test_an_invalidated_copy_is_a_miss_for_everyone():
    shadow = Shadow(ARMS, 10, None, 8192, 0)
    shadow.access(hashed(1), 1, 60.0, 0.0)
    shadow.drop(hashed(1))
    assert shadow.access(hashed(1), 1, 60.0, 1.0) == 1.0
    assert [arm.misses for arm in shadow.arms] == [2.0, 2.0, 2.0]


moves = st.tuples(
    st.integers(0, 25), st.integers(1, 9), st.sampled_from([None, 5.0, 50.0]), st.sampled_from("aaaaaad")
)


@given(st.lists(moves, max_size=300), st.integers(1, 8), st.none() | st.integers(9, 60))
def test_arms_that_part_share_a_table_and_nothing_else(accesses, objects, size):
    shadow, alone = Shadow(ARMS, objects, size, 8192, 0), [Keyed(name, objects, size) for name in ARMS]
    misses, expires = [0, 0, 0], [{}, {}, {}]
    for now_s, (key, key_size, ttl_s, move) in enumerate(accesses):
        if move == "d":
            shadow.drop(hashed(key))
        else:
            shadow.access(hashed(key), key_size, ttl_s, float(now_s))
        for index, policy in enumerate(alone):
            if move == "d":
                policy.remove(key)
            elif not policy.hit(key) or expires[index][key] < now_s:
                policy.remove(key)
                policy.put(key, key_size)
                misses[index] += 1
                expires[index][key] = float("inf") if ttl_s is None else now_s + ttl_s
    assert [arm.misses for arm in shadow.arms] == misses
    for index, policy in enumerate(alone):
        assert [key for key in range(26) if holds(shadow, index, key)] == sorted(policy.order())
    held = sorted({key for policy in alone for key in policy.order()})
    assert len(shadow._table) == len(held), "an instance that no arm holds any more is forgotten"


@given(st.lists(st.integers(0, 30), max_size=300), st.integers(1, 10), st.sampled_from(range(3)))
def test_a_rival_in_which_all_go_by_one_arm_is_that_arm_and_leaves_nothing_behind(keys, objects, index):
    shadow = Shadow(ARMS, objects, None, 8192, 0)
    rival = shadow.rival(lambda number: ARMS[index], shadow.arms[0])
    for key in keys:
        shadow.access(hashed(key), 1, None, 0.0, key % 3 == 0, Misses(3, key % 2))
        shadow.needed(hashed(key + 1) & 0xFFFFFFFF, 0.0, key % 2 == 0)
    assert rival.cost == shadow.arms[index].cost
    assert list(rival.cache.order()) == list(shadow.arms[index].cache.order())
    shadow.leave(rival)
    held = [sum([slot in arm.cache for arm in shadow.arms]) for slot in range(len(shadow._holders))]
    assert list(shadow._holders) == held


def test_a_rival_starts_with_what_another_holds_and_each_dependency_in_its_own_book():
    shadow = Shadow(ARMS, 40, None, 8192, 0)
    misses = {0: Misses(3, 1), 1: Misses(3, 2)}
    for key in range(60):
        shadow.access(hashed(key), 1, 5.0, 0.0, False, misses[key % 2])
    rival = shadow.rival(lambda number: "lru" if number == 1 else "sieve", shadow.arms[1])
    assert sorted(rival.cache.order()) == sorted(shadow.arms[1].cache.order())
    shadow.access(hashed(59), 1, 5.0, 6.0, False, misses[1])
    assert rival.misses == 1.0, "its copies expire when those do that it began with"
    assert misses[1].all[0] == 31.0, "what the rival misses is not counted by dependency"
    shadow.drop(hashed(59))
    assert not any(hashed(59) == shadow._table.hashes[slot] for slot in rival.cache.order())


def test_a_rival_is_thinned_with_the_others():
    shadow = Shadow(("lru", "sieve"), None, 1 << 30, 64, 0)
    rival = shadow.rival(lambda number: ("lru", "sieve")[number], shadow.arms[0])
    for key in range(400):
        shadow.access(hashed(key), 1, None, 0.0, False, Misses(2, key % 2))
    assert shadow.rate < 0.5 and len(rival.cache) == len(shadow.arms[0].cache)
    before = rival.misses
    for slot in list(rival.cache.order()):
        shadow.access(shadow._table.hashes[slot], 1, None, 0.0)
    assert rival.misses == before


def spared(shadow: Shadow) -> list[float]:
    return [arm.spared for arm in shadow.arms]


def test_what_another_zone_fetches_is_spared_by_the_arms_that_hold_it() -> None:
    shadow = Shadow(("lru", "s3fifo"), 4, None, 8192, 0)
    for key in (*range(4), 0, 1, *range(4, 8)):  # S3-FIFO keeps 0 and 1, LRU the last four
        shadow.access(hashed(key), 1, None, 0.0)
    for key in (0, 1, 7, 99):
        shadow.needed(hashed(key) & 0xFFFFFFFF, 1.0, kept=True)
    assert spared(shadow) == [float(holds(shadow, 0, 7)), sum(holds(shadow, 1, key) for key in (0, 1, 7))]
    assert holds(shadow, 1, 0) and not holds(shadow, 0, 0)


def test_an_expired_copy_spares_nobody() -> None:
    shadow = Shadow(("lru",), 4, None, 8192, 0)
    shadow.access(hashed(1), 1, 60.0, 0.0)
    shadow.needed(hashed(1) & 0xFFFFFFFF, 59.0, kept=True)
    shadow.needed(hashed(1) & 0xFFFFFFFF, 60.0, kept=True)
    assert spared(shadow) == [1.0]


def test_what_another_zone_does_not_keep_is_spared_it_once_in_the_time_that_a_copy_stays() -> None:
    """It does not keep it because we hold it: else it would have fetched it once, and have had it since."""
    shadow = Shadow(("lru", "sieve"), 10, None, 8192, 0)
    for key in range(10):
        shadow.access(hashed(key), 1, None, 0.0)
    for _ in range(5):
        shadow.needed(hashed(3) & 0xFFFFFFFF, 1.0, kept=False)
    assert spared(shadow) == [1.0, 1.0]
    for key in range(100, 120):
        shadow.access(hashed(3), 1, None, 0.0)
        shadow.access(hashed(key), 1, None, 0.0)
    shadow.needed(hashed(3) & 0xFFFFFFFF, 1.0, kept=False)
    assert spared(shadow) == [2.0, 2.0]


def test_a_sample_scales_what_is_spared() -> None:
    shadow = Shadow(("lru",), 4000, None, 1000, 0)
    for key in range(2000):
        shadow.access(hashed(key), 1, None, 0.0)
    for key in range(2000):
        shadow.needed(hashed(key) & 0xFFFFFFFF, 1.0, kept=True)
    assert spared(shadow)[0] == pytest.approx(2000, rel=0.1)


def test_how_far_two_arms_are_apart() -> None:
    shadow = Shadow(("lru", "s3fifo"), 4, None, 8192, 0)
    for key in (*range(4), 0, 1, *range(4, 8)):
        shadow.access(hashed(key), 1, None, 0.0)
    lru, s3fifo = [{key for key in range(8) if holds(shadow, arm, key)} for arm in range(2)]
    arms = shadow.arms
    assert shadow.apart(arms[0], arms[1]) == len(s3fifo - lru) > 0
    assert shadow.apart(arms[1], arms[0]) == len(lru - s3fifo)
