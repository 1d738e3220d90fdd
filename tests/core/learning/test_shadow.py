"""Shadows: exact where the sample is everything, close where it is not, expiring as the store does."""

from __future__ import annotations

from collections import OrderedDict

import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from tests.core.learning.lru_twin import TwinLru, zipf
from zoned.core.eviction import make
from zoned.core.learning.shadow import Shadow

ARMS = ("lru", "s3fifo", "sieve")


def hashed(key: int) -> int:
    return xxhash.xxh3_64_intdigest(b"%d" % key)


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
    policies = [make(name, objects, None) for name in ARMS]
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
    held = [key for key in range(128) if hashed(key) in shadow.arms[0].cache]
    assert len(held) == 128 and shadow.rate == 1.0
    shadow.access(hashed(128), 1, None, 0.0)
    assert shadow.rate == 0.5
    before = shadow.arms[0].misses
    kept = [key for key in range(129) if hashed(key) in shadow.arms[0].cache]
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
    assert shadow.arms[0].cache.used_bytes == 90 and hashed(0) not in shadow.arms[0].cache


def test_an_invalidated_copy_is_a_miss_for_everyone():
    shadow = Shadow(ARMS, 10, None, 8192, 0)
    shadow.access(hashed(1), 1, 60.0, 0.0)
    shadow.drop(hashed(1))
    assert shadow.access(hashed(1), 1, 60.0, 1.0) == 1.0
    assert [arm.misses for arm in shadow.arms] == [2.0, 2.0, 2.0]


@given(st.lists(st.tuples(st.integers(0, 40), st.sampled_from([None, 5.0, 50.0])), max_size=300))
def test_expiries_are_remembered_only_for_what_is_held(accesses):
    shadow = Shadow(ARMS, 5, None, 8192, 0)
    for now_s, (key, ttl_s) in enumerate(accesses):
        shadow.access(hashed(key), 1, ttl_s, float(now_s))
    for arm in shadow.arms:
        assert all(key in arm.cache for key in arm.expires)
