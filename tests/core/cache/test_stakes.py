"""What guesses may cost: the balance, and what bounds it."""

from __future__ import annotations

from random import Random

import pytest

from zoned.core.cache.stakes import Stakes
from zoned.core.eviction import Hosting

SHARE = 0.005


class Ledger:
    """A policy that is told what guesses cost and brought, instead of finding out."""

    def __init__(self) -> None:
        self.policy, self.counters = Hosting(10, None, []), dict[str, int]()
        self.stakes = Stakes(SHARE, self.counters)
        self.lru_missed = self.lost = 0

    def covers(self, lru_missed: int, net_lost: int, now_s: float) -> float:
        """Since the start; how many guests there may be now."""
        lost = net_lost - self.lost
        self.policy.lost, self.policy.gained = max(0, lost), max(0, -lost)
        self.lru_missed, self.lost = lru_missed, net_lost
        self.stakes.settle(self.policy, lru_missed + net_lost, now_s)
        return self.policy.places


def test_misses_pay_in_up_to_what_an_hour_at_their_pace_would() -> None:
    stakes = Ledger()
    assert stakes.covers(0, 0, 0.0) == 0.0
    covered = [stakes.covers(number, 0, 3.6 * number) for number in range(1, 3001)]  # 1,000 an hour
    assert covered[150] < 1.0 < covered[250]
    assert covered[-1] == pytest.approx(SHARE * 1000, rel=0.02) and max(covered) < SHARE * 1020


def test_what_is_lost_is_paid_and_what_is_gained_comes_back() -> None:
    stakes = Ledger()
    full = stakes.covers(1000, 0, 3600.0)
    assert stakes.covers(1000, 2, 3600.0) == pytest.approx(full - 2)
    assert stakes.covers(1000, 1, 3600.0) == pytest.approx(full - 1)
    assert stakes.counters == {"hits_lost_to_guesses": 2, "hits_guessed": 1}
    assert stakes.covers(1000, -50, 3600.0) <= SHARE * 8000, "gains are not saved up beyond an hour's share"


def test_a_quiet_store_covers_nothing() -> None:
    stakes = Ledger()
    assert max([stakes.covers(number, 0, 36.0 * number) for number in range(1000)]) < 1.0  # 100 an hour
    busy = Ledger()
    assert busy.covers(1000, 0, 100.0) == 5.0 and busy.covers(1000, 0, 100.0 + 3600.0) < 0.02


@pytest.mark.parametrize("seed", range(5))
def test_no_hour_loses_more_than_was_said(seed: int) -> None:
    """Whoever guesses whenever it is covered, and always loses, in hours of the same pace or a rising one."""
    rng, stakes = Random(seed), Ledger()
    missed = lost = guests = 0
    now_s, hours = 0.0, []
    for hour in range(8):
        pace, before = 600 * (1 + hour // 2), (missed, lost)
        while now_s < 3600.0 * (hour + 1):
            now_s += rng.expovariate(pace / 3600.0)
            missed += 1
            guests = max(0, min(guests, int(stakes.covers(missed, lost, now_s))))
            guests += stakes.covers(missed, lost, now_s) >= guests + 1
            if guests and rng.random() < 0.2:
                guests, lost = guests - 1, lost + 1
        hours.append((lost - before[1]) / (missed - before[0]))
    assert 0.7 * SHARE < max(hours) <= 2 * SHARE
