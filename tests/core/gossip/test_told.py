"""What waits and what was told: against dictionaries, over both limits."""

from __future__ import annotations

import random

import pytest

from zoned.core.gossip.told import Told

HALF_LIFE_S = 100.0


@pytest.mark.parametrize("limit", [5, 40, 1000])
def test_it_is_two_dictionaries(limit: int) -> None:
    table, rng = Told(HALF_LIFE_S, limit), random.Random(limit)
    waiting: dict[int, float] = {}
    told: dict[int, tuple[float, float]] = {}
    dropped, now_s = 0, 0.0

    def as_of(name: int) -> float:
        count, when_s = told.get(name, (0.0, now_s))
        return count * 2 ** ((when_s - now_s) / HALF_LIFE_S)

    def farthest(most: int) -> list[int]:
        return sorted(waiting, key=lambda name: -abs(waiting[name] - as_of(name)))[:most]

    for _ in range(300):
        now_s += 7.0
        for _ in range(rng.randrange(12)):
            name, count = rng.randrange(200), rng.randrange(1, 1 << 20) / 64
            table.wait(name, count)
            waiting[name] = count
        over = max(0, len(waiting) - limit)
        waiting = {name: waiting[name] for name in farthest(limit)}
        assert table.cut(now_s) == over
        dropped += over
        if rng.random() < 0.5:
            chosen = farthest(1)  # one at a time, so that times differ
            assert table.take(1, now_s) == [(name, waiting.pop(name)) for name in chosen] or not chosen
            for name, count in [(name, table._counts[table._rows.get(name)]) for name in chosen]:
                told.pop(name, None)
                told[name] = count, now_s
            while len(told) > limit:
                gone = min(told, key=lambda name: told[name][1])
                del told[gone]
        assert table.waits == len(waiting)
        assert sum(table.as_of(name, now_s) for name in range(200)) == pytest.approx(sum(map(as_of, told)))
        largest = sorted((as_of(name) for name in told), reverse=True)[:3]
        assert [count for _, count in table.largest(3, now_s)] == pytest.approx(largest)
    assert len(told) == min(limit, len(told)) and (dropped > 0) == (limit < 1000)
    assert len(table._rows) <= 2 * limit + 12
