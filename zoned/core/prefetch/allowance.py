"""What guesses may cost: the *allowance*, which keeps their sum honest over any length of time.

A guess costs a token; a guess that was used gives its token back, for it replaced a miss; each demand miss
brings a fraction of one. So

    transfers <= misses there would have been x (1 + allowance_per_miss) + allowance_start

however bad the guesses are (refsim.py's running allowance, warmth-study.md VAL point 6). And no reason may
spend that sum before it has proved itself: it has a small *credit* of its own, of which a guess costs one and
a guess that was used earns two, so one that is right half the time goes on, and another stops by itself, long
before its copies have been evicted unused and the learner could know.
"""

from __future__ import annotations

from typing import NamedTuple

from zoned.core.records import Reason


class Credit(NamedTuple):
    """What each reason may spend on its own word: see ``PrefetchSettings.credit_start`` and following."""

    start: float
    per_miss: float
    per_use: float
    most: float


class Allowance:
    """Tokens for guesses: from demand misses, and back from guesses that were used.

    A reason gets back at most what it spent: a copy that was fetched for the same reason but not by us (a
    stale one, revalidated because somebody asked) may be used as well, and must not earn tokens.
    """

    __slots__ = (
        "_credit",
        "_earned",
        "_most",
        "_per_miss",
        "_reserve",
        "_reserved",
        "_spent",
        "_trickled",
        "tokens",
    )

    def __init__(self, start: float, per_miss: float, most: float, reserve: float, credit: Credit) -> None:
        self._per_miss = per_miss
        self._reserve, self._reserved = reserve, 0.0
        self._most = most
        self._spent: dict[Reason, int] = {}
        self._credit = credit
        self._earned: dict[Reason, float] = {}  # per reason, without what has trickled in for all alike
        self._trickled = credit.start
        self.tokens = start

    def missed(self) -> None:
        """A read missed: that much more may be tried to avoid the next."""
        if self.tokens < self._most:
            self.tokens += self._per_miss
        self._trickled += self._credit.per_miss

    def credit(self, reason: Reason) -> float:
        """How many more guesses that reason may try before one of them is used."""
        return min(self._credit.most, self._earned.get(reason, 0.0) + self._trickled)

    def allows(self, reason: Reason) -> bool:
        """Whether a guess for that reason may go: not with the last tokens, once associations lacked some."""
        least = 1.0 if reason is Reason.ASSOCIATION else 1.0 + self._reserved
        return self.tokens >= least and self.credit(reason) >= 1.0

    @property
    def short(self) -> bool:
        """Whether associations have lacked tokens: these are worth more than a guess that may do, then."""
        return self._reserved > 0.0

    def lacked(self) -> None:
        """An association has to wait, which it cannot for long."""
        if self.tokens < 1.0:
            self._reserved = self._reserve

    def used(self, reason: Reason, count: int = 1) -> None:
        """So many guesses were used: they replaced misses, and speak for their reason."""
        count = self._returned(reason, count)
        self._earned[reason] = self.credit(reason) + count * self._credit.per_use - self._trickled

    def failed(self, reason: Reason) -> None:
        """A guess never travelled."""
        self._earned[reason] = self.credit(reason) + self._returned(reason, 1) - self._trickled

    def spend(self, reason: Reason) -> None:
        """A guess travels."""
        self._spent[reason] = self._spent.get(reason, 0) + 1
        self._earned[reason] = self.credit(reason) - 1.0 - self._trickled
        self.tokens -= 1.0

    def _returned(self, reason: Reason, tokens: int) -> int:
        spent = self._spent.get(reason, 0)
        tokens = min(tokens, spent)
        self._spent[reason] = spent - tokens
        self.tokens = min(self._most, self.tokens + tokens)
        return tokens
