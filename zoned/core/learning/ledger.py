"""The honest ledger: what readers got, beside what plain LRU would have given them on the same accesses.

Counts are kept per dependency and priced only when somebody looks, always both sides with the same prices:
a shadow hit costs what a local read costs, a shadow miss what the origin costs (plain LRU knows no other
zones). So the comparison cannot drift with the weather. A read that was counted but not answered (it is on
its way, or failed) is priced as the origin on our side.

Prefetches are real fetches: where the caller says where they came from, they count as origin fetches or
transfers like any other, so "fewer origin fetches" is never claimed by leaving them out.

Bounded: a line per dependency up to ``max_dependencies``, one more for all others. When the table is full
the quietest eighth is added to that one at the next review, so the busiest keep lines of their own. Rejected:
fixed-size sketches per dependency; a platform has tens of dependencies, an error in ours may make thousands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from zoned.core.learning.settings import LearningSettings
from zoned.core.learning.shadow import Misses
from zoned.core.names import OTHER, Dependency
from zoned.core.records import LedgerLine, Reason, Source

_MOST_NUMBERS = 4096  # further dependencies are told from all others by nobody

PriceList = Callable[[Source], float]


class Tally(NamedTuple):
    """Counts that can be priced: requests, LRU's misses on them, and the sources they were answered from."""

    requests: int
    lru_misses: float
    local: int
    peer: int
    origin: int
    home: int

    def since(self, before: Tally) -> Tally:
        """What was added after ``before``."""
        return Tally(
            self.requests - before.requests,
            self.lru_misses - before.lru_misses,
            self.local - before.local,
            self.peer - before.peer,
            self.origin - before.origin,
            self.home - before.home,
        )

    def latency_s(self, prices: PriceList) -> float:
        """Seconds waited in all, at these prices."""
        return (
            self.local * prices(Source.LOCAL)
            + self.peer * prices(Source.PEER)
            + self.origin * prices(Source.ORIGIN)
            + self.home * prices(Source.HOME)
        )

    def lru_latency_s(self, prices: PriceList) -> float:
        """Seconds that would have been waited with plain LRU, at these prices."""
        hits = self.requests - self.lru_misses
        return hits * prices(Source.LOCAL) + self.lru_misses * prices(Source.ORIGIN)


class Line:
    """Counts of one dependency. The hot path writes ``requests``, ``lru_misses`` and the sources directly."""

    __slots__ = (
        "home",
        "local",
        "lru_misses",
        "missed",
        "origin",
        "peer",
        "prefetch_used",
        "prefetched",
        "prefetched_bytes",
        "prefetched_origin",
        "prefetched_peer",
        "requests",
        "shared_origin",
        "shared_peer",
        "ttl_s",
    )

    def __init__(self, arms: int, number: int = 0) -> None:
        self.requests = 0
        self.lru_misses = 0.0
        self.missed = Misses(arms, number)
        self.local = self.peer = self.origin = self.home = 0
        self.prefetched = self.prefetch_used = self.prefetched_bytes = 0
        self.prefetched_origin = self.prefetched_peer = 0
        self.shared_origin = self.shared_peer = 0  # reads answered by what was fetched for another, or ahead
        self.ttl_s: float | None = None  # how long copies of it live; not a count

    def served(self, source: Source, times: int = 1) -> None:
        """[hot] A read was answered from there. (Identity: hashing an Enum costs more than all of this.)"""
        if source is Source.LOCAL:
            self.local += times
        elif source is Source.PEER:
            self.peer += times
        elif source is Source.ORIGIN:
            self.origin += times
        else:
            self.home += times

    def shared(self, source: Source) -> None:
        """A read, which `served` counts, was answered by a fetch from there that is counted already."""
        self.shared_origin += source is Source.ORIGIN or source is Source.HOME
        self.shared_peer += source is Source.PEER or source is Source.HOME

    def tally(self) -> Tally:
        """The counts that can be priced, as they are now."""
        return Tally(self.requests, self.lru_misses, self.local, self.peer, self.origin, self.home)

    def add(self, other: Line) -> None:
        """Take over another line's counts."""
        self.requests += other.requests
        self.lru_misses += other.lru_misses
        self.local += other.local
        self.peer += other.peer
        self.origin += other.origin
        self.home += other.home
        self.prefetched += other.prefetched
        self.prefetch_used += other.prefetch_used
        self.prefetched_bytes += other.prefetched_bytes
        self.prefetched_origin += other.prefetched_origin
        self.prefetched_peer += other.prefetched_peer
        self.shared_origin += other.shared_origin
        self.shared_peer += other.shared_peer
        self.missed.add(other.missed)

    def earned(self, arms: Sequence[str], prices: PriceList) -> tuple[tuple[str, float], ...]:
        """(arm, seconds that it would have saved over plain LRU): the first arm is LRU among zones that
        share, so what it saves is what the other zones' copies do."""
        hit_s, peer_s, origin_s = prices(Source.LOCAL), prices(Source.PEER), prices(Source.ORIGIN)
        all_missed, near = self.missed.all, self.missed.near
        plain_s = all_missed[0] * (origin_s - hit_s)
        return tuple(
            (arm, plain_s - all_missed[index] * (origin_s - hit_s) + near[index] * (origin_s - peer_s))
            for index, arm in enumerate(arms)
        )

    def priced(self, dependency: Dependency, prices: PriceList, arms: Sequence[str]) -> LedgerLine:
        """As a record."""
        tally = self.tally()
        misses = min(self.lru_misses, float(self.requests))  # a sample may overshoot by its noise
        return LedgerLine(
            dependency=dependency,
            requests=self.requests,
            hits=self.local,
            peer_hits=self.peer,
            lru_hit_ratio=1.0 - misses / self.requests if self.requests else 0.0,
            latency_s=tally.latency_s(prices),
            lru_latency_s=tally._replace(lru_misses=misses).lru_latency_s(prices),
            origin_fetches=self.origin + self.home + self.prefetched_origin - self.shared_origin,
            lru_origin_fetches=misses,
            peer_transfers=self.peer + self.home + self.prefetched_peer - self.shared_peer,
            prefetched=self.prefetched,
            prefetch_used=self.prefetch_used,
            prefetched_bytes=self.prefetched_bytes,
            arms=self.earned(arms, prices),
        )


class Ledger:
    """All lines."""

    __slots__ = ("_arms", "_numbers", "_settings", "folded", "lines", "names")

    def __init__(self, settings: LearningSettings, arms: Sequence[str] = ("lru",)) -> None:
        """``arms``: of the shadows, in their order."""
        self._settings = settings
        self._arms = tuple(arms)
        self.lines: dict[Dependency, Line] = {}
        """By dependency; changed in place only, so that the hot path may hold on to it."""
        self.names: list[Dependency] = [OTHER]
        """By number. Whoever had a line keeps the number: the shadows tell by it whose a copy is."""
        self._numbers: dict[Dependency, int] = {OTHER: 0}
        self.folded = 0
        """Lines that were added to the line of all others."""

    def line(self, dependency: Dependency) -> Line:
        """Its line; a new one if there is room, else that of all others."""
        line = self.lines.get(dependency)
        if line is None:
            if len(self.lines) >= self._settings.max_dependencies:
                dependency = OTHER
            line = self.lines.get(dependency)
            if line is None:
                line = self.lines[dependency] = Line(len(self._arms), self._number(dependency))
        return line

    def _number(self, dependency: Dependency) -> int:
        number = self._numbers.get(dependency, 0)
        if not number and dependency != OTHER and len(self.names) < _MOST_NUMBERS:
            number = self._numbers[dependency] = len(self.names)
            self.names.append(dependency)
        return number

    def fetched(self, reason: Reason, dependency: Dependency, size: int, source: Source | None) -> None:
        """A fetch that nobody had asked for brought ``size`` bytes (what was asked for: `Line.served`)."""
        if reason is Reason.DEMAND:
            return
        line = self.line(dependency)
        line.prefetched += 1
        line.prefetched_bytes += size
        line.prefetched_origin += source is Source.ORIGIN or source is Source.HOME
        line.prefetched_peer += source is Source.PEER or source is Source.HOME

    def requests(self, dependency: Dependency) -> int:
        """Requests counted on its own line."""
        line = self.lines.get(dependency)
        return 0 if line is None else line.requests

    def total(self) -> Line:
        """The sum of all lines."""
        total = Line(len(self._arms))
        for line in self.lines.values():
            total.add(line)
        return total

    def tallies(self) -> Iterator[tuple[Dependency, Tally]]:
        """The dependencies that have a line of their own."""
        return ((name, line.tally()) for name, line in self.lines.items() if name != OTHER)

    def fold(self) -> None:
        """When the table is full: make room by adding the quietest eighth to the line of all others."""
        limit = self._settings.max_dependencies
        if len(self.lines) < limit:
            return
        names = sorted(
            (name for name in self.lines if name != OTHER), key=lambda name: (self.lines[name].requests, name)
        )
        others = self.lines.setdefault(OTHER, Line(len(self._arms)))
        for name in names[: len(self.lines) - limit + max(1, limit // 8)]:
            others.add(self.lines.pop(name))
            self.folded += 1

    def priced(self, prices: PriceList) -> tuple[LedgerLine, ...]:
        """The sum (dependency ``""``), then each line by name."""
        lines = [self.lines[name].priced(name, prices, self._arms) for name in sorted(self.lines)]
        return (self.total().priced("", prices, self._arms), *lines)
