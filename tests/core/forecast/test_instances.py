"""The table of instances: columns that follow their instance."""

from __future__ import annotations

import random

import numpy as np
import pytest

from zoned.core.forecast.instances import Instances
from zoned.core.names import InstanceKey, key_hash


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
        table.fast[slot] = table.days.today[slot] = count
        twin[number] = row, size, count
    assert table.pruned == 2000 - len(table) and list(table.keys) == [key(number) for number in twin]
    for number, (row, size, count) in twin.items():
        slot = table.find(key_hash(key(number)))
        assert (table.keys[slot], table.rows[slot]) == (key(number), row)
        assert table.hashes[slot] == key_hash(key(number)) and table.sizes[slot] == min(size, (1 << 32) - 1)
        assert table.fast[slot] == pytest.approx(count) and table.slow[slot] == 0.0
        assert table.days.today[slot] == pytest.approx(count)
    assert table.find(key_hash(key(5000))) == -1
