"""Rows by fingerprint: against a dictionary, over growth, forgetting, collisions and both widths of index."""

from __future__ import annotations

from array import array

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoned.core.fingerprints import Rows, grown

# Few homes and few strides, so that collisions and chains are the rule.
CLASHING = st.builds(lambda low, high: low | high << 16, st.integers(0, 7), st.integers(0, 40))


def added(rows: Rows, fingerprint: int) -> int:
    if rows.full:
        rows.widen(grown(rows.end, 1 << 30))
    return rows.add(fingerprint)


@given(
    st.lists(st.one_of(CLASHING, st.integers(0, 0xFFFFFFFF)), max_size=300),
    st.integers(2, 5),
    st.sampled_from([0.75, 0.3]),
)
def test_it_is_a_dictionary_that_forgets(fingerprints: list[int], stays: int, load: float) -> None:
    rows, twin = Rows(4, load), dict[int, int]()
    for number, fingerprint in enumerate(fingerprints):
        assert rows.get(fingerprint) == twin.get(fingerprint, 0) and (fingerprint in rows) == (
            fingerprint in twin
        )
        if fingerprint not in twin:
            twin[fingerprint] = added(rows, fingerprint)
            assert twin[fingerprint] == len(twin), "rows are dense"
        if number % 97 == 96:
            kept = [row for row in twin.values() if row % stays]
            rows.keep(np.array(kept, dtype=np.int64))
            left = [fingerprint for fingerprint, row in twin.items() if row % stays]
            twin = {fingerprint: row for row, fingerprint in enumerate(left, 1)}
    assert list(rows) == list(twin) and len(rows) == len(twin) == rows.end - 1
    assert [rows.get(fingerprint) for fingerprint in twin] == list(twin.values())
    assert not any(rows.names[rows.end :]), "a hint to a row that nobody has fits nobody"


@given(st.lists(st.tuples(CLASHING.map(lambda one: one + 1), st.integers(0, 5)), max_size=400))
def test_rows_that_are_given_on_lead_to_their_last_owner(steps: list[tuple[int, int]]) -> None:
    rows, twin = Rows(500), dict[int, int]()
    free: list[int] = []
    for fingerprint, goes in steps:
        assert rows.get(fingerprint) == twin.get(fingerprint, 0)
        if fingerprint in twin:
            free.append(twin.pop(fingerprint))
            rows.drop(free[-1])
        elif free and goes:
            twin[fingerprint] = free.pop()
            rows.rename(twin[fingerprint], fingerprint)
        else:
            twin[fingerprint] = rows.add(fingerprint)
        assert all(rows.get(one) == row for one, row in twin.items())


@pytest.mark.parametrize("count", [65_535, 65_536, 70_000])
def test_rows_beyond_sixteen_bits(count: int) -> None:
    fingerprints = (np.arange(1, count + 1, dtype=np.uint64) * 2_654_435_761 % (1 << 32)).tolist()
    rows = Rows(count + 2)
    for fingerprint in fingerprints:
        rows.add(fingerprint)
    assert [rows.get(fingerprint) for fingerprint in fingerprints] == list(range(1, count + 1))
    assert not any(rows.get(fingerprint ^ 1 << 31) for fingerprint in range(1, 1000))


def test_who_makes_up_keys_of_one_home_makes_no_long_chain() -> None:
    """4,000 fingerprints whose lower halves agree: a walk of neighbours would take 2,000 steps."""
    rows = Rows(4001)
    for number in range(4000):
        rows.add(number << 16 | 7)
    steps = Counting(rows.index)
    rows.index = steps  # type: ignore[assignment]
    for number in range(4000):
        rows.get(number << 16 | 7)
    assert steps.reads < 30 * 4000


class Counting:
    """An index that counts how often it is read."""

    def __init__(self, index: array[int]) -> None:
        self.index, self.reads = index, 0

    def __getitem__(self, place: int) -> int:
        self.reads += 1
        return self.index[place]


def test_room_grows_by_a_quarter_up_to_the_limit() -> None:
    assert [grown(1000, 9000), grown(8000, 9000), grown(10, 9000)] == [1250, 9000, 74]


def test_emptier_places_are_given_while_they_are_short() -> None:
    usual, emptier = Rows(70_000), Rows(70_000, 0.375)
    for number in range(1, 70_000):
        name = number * 2_654_435_761 & 0xFFFFFFFF
        assert usual.add(name) == emptier.add(name)
        if number == 1000:
            assert len(emptier.index) == 2 * len(usual.index)
    assert len(emptier.index) == len(usual.index) and emptier.index.itemsize == 4
    assert emptier.get(2_654_435_761) == 1 and emptier.get(5) == 0
