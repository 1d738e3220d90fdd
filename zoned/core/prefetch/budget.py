"""What prefetching may spend, together: bytes per second, origin reads per second, guesses per miss.

The first two are token buckets (``tokens``), the third is the ``allowance``. What an order will move is known
only once it has travelled, so it is charged what it is expected to, and the difference when it settles.
Nothing here looks at a clock: time comes with each call.
"""

from __future__ import annotations

from typing import NamedTuple

from zoned.core.prefetch.allowance import Allowance, Credit
from zoned.core.prefetch.queue import ALL, GUESS_KINDS, GUESSES, OPEN_KINDS, Queued, kinds_of
from zoned.core.prefetch.settings import PrefetchSettings
from zoned.core.prefetch.tokens import TokenBucket
from zoned.core.records import Reason

_SIZE_MEMORY = 0.05  # weight of the newest size in the running mean
_BY_REASON = tuple((reason, kinds_of(reason)) for reason in (*GUESSES, Reason.HOME))


class Travelling(NamedTuple):
    """An order under way, and what it was charged."""

    reason: Reason
    guess: bool
    expected_bytes: float
    started_s: float


class Budget:
    """All that holds prefetches back, and what they cost."""

    def __init__(self, settings: PrefetchSettings) -> None:
        self._bytes = TokenBucket(settings.bandwidth_bytes_s, settings.burst_bytes)
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

    def start(self, want: Queued, now_s: float) -> Travelling:
        """That one goes now."""
        expected = self.bytes_of(want.size)
        self._bytes.spend(expected, now_s)
        if not want.source:
            self._origin.spend(1, now_s)
        if want.is_guess:
            self.allowance.spend(want.reason)
        return Travelling(want.reason, want.is_guess, expected, now_s)

    def settle(self, travelling: Travelling, ok: bool, size: int, now_s: float) -> None:
        """It ended, and ``size`` bytes travelled (none, if it is not ``ok``)."""
        self._bytes.spend((size if ok else 0) - travelling.expected_bytes, now_s)
        if ok:
            self.mean_size += _SIZE_MEMORY * (size - self.mean_size)
        elif travelling.guess:
            self.allowance.failed(travelling.reason)

    def ready_s(self, waiting: int, now_s: float) -> float | None:
        """When wants of one of these kinds may go; None where not time will let them, but a miss or a use."""
        if waiting & GUESS_KINDS:
            waiting &= self._trusted()
        if not waiting:
            return None
        ready_s = self._bytes.ready_s(1, now_s)
        if not waiting & ~OPEN_KINDS:
            ready_s = max(ready_s, self._origin.ready_s(1, now_s))
        return ready_s

    def _trusted(self) -> int:
        """The kinds that need no allowance, or have one: for all guesses, and for the reason's own."""
        trusted = ALL & ~GUESS_KINDS
        for reason, kinds in _BY_REASON:
            if self.allowance.allows(reason):
                trusted |= kinds
        return trusted
