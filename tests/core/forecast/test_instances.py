"""The table of instances: columns that follow their instance, and days that are kept in few digits."""

from __future__ import annotations

import random

import numpy as np
import pytest

from zoned.core.forecast.instances import Instances
from zoned.core.names import InstanceKey, key_hash

ALL = list(range(24))


def key(number: int) -> InstanceKey:
    return InstanceKey("d", b"%d" % number)


def test_columns_follow_their_instance_through_growth_and_pruning() -> None:
    table, rng = Instances(700), random.Random(4)
    twin: dict[int, tuple[int, int, float]] = {}  # number -> row, size, count
    for number in range(2000):
        if table.full:
            table.prune(np.array([twin[int(one.key)][2] for one in table.keys]))
            twin = {number: known for number, known in twin.items() if table.find(key_hash(key(number))) >= 0}
        row, size, count = rng.randrange(5), rng.randrange(1 << 33), rng.random()
        slot = table.track(key(number), key_hash(key(number)), row, size)
        table.fast[slot] = count
        twin[number] = row, size, count
    assert table.pruned == 2000 - len(table) and list(table.keys) == [key(number) for number in twin]
    for number, (row, size, count) in twin.items():
        slot = table.find(key_hash(key(number)))
        assert (table.keys[slot], table.rows[slot]) == (key(number), row)
        assert table.hashes[slot] == key_hash(key(number)) and table.sizes[slot] == min(size, (1 << 32) - 1)
        assert table.fast[slot] == pytest.approx(count) and table.slow[slot] == 0.0
    assert table.find(key_hash(key(5000))) == -1


@pytest.mark.parametrize("uses", [1.0, 60.0, 3600.0, 15_000.0])
def test_a_day_of_few_digits_is_that_of_floats(uses: float) -> None:
    """Sixty days, the unit set back every other week; each hour brings what it brings in 60 parts."""
    table, rng = Instances(4), random.Random(7)
    for number in (0, 1):
        table.track(key(number), key_hash(key(number)), 0, 10)
    exact, weight = np.zeros(24), 1.0
    for day in range(60):
        if day % 14 == 13:
            table.scale_day(0.25)
            exact, weight = exact / 4.0, weight / 4.0
        for hour in ALL:
            busy = uses * (1 + hour % 6) * rng.choice((0, 1, 2)) * weight
            for _ in range(60):
                table.today[0] += busy / 60
            exact[hour] += busy
            assert table.day([hour], hour)[0, 0] == pytest.approx(exact[hour], rel=0.1, abs=0.3)
            table.close_hour(hour)
        weight *= 2 ** (1 / 7)
    found = table.day(ALL, -1)
    assert found[:, 0] == pytest.approx(exact, rel=0.1, abs=0.3)
    assert table.day_in_all()[0] == pytest.approx(exact.sum(), rel=0.03)
    assert not found[:, 1].any(), "nobody else's"


def test_what_is_beyond_all_counts_stays_the_largest() -> None:
    table = Instances(4)
    table.track(key(0), key_hash(key(0)), 0, 10)
    table.today[0] = 1e30
    table.close_hour(3)
    assert table.day(ALL, -1)[:, 0].argmax() == 3 and np.isfinite(table.day_in_all()).all()
