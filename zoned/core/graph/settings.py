"""Settings of the graph stage: which "B follows A" is learnt, and which is believed.

Trails and successors are those of the project's study of real traces (`warmth-study.md`, VAL point 5). What
is asked of a pair here is little: a candidate is weighed by all that is known of it, in the learning stage.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphSettings:
    """Settings of `Analyzer`."""

    association: bool = True
    """Learn and predict associations. False (ablation): nothing is learnt, nothing predicted."""
    recent_instances: int = 12
    """How many distinct instances a client's trail holds. Range 2..64. Cost per access grows with it."""
    recent_s: float = 900.0
    """An access older than this no longer teaches what follows it. Range > min_lead_s. Longer: chance
    neighbours of one session are taken for successors."""
    min_lead_s: float = 0.5
    """A pair with a shorter lag teaches nothing, since its second part could not have been fetched in time.
    Range 0..60; about the latency of the origin. 0: everything teaches, and prefetches come too late."""
    max_successors: int = 24
    """Successors remembered per antecedent. Range 1..1000. Lower: a busy antecedent forgets them before
    they have come twice."""
    min_support: int = 2
    """How often a pair must have been seen before it is believed. Range >= 1. 1: chance is believed."""
    min_antecedent: int = 2
    """How often an antecedent must have been seen before it predicts. Range >= min_support."""
    min_confidence: float = 0.1
    """Least share of an antecedent's occurrences that the successor followed. Range 0..1. Low, because
    what else is known of it decides (`learning/calibration.py`). Higher: fewer candidates, less to weigh; at
    half of this twice as many are weighed for 0-2 % more that turn out to be worth fetching."""
    max_predictions: int = 10
    """Successors predicted at one access, the most probable first. Range 0..max_successors."""
    max_count: int = 1024
    """At this count an antecedent's numbers are halved, so that old habits fade. Range 8..65535. Lower:
    forgets sooner, estimates are coarser."""
    max_antecedents: int = 16384
    """Antecedents remembered; the least recently used goes first. Range 1..1e7. About 30 B each,
    and 30 B for each successor of theirs."""
    max_clients: int = 4096
    """Client trails remembered; the least recently active goes first. Range 1..1e6."""
    share_rows: int = 64
    """Instances whose followers are told to the other zones at once, the most seen first: that counts there
    as if their own clients had done it. 0: nothing is told. Range 0..256. A row takes 100 to 500 bytes."""
    share_interval_s: float = 10.0
    """... and at most so often. Range >= 1. With 64 rows at most some 2 KB/s to each of the agents that news
    is pushed to, when busy; at rest nothing."""
    share_followers: int = 8
    """Followers told with one instance at most, the first seen. Range 1..64."""
    share_known: int = 80
    """An instance that occurred that often is known so well that a sample will do: at n times this number,
    one occurrence in n is told, with what followed it. Range >= 1. Higher: more is told and heard of what is
    known anyway; lower: what is new behind the busiest gets around later."""
    share_limit: int = 2048
    """Antecedents with news of followers that wait to be told of; beyond it those that wait the longest are
    dropped. Range >= 1."""
    max_saved_pairs: int = 20000
    """Pairs kept over a restart, the most supported first. Range 0..1e6. About 60 bytes each on disk."""
