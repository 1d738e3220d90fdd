"""What a move of traffic cost: the reads that followed it, beside the same reads in a run without it.

A run is kept as the pool's counts before each of its reads, so that any stretch of it can be held against the
same stretch of another run, and one run without a move does for all moves that begin at the same read.
Bursts are told of both runs: traces fetch in bursts by themselves (new things appear together), and only
what is more than those is the move's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from zoned.core.names import Zone

READS_AFTER = 5000
_READS_OF_BURST, _READS_BEFORE = 500, 5000


class Kind(Enum):
    """What happens to the zone."""

    DRAIN = "drain"
    JOIN = "join"
    LEAVE = "leave"
    CRASH = "crash"


class Move(NamedTuple):
    """A zone's traffic moves ``at_s`` seconds into the trace."""

    kind: Kind
    zone: Zone
    at_s: float


class Prepared(Enum):
    """How a move is made."""

    NOT_AT_ALL = "without"  # no move: what would have been
    WARM = "warm"
    COLD = "cold"  # the agent goes (or the clients come) at once, nothing is handed over


class Toll(NamedTuple):
    """The reads that followed. ``waited_s``: from the command until the clients moved."""

    reads: int
    failed: int
    misses: int
    origin_fetches: int
    peer_transfers: int
    mean_latency_ms: float
    waited_s: float


class Counts(NamedTuple):
    """Of the whole pool, since it began."""

    reads: int
    failed: int
    local: int
    origin: int
    peer: int
    latency_s: float


class Course(NamedTuple):
    """How one run went. ``counts``: before each read of the trace, and at the end; ``moved``: the read with
    which the clients moved; ``waited_s``: see ``Toll``."""

    counts: Sequence[Counts]
    moved: int
    waited_s: float

    def toll(self, start: int, reads: int) -> Toll:
        """Of so many reads from that one on, or as many as were played."""
        before = self.counts[min(start, len(self.counts) - 1)]
        after = self.counts[min(start + reads, len(self.counts) - 1)]
        count = after.reads - before.reads
        mean_ms = 1e3 * (after.latency_s - before.latency_s) / count if count else 0.0
        misses = count - (after.local - before.local)
        origin, peer = after.origin - before.origin, after.peer - before.peer
        return Toll(count, after.failed - before.failed, misses, origin, peer, mean_ms, self.waited_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveResult:
    """The three runs. Where nothing can be prepared (a crash) only two. The bursts are of the prepared
    run and of the one without the move, since a trace has bursts of its own."""

    move: Move
    tolls: dict[Prepared, Toll]
    burst: float
    """The most origin fetches in any 500 reads that follow, over the mean of the 5,000 before; 0.0 where
    there were none before."""
    burst_without: float
    """The same where nothing moved."""
    surge: float
    """The most that any 500 reads fetch more than the same reads without the move, over the same mean."""

    def extra(self, how: Prepared, field: str) -> float:
        """How much more than without the move, as a share of what there was without it."""
        before = float(getattr(self.tolls[Prepared.NOT_AT_ALL], field))
        more = float(getattr(self.tolls[how], field)) - before
        return more / before if before else 0.0

    def as_json(self) -> dict[str, object]:
        """The runs by name, and what the move cost more."""
        shown = [how for how in self.tolls if how is not Prepared.NOT_AT_ALL]
        return {
            "kind": self.move.kind.value,
            "zone": self.move.zone,
            "at_s": self.move.at_s,
            **{how.value: toll._asdict() for how, toll in self.tolls.items()},
            "extra_origin_ratio": {how.value: round(self.extra(how, "origin_fetches"), 4) for how in shown},
            "burst": round(self.burst, 4),
            "burst_without": round(self.burst_without, 4),
            "surge": round(self.surge, 4),
            "extra_miss_ratio": {how.value: round(self.extra(how, "misses"), 4) for how in shown},
        }


def compare(move: Move, courses: Mapping[Prepared, Course], reads_after: int = READS_AFTER) -> MoveResult:
    """The reads that followed the prepared move, in each of the runs."""
    warm, without = courses[Prepared.WARM], courses[Prepared.NOT_AT_ALL]
    start = warm.moved
    mean = without.toll(max(0, start - _READS_BEFORE), min(start, _READS_BEFORE)).origin_fetches
    mean *= _READS_OF_BURST / (min(start, _READS_BEFORE) or 1)
    with_it, same = (_windows(course, start, reads_after) for course in (warm, without))
    more = [one - other for one, other in zip(with_it, same, strict=False)]
    return MoveResult(
        move=move,
        tolls={how: courses[how].toll(start, reads_after) for how in Prepared if how in courses},
        burst=max(with_it) / mean if mean else 0.0,
        burst_without=max(same) / mean if mean else 0.0,
        surge=max(more) / mean if mean else 0.0,
    )


def _windows(course: Course, start: int, reads: int) -> list[int]:
    """Origin fetches of every 500 reads in a row among so many; of all, where those are fewer."""
    origin = [counts.origin for counts in course.counts[start : start + reads + 1]]
    return [b - a for a, b in zip(origin, origin[_READS_OF_BURST:], strict=False)] or [origin[-1] - origin[0]]
