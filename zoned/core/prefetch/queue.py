"""The bounded priority queue of wants.

Two things decide about a want: its value (expected seconds saved per MiB moved), and whether it may go at
all now. The second depends only on its *kind*: for which reason it is a guess, if it is one (guesses need the
allowance, each reason its own), and open or named (a want that names its holder cannot reach the origin, so
the origin's rate does not hold it back). So each of the dozen kinds is a list sorted by value, and the best
want that may go is the best end of a few lists, however many thousands wait behind a closed gate.

Sorted lists with bisect: an insertion moves at most 80 kB of pointers at 10,000 wants (microseconds), and
both ends are at hand: the best to go next, the worst to drop when full. A heap has one end only.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import dataclass

from zoned.core.names import InstanceKey, KeyHash, NodeName
from zoned.core.records import Reason, Want

GUESSES = (Reason.ASSOCIATION, Reason.FORECAST, Reason.ELSEWHERE, Reason.REFRESH)
"""Reasons that are guesses about demand. The others are asked for: a drain, a restart, homed replicas (but
for a HOME want that says itself that it is a guess)."""
_KIND: dict[Reason | None, int] = {None: 0}
_KIND |= {reason: 2 * place for place, reason in enumerate((*GUESSES, Reason.HOME), start=1)}
KINDS = 2 * len(_KIND)
_OPEN = 1  # bit of a kind


def kinds_of(reason: Reason | None) -> int:
    """The kinds of guesses for that reason (None: of what is no guess), as a mask."""
    return 3 << _KIND[reason]


ALL = (1 << KINDS) - 1
GUESS_KINDS = ALL & ~kinds_of(None)
OPEN_KINDS = sum(1 << kind for kind in range(KINDS) if kind & _OPEN)


@dataclass(slots=True, kw_only=True)
class Queued:
    """A want that waits. ``planned``: only the plan wants it, so it goes when the plan drops it."""

    key: InstanceKey
    key_hash: KeyHash
    size: int
    reason: Reason
    value: float
    source: NodeName
    until_s: float
    planned: bool = False
    serial: int = 0
    guess: bool = False  # though its reason is none

    @property
    def is_guess(self) -> bool:
        """Whether it needs an allowance."""
        return self.guess or self.reason in GUESSES

    @property
    def kind(self) -> int:
        """A number below ``KINDS``."""
        return _KIND[self.reason if self.is_guess else None] + (self.source == "") * _OPEN

    def want(self) -> Want:
        """The record for people to look at."""
        return Want(self.key, self.key_hash, self.size, self.reason, self.value, self.source, self.guess)


class WantQueue:
    """At most ``max_wants`` wants, one per instance."""

    def __init__(self, max_wants: int) -> None:
        self._max_wants = max_wants
        self._wants: dict[InstanceKey, Queued] = {}
        # By kind, worst first.
        self._order: tuple[list[tuple[float, int, InstanceKey]], ...] = tuple([] for _ in range(KINDS))
        self._waiting = 0  # the kinds that are not empty, as a mask
        self._serial = 0

    def __len__(self) -> int:
        return len(self._wants)

    def __iter__(self) -> Iterator[Queued]:
        return iter(self._wants.values())

    def __contains__(self, key: InstanceKey) -> bool:
        return key in self._wants

    def put(self, want: Queued) -> Queued | None:
        """Queue it, or merge it with what waits for that instance; who was dropped for it, perhaps itself.

        Merged: the higher value with its reason and source, the later end; between two plans the newer word.
        Of equals, the older goes first.
        """
        known = self._wants.get(want.key)
        if known is not None:
            self.remove(want.key)
            want = _merged(known, want)
        elif len(self._wants) >= self._max_wants:
            worst = self._worst()
            if worst.value >= want.value:
                return want
            self.remove(worst.key)
            self._insert(want)
            return worst
        self._insert(want)
        return None

    def remove(self, key: InstanceKey) -> bool:
        """Take it out; False when it was not there."""
        want = self._wants.pop(key, None)
        if want is None:
            return False
        order = self._order[want.kind]
        del order[bisect_left(order, (want.value, -want.serial, key))]
        if not order:
            self._waiting &= ~(1 << want.kind)
        return True

    def best(self, allowed: int) -> Queued | None:
        """The most valuable want of the kinds allowed (a mask); it stays in the queue."""
        found: tuple[float, int, InstanceKey] | None = None
        for kind, order in enumerate(self._order):
            if order and allowed >> kind & 1 and (found is None or order[-1] > found):
                found = order[-1]
        return None if found is None else self._wants[found[2]]

    def waiting(self) -> int:
        """The kinds that somebody waits in, as a mask."""
        return self._waiting

    def sorted(self) -> list[Queued]:
        """All of them, the most valuable first."""
        ranked = sorted((entry for order in self._order for entry in order), reverse=True)
        return [self._wants[key] for _, _, key in ranked]

    def clear(self) -> int:
        """Drop them all; how many there were."""
        count = len(self._wants)
        self._wants.clear()
        for order in self._order:
            order.clear()
        self._waiting = 0
        return count

    def _insert(self, want: Queued) -> None:
        if not want.serial:
            self._serial += 1
            want.serial = self._serial
        self._wants[want.key] = want
        insort(self._order[want.kind], (want.value, -want.serial, want.key))
        self._waiting |= 1 << want.kind

    def _worst(self) -> Queued:
        return self._wants[min(order[0] for order in self._order if order)[2]]


def _merged(known: Queued, want: Queued) -> Queued:
    replanned = known.planned and want.planned
    better, other = (want, known) if replanned or want.value > known.value else (known, want)
    better.until_s = max(known.until_s, want.until_s)
    better.planned = replanned
    better.serial = known.serial
    better.size = better.size or other.size
    return better
