"""How often each instance is used: a discounted Gamma-Poisson rate with a shrunken profile of the day.

Most instances are used a few times a day, too rarely for any time series model. Each keeps two decayed
counts (half-lives of an hour and two days); with the exposure decayed alike they give the posterior mean
of a Poisson rate whose Gamma prior is the average instance of its dependency. Which to trust, the fresh
count or the long one, depends on the traffic: five mixtures of the two run as experts, weighted per
dependency by the decayed Poisson log loss of the hours that passed (Hedge). On top, 24 decayed counts tell
at what hours of day it is used, shrunk towards its dependency's day, and that towards flat, so that one
night without traffic proves little. P(at least one) is the negative binomial's: the mixture of Poissons
over what is not known of the rate.

Time passing costs nothing and an access one addition (decay.py); the table is bounded (instances.py).
Exposure is common to all: an instance that is not tracked was not used.

Rejected: Croston and TSB (worse on the weighted quantile loss and on the Brier score of "any access"),
rates per request instead of per hour (a plan needs time), a heap by rate (all rates change with time).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import isfinite
from operator import attrgetter
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from zoned.core.errors import StateError
from zoned.core.forecast.days import spread, summed
from zoned.core.forecast.decay import DAY, HOUR_S, DayExposure, Decay
from zoned.core.forecast.instances import Instances
from zoned.core.forecast.settings import ForecastSettings
from zoned.core.names import MAX_KEY_BYTES, Dependency, Fingerprint, InstanceKey, fingerprint_of, key_hash
from zoned.core.records import InstanceDemand, InstanceUse

Floats: TypeAlias = NDArray[np.float64]

MIXTURES = np.array((0.0, 0.1, 0.3, 0.6, 1.0))  # shares of the fast rate
_PRIOR_SHAPE = 0.3  # of the Gamma prior: worth that many accesses
_DEPENDENCY_STRENGTH = 48.0  # pseudo-accesses with which a dependency's day starts out flat
_KEEP_LOSS = 0.5 ** (1 / 72)  # per hour
_ETA = 0.3
_RECENT_HOURS = 4  # the hours of day that the fast rate is taken to speak of
_MOST_TURN = 4.0  # most by which the profile may move the fast rate, either way
_MOST_QUEUED = 1024  # uses waiting to be added, at most; 150 B each
_LEAST = 1e-9  # accesses that are expected of anything
_SHORTEST_H = 1e-3  # exposure below that is taken for it


class Rates:
    """Rates of the instances in use, for one table of them."""

    def __init__(self, settings: ForecastSettings) -> None:
        self._strength = settings.profile_strength
        self._fast = Decay(settings.recent_half_life_s)
        self._slow = Decay(settings.rate_half_life_s)
        self._bins = DayExposure(settings.profile_half_life_s)
        self.table = Instances(settings.max_instances)
        self._loss = np.zeros((4, len(MIXTURES)))  # per row, relative to the best
        self._hour = -1  # the hour that runs
        self._queue: list[tuple[float, tuple[InstanceUse, ...]]] = []
        self._queued = 0
        self._any_used = False  # since ``take_counts``
        self.now_s = 0.0

    # ---- learning -----------------------------------------------------------------------------

    def note(self, uses: tuple[InstanceUse, ...], at_s: float, rows: dict[Dependency, int]) -> None:
        """Take in one window's uses, at the middle of the window; added up later, when it is due."""
        if not uses:
            return
        self._queue.append((at_s, uses))
        self._queued += len(uses)
        if self._queued > _MOST_QUEUED:
            self.advance(at_s, rows)

    def advance(self, now_s: float, rows: dict[Dependency, int]) -> None:
        """Add what was noted and let time pass up to ``now_s``; instances of unknown rows are let go."""
        if self._hour < 0:
            self._begin(min(self._queue[0][0], now_s) if self._queue else now_s)
        queue, self._queue, self._queued = self._queue, [], 0
        for at_s, uses in queue:
            self._pass_to(at_s)
            self._add(uses, max(at_s, self.now_s), rows)
        self._pass_to(now_s)

    def _begin(self, at_s: float) -> None:
        self.now_s = at_s
        self._hour = int(at_s // HOUR_S)
        for decay in (self._fast, self._slow, self._bins):
            decay.begin(at_s)

    def _pass_to(self, at_s: float) -> None:
        """Let time pass. At the top of an hour the experts are judged, and promise the next."""
        if at_s <= self.now_s:
            return
        hour = int(at_s // HOUR_S)
        if hour > self._hour:
            self._judge()
            self.table.days.close(self._hour % DAY)
        self._bins.observe(self.now_s, at_s)
        self.now_s = at_s
        table = self.table
        for counts, decay in ((table.fast, self._fast), (table.slow, self._slow)):
            factor = decay.rebase(at_s)
            if factor != 1.0:
                counts *= factor
        factor = self._bins.rebase(at_s)
        if factor != 1.0:
            table.days.scale(factor)
        if hour > self._hour:
            self._hour = hour
            if len(table):
                table.came[:] = 0.0
                table.said[0], table.said[1], _ = self._ends(at_s, (hour + 1) * HOUR_S)

    def _add(self, uses: tuple[InstanceUse, ...], at_s: float, rows: dict[Dependency, int]) -> None:
        table = self.table
        places: list[int] = []
        amounts: list[int] = []
        for key, hashed, accesses, size in uses:
            slot = table.find(hashed)
            if slot < 0:
                row = rows.get(key.dependency)
                if row is None:
                    continue
                if table.full:  # pruning moves slots: first add up what was gathered
                    self._add_up(places, amounts, at_s)
                    places, amounts = [], []
                    table.prune(self._use(at_s))
                slot = table.track(key, hashed, row, size)
                self._row_exists(row)
            elif size:
                table.resized(slot, size)
            places.append(slot)
            amounts.append(accesses)
        self._add_up(places, amounts, at_s)

    def take_counts(self) -> list[tuple[Fingerprint, float]]:
        """The instances used since last time, with their count of the short half-life as of now."""
        table = self.table
        if not self._any_used:
            return []
        self._any_used = False
        places = np.flatnonzero(table.used)
        counts = table.fast[places].astype(np.float64) / self._fast.weight(self.now_s)
        table.used[:] = False
        hashes = [table.hashes[slot] for slot in places.tolist()]
        return list(zip(map(fingerprint_of, hashes), counts.tolist(), strict=True))

    def _add_up(self, places: list[int], amounts: list[int], at_s: float) -> None:
        if not places:
            return
        table = self.table
        slots = np.array(places, dtype=np.int64)  # each once: a window names an instance once
        amount = np.array(amounts, dtype=np.float64)
        table.came[slots] += amount
        table.fast[slots] += amount * self._fast.weight(at_s)
        table.slow[slots] += amount * self._slow.weight(at_s)
        table.days.today[slots] += amount * self._bins.weight(at_s)
        table.used[slots] = self._any_used = True

    def _row_exists(self, row: int) -> None:
        if row >= len(self._loss):
            more = max(row + 1, 2 * len(self._loss)) - len(self._loss)
            self._loss = np.concatenate([self._loss, np.zeros((more, len(MIXTURES)))])

    def _use(self, now_s: float) -> Floats:
        """Both decayed counts of each slot together."""
        table = self.table
        use: Floats = table.fast / np.float64(self._fast.weight(now_s)) + table.slow / np.float64(
            self._slow.weight(now_s)
        )
        return use

    def forget(self, row: int) -> None:
        """The row is given to another dependency: its instances go."""
        if row < len(self._loss):
            self._loss[row] = 0.0
        self.table.drop_row(row)

    def _judge(self) -> None:
        """An hour is over: add each mixture's Poisson log loss over its instances, per dependency.

        What they promised in all is a mixture of two sums; logarithms are needed of what was used alone."""
        table = self.table
        rows, (steady, fresh), came = table.rows, table.said, table.came
        length = len(table.slots)
        steadily, freshly = summed(rows, steady, length), summed(rows, fresh, length)
        if not steadily.any():
            return
        used = np.flatnonzero(came)
        used = used[steady[used] > 0]
        said = steady[used] + MIXTURES[:, None] * (fresh[used] - steady[used])
        gain, gained = came[used] * np.log(np.maximum(said, _LEAST)), rows[used]
        self._loss *= _KEEP_LOSS
        missed = steadily[:, None] + MIXTURES * (freshly - steadily)[:, None]
        self._loss[:length] += missed - summed(gained, gain, length).T
        self._loss -= self._loss.min(axis=1, keepdims=True)

    # ---- predicting ---------------------------------------------------------------------------

    def _posterior(self, counts: Floats, exposure_h: float) -> tuple[Floats, Floats]:
        """Posterior mean rate per hour and Gamma shape of each slot, given decayed counts. The prior's mean
        is that of the dependency's tracked instances."""
        rows, slots = self.table.rows, self.table.slots
        exposure_h = max(exposure_h, _SHORTEST_H)
        average = summed(rows, counts, len(slots)) / np.maximum(slots, 1) / exposure_h
        prior_h = _PRIOR_SHAPE / np.maximum(average, 1e-9)
        shape = counts + _PRIOR_SHAPE
        return shape / spread(exposure_h + prior_h, rows), shape

    def _profile(self, hours: list[int]) -> Floats:
        """(hours, slots): how many times its average rate an instance is used at these hours of day."""
        table, rows, unit = self.table, self.table.rows, np.float64(self._bins.unit())
        exposure = self._bins.hours()
        share = (exposure[hours] / max(float(exposure.sum()), 1e-9))[:, None]
        profile = table.days.at(hours, self._hour % DAY, len(table))
        profile /= unit
        own = table.days.in_all(len(table)) / unit
        all_at, in_all = summed(rows, profile, len(table.slots)), summed(rows, own, len(table.slots))
        flat = _DEPENDENCY_STRENGTH / DAY
        shared = (all_at + flat) / (in_all * share + flat)
        strength = self._strength / DAY
        profile += spread(strength * shared, rows)
        expected = own * share
        expected += strength
        profile /= expected
        return profile

    def _ends(self, now_s: float, until_s: float) -> tuple[Floats, Floats, Floats]:
        """Per slot, accesses expected until then by the long count alone and by the fresh one alone (between
        which the experts mix), and the shapes of their Gamma posteriors."""
        fast = self.table.fast / np.float64(self._fast.weight(now_s))
        slow = self.table.slow / np.float64(self._slow.weight(now_s))
        fast_rate, fast_shape = self._posterior(fast, self._fast.exposure_h(now_s))
        slow_rate, slow_shape = self._posterior(slow, self._slow.exposure_h(now_s))
        ahead = hours_of_day(now_s, until_s)
        hour = int(now_s // HOUR_S)
        back = [(hour - i) % DAY for i in range(_RECENT_HOURS)]
        both = dict.fromkeys([of_day for of_day, _ in ahead] + back)
        profile = dict(zip(both, self._profile(list(both)), strict=True))
        lengths = np.array([length for _, length in ahead])
        times = lengths @ np.stack([profile[of_day] for of_day, _ in ahead])
        recent = np.add.reduce([profile[of_day] for of_day in back])
        hours = max(float(lengths.sum()), 1e-9)
        recent = np.maximum(recent / _RECENT_HOURS, 1e-6)
        turn = np.minimum(np.maximum(times / hours / recent, 1.0 / _MOST_TURN), _MOST_TURN)
        return slow_rate * times, fast_rate * hours * turn, np.maximum(fast_shape, slow_shape)

    def expected(self, now_s: float, horizon_s: float) -> tuple[Floats, Floats]:
        """Per slot: accesses expected over the horizon, and the shape of what is known of the rate."""
        if not len(self.table):
            return np.zeros(0), np.zeros(0)
        steady, fresh, shape = self._ends(now_s, now_s + horizon_s)
        weight = np.exp(-np.minimum(_ETA * self._loss, 700.0))
        mixture = weight @ MIXTURES / weight.sum(axis=1)  # per dependency: the experts differ in this alone
        mixture = spread(mixture[: len(self.table.slots)], self.table.rows)
        mixed: Floats = np.maximum(steady + mixture * (fresh - steady), _LEAST)
        return mixed, shape

    def demands(self, now_s: float, horizon_s: float, most: int) -> tuple[InstanceDemand, ...]:
        """The instances with the highest expected demand over the horizon, highest first, then by key."""
        expected, shape = self.expected(now_s, horizon_s)
        if most <= 0 or not len(expected):
            return ()
        if len(expected) > most:
            bar = np.partition(expected, len(expected) - most)[len(expected) - most]
            chosen = np.flatnonzero(expected >= bar)
        else:
            chosen = np.arange(len(expected))
        chosen = chosen[np.argsort(-expected[chosen], kind="stable")]
        mean = expected[chosen]
        any_use = -np.expm1(-shape[chosen] * np.log1p(mean / shape[chosen]))
        table, slots = self.table, chosen.tolist()
        hashes, sizes = (
            np.frombuffer(table.hashes, np.uint64)[chosen],
            np.frombuffer(table.sizes, np.uint32)[chosen],
        )
        keys = map(table.keys.__getitem__, slots)
        columns = zip(keys, hashes.tolist(), mean.tolist(), any_use.tolist(), sizes.tolist(), strict=True)
        found = list(map(_demand, columns))
        for first, end in _runs(mean):
            found[first:end] = sorted(found[first:end], key=_by_key)
        return tuple(found[:most])

    # ---- state --------------------------------------------------------------------------------

    def export_state(self, names: list[Dependency]) -> dict[str, Any]:
        """Decayed counts of every instance as of ``saved_s``, and the exposure behind them."""
        table, now_s = self.table, self.now_s
        keys, unit = zip(table.keys, table.sizes, strict=True), self._bins.unit()
        known = min(len(names), len(self._loss))
        return {
            "saved_s": now_s,
            "keys": [[key.dependency, key.key, size] for key, size in keys],
            "exposure_h": [self._fast.exposure_h(now_s), self._slow.exposure_h(now_s)],
            "day_exposure_h": self._bins.hours().tolist(),
            "fast": (table.fast / self._fast.weight(now_s)).astype("<f4").tobytes(),
            "slow": (table.slow / self._slow.weight(now_s)).astype("<f4").tobytes(),
            "day": (table.days.at(list(range(DAY)), self._hour % DAY, len(table)) / unit)
            .T.astype("<f4")
            .tobytes(),
            "losses": {names[row]: self._loss[row].tolist() for row in range(known)},
        }

    def restore_state(self, state: dict[Any, Any], now_s: float, rows: dict[Dependency, int]) -> None:
        """Take over saved counts into an empty table; time between is decay, not observation. A host clock
        that was put back since is no decay: refusing the state for it would lose the cache's heat, too."""
        try:
            keys = [(InstanceKey(str(name), bytes(key)), int(size)) for name, key, size in state["keys"]]
            shape = (len(keys),)
            fast, slow = (_column(state[name], shape) for name in ("fast", "slow"))
            day = _column(state["day"], (len(keys), DAY))
            exposure_h = _column(state["exposure_h"], (2,))
            day_exposure_h = _column(state["day_exposure_h"], (DAY,))
            losses = {str(name): _column(loss, (len(MIXTURES),)) for name, loss in state["losses"].items()}
            passed_s = now_s - float(state["saved_s"])
        except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as problem:
            raise StateError(f"forecast: rates are malformed: {problem!r}") from problem
        if not isfinite(passed_s) or any(len(key.key) > MAX_KEY_BYTES or size < 0 for key, size in keys):
            raise StateError("forecast: rates are impossible")
        passed_s = max(0.0, passed_s)
        self._begin(now_s)
        self._fast.before_h = float(exposure_h[0]) * self._fast.left(passed_s)
        self._slow.before_h = float(exposure_h[1]) * self._slow.left(passed_s)
        self._bins.restore(day_exposure_h * self._bins.left(passed_s))
        for i, (key, size) in enumerate(keys):
            row = rows.get(key.dependency)
            hashed = key_hash(key)
            if row is None or self.table.full or self.table.find(hashed) >= 0:
                continue
            slot = self.table.track(key, hashed, row, size)
            self._row_exists(row)
            self.table.fast[slot] = fast[i] * self._fast.left(passed_s)
            self.table.slow[slot] = slow[i] * self._slow.left(passed_s)
            self.table.days.set(slot, day[i] * self._bins.left(passed_s))
        for name, loss in losses.items():
            if name in rows and rows[name] < len(self._loss):
                self._loss[rows[name]] = loss


def _column(saved: Any, shape: tuple[int, ...]) -> Floats:
    """Saved numbers as an array of that shape; ValueError when they are not, or impossible as counts."""
    raw = np.frombuffer(saved, dtype="<f4") if isinstance(saved, bytes) else np.array(saved, dtype=np.float64)
    column: Floats = raw.astype(np.float64).reshape(shape)
    if not np.isfinite(column).all() or (column < 0).any():
        raise ValueError("not finite, or negative")
    return column


_demand: Callable[[Any], InstanceDemand] = partial(tuple.__new__, InstanceDemand)
"""Of all five fields in order: five hundred at a time are a third of a forecast's cost when made by name."""

_by_key = attrgetter("key")


def _runs(ordered: Floats) -> list[tuple[int, int]]:
    """(first, end) of the stretches of more than one equal value."""
    same = np.concatenate([[False], ordered[1:] == ordered[:-1], [False]])
    edges = np.flatnonzero(same[1:] != same[:-1])
    return [(first, last + 1) for first, last in edges.reshape(-1, 2).tolist()]


def hours_of_day(start_s: float, end_s: float) -> list[tuple[int, float]]:
    """(hour of day, hours spent in it) of that span of season time; spans of more than a day are averaged."""
    if end_s - start_s >= DAY * HOUR_S:
        return [(hour, (end_s - start_s) / HOUR_S / DAY) for hour in range(DAY)]
    spans = []
    at_s = start_s
    while at_s < end_s - 1e-6:
        hour = int(at_s // HOUR_S)
        until_s = min((hour + 1) * HOUR_S, end_s)
        spans.append((hour % DAY, (until_s - at_s) / HOUR_S))
        at_s = until_s
    return spans or [(int(start_s // HOUR_S) % DAY, 0.0)]
