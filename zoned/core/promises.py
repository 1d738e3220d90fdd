"""What the graph stage says at an access, and what others make of it: "B follows A", and how that is known.

A record like those of ``records.py``, which is full; graph, learning and prefetch hold it.
"""

from __future__ import annotations

from typing import NamedTuple

from zoned.core.names import InstanceKey, KeyHash

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
