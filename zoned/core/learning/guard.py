"""The guards: never worse than plain LRU, by measurement.

Three of them. The first stands before the eviction policies: nothing but LRU is played unless the lower
confidence bound of its discounted advantage is above zero, and LRU comes back as soon as that bound is
below zero. Luck in a few batches is not enough, and where nothing helps (scans, first-ever requests) the
right answer, to do nothing, is the one that is given.

The second stands before prefetching, per dependency, and looks at what really happened: the reads'
sources, priced, against the shadow LRU's hits and misses at the same prices. Prefetched copies can push
out what would have been used; however precise each reason looks by itself, if readers wait longer than
with plain LRU then prefetching stops, and starts again when they no longer do. The shadow of a large store
is a sample, so a loss has to be larger than its noise, too.

The third is a brake within the hour. A loss of one percent is a handful of misses, which no test would call
significant in time. But while the store goes by LRU itself and the shadow is exact, whatever is worse than
the shadow was fetched ahead; so when this hour's loss reaches half of what is allowed, guessing pauses
for that dependency until the hour is over, or has paid for it.

Rejected: comparing measured latencies directly (the origin's bad minutes would be called our losses).
"""

from __future__ import annotations

from dataclasses import replace

from zoned.core.learning.ledger import Ledger, PriceList, Tally
from zoned.core.learning.proof import Hours
from zoned.core.learning.scores import Discounted
from zoned.core.learning.settings import LearningSettings
from zoned.core.names import Dependency, Instant


def may_leave(advantage: Discounted, settings: LearningSettings) -> bool:
    """Whether an arm's advantage over LRU is real enough to play it."""
    return advantage.values >= settings.guard_batches and advantage.lower(settings.guard_z) > 0.0


def must_return(advantage: Discounted, settings: LearningSettings) -> bool:
    """Whether the arm that is played may no longer be."""
    return advantage.lower(settings.guard_z) < 0.0


def is_better(edge: Discounted, settings: LearningSettings) -> bool:
    """Whether an arm's edge over the one that is played on trust is real: then that one has lost it."""
    return edge.values >= settings.trust_batches and edge.lower(settings.trust_z) > 0.0


class _Account:
    """One dependency's last batches, in seconds a request."""

    __slots__ = ("before", "excess", "lru", "stopped")

    def __init__(self, decay: float, before: Tally) -> None:
        self.before = before  # where the open batch started
        self.excess = Discounted(decay)  # how much longer than with LRU
        self.lru = Discounted(decay)
        self.stopped = False


class LossGuard:
    """Which dependencies must not be prefetched for, for now."""

    __slots__ = ("_accounts", "_settings", "stops")

    def __init__(self, settings: LearningSettings) -> None:
        self._settings = settings
        self._accounts: dict[Dependency, _Account] = {}
        self.stops = 0
        """How often a dependency was stopped."""

    def review(self, ledger: Ledger, prices: PriceList) -> tuple[Dependency, ...]:
        """Close the batches that are full; returns the dependencies that are stopped now, sorted."""
        accounts, settings = self._accounts, self._settings
        for name in [name for name in accounts if name not in ledger.lines]:
            del accounts[name]  # so the number of accounts is bounded by that of the lines
        for name, tally in ledger.tallies():
            account = accounts.get(name)
            if account is None:
                account = accounts[name] = _Account(settings.loss_decay, Tally(0, 0.0, 0, 0, 0, 0))
            batch = tally.since(account.before)
            if batch.requests >= settings.loss_accesses:
                account.before = tally
                self._judge(account, batch, prices)
        return tuple(sorted([name for name, account in accounts.items() if account.stopped]))

    def _judge(self, account: _Account, batch: Tally, prices: PriceList) -> None:
        settings = self._settings
        lru_s = batch.lru_latency_s(prices)
        account.lru.add(lru_s / batch.requests)
        account.excess.add((batch.latency_s(prices) - lru_s) / batch.requests)
        excess_s, allowed_s = account.excess.mean, settings.max_loss * account.lru.mean
        if account.stopped:
            account.stopped = excess_s > allowed_s / 2
        elif account.excess.values >= settings.loss_batches:
            if excess_s > allowed_s and account.excess.lower(settings.loss_z) > 0.0:
                account.stopped = True
                self.stops += 1


class Brake:
    """Pauses guessing for dependencies that have lost in this hour what they may, where all that is lost is
    the guesses' doing."""

    __slots__ = ("_before", "_hours", "_on", "_settings", "stops")

    def __init__(self, settings: LearningSettings) -> None:
        self._settings = replace(settings, proof_accesses=1, proof_credit=0.0)  # any hour, by the limit
        self._hours: dict[Dependency, Hours] = {}
        self._before: dict[Dependency, Tally] = {}
        self._on: tuple[Dependency, ...] = ()
        self.stops = 0
        """How often it was pulled."""

    def review(self, ledger: Ledger, prices: PriceList, exact: bool, now: Instant) -> tuple[Dependency, ...]:
        """For whom to pause. ``exact``: the store goes by LRU, beside a shadow that is no sample."""
        on = []
        before, self._before = self._before, dict(ledger.tallies())
        for name in [name for name in self._hours if name not in self._before]:
            del self._hours[name]
        for name, tally in self._before.items():
            hours = self._hours.get(name)
            if hours is None:
                hours = self._hours[name] = Hours(self._settings, 1)
            grown = tally.since(before[name]) if name in before else tally
            lru_s = grown.lru_latency_s(prices)
            excess_s = grown.latency_s(prices) - lru_s if exact else 0.0
            hours.watch([excess_s], lru_s, grown.requests, now.mono_s)
            if exact and hours.fails(0):
                on.append(name)
        self.stops += len([name for name in on if name not in self._on])
        self._on = tuple(on)
        return self._on
