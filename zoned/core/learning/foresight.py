"""How far the plan's guesses can be trusted, told from what became of those that it named, fetched or not.

A plan says "it will be used here before a copy would have to go, 0.7": of what the forecast expects, what is
hot in other zones, what others will want from its home. On real traces such words have little to do with what
comes; of the blocks of a language model's cache none came of what was called likely. To find that out by
fetching costs transfers, and room. But what becomes of a guess can be told without: the instance is asked for
within as many reads as the store holds copies, or it is not. So each guess is watched, and only what
experience makes likely enough is fetched.

Per dependency and reason the log odds are a straight line of the planner's log odds (``odds``). The least
chance at which that line, less what is not known of it, is high enough is what the planner has to claim: a
threshold, as the planner knows it. At the start hardly any guess is trusted before some came true.

A FORECAST or ELSEWHERE guess comes true by a read in this zone, a HOME guess by another zone's want of what
nobody else held. What is asked for sooner than it could have been fetched, or after a copy would have
expired, did not come true.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from math import inf
from typing import NamedTuple, TypeAlias

from zoned.core.errors import StateError
from zoned.core.learning.odds import Floats, Odds, Prior, log_odds_of, saved_weights
from zoned.core.learning.settings import LearningSettings
from zoned.core.names import Dependency, Fingerprint, InstanceKey, KeyHash, fingerprint_of
from zoned.core.records import Reason, Want

Kind: TypeAlias = tuple[Dependency, Reason]
Keeps: TypeAlias = Callable[[InstanceKey, KeyHash, int], bool]
Asked: TypeAlias = dict[Kind, float]
"""The least chance that a guess has to have."""
Saved: TypeAlias = tuple[Kind, Floats, Floats]
"""(dependency and reason, weights, covariance)."""

GUESSED = (Reason.FORECAST, Reason.ELSEWHERE, Reason.HOME)
NEVER = 2.0  # a threshold that no chance reaches

# Always 1, and the log odds of the chance that the planner sees: weight at the start, and its variance.
_PRIOR: Prior = ((-1.0, 1.0), (1.0, 0.1))
_HEARD_S = 15.0  # what is heard of another zone sooner may have happened before the guess
_CHANCES = tuple([percent / 100.0 for percent in range(2, 99, 2)])
_DOUBTS = 1.0  # standard deviations by which the odds may be worse than they are believed to be


class _Watched(NamedTuple):
    """A guess that is not decided yet."""

    odds: Odds
    known: tuple[float, float]
    until: int  # on the clock of reads
    not_before_s: float
    not_after_s: float


class Foresight:
    """The odds of each dependency and reason, and the guesses that are watched."""

    __slots__ = (
        "_clock",
        "_here",
        "_least",
        "_limit",
        "_odds",
        "_settings",
        "_there",
        "broken",
        "dropped",
        "kept",
    )

    def __init__(self, settings: LearningSettings) -> None:
        self._settings = settings
        self._limit = settings.max_watched
        self._odds: dict[Kind, Odds] = {}
        self._least: dict[Kind, float] = {}  # what `least` said, until something is learnt
        self._here: dict[KeyHash, _Watched] = {}  # to be used in this zone; oldest first
        self._there: dict[Fingerprint, _Watched] = {}  # to be wanted in another
        self._clock = 0
        self.kept = self.broken = 0
        """Guesses that came true, and that did not."""
        self.dropped = 0
        """Guesses that were not watched, for lack of room."""

    def read(self, key_hash: KeyHash, now_s: float) -> None:
        """[hot] An instance was asked for in this zone."""
        self._clock += 1
        if key_hash in self._here:
            self._came(self._here.pop(key_hash), now_s)

    def wanted(self, fingerprint: Fingerprint, now_s: float) -> None:
        """Another zone wanted what none but perhaps we held."""
        if fingerprint in self._there:
            self._came(self._there.pop(fingerprint), now_s)

    def watch(
        self,
        guesses: Iterable[Want],
        keeps: Keeps,
        within: float,
        lifetimes: Mapping[Dependency, float | None],
        now_s: float,
    ) -> None:
        """What a plan named: decided by the next ``within`` reads, before a copy would expire (after so many
        seconds, by dependency). What the store would not keep (``keeps``) would not be fetched either."""
        self._expire(self._here)
        self._expire(self._there)
        until, not_before_s = self._clock + max(1, int(within)), now_s + self._settings.least_lead_s
        for want in guesses:
            key, hashed, size, reason, chance = want.key, want.key_hash, want.size, want.reason, want.chance
            if reason not in GUESSED or chance >= 1.0:
                continue
            here = reason is not Reason.HOME
            if (hashed in self._here) if here else (fingerprint_of(hashed) in self._there):
                continue
            if len(self._here) + len(self._there) >= self._limit:
                self.dropped += 1
            elif keeps(key, hashed, size):
                lifetime_s = lifetimes.get(key.dependency)
                not_after_s = inf if lifetime_s is None else now_s + lifetime_s
                odds, known = self._of((key.dependency, reason)), (1.0, log_odds_of(chance))
                heard_s = not_before_s if here else not_before_s + _HEARD_S
                one = _Watched(odds, known, until, heard_s, not_after_s)
                if here:
                    self._here[hashed] = one
                else:
                    self._there[fingerprint_of(hashed)] = one

    def ask(self, asked: Asked, base: Mapping[Reason, float], names: Iterable[Dependency]) -> None:
        """Raise the thresholds of guesses to what experience asks for; ``base``: where there is none yet."""
        for name in dict.fromkeys((*names, *(name for name, _ in self._odds))):
            for reason in GUESSED:
                asked[name, reason] = max(asked.get((name, reason), base[reason]), self.least(name, reason))

    def least(self, dependency: Dependency, reason: Reason) -> float:
        """The chance that the planner has to claim for a guess to be likely enough by experience: 0..1, or
        NEVER."""
        odds = self._of((dependency, reason))
        least = self._least.get((dependency, reason))
        if least is None:
            least = self._least[dependency, reason] = self._least_of(odds)
        return least

    def export_state(self) -> list[list[object]]:
        """[dependency, reason, weights, covariance row by row] of each."""
        return [[name, reason.value, *one.export_state()] for (name, reason), one in self._odds.items()]

    def restore_state(self, saved: list[Saved]) -> None:
        """Take over what `saved_foresight` has read."""
        self._least.clear()
        for kind, weights, covariance in saved:
            self._of(kind).put(weights, covariance)

    def _of(self, kind: Kind) -> Odds:
        odds = self._odds.get(kind)
        if odds is None:
            if len(self._odds) >= len(GUESSED) * self._settings.max_dependencies and kind[0]:
                return self._of(("", kind[1]))
            odds = self._odds[kind] = Odds(_PRIOR, self._settings.foresight_memory)
        return odds

    def _least_of(self, odds: Odds) -> float:
        needed = log_odds_of(self._settings.guess_precision)
        for chance in _CHANCES:
            known = (1.0, log_odds_of(chance))
            if odds.log_odds(known) - _DOUBTS * odds.doubt(known) >= needed:
                return chance
        return NEVER

    def _came(self, one: _Watched, now_s: float) -> None:
        in_time = one.not_before_s <= now_s <= one.not_after_s
        self._decide(one, in_time and one.until >= self._clock)

    def _expire(self, watched: dict[KeyHash, _Watched]) -> None:
        while watched:
            oldest = next(iter(watched))
            if watched[oldest].until >= self._clock:
                return
            self._decide(watched.pop(oldest), False)

    def _decide(self, one: _Watched, true: bool) -> None:
        self.kept += true
        self.broken += not true
        one.odds.learn(one.known, true)
        self._least.clear()


def saved_foresight(obj: object) -> list[Saved]:
    """What `Foresight.export_state` gave, checked; `StateError` if it is something else."""
    if not isinstance(obj, list):
        raise StateError("learning: foresight is not a list")
    return [_saved(row) for row in obj]


def _saved(row: object) -> Saved:
    if not isinstance(row, (list, tuple)) or len(row) != 4 or not isinstance(row[0], str):
        raise StateError(f"learning: not the odds of guesses: {str(row)[:80]}")
    reason = next((one for one in GUESSED if one.value == row[1]), None)
    if reason is None:
        raise StateError(f"learning: not a reason to guess: {str(row[1])[:80]}")
    return (row[0], reason), *saved_weights(row[2], row[3], len(_PRIOR))
