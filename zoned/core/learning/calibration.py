"""How far a promised probability can be trusted, told from what became of all promises, kept or not.

An association says "B follows, 0.6". But only those B that are *not here* are worth fetching, and those are
the doubtful ones: a B that follows reliably is asked for often, so it is here already. Whether B comes now
also depends on more than how often it came: who has it already does not ask again (browsers cache, crawlers
go on), several instances of a trail that all lead to B know more than one, and what comes within half a
second cannot be fetched in time.

So the odds of each promise are a weighted sum of what is known of it, and the weights are learnt per
dependency (``odds``). They start at a prior that held on the traces we know (who has it asks for it 20 times
less).

A promise is true if the instance is asked for within as many reads as the store holds copies and before a
copy would expire (as long as one would have waited), but not before it could have been fetched. That can be
told without fetching anything: each promise about an instance that is not here is noted, whether it is acted
on or not. Trying costs nothing, so nothing has to be tried. Of the unlikely ones only some are noted: there
are many.

What is likely enough to be fetched is noted once more, as it is then (`acted`): the promise that is acted on
is another one than the first for that instance.

What is held is not judged: it stays for its raw confidence, though that is another scale than the odds, which
are those of what is *not* here. Rejected, each replayed on semicomplete_web and hurence_web: to judge it by
the same odds (no gain, and twice as much to judge), and to promise nothing of it (what a client is about to
ask for goes for what it may ask for).

Rejected: a ratio per class of promises (many promises to learn little), the client's own record (no better,
a table more).
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from math import inf, log, log1p
from typing import NamedTuple, TypeAlias

from zoned.core.errors import StateError
from zoned.core.learning.acted import Acted, PromiseOdds, saved_shortfall
from zoned.core.learning.odds import SURE, Floats, Prior, log_odds_of, probability_of, saved_weights
from zoned.core.learning.settings import LearningSettings
from zoned.core.names import Dependency, InstanceKey, KeyHash, key_hash
from zoned.core.promises import MOST_AGREEING, Association, Following

Agreeing: TypeAlias = Callable[[Association], int]
Here: TypeAlias = Callable[[InstanceKey, KeyHash], bool]
Saved: TypeAlias = tuple[Dependency, Floats, Floats, float, float]
"""(dependency, weights, covariance, shortfall of what is acted on, its variance)."""

# What is known of a promise as it enters the sum: the weight at the start, and how unsure we are (variance).
_PRIOR: Prior = (
    (-0.3, 0.3),  # always 1
    (0.8, 0.05),  # log odds of the confidence
    (0.2, 0.05),  # log support
    (0.0, 0.05),  # log occurrences of what it follows
    (0.0, 0.02),  # log lead
    (-3.0, 0.3),  # the client has it
    (0.4, 0.1),  # log of how many others agree
    (0.0, 0.05),  # log pace of the client
)
_SIZE = len(_PRIOR)
_AGREEING, _USUAL_AGREEING = 6, 0.7
_UNLIKELY = -log(3.0)  # log odds of 0.25
_FEW = 0.5  # added to what came true and to what did not: twice of two is less sure than it seems
_SAMPLE = 8  # of promises below that one in so many is noted, by its hash and when: no rhythm is missed
_ALL_AGREE = log1p(MOST_AGREEING)
_LOWEST = log_odds_of(0.0)
_ROUNDING = 1e-9  # by which a bound may be too low


def _expected(support: float, occurrences: int) -> float:
    """The probability that so many of so many speak for."""
    return (support + _FEW) / (occurrences + 2.0 * _FEW)


def features(promise: Association) -> list[float]:
    """What is known of it, each about 0 for the usual one."""
    return [
        1.0,
        log_odds_of(_expected(promise.confidence * promise.occurrences, promise.occurrences)),
        log(promise.support) - 1.0,
        log(promise.occurrences) - 2.0,
        log(promise.lead_s + 0.5) - 2.0,
        float(promise.repeated),
        log1p(promise.agreeing) - _USUAL_AGREEING,
        log(promise.pace_s + 0.1) - 1.0,
    ]


def _bound(rates: Sequence[float], following: Following) -> float:
    """An upper bound of the part of the log odds that all of it has in common, with what `features` takes
    off each: what is known of one alone comes on top."""
    always, _, supported, occurred, leading, repeating, agreed, paced = rates
    usual = supported + 2.0 * (occurred + leading) + _USUAL_AGREEING * agreed + paced
    most = max(0.0, agreed * _ALL_AGREE) + max(0.0, repeating)
    common = occurred * log(following.occurrences) + paced * log(following.pace_s + 0.1)
    return always + common + most - usual


class _Open(NamedTuple):
    """A promise that is not decided yet."""

    odds: PromiseOdds
    known: array[float]
    until: int  # on the clock of reads
    not_before_s: float
    not_after_s: float


class Calibration:
    """The odds of all dependencies, and the promises that are open."""

    __slots__ = (
        "_act",
        "_acted",
        "_clock",
        "_dropped",
        "_enough",
        "_keep",
        "_least",
        "_limit",
        "_odds",
        "_open",
        "_settings",
        "_waiting",
    )

    def __init__(self, settings: LearningSettings) -> None:
        self._settings = settings
        self._limit = settings.max_promises
        self._keep = min(SURE, settings.keep_threshold)
        self._least = log_odds_of(min(self._keep, settings.association_threshold)) - _ROUNDING
        self._act = log_odds_of(settings.association_threshold)
        self._enough = min(self._act, log_odds_of(settings.guess_precision))
        self._acted = Acted(settings.max_promises)
        self._waiting = self._acted.waiting
        self._odds: dict[Dependency, PromiseOdds] = {}
        self._open: dict[KeyHash, _Open] = {}  # oldest first
        self._clock = 0
        self._dropped = 0

    @property
    def dropped(self) -> int:
        """Promises that were forgotten undecided, for lack of room."""
        return self._dropped + self._acted.dropped

    def read(self, key_hash: KeyHash, now_s: float) -> None:
        """[hot] An instance was asked for."""
        self._clock += 1
        promise = self._open.pop(key_hash, None) if self._open else None
        if promise is not None:
            in_time = promise.not_before_s <= now_s <= promise.not_after_s
            self._decide(promise, in_time and promise.until >= self._clock)
        if self._waiting:
            self._acted.read(key_hash, now_s, self._clock)
        self._expire()

    def doubtful(self, following: Following, here: Here, now_s: float) -> list[tuple[Association, bool]]:
        """[hot] Those of what is believed to follow that may be likely enough to be kept or fetched, or that
        `judged` would note; and whether they are ``here``. The others need no second look: what is here
        counts by its confidence alone, and of the missing most have an upper bound that is too low."""
        found, clock, waiting, trail = [], self._clock, self._open, following.trail
        unlikely = _UNLIKELY - _ROUNDING
        occurrences, least, name = following.occurrences, self._least, None
        enough = self._keep * occurrences
        for row in following.rows:
            key, fingerprint, support, lags_s = row
            if support < enough:
                if key[0] != name:
                    name = key[0]
                    rates = self._of(name).rates
                    bound, confident, supported, leading = (
                        _bound(rates, following),
                        rates[1],
                        rates[2],
                        rates[4],
                    )
                    repeating = min(0.0, rates[5])
                likely = max(_LOWEST, log((support + _FEW) / (occurrences - support + _FEW)))
                most = bound + confident * likely + supported * log(support)
                most += leading * log(lags_s / support + 0.5)
                if most >= unlikely and fingerprint in trail:
                    most += repeating
                if most < least and most < unlikely and (fingerprint + clock) % _SAMPLE:
                    continue
                hashed = key_hash(key)
                if most < least:
                    noted = waiting.get(hashed)
                    if noted is not None and noted.not_after_s >= now_s:
                        continue
                if not here(key, hashed):
                    found.append((following.association(row), False))
            else:
                one = following.association(row)
                found.append((one, here(key, one.key_hash)))
        return found

    def judged(
        self,
        promise: Association,
        within: float,
        now_s: float,
        lifetime_s: float | None = None,
        agreeing: Agreeing | None = None,
    ) -> float:
        """[hot] The probability that experience gives a promise. It is noted, and decided by whether the
        instance is asked for in the next ``within`` reads, before a copy would have expired.

        ``agreeing`` tells how many others agree (None: the promise does); as that costs more than all else,
        it is not asked where that could change nothing: an upper bound is returned."""
        odds, known, hashed = self._of(promise[0][0]), features(promise), promise[1]
        total, rate = odds.log_odds(known), odds.rates[_AGREEING]
        sampled = (hashed + self._clock) % _SAMPLE == 0
        if agreeing is not None:
            most = total + rate * _ALL_AGREE if rate > 0.0 else total
            if not sampled and most < _UNLIKELY:
                return probability_of(most)
            others = log1p(agreeing(promise))
            known[_AGREEING] = others - _USUAL_AGREEING
            total += rate * others
        probability = probability_of(total)
        earlier = self._open.get(hashed)
        if earlier is not None and earlier.not_after_s < now_s:  # a copy would have expired
            del self._open[hashed]
            self._decide(earlier, False)
            earlier = None
        if earlier is None and (sampled or total >= _UNLIKELY):
            self._note(hashed, odds, known, within, now_s, lifetime_s)
        if total >= self._act:
            self._acted.expire(self._clock)
            not_after_s = inf if lifetime_s is None else now_s + lifetime_s
            self._acted.note(
                hashed, odds, total, None if earlier is None else array("d", known),
                self._clock + max(1, int(within)), now_s + self._settings.least_lead_s, not_after_s,
            )  # fmt: skip
            if total + odds.shortfall < self._enough:
                return probability_of(total + odds.shortfall)
        return probability

    def export_state(self) -> list[list[object]]:
        """[dependency, weights, covariance row by row, shortfall, its variance] of each."""
        return [[name, *one.export_state(), one.shortfall, one.unsure] for name, one in self._odds.items()]

    def restore_state(self, saved: list[Saved]) -> None:
        """Take over what `saved_odds` has read."""
        for name, weights, covariance, shortfall, unsure in saved:
            odds = self._of(name)
            odds.put(weights, covariance)
            odds.shortfall, odds.unsure = shortfall, unsure

    def _of(self, name: Dependency) -> PromiseOdds:
        odds = self._odds.get(name)
        if odds is None:
            if len(self._odds) >= self._settings.max_dependencies and name:
                return self._of("")
            odds = self._odds[name] = PromiseOdds(_PRIOR, self._settings.calibration_memory)
        return odds

    def _note(
        self,
        hashed: KeyHash,
        odds: PromiseOdds,
        known: list[float],
        within: float,
        now_s: float,
        lifetime_s: float | None,
    ) -> None:
        if len(self._open) >= self._limit:
            del self._open[next(iter(self._open))]
            self._dropped += 1
        self._open[hashed] = _Open(
            odds,
            array("d", known),
            self._clock + max(1, int(within)),
            now_s + self._settings.least_lead_s,
            inf if lifetime_s is None else now_s + lifetime_s,
        )

    def _expire(self) -> None:
        """Promises whose time is over did not come true."""
        waiting, clock = self._open, self._clock
        while waiting:
            oldest = next(iter(waiting))
            if waiting[oldest].until >= clock:
                return
            self._decide(waiting.pop(oldest), False)

    def _decide(self, promise: _Open, true: bool) -> None:
        promise.odds.learn(promise.known, true)


def saved_odds(obj: object) -> list[Saved]:
    """What `Calibration.export_state` gave, checked; `StateError` if it is something else. The classes of
    promises of older states are let go: they say nothing of weights."""
    if not isinstance(obj, list):
        raise StateError("learning: calibration is not a list")
    return [_saved(row) for row in obj if not _is_class(row)]


def _is_class(row: object) -> bool:
    return isinstance(row, (list, tuple)) and len(row) == 4


def _saved(row: object) -> Saved:
    if not isinstance(row, (list, tuple)) or len(row) not in (3, 5) or not isinstance(row[0], str):
        raise StateError(f"learning: not the odds of a dependency: {str(row)[:80]}")
    return row[0], *saved_weights(row[1], row[2], _SIZE), *saved_shortfall(row[3:])
