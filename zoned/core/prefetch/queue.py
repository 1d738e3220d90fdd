"""The bounded priority queue of wants.

Two things decide about a want: its value (expected seconds saved per MiB moved), and whether it may go at
all now. The second depends on its *kind* (for which reason it is a guess, if it is one: guesses need the
allowance, each reason its own; and open or named: a want that names its holder cannot reach the origin, so
the origin's rate does not hold it back) and on the *link* that it comes by. So the wants of one kind and link
are a list sorted by value, and the best want that may go is the best end of a few lists, however many
thousands wait behind a closed gate. In a pool of hundreds of zones those are hundreds of ends to look at;
that is why the worst, which goes when the queue is full, has a list of all to be found in.

Sorted lists with bisect: an insertion moves at most 80 kB of pointers at 10,000 wants (microseconds), and
both ends are at hand: the best to go next, the worst to drop when full. A heap has one end only.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from zoned.core.names import InstanceKey, KeyHash, NodeName
from zoned.core.prefetch.links import Link, link_to
from zoned.core.records import GUESSES, Reason, Want

_KIND: dict[Reason | None, int] = {None: 0}
_KIND |= {reason: 2 * place for place, reason in enumerate((*GUESSES, Reason.HOME), start=1)}
KINDS = 2 * len(_KIND)
_OPEN = 1  # bit of a kind
_Rank: TypeAlias = tuple[float, int, InstanceKey]
_Ranks: TypeAlias = list[_Rank]  # worst first


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

    @property
    def link(self) -> Link:
        """What it comes by."""
        return link_to(self.source, self.key.dependency)

    @property
    def rank(self) -> _Rank:
        """What it is sorted by, worst first."""
        return self.value, -self.serial, self.key

    def want(self) -> Want:
        """The record for people to look at."""
        return Want(self.key, self.key_hash, self.size, self.reason, self.value, self.source, self.guess)


class WantQueue:
    """At most ``max_wants`` wants, one per instance."""

    def __init__(self, max_wants: int) -> None:
        self._max_wants = max_wants
        self._wants: dict[InstanceKey, Queued] = {}
        self._ranks: _Ranks = []
        self._lanes: tuple[dict[Link, _Ranks], ...] = tuple({} for _ in range(KINDS))  # no list is empty
        self.waiting = 0
        """[hot] The kinds that somebody waits in, as a mask."""
        self._serial = 0

    def __len__(self) -> int:
        return len(self._wants)

    def __iter__(self) -> Iterator[Queued]:
        return iter(self._wants.values())

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
        rank, lanes, link = want.rank, self._lanes[want.kind], want.link
        del self._ranks[bisect_left(self._ranks, rank)]
        lane = lanes[link]
        if len(lane) == 1:
            del lanes[link]
            if not lanes:
                self.waiting &= ~(1 << want.kind)
        else:
            del lane[bisect_left(lane, rank)]
        return True

    def best(self, allowed: int, closed: Container[Link] = ()) -> Queued | None:
        """The most valuable want of the kinds allowed (a mask) by a link that is not ``closed``; it stays."""
        found: _Rank | None = None
        for kind, lanes in enumerate(self._lanes):
            if lanes and allowed >> kind & 1:
                for link, lane in lanes.items():
                    if (found is None or lane[-1] > found) and link not in closed:
                        found = lane[-1]
        return None if found is None else self._wants[found[2]]

    def links(self, kind: int) -> Iterable[Link]:
        """The links that wants of that kind wait for."""
        return self._lanes[kind]

    def sorted(self) -> list[Queued]:
        """All of them, the most valuable first."""
        return [self._wants[key] for _, _, key in reversed(self._ranks)]

    def _insert(self, want: Queued) -> None:
        if not want.serial:
            self._serial += 1
            want.serial = self._serial
        self._wants[want.key] = want
        rank = want.rank
        insort(self._ranks, rank)
        insort(self._lanes[want.kind].setdefault(want.link, []), rank)
        self.waiting |= 1 << want.kind

    def _worst(self) -> Queued:
        return self._wants[self._ranks[0][2]]


def _merged(known: Queued, want: Queued) -> Queued:
    replanned = known.planned and want.planned
    better, other = (want, known) if replanned or want.value > known.value else (known, want)
    better.until_s = max(known.until_s, want.until_s)
    better.planned = replanned
    better.serial = known.serial
    better.size = better.size or other.size
    return better
