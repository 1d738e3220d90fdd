"""The table of decayed counts: against a naive twin, over rebases, forgetting, growth and learning."""

from __future__ import annotations

import random
import warnings
from math import exp
from typing import Any

import msgpack
import pytest

from zoned.core.errors import StateError
from zoned.core.eviction.demand import HORIZON, SCALES, Demand

COPIES = 20


def made(copies: int = COPIES, rows: int = 4096) -> Demand:
    return Demand(copies, rows, random.Random(1).random)


def counts_of(demand: Demand, key: int) -> list[float]:
    """Its six counts as of now."""
    row = demand.rows.get(key)
    grown = demand._growth * 2
    return [value / growth for value, growth in zip(demand._table[row].tolist(), grown, strict=True)]


def test_counts_are_those_of_a_naive_twin_over_many_rebases() -> None:
    demand, rng = made(), random.Random(2)
    uses: list[tuple[int, int, int]] = []  # (clock, key, here or elsewhere)
    for clock in range(1, 3001):
        key = int(30 * rng.random() ** 2)
        demand.used(key)
        uses.append((clock, key, 0))
        if rng.random() < 0.5:
            other = int(30 * rng.random() ** 2)
            demand.asked(other)
            uses.append((clock, other, 1))
    assert any(base > 0 for base in demand._base), "no rebase in this test"
    for key in range(30):
        for place, scale in enumerate(SCALES):
            tau = scale * COPIES
            for where in (0, 1):
                naive = sum(exp((clock - 3000) / tau) for clock, k, w in uses if k == key and w == where)
                assert counts_of(demand, key)[3 * where + place] == pytest.approx(naive, rel=1e-3, abs=1e-6)


def test_rates_between_two_refreshes_follow_each_use() -> None:
    demand = made(copies=100_000)  # so that no refresh comes in between
    demand.used(7)
    row = demand.rows.get(7)
    once = demand.own[row], demand.others[row]
    demand.used(7)
    assert demand.own[row] == pytest.approx(2 * once[0], rel=1e-3)
    demand.asked(7)
    demand.asked(7, 3.0)
    here, elsewhere = demand.own[row], demand.others[row]
    demand._refresh()
    assert (demand.own[row], demand.others[row]) == pytest.approx((here, elsewhere), rel=1e-2)
    assert elsewhere > here - 2 * once[0], "what others ask for says more of others than of us"


def test_it_learns_whether_the_past_tells_anything() -> None:
    """Half of the instances are asked for again and again, half once only: their rates part."""
    demand, rng = made(), random.Random(3)
    for clock in range(6000):
        demand.used(rng.randrange(15) if clock % 2 else 1000 + clock)
    steady = sum(demand.own[demand.rows.get(key)] for key in range(15)) / 15
    horizon = HORIZON * COPIES
    assert steady == pytest.approx(horizon / 30, rel=0.3), "each comes once in 30 requests"
    newest = demand.own[demand.rows.get(1000 + 5998)]
    assert newest < 0.4 * steady


def test_a_tiny_store_learns_as_a_large_one_does() -> None:
    """What waits to be learnt from outlives many changes of the growth there."""
    demand, rng = made(copies=3), random.Random(3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for clock in range(8000):
            demand.used(rng.randrange(3) if clock % 2 else 1000 + clock)
    steady = sum(demand.own[demand.rows.get(key)] for key in range(3)) / 3
    assert steady == pytest.approx(HORIZON * 3 / 6, rel=0.3), "each comes once in 6 requests"


def test_others_demand_has_a_rate_of_its_own() -> None:
    demand, rng = made(), random.Random(4)
    for _ in range(4000):
        demand.used(rng.randrange(10))
        demand.asked(100 + rng.randrange(10))
    ours, theirs = demand.rows.get(3), demand.rows.get(103)
    assert demand.own[ours] > 5 * demand.others[ours]
    assert demand.others[theirs] > 5 * demand.own[theirs]


def test_rows_are_bounded_and_the_least_asked_for_go() -> None:
    demand = made(rows=256)
    for number in range(3000):
        demand.used(number % 8)
        demand.used(10_000 + number)
    assert len(demand.rows) <= 256 and demand.forgotten > 1000
    assert all(key in demand.rows for key in range(8))
    row = demand.rows.get(3)
    assert demand.own[row] == max(demand.own[demand.rows.get(key)] for key in range(8)) or demand.own[row] > 0


def test_a_forgotten_row_starts_from_nothing() -> None:
    demand = made(rows=256)
    for number in range(600):
        demand.used(number)
    fresh = demand.rows.get(599)
    demand._refresh()
    assert 0.0 < demand.own[fresh] < 3 * demand.own[demand.rows.get(598)]
    assert demand.own[0] == demand.others[0] == 0.0, "row 0 is nobody's"


def test_the_memories_follow_the_size_of_the_store() -> None:
    demand = made(copies=1000)
    for number in range(500):
        demand.used(number % 50)
    demand.settle(10)
    before = counts_of(demand, 7)
    assert before[0] == pytest.approx(sum(exp((c - 500) / 500) for c in range(8, 501, 50)), rel=1e-2)
    for _ in range(50):
        demand.used(1)
    assert counts_of(demand, 7)[0] == pytest.approx(before[0] * exp(-50 / 5), rel=1e-2)
    assert demand.copies == 10


def after_some_use(copies: int = COPIES) -> Demand:
    demand, rng = made(copies), random.Random(6)
    for _ in range(3000):
        demand.used(rng.randrange(40))
        demand.asked(rng.randrange(60))
    return demand


def test_a_restart_forgets_no_demand() -> None:
    before, after = after_some_use(), made()
    after.restore_state(msgpack.unpackb(msgpack.packb(before.export_state(1000))), resize=False)
    before._refresh()
    assert set(after.rows) == set(before.rows)
    for key, row in ((key, before.rows.get(key)) for key in before.rows):
        assert after.own[after.rows.get(key)] == pytest.approx(before.own[row], rel=1e-4, abs=1e-6)
        assert after.others[after.rows.get(key)] == pytest.approx(before.others[row], rel=1e-4, abs=1e-6)
    for demand in (before, after):
        demand.used(7)
        demand.used(1234)
    for key in (7, 1234):
        assert after.own[after.rows.get(key)] == pytest.approx(before.own[before.rows.get(key)], rel=1e-3)


def test_what_is_in_most_demand_is_saved_first() -> None:
    demand = made()
    for key in range(50):
        for _ in range(1 + key):
            demand.used(key)
    after = made()
    after.restore_state(demand.export_state(10), resize=False)
    assert sorted(after.rows) == list(range(40, 50))
    assert made().export_state(0)["names"] == b"" == demand.export_state(0)["names"]


def test_more_than_there_are_rows_is_cut_and_memories_follow_where_the_size_was_not_known() -> None:
    before, small = made(rows=4096), Demand(5, 256, random.Random(1).random)
    for key in range(900):
        before.used(key)
    small.restore_state(before.export_state(1000), resize=True)
    assert len(small.rows) == 255 and small.copies == COPIES
    small.used(10_000)
    assert 10_000 in small.rows


@pytest.mark.parametrize(
    "change",
    [
        {"copies": 0}, {"copies": "20"}, {"solutions": -1}, {"names": b"abc"}, {"counts": b""},
        {"names": b"\1\0\0\0" * 2, "counts": bytes(48)},
        {"names": b"\1\0\0\0", "counts": b"\0\0\xc0\x7f" * 6}, {"rates": []},
        {"rates": [[[0.1] * 6] * 8, [[0.1] * 6] * 7]}, {"rates": [[["x"] * 6] * 8] * 2},
        {"rates": [[[-1.0] * 6] * 8] * 2}, {"names": None},
    ],
)  # fmt: skip
def test_nonsense_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(StateError):
        made().restore_state(after_some_use().export_state(10) | change, resize=False)
    with pytest.raises(StateError):
        made().restore_state([change], resize=False)
