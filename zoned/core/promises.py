"""What the graph stage says at an access, and what others make of it: "B follows A", and how that is known.

A record like those of ``records.py``, which is full; graph, learning and prefetch hold it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

from zoned.core.names import Fingerprint, InstanceKey, KeyHash, key_hash

MOST_AGREEING = 5
"""So many instances before the latest are asked whether they agree; more say no more."""


NO_PACE_S = 30.0
"""The pace of a client that has had nothing else lately."""


class Association(NamedTuple):
    """After the access at hand ``key`` follows with that probability, after ``lead_s`` on average."""

    key: InstanceKey
    key_hash: KeyHash
    confidence: float
    lead_s: float
    support: int = 1
    """How often it did."""
    occurrences: int = 1
    """How often what it follows did occur."""
    repeated: bool = False
    """The client had it already, a moment ago."""
    agreeing: int = 0
    """How many of the last few other instances that the client had are followed by it, too."""
    pace_s: float = NO_PACE_S
    """How long before it the client had something else."""


Follower: TypeAlias = tuple[InstanceKey, Fingerprint, int, float]
"""(what follows, its fingerprint, how often it did, after how many seconds in all)."""


class Following:
    """[hot] All that is believed to follow the access at hand, the most probable first. Most of it is not
    worth a second look: so it is a row each, and an ``Association`` for who asks for one."""

    __slots__ = ("occurrences", "pace_s", "rows", "trail")

    def __init__(
        self, rows: list[Follower], occurrences: int, pace_s: float, trail: list[Fingerprint]
    ) -> None:
        self.rows = rows
        self.occurrences = occurrences
        self.pace_s = pace_s
        self.trail = trail
        """What the client had lately, by fingerprint."""

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Association]:
        return map(self.association, self.rows)

    def association(self, row: Follower) -> Association:
        """What is known of one of them."""
        key, fingerprint, support, lags_s = row
        return Association(
            key,
            key_hash(key),
            min(1.0, support / self.occurrences),
            lags_s / support,
            support,
            self.occurrences,
            fingerprint in self.trail,
            0,
            self.pace_s,
        )


NOTHING = Following([], 0, NO_PACE_S, [])
