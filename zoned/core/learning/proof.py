"""Proof by the hour: has something been worse than plain LRU in any hour, not only on the whole?

An advantage over hundreds of batches can hide an hour in which everything turned around: popularity flips,
a scan ends, and the policy that was better all night misses what LRU has just taken in. So the difference to
LRU is also followed hour by hour, by its *rise*: how far it has climbed above its lowest point of that hour.
The loss over any stretch of the hour is at most that, so a bound on it holds for every hour, however hours
are counted. Two questions are answered: whether in each of the last hours the rise stayed small (an arm that
shows it may be played), and whether it is too large already in this one (then it must stop at once).

Of an arm that is played on trust less is asked. It gains much and loses now and then, so a rise has also to
be larger than chance: than so many times the root of the sum of the squares of its steps (which is its
standard error, if there is nothing in it).

An hour with few reads says nothing: it lasts until there were ``proof_accesses``. The worst hour is
remembered, and fades slowly.

What is much better than LRU is behind it for a while now and then, too: of a thousand reads one percent of
LRU's cost is a handful of misses, and any burst that suits LRU is as many. So an arm has *credit*: a small
share of what it saves in each of the last hours may be lost beyond the limit. What turns around every hour
earns none, since the hour counts in which it saved least. Without that a far better arm (half of LRU's
misses: hurence_web with all clients in one zone) was never played for long.

Rejected: Page-Hinkley on the difference (asks whether the mean has changed, takes long to be sure, and by
then the hour is lost); a bound over many hours, which lets gains of the night pay for a bad morning; proof in
fewer reads (400 instead of 1,000: on one trace 9 % sooner, on another the arm that looked best so far lost
1.2 % against LRU on the whole).

A restart keeps the hours that are over: who comes back does not prove everything again. The hour that was
open begins anew, as the clock does.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, sqrt

from zoned.core.errors import StateError
from zoned.core.learning.settings import LearningSettings

_BELIEVED = 0.3  # of what an hour saved more than those before, so much counts at once
_LIMIT = 1e15  # no number of ours comes near


class Rise:
    """One difference to LRU: how far it has climbed above its lowest point of this hour."""

    __slots__ = ("_sure_z", "behind", "lowest", "most", "sure", "varied")

    def __init__(self, sure_z: float = 0.0) -> None:
        """``sure_z``: standard errors within which a climb may be chance."""
        self._sure_z = sure_z
        self.start()

    def start(self) -> None:
        """An hour begins."""
        self.behind = self.lowest = self.most = 0.0
        self.varied = 0.0  # since the lowest point: the sum of squares
        self.sure = 0.0  # the most that it has climbed beyond chance

    def add(self, grown: float) -> None:
        """So much more was lost (negative: gained) against LRU."""
        self.behind += grown
        self.varied += grown * grown
        if self.behind <= self.lowest:
            self.lowest, self.varied = self.behind, 0.0
            return
        climbed = self.behind - self.lowest
        self.most = max(self.most, climbed)
        if climbed > self.sure and climbed > self._sure_z * sqrt(self.varied):
            self.sure = climbed


class Hours:
    """Several differences to LRU, over the same hours. All costs in one unit, whichever."""

    __slots__ = (
        "_accesses",
        "_began_s",
        "_earned",
        "_lately",
        "_lru",
        "_per_access",
        "_rises",
        "_seen_s",
        "_settings",
        "_worst",
        "passed",
    )

    def __init__(self, settings: LearningSettings, count: int) -> None:
        self._settings = settings
        self._rises = [Rise(settings.sure_z) for _ in range(count)]
        self._worst = [0.0] * count  # largest rise of an hour as a share of LRU's cost, faded
        self._earned = [0.0] * count  # what it saves in an hour, as such a share: falls at once, rises slowly
        self._began_s: float | None = None
        self._accesses = 0
        self._lru = 0.0
        self._lately = 0.0  # what LRU costs in an hour, going by the last eighth of one
        self._per_access = (0.0, 0.0)  # what LRU cost lately, over how many accesses; both fade
        self._seen_s = 0.0
        self.passed = 0
        """Hours that are over."""

    def watch(self, grown: Sequence[float], lru: float, accesses: int, now_s: float) -> None:
        """Since the last time: by how much each cost more than LRU, what LRU cost, over how many accesses.
        Nothing is counted before the first difference: a store that is not full yet says nothing."""
        if self._began_s is None:
            if not any(grown):
                return
            self._began_s = self._seen_s = now_s
        self._tell_pace(lru, now_s)
        kept = exp(-accesses / self._settings.proof_accesses)
        self._per_access = self._per_access[0] * kept + lru, self._per_access[1] * kept + accesses
        self._accesses += accesses
        self._lru += lru
        for rise, more in zip(self._rises, grown, strict=True):
            rise.add(more)
        settings = self._settings
        if now_s - self._began_s < settings.proof_s or self._accesses < settings.proof_accesses:
            return
        for place, rise in enumerate(self._rises):
            share = rise.most / self._lru if self._lru > 0 else 0.0
            saved = max(0.0, -rise.behind / self._lru) if self._lru > 0 else 0.0
            self._worst[place] = max(share, self._worst[place] * settings.proof_decay)
            earned = self._earned[place]
            self._earned[place] = min(saved, earned + (saved - earned) * _BELIEVED)
            rise.start()
        self._lru, self._accesses, self._began_s = 0.0, 0, now_s
        self.passed += 1

    @property
    def began(self) -> bool:
        """Whether something was counted."""
        return self._began_s is not None

    def worst(self, place: int) -> float:
        """The largest loss against LRU in an hour, as a share of what LRU cost then; older ones faded."""
        return self._worst[place]

    def stands(self, place: int) -> bool:
        """Enough hours, and none of them with a large loss."""
        settings = self._settings
        allowed = settings.max_loss + self._credit(place)
        return self.passed >= settings.proof_hours and self._worst[place] <= allowed

    def fails(self, place: int) -> bool:
        """This hour alone, it has lost half of what it may already, going by what LRU costs lately: what is
        under way will lose more. An hour of few reads counts as one of ``proof_accesses``: in it, one miss
        would be enough, and a better policy is behind by a miss now and then."""
        return self._rises[place].most > self._may_lose(place)

    def surely_fails(self, place: int) -> bool:
        """The same of what is played without proof: only what is no chance counts."""
        return self._rises[place].sure > self._may_lose(place)

    def _may_lose(self, place: int) -> float:
        """Half of what may be lost in an hour, and the credit."""
        cost, accesses = self._per_access
        least = cost / accesses * self._settings.proof_accesses if accesses else 0.0
        allowed = self._settings.max_loss / 2 + self._credit(place)
        return allowed * max(self._lately, least)

    def export_state(self, names: Sequence[str]) -> dict[str, object]:
        """The hours that are over; ``names`` of what is compared, in its order."""
        return {
            "passed": self.passed,
            "worst": dict(zip(names, self._worst, strict=True)),
            "earned": dict(zip(names, self._earned, strict=True)),
            "per_access": list(self._per_access),
        }

    @classmethod
    def restored(cls, obj: object, names: Sequence[str], settings: LearningSettings) -> Hours:
        """From what `export_state` gave, with the same names; `StateError` if it is not that."""
        made = cls(settings, len(names))
        try:
            passed, worst, (lru, accesses) = obj["passed"], obj["worst"], obj["per_access"]  # type: ignore[index]
            made._worst = [float(worst[name]) for name in names]
            if "earned" in obj:  # type: ignore[operator]  # older states have none
                made._earned = [float(obj["earned"][name]) for name in names]  # type: ignore[index]
            made._per_access = float(lru), float(accesses)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise StateError(f"learning: not the hours of a proof: {error}") from error
        numbers = (*made._worst, *made._earned, *made._per_access)
        sane = all(0.0 <= number < _LIMIT for number in numbers)  # false for NaN, too
        if type(passed) is not int or not 0 <= passed < _LIMIT or not sane:
            raise StateError(f"learning: not the hours of a proof: {str(obj)[:80]}")
        made.passed = passed
        return made

    def _credit(self, place: int) -> float:
        """What it may lose beyond the limit, as a share of what LRU costs."""
        return self._settings.proof_credit * self._earned[place]

    def _tell_pace(self, lru: float, now_s: float) -> None:
        """An hour in which LRU misses seldom may lose little: it is not measured by the hour before."""
        passed_s, self._seen_s = now_s - self._seen_s, now_s
        memory_s = self._settings.proof_s / 8
        kept = exp(-passed_s / memory_s)
        self._lately = self._lately * kept + lru * self._settings.proof_s / memory_s * (
            (1.0 - kept) * memory_s / passed_s if passed_s > 0 else 1.0
        )
