"""The online model: a naive twin in plain Python, bounds, gaps."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from zoned.core.forecast import online
from zoned.core.forecast.online import OnlineModel

DEMANDS = st.lists(
    st.one_of(st.floats(0, 1e9), st.just(math.nan), st.just(0.0), st.integers(0, 5).map(float)), max_size=200
)


class Twin:
    """One series, one number at a time, as the docstring of online.py says it."""

    def __init__(self) -> None:
        sets = range(online.SETS)
        self.level, self.rest = [0.0 for _ in sets], [0.0 for _ in sets]
        self.day = [[0.0] * 24 for _ in sets]
        self.week = [[0.0] * 168 for _ in sets]
        self.said = [[0.0] * 24 for _ in sets]
        self.near, self.far = [0.0 for _ in sets], [0.0 for _ in sets]
        self.n_near = self.n_far = 0.0
        self.seen, self.day_seen, self.week_seen = 0, [0] * 24, [0] * 168

    def step(self, hour: int, demand: float) -> None:
        d, w = hour % 24, hour % 168
        if math.isnan(demand):
            for i in range(online.SETS):
                self.rest[i] *= online._PERSIST[i]
                self._promise(i, d, w)
            return
        y = math.sqrt(demand)
        judge_near, judge_far = self.seen >= 24, self.seen >= 48
        for i in range(online.SETS):
            base = self.level[i] + self.day[i][d] + self.week[i][w]
            said = max(base + online._PERSIST[i] * self.rest[i], 0.0)
            if judge_near:
                self.near[i] = online._KEEP_HOUR * self.near[i] + abs(said - y)
            if judge_far:
                self.far[i] = online._KEEP_DAY * self.far[i] + abs(max(self.said[i][d], 0.0) - y)
        if judge_near:
            self.n_near = online._KEEP_HOUR * self.n_near + 1
        if judge_far:
            self.n_far = online._KEEP_DAY * self.n_far + 1
        limit = math.inf
        if self.n_near > online._ENOUGH_H:
            limit = online._UNUSUAL * min(self.near) / max(self.n_near, 1.0) + 1e-9
        for i in range(online.SETS):
            miss = y - (self.level[i] + self.day[i][d] + self.week[i][w])
            a, b, c, _ = online._SETS[i]
            a = max(a, 1 / (self.seen + 1))
            b = online._FIRST_DAY_GAIN if self.seen < 24 else max(b, 1 / (self.day_seen[d] + 1.5))
            c = max(c, 0.8 / (self.week_seen[w] + 1)) if c > 0 and self.week_seen[w] > 0 else 0.0
            left = (1 - a) * min(max(miss, -limit), limit)
            self.level[i] += a * miss
            self.day[i][d] += b * left
            self.week[i][w] += c * (1 - b) * left
            self.rest[i] = miss if self.seen else 0.0
            self._promise(i, d, w)
        self.seen += 1
        self.day_seen[d] += 1
        self.week_seen[w] += 1

    def _promise(self, i: int, d: int, w: int) -> None:
        base = self.level[i] + self.day[i][d] + self.week[i][w]
        self.said[i][d] = base + online._PERSIST[i] ** 24 * self.rest[i]

    def path(self, hour: int, steps: int) -> list[float]:
        near = self._weights(self.near, self.n_near, online._ETA_HOUR)
        far = self._weights(self.far, self.n_far, online._ETA_DAY)
        path = []
        for k in range(steps):
            share = min(k / online._BLEND_HOURS, 1.0)
            root = 0.0
            for i in range(online.SETS):
                base = self.level[i] + self.day[i][(hour + k) % 24] + self.week[i][(hour + k) % 168]
                said = max(base + online._PERSIST[i] ** (k + 1) * self.rest[i], 0.0)
                root += ((1 - share) * near[i] + share * far[i]) * said
            path.append(root**2)
        return path

    def _weights(self, loss: list[float], n: float, eta: float) -> list[float]:
        mean = [one / max(n, 1.0) for one in loss]
        best = min(mean) + 1e-12
        raw = [math.exp(-min(eta * (one / best - 1) * math.sqrt(n), 700)) for one in mean]
        return [one / sum(raw) for one in raw]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1e6), st.booleans()), min_size=1, max_size=220), st.integers(0, 10**6))
def test_it_is_its_twin(hours: list[tuple[float, bool]], start: int) -> None:
    model, twin = OnlineModel(3), Twin()
    for i, (demand, known) in enumerate(hours):
        value = demand if known else math.nan
        model.step(start + i, np.array([math.nan, value, 7.0]))
        twin.step(start + i, value)
    path = model.path(start + len(hours), 30)[1]
    assert np.allclose(path, twin.path(start + len(hours), 30), rtol=1e-6, atol=1e-6)


@settings(max_examples=60, deadline=None)
@given(DEMANDS, st.integers(0, 5000))
def test_paths_are_finite_and_not_negative(demands: list[float], skipped: int) -> None:
    model = OnlineModel(1)
    for hour, demand in enumerate(demands):
        model.step(hour, np.array([demand]))
    model.skip(skipped)
    path = model.path(len(demands) + skipped, 48)
    assert np.isfinite(path).all() and (path >= 0).all()


def test_it_learns_a_day_and_a_week() -> None:
    model = OnlineModel(1)

    def truth(hour: int) -> float:
        weekend = 0.4 if hour % 168 >= 120 else 1.0
        return weekend * (1000 + 800 * math.sin(hour % 24 / 24 * 2 * math.pi))

    start = 5 * 168 + 96  # a Friday
    for hour in range(start):
        model.step(hour, np.array([truth(hour)]))
    path = model.path(start, 168)[0]
    true = np.array([truth(start + k) for k in range(168)])
    off = np.abs(path - true) / true.mean()
    assert off[:24].mean() < 0.1 and off[24:48].mean() < 0.2  # the Friday, and the Saturday after it
    assert off.mean() < 0.15


def test_a_burst_does_not_come_back_the_next_day() -> None:
    calm, burst = OnlineModel(1), OnlineModel(1)
    rng = np.random.default_rng(1)
    for hour in range(24 * 14):
        demand = rng.poisson(400.0)
        calm.step(hour, np.array([float(demand)]))
        burst.step(hour, np.array([40000.0 if hour == 24 * 13 + 2 else float(demand)]))
    at = 24 * 14
    assert abs(burst.path(at, 24)[0, 2] - calm.path(at, 24)[0, 2]) < 200  # of 39,600


def test_skipping_ends_where_living_through_it_ends() -> None:
    lived, skipped = OnlineModel(1), OnlineModel(1)
    for hour in range(200):
        for model in (lived, skipped):
            model.step(hour, np.array([100.0 + hour % 24]))
    for hour in range(200, 2200):
        lived.step(hour, np.array([0.0]))
    skipped.skip(2000 - 48)
    for hour in range(2152, 2200):
        skipped.step(hour, np.array([0.0]))
    assert lived.path(2200, 24).max() < 1.0 and skipped.path(2200, 24).max() < 1.0


def test_rows_do_not_know_of_each_other_and_are_forgotten() -> None:
    pair, alone = OnlineModel(1), OnlineModel(1)
    pair.grow(4)
    for hour in range(60):
        pair.step(hour, np.array([5.0, hour * 10.0, math.nan, 1.0]))
        alone.step(hour, np.array([hour * 10.0]))
    assert np.allclose(pair.path(60, 24)[1], alone.path(60, 24)[0])
    pair.forget(1)
    assert (pair.path(60, 24)[1] == 0).all() and pair.path(60, 24)[0].min() > 3


def test_a_run_is_its_hours_one_by_one() -> None:
    """Some longer than a day or a week, so that cells come round; some hours unknown, one row not used."""
    rng = np.random.default_rng(7)
    demands = rng.poisson(30.0, (400, 3)).astype(float)
    demands[rng.random((400, 3)) < 0.1] = math.nan
    demands[:, 2] = math.nan
    one, many = OnlineModel(3), OnlineModel(3)
    start = 0
    for length in (1, 48, 70, 5, 190, 86):
        paths, seen = many.run(start, demands[start : start + length], 25)
        for i in range(length):
            one.step(start + i, demands[start + i])
            assert np.allclose(paths[i], one.path(start + i + 1, 25), rtol=1e-12)
            assert (seen[i] == one.seen).all()
        start += length
    assert (one.day_seen == many.day_seen).all() and (one.week_seen == many.week_seen).all()
    assert seen[-1].tolist() == (~np.isnan(demands)).sum(axis=0).tolist()
