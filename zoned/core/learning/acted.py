"""What promises that are acted on come out short of, and how late they come.

A promise is noted when it is first made (`calibration`), but acted on when a later one for the same
instance is sure enough. That is another promise in two ways. It leaves less time: a page's parts are
promised when the page is read and again by each part, and what still comes "in time" for the first promise
does not for the last. And of many estimates it is the largest, so it is too large (the winner's curse): of
what was fetched at .6-.7 a half was used. So what is likely enough to be fetched is noted once more, as it
is then; it teaches the odds, and by how much all such promises are off: one number per dependency, in log
odds, learnt as the odds are (a Kalman filter in one dimension). Where they come true less often than
`LearningSettings.guess_precision` with that, they are not acted on. As with all promises nothing has to be
fetched to learn it, so a dependency that has become too careful finds out.

With whole-second time stamps (half of hurence_web, 10 %) 48 of 163 prefetches came late; noted anew 17 of
121, and lowered 10 of 49, with the same latency. Rejected: to raise the threshold by what became of the
fetched (`thresholds` does that, too): there are a few dozen in a zone, and a waste is known when the copy
goes; to hold what is acted on to its threshold instead of that precision (semicomplete_web closed .017 less
of the gap).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from zoned.core.errors import StateError
from zoned.core.learning.odds import Odds, Prior, probability_of
from zoned.core.names import KeyHash

_UNSURE = 0.5  # variance of the number at the start
_DRIFT = 0.01  # of that, what each promise adds: fifty count, and older ones fade
_LEAST_DOUBT = 0.02  # as in `odds`
_ABSURD = 1e3


class PromiseOdds(Odds):
    """The odds of a dependency's promises, and by how much those of what is acted on are off."""

    __slots__ = ("shortfall", "unsure")

    def __init__(self, prior: Prior, memory: float) -> None:
        super().__init__(prior, memory)
        self.shortfall = 0.0
        """In log odds: what is added to those of what is acted on; below zero where it falls short."""
        self.unsure = _UNSURE
        """Its variance."""

    def fell_short(self, total: float, true: bool) -> None:
        """A promise with these log odds, likely enough to be acted on, was decided."""
        unsure = self.unsure + _DRIFT * _UNSURE
        probability = probability_of(total + self.shortfall)
        doubt = max(_LEAST_DOUBT, probability * (1.0 - probability))
        spread = 1.0 + doubt * unsure
        self.shortfall += unsure * (true - probability) / spread
        self.unsure = unsure / spread


class _Open(NamedTuple):
    """A promise that is likely enough, and not decided yet."""

    odds: PromiseOdds
    total: float
    known: Sequence[float] | None  # None: the odds learn of it as of any promise
    until: int  # on the clock of reads
    not_before_s: float
    not_after_s: float


class Acted:
    """The promises likely enough to be acted on that are open, one an instance."""

    __slots__ = ("_limit", "dropped", "waiting")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.waiting: dict[KeyHash, _Open] = {}
        """Oldest first."""
        self.dropped = 0
        """Promises that were forgotten undecided, for lack of room."""

    def note(
        self,
        hashed: KeyHash,
        odds: PromiseOdds,
        total: float,
        known: Sequence[float] | None,
        until: int,
        not_before_s: float,
        not_after_s: float,
    ) -> None:
        """A promise with these log odds is made; ``until``: on the clock of reads. ``known``: what the odds
        have not been told of it elsewhere. While one is open for that instance, no other is noted."""
        if hashed in self.waiting:
            return
        if len(self.waiting) >= self._limit:
            del self.waiting[next(iter(self.waiting))]
            self.dropped += 1
        self.waiting[hashed] = _Open(odds, total, known, until, not_before_s, not_after_s)

    def read(self, hashed: KeyHash, now_s: float, clock: int) -> None:
        """[hot] An instance was asked for."""
        promise = self.waiting.pop(hashed, None)
        if promise is not None:
            in_time = promise.not_before_s <= now_s <= promise.not_after_s
            _decide(promise, in_time and promise.until >= clock)

    def expire(self, clock: int) -> None:
        """Promises whose time is over did not come true."""
        waiting = self.waiting
        while waiting:
            oldest = next(iter(waiting))
            if waiting[oldest].until >= clock:
                return
            _decide(waiting.pop(oldest), False)


def _decide(promise: _Open, true: bool) -> None:
    promise.odds.fell_short(promise.total, true)
    if promise.known is not None:
        promise.odds.learn(promise.known, true)


def saved_shortfall(row: Sequence[object]) -> tuple[float, float]:
    """A shortfall and its variance as they were saved, checked: `StateError`. Older states have none."""
    if not row:
        return 0.0, _UNSURE
    shortfall, unsure = row
    if not isinstance(shortfall, (int, float)) or not isinstance(unsure, (int, float)):
        raise StateError(f"learning: no shortfall: {str(row)[:80]}")
    if not abs(shortfall) < _ABSURD or not 0.0 <= unsure < _ABSURD:
        raise StateError(f"learning: an impossible shortfall: {shortfall} of variance {unsure}")
    return float(shortfall), float(unsure)
