"""Days that are kept in few digits: against floats, over rounding and changes of the unit."""

from __future__ import annotations

import random

import numpy as np
import pytest

from zoned.core.forecast.days import Days, _rooted, _squared, summed

ALL = list(range(24))


@pytest.mark.parametrize("uses", [1.0, 60.0, 3600.0, 15_000.0])
def test_a_day_of_few_digits_is_that_of_floats(uses: float) -> None:
    """Sixty days, the unit set back every other week; each hour brings what it brings in 60 parts."""
    days, rng = Days(2), random.Random(7)
    exact, weight = np.zeros(24), 1.0
    for day in range(60):
        if day % 14 == 13:
            days.scale(0.25)
            exact, weight = exact / 4.0, weight / 4.0
        for hour in ALL:
            busy = uses * (1 + hour % 6) * rng.choice((0, 1, 2)) * weight
            for _ in range(60):
                days.today[0] += busy / 60
            exact[hour] += busy
            assert days.at([hour], hour, 2)[0, 0] == pytest.approx(exact[hour], rel=0.1, abs=0.3)
            days.close(hour)
        weight *= 2 ** (1 / 7)
    found = days.at(ALL, -1, 2)
    assert found[:, 0] == pytest.approx(exact, rel=0.1, abs=0.3)
    assert days.in_all(2)[0] == pytest.approx(exact.sum(), rel=0.03)
    assert not found[:, 1].any(), "nobody else's"


def test_sums_that_are_kept_are_those_that_would_be_found() -> None:
    """Whatever is done to the table: to the last digit."""
    rng, days, slots = random.Random(3), Days(40), 40
    for step in range(300):
        hour = step % 24
        for _ in range(6):
            days.today[rng.randrange(slots)] += rng.choice((0.3, 1.0, 7e4))
        done = rng.randrange(8) if step % 5 == 0 else 0
        if done == 1:
            days.scale(0.25)
        elif done == 2:
            slots = max(2, slots - 3)
            days.keep(np.array(sorted(rng.sample(range(slots + 1), slots))))
        elif done == 3:
            days.widen(len(days.today) + 5)
            slots += 1
        elif done == 4:
            days.set(rng.randrange(slots), np.array([rng.random() * 9 for _ in ALL]))
        days.close(hour)
        assert (days.in_all(slots) == days.at(ALL, -1, slots).sum(axis=0)).all()


def test_what_is_beyond_all_counts_stays_the_largest() -> None:
    days = Days(1)
    days.today[0] = 1e30
    days.close(3)
    assert days.at(ALL, -1, 1)[:, 0].argmax() == 3 and np.isfinite(days.in_all(1)).all()


@pytest.mark.parametrize("length", [1, 4])
def test_sums_by_row_are_those_of_one_addition_after_the_other(length: int) -> None:
    rng = np.random.default_rng(5)
    for slots in (0, 1, 7, 1000):
        counts, rows = rng.random((3, slots)) * 1e3, rng.integers(0, length, slots).astype(np.int32)
        naive = [[0.0] * length for _ in counts]
        for place, each in enumerate(counts.tolist()):
            for row, count in zip(rows.tolist(), each, strict=True):
                naive[place][row] += count
        assert summed(rows, counts, length).tolist() == naive
        assert summed(rows, counts[1], length).tolist() == naive[1]


def test_what_is_rounded_stays_what_it_is() -> None:
    """So that the end of an hour need not look at those who were not used in it."""
    roots = np.arange(65_536, dtype=np.uint16)
    assert (_rooted(_squared(roots)) == roots).all()
