"""The table of hashes against a dictionary, and which slots it gives."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from zoned.core.eviction import FINGERPRINTS, NOBODY, Table


@given(st.lists(st.integers(0, 80).map(lambda number: (number & 15) << 60 | number % 7), max_size=400))
def test_it_is_a_dictionary_also_where_many_hashes_share_a_bucket(hashes: list[int]) -> None:
    table, twin = Table(), dict[int, int]()
    for hashed in hashes:
        assert table.find(hashed) == twin.get(hashed, NOBODY)
        if hashed in twin:
            table.release(twin.pop(hashed))
        else:
            slot = table.add(hashed)
            assert slot not in twin.values() and table.hashes[slot] == hashed
            twin[hashed] = slot
        assert len(table) == len(twin)
    assert all(table.find(hashed) == slot for hashed, slot in twin.items())


def test_a_hash_is_found_by_its_last_32_bits() -> None:
    rng, table = random.Random(2), Table()
    hashes = [rng.getrandbits(64) for _ in range(3000)]
    slots = [table.add(hashed) for hashed in hashes]
    assert [table.of(hashed & 0xFFFFFFFF) for hashed in hashes] == slots
    table.release(slots[7])
    assert table.of(hashes[7] & 0xFFFFFFFF) == NOBODY


def test_it_grows_and_gives_released_slots_again() -> None:
    rng, table = random.Random(1), Table()
    hashes = [rng.getrandbits(64) for _ in range(5000)]
    assert [table.add(hashed) for hashed in hashes] == list(range(5000)) and table.room == 5000
    assert all(table.find(hashed) == slot for slot, hashed in enumerate(hashes))
    for slot in range(0, 5000, 2):
        table.release(slot)
    fresh = [rng.getrandbits(64) for _ in range(2500)]
    slots = [table.add(hashed) for hashed in fresh]
    assert sorted(slots) == list(range(0, 5000, 2)) and table.room == 5000
    assert [table.find(hashed) for hashed in fresh] == slots
    assert all(table.find(hashes[slot]) == slot for slot in range(1, 5000, 2))
    assert all(table.find(hashes[slot]) == NOBODY for slot in range(0, 5000, 2))


@given(st.sets(st.integers(0, 0xFFFFFFFF), max_size=200), st.integers(1, 5))
def test_one_of_fingerprints_tells_all_that_it_has(hashes: set[int], every: int) -> None:
    table = Table(FINGERPRINTS)
    for hashed in sorted(hashes):
        table.add(hashed)
    gone = sorted(hashes)[::every]
    for hashed in gone:
        table.release(table.find(hashed))
    assert sorted(table) == sorted(hashes.difference(gone))
