"""What prefetching may spend, together: bytes per second (in all, and by each link), origin reads per second,
guesses per miss.

The first are token buckets (``tokens``, ``links``), the last is the ``allowance``. What an order will move is
known only once it has travelled, so it is charged what it is expected to, and the difference when it settles.
Nothing here looks at a clock: time comes with each call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import inf
from typing import NamedTuple

from zoned.core.prefetch.allowance import Allowance, Credit
from zoned.core.prefetch.links import Link, Links
from zoned.core.prefetch.queue import ALL, GUESS_KINDS, KINDS, OPEN_KINDS, Queued, kinds_of
from zoned.core.prefetch.settings import PrefetchSettings
from zoned.core.prefetch.tokens import TokenBucket
from zoned.core.records import GUESSES, Reason

_SIZE_MEMORY = 0.05  # weight of the newest size in the running mean
_BY_REASON = tuple((reason, kinds_of(reason)) for reason in (*GUESSES, Reason.HOME))


class Travelling(NamedTuple):
    """An order under way, and what it was charged."""

    reason: Reason
    guess: bool
    link: Link
    expected_bytes: float
    started_s: float


class Budget:
    """All that holds prefetches back, and what they cost."""

    def __init__(self, settings: PrefetchSettings, counters: dict[str, int]) -> None:
        """``counters`` of the whole stage; see ``Links``."""
        whole_s, link_s = settings.bandwidth_bytes_s, settings.link_bandwidth_bytes_s
        self._bytes = TokenBucket(whole_s, settings.burst_bytes)
        if link_s is None or link_s >= whole_s:  # a link that runs out then finds the common bucket empty
            self.links = Links(whole_s, settings.burst_bytes, False, counters)
        else:  # as many seconds' worth at once as the whole may
            self.links = Links(link_s, settings.burst_bytes * link_s / whole_s, True, counters)
        self._origin = TokenBucket(settings.origin_rate, settings.origin_burst)
        self.allowance = Allowance(
            settings.allowance_start,
            settings.allowance_per_miss,
            settings.allowance_max,
            settings.association_reserve,
            Credit(
                settings.credit_start, settings.credit_per_miss, settings.credit_per_use, settings.credit_max
            ),
        )
        self.mean_size = float(settings.expected_size_bytes)
        """Bytes: what an instance of unknown size is taken for."""

    def kinds(self, now_s: float) -> int:
        """[hot] The kinds of wants that may go now, as a mask."""
        if not self._bytes.has(1, now_s):
            return 0
        allowed = ALL if self._origin.has(1, now_s) else ALL & ~OPEN_KINDS
        return allowed & self._trusted()

    def bytes_of(self, size: int) -> float:
        """A size, or what an unknown one (0) is taken for."""
        return float(size) if size > 0 else self.mean_size

    def start(self, want: Queued, link: Link, now_s: float) -> Travelling:
        """That one goes now, by that link."""
        expected = self.bytes_of(want.size)
        self._bytes.spend(expected, now_s)
        self.links.spend(link, expected, now_s)
        if not want.source:
            self._origin.spend(1, now_s)
        if want.is_guess:
            self.allowance.spend(want.reason)
        return Travelling(want.reason, want.is_guess, link, expected, now_s)

    def settle(self, travelling: Travelling, ok: bool, size: int, link: Link, now_s: float) -> None:
        """It ended, and ``size`` bytes came by ``link`` (none, if it is not ``ok``)."""
        travelled = size if ok else 0
        self._bytes.spend(travelled - travelling.expected_bytes, now_s)
        if link == travelling.link:
            self.links.spend(link, travelled - travelling.expected_bytes, now_s)
        else:
            self.links.spend(travelling.link, -travelling.expected_bytes, now_s)
            self.links.spend(link, travelled, now_s)
        if ok:
            self.mean_size += _SIZE_MEMORY * (size - self.mean_size)
        elif travelling.guess:
            self.allowance.failed(travelling.reason)

    def ready_s(self, waiting: int, links: Callable[[int], Iterable[Link]], now_s: float) -> float | None:
        """When wants of one of these kinds may go; None where not time will let them, but a miss or a use.
        ``links``: by which those of a kind would come."""
        if waiting & GUESS_KINDS:
            waiting &= self._trusted()
        if not waiting:
            return None
        bytes_s, closed = self._bytes.ready_s(1, now_s), self.links.closed(now_s)
        if not closed:
            return bytes_s if waiting & ~OPEN_KINDS else max(bytes_s, self._origin.ready_s(1, now_s))
        ready_s = inf
        for kind in [kind for kind in range(KINDS) if waiting >> kind & 1]:
            open_s = min([closed.get(link, now_s) for link in links(kind)], default=now_s)
            if 1 << kind & OPEN_KINDS:
                open_s = max(open_s, self._origin.ready_s(1, now_s))
            ready_s = min(ready_s, open_s)
        return max(bytes_s, ready_s)

    def _trusted(self) -> int:
        """The kinds that need no allowance, or have one: for all guesses, and for the reason's own."""
        trusted = ALL & ~GUESS_KINDS
        for reason, kinds in _BY_REASON:
            if self.allowance.allows(reason):
                trusted |= kinds
        return trusted
