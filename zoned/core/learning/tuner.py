"""LEARNING: closes the loop. What would plain LRU have done, and what does better?

Fed at each access and each answer, asked once a turn. Four questions, one module each, none of which knows
the others: which eviction policy (`hedge`, on `shadow`), how sure a prefetch has to be (`thresholds`),
whether prefetching pays at all (`guard`, on `ledger`), and whose forecast has drifted (`drift`).

The ledger always runs, also with learning switched off: it is what everything else is judged by.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from itertools import chain
from random import Random

from zoned.core.errors import StateError
from zoned.core.eviction import VALUE, Worth
from zoned.core.learning.calibration import Agreeing, Calibration, Here, saved_odds
from zoned.core.learning.drift import Drift
from zoned.core.learning.foresight import Asked, Foresight, Keeps, saved_foresight
from zoned.core.learning.guard import Brake, LossGuard
from zoned.core.learning.hedge import Hedge
from zoned.core.learning.ledger import Ledger, Line, Tally
from zoned.core.learning.mixing import Mixing, Mixture, saved_mix
from zoned.core.learning.reward import Toll, least_probability, moved_s
from zoned.core.learning.settings import LearningSettings
from zoned.core.learning.shadow import Cost, Shadow, grown
from zoned.core.learning.thresholds import STOP, Thresholds
from zoned.core.names import Dependency, Fingerprint, InstanceKey, Instant, KeyHash
from zoned.core.promises import Association, Following
from zoned.core.records import (
    Advice,
    ArmScore,
    Forecast,
    LedgerLine,
    Plan,
    PrefetchOutcome,
    Reason,
    Source,
    Want,
)

LRU = "lru"

_UNASKED = (Reason.ASSOCIATION, Reason.REFRESH)  # what does not go by the plan
_NOTABLE = 0.01  # a least probability below this changes nothing
_MOST_REPEATS = 3  # further hits at the same moment make no difference to any policy


class Tuner:
    """The learning stage."""

    def __init__(
        self,
        settings: LearningSettings,
        capacity_objects: int | None,
        capacity_bytes: int | None,
        rng: Random,
        worth: Worth | None = None,
        plain: Collection[Dependency] = (),
        transfer_s_per_mib: float = 0.0,
    ) -> None:
        """The capacities are the store's (None: unbounded); ``rng`` picks the sampled keys of a large one;
        ``plain``: dependencies of which nothing may be guessed, as their operator says;
        ``transfer_s_per_mib``: what moving a MiB has to save."""
        assert settings.arms and settings.arms[0] == LRU, f"the first arm must be lru, got {settings.arms}"
        if worth is None:  # then no arm can go by it
            settings = replace(settings, arms=tuple([arm for arm in settings.arms if arm != VALUE]))
        self._settings = settings
        arms = settings.arms if settings.enabled else settings.arms[:1]
        self._shadow = Shadow(
            arms, capacity_objects, capacity_bytes, settings.sample_objects, rng.getrandbits(24), worth
        )
        self._transfer_s_per_mib = transfer_s_per_mib
        self._room = capacity_objects, capacity_bytes
        self._ledger = Ledger(settings, arms)
        self._lines = self._ledger.lines
        self._hedge = Hedge(settings)
        self._mixing = Mixing(settings, self._shadow, self._ledger, self._hedge)
        self.never = {(name, reason): STOP for name in plain for reason in _UNASKED}
        """The thresholds of what is never fetched ahead, learnt or not."""
        self._loss = LossGuard(settings)
        self._brake = Brake(settings)
        self._thresholds = Thresholds(settings)
        self._drift = Drift(settings)
        self._calibration = Calibration(settings)
        self._read = self._calibration.read
        self.doubtful = self._calibration.doubtful if settings.enabled else _all
        """[hot] What of all that may follow deserves a look, and whether it is here."""
        self._foresight = Foresight(settings)
        self._foresee = self._foresight.read
        self._planned: tuple[tuple[Want, ...], tuple[Want, ...]] = (), ()
        self._batch = Tally(0, 0.0, 0, 0, 0, 0)  # where the open batch of the arms started
        self._batch_cost: list[Cost] = [(0.0, 0.0, 0.0) for _ in arms]
        self._seen, self._seen_cost = 0, self._batch_cost  # as of the last review
        self._batch_reads = 1
        self._hedge.apart = self._apart
        self._plays = Mixture(LRU)

    # ---- what happens -------------------------------------------------------------------------------

    def access(
        self,
        key: InstanceKey,
        key_hash: KeyHash,
        size: int,
        now: Instant,
        hit: bool | None = None,
        near: bool = False,
        times: int = 1,
    ) -> None:
        """[hot] One access, answered or about to be. ``size`` 0 means not known: the mean so far is taken.
        ``near``: another zone holds a copy, so a miss costs (or would have cost) the way there. ``times``: so
        many hits at once; all but the first hit in every shadow, too.

        ``hit``: whether our store had it. While the shadow is exact that makes no difference. When it is a
        sample, what we know of every access corrects it (a control variate): outside of the sample LRU is
        taken to have done as we did, inside the difference is scaled up. The two caches agree on most
        accesses, so less noise is left: the error was 1.6 to 7 times smaller on four real traces, though up
        to 1.6 times larger on a fifth, retail (tests/bench/learning_costs.py).
        """
        line = self._lines.get(key[0])
        if line is None:
            line = self._ledger.line(key[0])
        line.requests += times
        self._read(key_hash, now[0])
        self._foresee(key_hash, now[0])
        missed = self._shadow.access(key_hash, size, line.ttl_s, now[0], near, line.missed)
        if times > 1:
            for _ in range(min(times, _MOST_REPEATS) - 1):
                self._shadow.access(key_hash, size, line.ttl_s, now[0], near, line.missed)
        if hit is None:
            if missed:
                line.lru_misses += missed
        elif missed is None:
            line.lru_misses += not hit
        else:
            line.lru_misses += missed if hit else 1.0 + missed - self._shadow.scale

    def judged(self, promise: Association, agreeing: Agreeing, now: Instant) -> float:
        """[hot] The probability that experience gives what is believed to follow and is not here."""
        if not self._settings.enabled:
            return promise.confidence
        line = self._lines.get(promise.key[0])
        lifetime_s = None if line is None else line.ttl_s
        within = _places(*self._room, self._shadow)
        return self._calibration.judged(promise, within, now[0], lifetime_s, agreeing)

    def served(self, dependency: Dependency, source: Source, times: int = 1, shared: bool = False) -> None:
        """[hot] Where that access was really answered from; once for each `access`. ``shared``: by a fetch
        that is counted already, for another read or as a prefetch."""
        line = self._lines.get(dependency)
        if line is None:
            line = self._ledger.line(dependency)
        line.served(source, times)
        if shared:
            line.shared(source)

    def fetched(
        self, reason: Reason, dependency: Dependency, size: int, source: Source | None = None
    ) -> None:
        """A prefetch came in, from ``source`` (None: not said, and then not among the fetches by source)."""
        self._ledger.fetched(reason, dependency, size, source)

    def prefetch_used(self, dependency: Dependency, reason: Reason, count: int = 1) -> None:
        """So many prefetched copies were asked for, for the first time."""
        if reason is not Reason.DEMAND:
            self._ledger.line(dependency).prefetch_used += count

    def lifetime(self, dependency: Dependency, ttl_s: float | None) -> None:
        """How long copies of it may be served (None: for ever). The shadows follow the last word."""
        self._ledger.line(dependency).ttl_s = ttl_s

    def needed(self, fingerprint: Fingerprint, now: Instant, kept: bool) -> None:
        """Another zone wanted what, as far as is known, none but perhaps we held. ``kept``: it holds a copy
        since, and claims it."""
        self._shadow.needed(fingerprint, now.mono_s, kept)
        self._foresight.wanted(fingerprint, now.mono_s)

    def dropped(self, key_hash: KeyHash) -> None:
        """An instance was invalidated: plain LRU would have lost its copy as well."""
        self._shadow.drop(key_hash)

    def planned(self, plan: Plan, keeps: Keeps, now: Instant) -> None:
        """The guesses of a plan are watched, those that are not fetched as well. The same plan: nothing new.
        ``keeps``: whether the store would keep a copy."""
        if plan.wants is not self._planned[0] or plan.doubtful is not self._planned[1]:
            self._planned = plan.wants, plan.doubtful
            lifetimes = {name: line.ttl_s for name, line in self._lines.items()}
            guesses = chain(plan.wants, plan.doubtful)
            self._foresight.watch(guesses, keeps, self._shadow.copies, lifetimes, now.mono_s)

    # ---- what follows from it -----------------------------------------------------------------------

    def review(
        self,
        outcomes: tuple[PrefetchOutcome, ...],
        prices: Callable[[Source], float],
        forecast: Forecast,
        now: Instant,
    ) -> Advice:
        """Once a turn: what the other stages had better do from now on."""
        self._ledger.fold()
        if not self._settings.enabled:
            return Advice(eviction=LRU, thresholds=self.never)
        self._review_arms(prices, now)
        stopped = self._loss.review(self._ledger, prices)
        stopped += self._brake.review(self._ledger, prices, self._shown_exactly, now)
        self._thresholds.review(outcomes, self._ledger)
        before, plays, asked = self._plays, self._mixing.plays, self._thresholds.all(stopped)
        self._plays = plays
        back = plays == Mixture(LRU) != before and self._shadow.rate == 1.0
        self._foresight.ask(asked, self._thresholds.base, self._lines)
        saved_s = max(0.0, prices(Source.ORIGIN) - prices(Source.LOCAL))
        _ask_worthwhile(asked, self._lines, self._shadow.mean_size, saved_s, self._transfer_s_per_mib)
        return Advice(
            eviction=plays.rest,
            evictions=plays.own,
            thresholds=asked | self.never,
            refit=self._drift.review(forecast, now),
            recent=self._shadow.recent() if back else (),
        )

    def ledger(self, prices: Callable[[Source], float]) -> tuple[LedgerLine, ...]:
        """All (dependency ``""``), then each dependency by name, since the agent started."""
        return self._ledger.priced(prices)

    def arms(self) -> tuple[ArmScore, ...]:
        """Each policy's score over everything since the agent started, and its weight now."""
        requests = sum(line.requests for line in self._lines.values())
        weights, plays = self._hedge.weights(), self._mixing.plays
        played = {plays.rest: self._hedge.why}
        if self._mixing.played:
            played = {arm: plays.told(arm) for arm in (plays.rest, *plays.own.values())}
        return tuple(
            ArmScore(
                arm=arm.name,
                requests=requests,
                hit_ratio=max(0.0, 1.0 - arm.misses / requests) if requests else 0.0,
                weight=weights[index] if self._settings.enabled else 1.0,
                played=arm.name in played,
                why=played.get(arm.name, ""),
            )
            for index, arm in enumerate(self._shadow.arms)
        )

    def why(self, dependency: Dependency) -> str:
        """Why its copies go by the policy that they do, in a few words; ``""``: all that have none of
        their own."""
        return self._mixing.why(dependency)

    @property
    def counters(self) -> dict[str, int | float]:
        """What was dropped, stopped and tried so far."""
        return {
            "sample_rate": self._shadow.rate,
            "arm_changes": self._hedge.changes,
            "alarms": self._hedge.alarms[0] + self._mixing.alarms,
            "alarms_right": self._hedge.alarms[1] + self._mixing.alarms_right,
            "mix_changes": self._mixing.changes,
            "arm_trials": self._mixing.trials,
            "arm_trials_won": self._mixing.won,
            "dependencies_folded": self._ledger.folded,
            "loss_stops": self._loss.stops,
            "brakes": self._brake.stops,
            "reason_stops": self._thresholds.stops,
            "reason_trials": self._thresholds.trials,
            "outcomes_dropped": self._thresholds.dropped,
            "promises_dropped": self._calibration.dropped,
            "guesses_true": self._foresight.kept,
            "guesses_false": self._foresight.broken,
            "guesses_not_watched": self._foresight.dropped,
        }

    # ---- over a restart -----------------------------------------------------------------------------

    def export_state(self) -> dict[str, object]:
        """What was learnt. Not the ledger nor the shadows: plain LRU would start empty as well."""
        return {
            "hedge": self._hedge.export_state(),
            "mix": self._mixing.export_state(),
            "thresholds": self._thresholds.export_state(),
            "calibration": self._calibration.export_state(),
            "foresight": self._foresight.export_state(),
        }

    def restore_state(self, obj: object, now: Instant) -> None:
        """Take over what `export_state` gave. `StateError`, and no change, if that is not what it is."""
        if not isinstance(obj, dict) or not isinstance(obj.get("thresholds"), list):
            raise StateError("learning: state is not a map")
        rows = [_threshold_row(row) for row in obj["thresholds"]]
        odds = saved_odds(obj.get("calibration", []))  # older states have none
        foresight = saved_foresight(obj.get("foresight", []))
        mix = saved_mix(obj.get("mix"), self._settings)
        self._hedge.restore_state(obj.get("hedge"))
        self._mixing.take_up(mix)
        self._calibration.restore_state(odds)
        self._foresight.restore_state(foresight)
        self._thresholds.restore_state(rows)

    # ---- inside -------------------------------------------------------------------------------------

    @property
    def _shown_exactly(self) -> bool:
        """Our store goes by LRU, and the shadow is no sample: what differs between them was fetched ahead."""
        lru_alone = self._hedge.played == 0 and not self._mixing.played
        return lru_alone and self._shadow.rate == 1.0

    def _apart(self, played: int, other: int) -> float:
        arms = self._shadow.arms
        return self._shadow.apart(arms[played], arms[other]) / self._batch_reads

    def _review_arms(self, prices: Callable[[Source], float], now: Instant) -> None:
        tally = self._ledger.total().tally()
        costs = [arm.cost for arm in self._shadow.arms]
        moved = moved_s(self._shadow.mean_size, self._transfer_s_per_mib)
        toll = Toll(prices(Source.LOCAL), prices(Source.PEER) + moved, prices(Source.ORIGIN) + moved)
        part = toll.part
        lately, accesses = _grown(self._seen_cost, costs, part), tally.requests - self._seen
        alone, rate = costs[0][0] - self._seen_cost[0][0], self._shadow.rate
        self._hedge.watch(lately, alone, accesses, now.mono_s)
        played = self._hedge.played
        if played:
            then, now_cost = self._seen_cost[played], costs[played]
            failed = now_cost[0] - then[0] - (now_cost[1] - then[1])
            self._hedge.heed(rate * failed, lately, rate * accesses, rate * self._shadow.copies)
        self._mixing.watch(part, alone, lately[0], accesses, now.mono_s)
        self._seen, self._seen_cost = tally.requests, costs
        batch, settings = tally.since(self._batch), self._settings
        if batch.requests < max(settings.review_accesses, settings.review_turnover * self._shadow.copies):
            return
        before, self._batch, self._batch_cost = self._batch_cost, tally, costs
        near = costs[0][1] - before[0][1]
        if near >= settings.trust_near * max(1.0, costs[0][0] - before[0][0]):
            self._hedge.trust()
        cost = _grown(before, costs, part)
        if max(cost) > min(cost):  # before the store is full all arms do the same, which says nothing
            self._batch_reads = batch.requests
            self._hedge.learn([count / batch.requests for count in cost], toll.hit_s, toll.origin_s)
            self._mixing.learn(cost, part, batch.requests, toll.miss_s)
        else:
            self._mixing.skip()


def _all(following: Following, here: Here, now_s: float) -> list[tuple[Association, bool]]:
    """Nothing is learnt of what follows: each goes by its confidence."""
    return [(one, here(one.key, one.key_hash)) for one in following]


def _places(objects: int | None, size: int | None, shadow: Shadow) -> float:
    """[hot] How many copies the store has room for: what comes stays for about so many reads. A store that is
    filling keeps it for longer; by the copies that it has so far no promise would be seen to come true."""
    most = math.inf if objects is None else objects
    if size is not None and shadow.mean_size:
        most = min(most, size / shadow.mean_size)
    return most if most < math.inf else shadow.copies


def _ask_worthwhile(
    asked: Asked, lines: Mapping[Dependency, Line], mean_size: float, saved_s: float, price_s_per_mib: float
) -> None:
    """No threshold is below where a guess that goes wrong moves more than one that comes true saves. The plan
    weighs that by itself, copy by copy."""
    for name, line in lines.items():
        size = line.prefetched_bytes / line.prefetched if line.prefetched else mean_size
        least = least_probability(saved_s, moved_s(size, price_s_per_mib))
        for reason in _UNASKED if least >= _NOTABLE else ():
            asked[name, reason] = max(asked.get((name, reason), 0.0), least)


def _grown(before: list[Cost], costs: list[Cost], part: float) -> list[float]:
    """What each arm has cost between two moments, in misses."""
    return [grown(then, now, part) for then, now in zip(before, costs, strict=True)]


def _threshold_row(row: object) -> tuple[Dependency, Reason, float, bool]:
    if not isinstance(row, (list, tuple)) or len(row) != 4:
        raise StateError(f"learning: not a threshold: {row!r}")
    name, reason, multiplier, stopped = row
    if not isinstance(name, str) or not isinstance(multiplier, (int, float)) or not isinstance(stopped, bool):
        raise StateError(f"learning: not a threshold: {row!r}")
    try:
        if not math.isfinite(multiplier):
            raise ValueError(f"multiplier {multiplier}")
        return name, Reason(reason), float(multiplier), stopped
    except (ValueError, OverflowError) as error:
        raise StateError(f"learning: {error}") from error
