"""What a read costs, by where it was answered from, and a meter that adds it up.

The latency model is deliberately this poor (three constants, as in ``lab/refsim.py``): a policy is to be
compared by what it moves and holds, not by a network that somebody made up. A prefetch still on its way is
the one case in between, where the request waits for the rest.

The meter keeps a histogram in whole microseconds instead of all latencies: most replays know fewer than ten
different ones, the 99th percentile stays exact, and means do not depend on the order of additions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from zoned.simulation.results import Mark, PolicyResult, ReplayOptions
from zoned.simulation.world import Transfers


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """Seconds from a request to its answer, per source."""

    local_s: float
    peer_s: float
    origin_s: float

    @classmethod
    def of(cls, options: ReplayOptions) -> Prices:
        """The model of contract.md: every answer costs ``hit``, and what had to be fetched comes on top."""
        return cls(
            local_s=options.hit_s,
            peer_s=options.hit_s + options.rtt_s,
            origin_s=options.hit_s + options.origin_s,
        )


class Meter:
    """Counts the measured part of one policy's run. Add to the public counters; call `add` per answer."""

    __slots__ = (
        "_marks",
        "_waits",
        "hits",
        "late",
        "origin_fetches",
        "peer_transfers",
        "prefetch_used",
        "prefetches",
    )

    def __init__(self) -> None:
        self.hits = 0
        self.origin_fetches = 0
        self.peer_transfers = 0
        self.prefetches = 0
        self.prefetch_used = 0
        self.late = 0
        self._waits: dict[int, int] = {}  # microseconds -> requests
        self._marks: list[Mark] = []

    def add(self, latency_s: float, requests: int = 1) -> None:
        """So many requests waited that long. [hot]"""
        if requests:
            microseconds = round(latency_s * 1e6)
            self._waits[microseconds] = self._waits.get(microseconds, 0) + requests

    def moved(self, before: Transfers, after: Transfers) -> None:
        """What real nodes fetched between two moments."""
        self.origin_fetches += after.origin - before.origin
        self.peer_transfers += after.peer - before.peer
        self.prefetches += after.prefetched - before.prefetched
        self.prefetch_used += after.prefetch_used - before.prefetch_used
        self.late += after.late - before.late

    def mark(self) -> None:
        """How far it is now: a point of the result's timeline. Not for every request."""
        count = self.count
        self._marks.append(Mark(count, self.hits, self.mean_s * count))

    @property
    def timeline(self) -> tuple[Mark, ...]:
        """The marks so far."""
        return tuple(self._marks)

    @property
    def count(self) -> int:
        """Requests measured."""
        return sum(self._waits.values())

    @property
    def mean_s(self) -> float:
        """Mean wait; 0 if nothing was measured."""
        return sum(wait * count for wait, count in self._waits.items()) / max(1, self.count) / 1e6

    @property
    def p99_s(self) -> float:
        """The nearest rank: the least wait that 99 % of the requests do not exceed."""
        return _nearest_rank(self._waits, self.count, 99) / 1e6

    def result(self, details: Mapping[str, object] | None = None) -> PolicyResult:
        """What was measured."""
        return PolicyResult(
            requests=self.count,
            hits=self.hits,
            mean_latency_ms=self.mean_s * 1e3,
            p99_latency_ms=self.p99_s * 1e3,
            origin_fetches=self.origin_fetches,
            peer_transfers=self.peer_transfers,
            prefetches=self.prefetches,
            prefetch_used=self.prefetch_used,
            late=self.late,
            timeline=self.timeline,
            details=dict(details or {}),
        )


def _nearest_rank(histogram: Mapping[int, int], total: int, percent: int) -> int:
    seen = 0
    for value in sorted(histogram):
        seen += histogram[value]
        if seen * 100 >= total * percent:
            return value
    return 0
