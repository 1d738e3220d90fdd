"""What guesses may cost a store that goes by LRU, in hits: so that no hour loses more than it may.

`Hosting` sees to it that a guest costs one hit at most, and counts what they cost and brought. So all that
can still be lost is known at any time: a hit for each guest that is there. Here a balance is kept against
which they are held: each miss of plain LRU's pays ``share`` of a hit in, a hit that was brought pays one, a
hit that was lost takes one, and there may be as many guests as the balance covers. So over any time

    hits lost - hits brought  <=  the balance at its start + share x plain LRU's misses

and the balance never exceeds ``share`` of the misses that LRU has in an hour, at the pace of the last eighth
of one. In an hour whose pace is no lower than it was before, readers wait for 2 x ``share`` longer at most
than with plain LRU (a lost hit costs no more than one of its misses does); in one that suddenly is quiet, the
loss is still that share of what the pace was. Where LRU misses less than 1 / ``share`` times an hour, one hit
would be too much: no guess is put in anyone's place.

Rejected: a balance that any hour's gains may fill (a good night would pay for a bad morning), and waiting for
the measured latency to show a loss (it is over by then: the learner's brake does that for what goes by other
policies than this).
"""

from __future__ import annotations

from math import exp

from zoned.core.eviction import Hosting

_HOUR_S = 3600.0
_MEMORY_S = _HOUR_S / 8


class Stakes:
    """The balance. ``hits_lost_to_guesses`` and ``hits_guessed`` count what they cost and brought."""

    __slots__ = ("_as_of_s", "_balance", "_counters", "_pace", "_seen", "_share")

    def __init__(self, share: float, counters: dict[str, int]) -> None:
        """``share``: of plain LRU's misses, the hits that guesses may cost. ``counters``: of the stage."""
        self._share = share
        self._balance = self._pace = 0.0  # the pace: plain LRU's misses in an hour
        self._seen = 0
        self._as_of_s = 0.0
        self._counters = counters
        counters["hits_guessed"] = counters["hits_lost_to_guesses"] = 0

    def settle(self, policy: Hosting, missed: int, now_s: float) -> None:
        """Say how many guests there may be now. ``missed``: by readers here, since the start."""
        lost, gained, counters = policy.lost, policy.gained, self._counters
        policy.lost = policy.gained = 0
        counters["hits_lost_to_guesses"] += lost
        counters["hits_guessed"] += gained
        lru_missed = missed - self._seen - lost + gained
        self._seen = missed
        if now_s > self._as_of_s:
            self._pace *= exp((self._as_of_s - now_s) / _MEMORY_S)
            self._as_of_s = now_s
        self._pace += lru_missed * (_HOUR_S / _MEMORY_S)
        balance = self._balance + self._share * lru_missed + gained - lost
        self._balance = policy.places = min(balance, self._share * self._pace)
