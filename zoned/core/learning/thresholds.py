"""How sure a prefetch has to be, per dependency and reason, learnt from what became of earlier ones.

The planner and the associations promise a probability; how far such a promise can be trusted differs by
dependency and reason. So the threshold moves: of each ``adjust_outcomes`` prefetches that were either used
or wasted, few used -> ask for more, many used -> ask for less, in small steps and within bounds. A reason
that keeps wasting is stopped, and tried again from a small budget that grows with the requests:

    OPEN ----- precision < min_precision, lately and over the long run -----> STOPPED
    STOPPED -- exploration x requests since >= adjust_outcomes x 2^failed --> TRIAL
    TRIAL ---- adjust_outcomes fetched -------------------------------------> STOPPED
    STOPPED, TRIAL -- half of adjust_outcomes resolved, precise enough -----> OPEN

Precision is used / (used + wasted): copies that still wait for their use say nothing yet. Counting them as
failures would stop every forecast that prefetches an hour ahead. What comes in are the cache's decayed
counts; what is used here is how much they grew from one review to the next.

HOME copies are used when another zone asks for them. Those that the operator ordered are judged too, but no
threshold holds them back. Not judged: DRAIN (the operator's word), RESTART (once).
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

from zoned.core.learning.ledger import Ledger
from zoned.core.learning.settings import LearningSettings
from zoned.core.names import Dependency
from zoned.core.records import PrefetchOutcome, Reason

_MOST_FAILED = 10  # the wait is doubled no further
STOP = 2.0  # a threshold that no probability passes
STOPPABLE = (Reason.ASSOCIATION, Reason.FORECAST, Reason.ELSEWHERE, Reason.HOME, Reason.REFRESH)


class _State(Enum):
    OPEN = "open"
    STOPPED = "stopped"
    TRIAL = "trial"


class _Judgement:
    """What is known of one dependency and reason."""

    __slots__ = ("before", "failed", "fetched", "multiplier", "since_requests", "state", "used", "wasted")

    def __init__(self) -> None:
        self.before: PrefetchOutcome | None = None
        self.fetched = self.used = self.wasted = 0.0  # since the last decision
        self.multiplier = 1.0
        self.state = _State.OPEN
        self.failed = 0  # trials in a row
        self.since_requests = 0  # of the dependency, when it was stopped

    def grow(self, outcome: PrefetchOutcome) -> None:
        """Add how much the counts grew. (What decay takes off between two reviews is far less than one.)"""
        before = self.before or PrefetchOutcome(outcome.dependency, outcome.reason, 0.0, 0.0, 0.0)
        self.before = outcome
        self.fetched += max(0.0, outcome.fetched - before.fetched)
        self.used += max(0.0, outcome.used - before.used)
        self.wasted += max(0.0, outcome.wasted - before.wasted)

    def start_afresh(self) -> None:
        """The next decision is on what comes from now on."""
        self.fetched = self.used = self.wasted = 0.0


class Thresholds:
    """All judgements."""

    __slots__ = ("base", "_judgements", "_limit", "_settings", "dropped", "stops", "trials")

    def __init__(self, settings: LearningSettings) -> None:
        self._settings = settings
        self.base = {
            Reason.ASSOCIATION: settings.association_threshold,
            Reason.FORECAST: settings.forecast_threshold,
            Reason.ELSEWHERE: settings.elsewhere_threshold,
            Reason.HOME: settings.home_threshold,
            Reason.REFRESH: settings.refresh_threshold,
        }
        self._limit = len(self.base) * settings.max_dependencies
        self._judgements: dict[tuple[Dependency, Reason], _Judgement] = {}
        self.stops = self.trials = 0
        self.dropped = 0
        """Outcomes that there was no room to judge."""

    def review(self, outcomes: Iterable[PrefetchOutcome], ledger: Ledger) -> None:
        """Take in what became of the prefetches, and decide what can be decided."""
        for outcome in outcomes:
            if outcome.reason not in self.base:
                continue
            judgement = self._judgements.get((outcome.dependency, outcome.reason))
            if judgement is None:
                if len(self._judgements) >= self._limit:
                    self.dropped += 1
                    continue
                judgement = self._judgements[outcome.dependency, outcome.reason] = _Judgement()
            judgement.grow(outcome)
            if judgement.state is _State.OPEN:
                self._adjust(judgement, outcome, ledger)
            else:
                self._try_again(judgement, outcome.dependency, ledger)

    def all(self, stopped: Iterable[Dependency]) -> dict[tuple[Dependency, Reason], float]:
        """What to ask of prefetches from now on; everything is stopped for the dependencies named."""
        found = {
            pair: STOP if judgement.state is _State.STOPPED else self._threshold(pair[1], judgement)
            for pair, judgement in self._judgements.items()
        }
        for name in stopped:
            for reason in STOPPABLE:
                found[name, reason] = STOP
        return found

    def export_state(self) -> list[list[object]]:
        """[dependency, reason, multiplier, stopped] of each."""
        return [
            [name, reason.value, judgement.multiplier, judgement.state is not _State.OPEN]
            for (name, reason), judgement in self._judgements.items()
        ]

    def restore_state(self, rows: list[tuple[Dependency, Reason, float, bool]]) -> None:
        """Take over judgements; a stopped one waits for its budget from zero."""
        for name, reason, multiplier, stopped in rows[: self._limit]:
            if reason in self.base:
                judgement = self._judgements[name, reason] = _Judgement()
                judgement.multiplier = self._bounded(reason, multiplier)
                judgement.state = _State.STOPPED if stopped else _State.OPEN

    def _threshold(self, reason: Reason, judgement: _Judgement) -> float:
        return min(self._settings.max_threshold, self.base[reason] * judgement.multiplier)

    def _bounded(self, reason: Reason, multiplier: float) -> float:
        least = 1.0 if reason is Reason.ASSOCIATION else self._settings.min_multiplier
        return min(max(multiplier, least), self._settings.max_multiplier)

    def _adjust(self, judgement: _Judgement, outcome: PrefetchOutcome, ledger: Ledger) -> None:
        settings = self._settings
        resolved = judgement.used + judgement.wasted
        if resolved < settings.adjust_outcomes:
            return
        precision = judgement.used / resolved
        long_run = outcome.used / (outcome.used + outcome.wasted)
        judgement.start_afresh()
        if precision < settings.min_precision and long_run < settings.min_precision:
            self.stops += 1
            judgement.state = _State.STOPPED
            judgement.since_requests = ledger.requests(outcome.dependency)
        elif precision < settings.low_precision:
            judgement.multiplier = self._bounded(outcome.reason, judgement.multiplier * settings.raise_factor)
        elif precision > settings.high_precision:
            judgement.multiplier = self._bounded(outcome.reason, judgement.multiplier / settings.lower_factor)

    def _try_again(self, judgement: _Judgement, dependency: Dependency, ledger: Ledger) -> None:
        settings = self._settings
        requests = ledger.requests(dependency)
        resolved = judgement.used + judgement.wasted
        if 2 * resolved >= settings.adjust_outcomes and judgement.used >= settings.min_precision * resolved:
            judgement.state = _State.OPEN
            judgement.failed = 0
            judgement.start_afresh()
        elif judgement.state is _State.TRIAL:
            if judgement.fetched >= settings.adjust_outcomes:
                judgement.state = _State.STOPPED
                judgement.failed = min(judgement.failed + 1, _MOST_FAILED)
                judgement.since_requests = requests
        else:
            judgement.since_requests = min(judgement.since_requests, requests)  # lines get folded
            due = settings.adjust_outcomes << judgement.failed
            if (requests - judgement.since_requests) * settings.exploration >= due:
                self.trials += 1
                judgement.state = _State.TRIAL
                judgement.multiplier = settings.max_multiplier
                judgement.start_afresh()
