"""Instance rates: a naive twin from the list of events, bounds, pruning, state."""

from __future__ import annotations

import math
from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoned.core.errors import StateError
from zoned.core.forecast import ForecastSettings, rates
from zoned.core.forecast.rates import MIXTURES, Rates, hours_of_day
from zoned.core.names import InstanceKey, key_hash
from zoned.core.records import InstanceUse

SETTINGS = ForecastSettings()
ROWS = {"d": 0, "e": 5}
Event = tuple[float, InstanceKey, int]


def use(key: InstanceKey, accesses: int, size: int = 10) -> InstanceUse:
    return InstanceUse(key, key_hash(key), accesses, size)


class Twin:
    """From the whole list of events, without columns, units or increments."""

    def __init__(self, events: list[Event], begun_s: float) -> None:
        self.events, self.begun_s = events, begun_s
        self.loss: dict[str, np.ndarray] = defaultdict(lambda: np.zeros(len(MIXTURES)))

    def decayed(self, key: InstanceKey, half_life_s: float, now_s: float, bin_: int | None = None) -> float:
        return sum(
            count * 2 ** ((at - now_s) / half_life_s)
            for at, one, count in self.events
            if one == key and at <= now_s and (bin_ is None or int(at // 3600) % 24 == bin_)
        )

    def exposure_h(self, half_life_s: float, now_s: float, bin_: int | None = None) -> float:
        """By steps of five minutes."""
        ticks = np.arange(self.begun_s, now_s, 300.0) + 150.0
        weights = 300.0 / 3600.0 * 2.0 ** ((ticks - now_s) / half_life_s)
        return float(weights[(ticks // 3600 % 24 == bin_) if bin_ is not None else slice(None)].sum())

    def experts(self, now_s: float, until_s: float) -> dict[InstanceKey, np.ndarray]:
        seen = {key for at, key, _ in self.events if at <= now_s}
        found = {}
        for key in seen:
            peers = [peer for peer in seen if peer.dependency == key.dependency]
            found[key] = self.expert(key, peers, now_s, until_s)
        return found

    def expert(self, key: InstanceKey, peers: list[InstanceKey], now_s: float, until_s: float) -> np.ndarray:
        def rate(half_life_s: float) -> float:
            exposure = max(self.exposure_h(half_life_s, now_s), 1e-3)
            average = sum(self.decayed(peer, half_life_s, now_s) for peer in peers) / len(peers) / exposure
            prior_h = rates._PRIOR_SHAPE / max(average, 1e-9)
            return (self.decayed(key, half_life_s, now_s) + rates._PRIOR_SHAPE) / (exposure + prior_h)

        def profile(bin_: int) -> float:
            life = SETTINGS.profile_half_life_s
            share = self.exposure_h(life, now_s, bin_) / max(self.exposure_h(life, now_s), 1e-9)
            everyone = sum(self.decayed(peer, life, now_s) for peer in peers)
            everyone_at = sum(self.decayed(peer, life, now_s, bin_) for peer in peers)
            flat = rates._DEPENDENCY_STRENGTH / 24
            shared = (everyone_at + flat) / (everyone * share + flat)
            strength = SETTINGS.profile_strength / 24
            own, own_at = self.decayed(key, life, now_s), self.decayed(key, life, now_s, bin_)
            return (own_at + strength * shared) / (own * share + strength)

        ahead = hours_of_day(now_s, until_s)
        hours = sum(length for _, length in ahead)
        times = sum(length * profile(bin_) for bin_, length in ahead)
        recent = sum(profile((int(now_s // 3600) - i) % 24) for i in range(4)) / 4
        turn = min(max(times / hours / recent, 0.25), 4.0)
        quick, steady = (
            rate(SETTINGS.recent_half_life_s) * hours * turn,
            rate(SETTINGS.rate_half_life_s) * times,
        )
        return np.array([share * quick + (1 - share) * steady for share in MIXTURES])

    def live(self, tops: list[float]) -> None:
        """At each of these tops of hours what was promised at the one before is judged."""
        for top, until in zip(tops, tops[1:], strict=False):
            promised = self.experts(top, (top // 3600 + 1) * 3600)
            added: dict[str, np.ndarray] = defaultdict(lambda: np.zeros(len(MIXTURES)))
            for key, said in promised.items():
                came = sum(count for at, one, count in self.events if one == key and top < at < until)
                added[key.dependency] += said - came * np.log(said)
            for name in {"d", "e"}:
                total = rates._KEEP_LOSS * self.loss[name] + added[name]
                self.loss[name] = total - total.min()

    def expected(self, now_s: float) -> dict[InstanceKey, float]:
        found = {}
        for key, said in self.experts(now_s, now_s + 3600).items():
            weight = np.exp(-rates._ETA * self.loss[key.dependency])
            found[key] = float((said * weight).sum() / weight.sum())
        return found


KEYS = [InstanceKey("d", b"a"), InstanceKey("d", b"b"), InstanceKey("e", b"a"), InstanceKey("e", b"c")]


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 4), st.sampled_from(KEYS), st.integers(1, 5)), min_size=1, max_size=25),
    st.integers(0, 23),
)
def test_it_is_its_twin(raw: list[tuple[int, InstanceKey, int]], start_hour: int) -> None:
    """Events half an hour past the hour, one window each; the top of every hour is passed."""
    mine, events = Rates(SETTINGS), []
    begun_s = 1000 * 86400.0 + start_hour * 3600
    mine.advance(begun_s, ROWS)
    hour = 0
    for gap, key, count in raw:
        for _ in range(gap):
            hour += 1
            mine.advance(begun_s + hour * 3600, ROWS)
        at = begun_s + hour * 3600 + 1800 + len(events)  # no two at once
        events.append((at, key, count))
        mine.note((use(key, count),), at, ROWS)
    now = begun_s + (hour + 1) * 3600
    mine.advance(now, ROWS)
    twin = Twin(events, begun_s)
    twin.live([begun_s + i * 3600 for i in range(1, hour + 2)])
    expected, _ = mine.expected(now, 3600.0)
    found = dict(zip(mine.table.keys, expected.tolist(), strict=True))
    for key, value in twin.expected(now).items():
        assert found[key] == pytest.approx(value, rel=0.05)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.floats(0, 1e8), st.lists(st.tuples(st.integers(0, 40), st.integers(0, 10**7)), max_size=8)
        ),
        max_size=12,
    ),
    st.floats(60, 1e6),
)
def test_bounds_hold_whatever_happens(
    steps: list[tuple[float, list[tuple[int, int]]]], horizon: float
) -> None:
    mine = Rates(ForecastSettings(max_instances=16))
    now = 0.0
    for gap, uses in steps:
        now += gap
        mine.note(tuple(use(InstanceKey("d", b"%d" % i), count) for i, count in uses), now, ROWS)
        mine.advance(now, ROWS)
        assert len(mine.table) <= 16
    demands = mine.demands(now, horizon, 5)
    assert len(demands) <= 5
    for demand in demands:
        assert math.isfinite(demand.expected) and demand.expected > 0
        assert 0 <= demand.probability <= 1
    assert list(demands) == sorted(mine.demands(now, horizon, 99), key=lambda d: (-d.expected, d.key))[:5]


def test_the_busy_hour_is_known_and_p_of_any_use_follows() -> None:
    mine = Rates(SETTINGS)
    key = InstanceKey("d", b"nine")
    mine.advance(0.0, ROWS)
    for day in range(14):
        mine.note((use(key, 20, 777),), day * 86400 + 9.5 * 3600, ROWS)
        mine.advance(day * 86400 + 86400.0, ROWS)
    morning = mine.demands(14 * 86400.0 + 9 * 3600, 3600.0, 10)[0]
    night = mine.demands(14 * 86400.0 + 2 * 3600, 3600.0, 10)[0]
    assert morning.expected > 4 * night.expected and morning.probability > night.probability
    assert morning.size == 777 and morning.key_hash == key_hash(key)


def test_a_new_fashion_is_seen_within_the_hour() -> None:
    mine = Rates(SETTINGS)
    old, new = InstanceKey("d", b"old"), InstanceKey("d", b"new")
    for hour in range(24 * 5):
        mine.note((use(old, 10),), hour * 3600.0, ROWS)
    for minute in range(30):
        mine.note((use(new, 4),), 24 * 5 * 3600.0 + minute * 60, ROWS)
    mine.advance(24 * 5 * 3600.0 + 1800, ROWS)
    found = {d.key: d.expected for d in mine.demands(mine.now_s, 3600.0, 9)}
    assert found[new] > found[old]


def test_the_least_used_go_and_the_order_of_the_rest_stays() -> None:
    mine = Rates(ForecastSettings(max_instances=8))
    keys = [InstanceKey("d", b"%d" % i) for i in range(9)]
    mine.note(tuple(use(key, 10 + i) for i, key in enumerate(keys[:8])), 10.0, ROWS)
    mine.note((use(keys[8], 1),), 20.0, ROWS)
    mine.advance(30.0, ROWS)
    assert mine.table.keys == keys[1:] and mine.table.pruned == 1
    assert mine.demands(30.0, 3600.0, 1)[0].key == keys[7]


def test_instances_of_a_forgotten_or_unknown_dependency_go() -> None:
    mine = Rates(SETTINGS)
    mine.note((use(KEYS[0], 1), use(KEYS[2], 1), use(InstanceKey("unknown", b"x"), 1)), 1.0, ROWS)
    mine.advance(2.0, ROWS)
    assert len(mine.table) == 2
    mine.forget(0)
    assert mine.table.keys == [KEYS[2]]


def test_decades_pass_in_bounded_work() -> None:
    mine = Rates(SETTINGS)
    mine.note((use(KEYS[0], 5),), 1.0, ROWS)
    for years in (1, 10, 100):
        mine.advance(years * 365 * 86400.0, ROWS)
        mine.note((use(KEYS[1], 1),), mine.now_s, ROWS)
    assert all(math.isfinite(d.expected) for d in mine.demands(mine.now_s, 3600.0, 9))


def test_round_trip() -> None:
    mine = Rates(SETTINGS)
    rng = np.random.default_rng(5)
    for hour in range(100):
        mine.note(tuple(use(key, int(rng.integers(1, 9))) for key in KEYS), hour * 3600.0 + 1800, ROWS)
        mine.advance(hour * 3600.0 + 3600, ROWS)
    again = Rates(SETTINGS)
    names = ["d", "", "", "", "", "e"]
    again.restore_state(mine.export_state(names), mine.now_s, ROWS)
    assert again.table.keys == mine.table.keys and again.table.hashes == mine.table.hashes
    assert np.allclose(again.expected(mine.now_s, 3600.0)[0], mine.expected(mine.now_s, 3600.0)[0], rtol=0.02)


def test_a_clock_that_was_put_back_is_no_decay_and_loses_nothing() -> None:
    mine = Rates(SETTINGS)
    mine.note((use(KEYS[0], 5),), 1.0, ROWS)
    mine.advance(7200.0, ROWS)
    saved = mine.export_state(["d"])
    back, same = Rates(SETTINGS), Rates(SETTINGS)
    back.restore_state(saved, 100.0, ROWS)
    same.restore_state(saved, 7200.0, ROWS)
    assert back.table.keys == [KEYS[0]]
    assert np.array_equal(back.table.fast, same.table.fast) and back.table.fast[0] > 0


@pytest.mark.parametrize(
    "change",
    [
        {"keys": 3}, {"keys": [["d", "text", 1]]}, {"keys": [["d", b"x" * 5000, 1]]}, {"fast": b"12"},
        {"slow": None}, {"day": b""}, {"exposure_h": [1.0]}, {"exposure_h": [1.0, float("nan")]},
        {"losses": []}, {"losses": {"d": [1.0]}}, {"saved_s": "x"}, {"saved_s": float("nan")},
        {"saved_s": float("-inf")},
    ],
)  # fmt: skip
def test_nonsense_is_refused(change: dict[str, object]) -> None:
    mine = Rates(SETTINGS)
    mine.note((use(KEYS[0], 5),), 1.0, ROWS)
    mine.advance(100.0, ROWS)
    with pytest.raises(StateError):
        Rates(SETTINGS).restore_state(mine.export_state(["d"]) | change, 1000.0, ROWS)
