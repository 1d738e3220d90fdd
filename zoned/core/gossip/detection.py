"""How long a crash stays unnoticed under given timers: what operators tune timers for.

Four waits follow one another, each with its source:

    wait    until some member probes the dead one. Where clocks agree one of the others does so in each
            interval, at a moment of its own (``prober.py``): the gaps are 0 to 2 intervals in a triangle, and
            the first probe comes after 7/12 of one in the mean. Where they do not, about (n - 1) / n.
            (SWIM's e / (e - 1), section 5.1, is that in lock step and includes the probe's own interval.)
    probe   one whole interval: direct ping, indirect pings, TCP, then suspicion. A quarter of the timeout
            after the timeout is enough when the host lives and only the agent was killed
    judge   Lifeguard's suspicion: shrinks with each further accuser, who come about one an interval
    spread  the verdict's way through the pool, an epidemic: log n over log(gossip_nodes + 1) rounds

For members that are well themselves: local health and lost packets make it longer, which is their purpose.
Held against simulated pools in the tests.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from zoned.core.gossip.settings import GossipSettings
from zoned.core.gossip.suspicion import bounds_s, timeout_s

_MEAN_WAIT = 7 / 12
_LATE = 0.001
"""Of all crashes so many are probed later than ``latest_s`` assumes."""


class Detection(NamedTuple):
    """Seconds from a crash until all agree on it."""

    soonest_s: float
    """Probed in the moment of its death, refused by its host, and accused by as many as are wanted."""
    typical_s: float
    """Mean wait where clocks agree, silence from its host, accusers as they come."""
    latest_s: float
    """Clocks that do not agree, a wait that one crash in a thousand exceeds, and nobody confirms."""


def detection(settings: GossipSettings, members: int) -> Detection:
    """What these timers mean in a pool of so many members (3 at least: two cannot agree on a third)."""
    assert members >= 3, "detection needs a prober, a victim and somebody to agree with"
    interval_s, others = settings.probe_interval_s, members - 1
    wanted, least_s, most_s = bounds_s(members, settings)
    rounds = math.ceil(math.log(members) / math.log(settings.gossip_nodes + 1))
    spread_s = settings.gossip_interval_s * rounds / 2  # a rumour made at any time waits half a round
    refused_s = 1.25 * settings.probe_timeout_s if settings.tcp_fallback else interval_s
    return Detection(
        min(interval_s, refused_s) + least_s,
        (_MEAN_WAIT + 1) * interval_s + _judged_s(wanted, least_s, most_s, interval_s) + spread_s,
        (_late_wait(others) + 1) * interval_s + (most_s if wanted else least_s) + 2 * spread_s,
    )


def _late_wait(others: int) -> float:
    """Intervals until the first probe, exceeded in one crash of a thousand. Places in the order are drawn
    anew each time round (SWIM 4.3), so one member's gap is 1 to 2 * others - 1, in a triangle."""
    gaps = [(gap, (others - abs(gap - others)) / others**2) for gap in range(1, 2 * others)]
    low, high = 0.0, 2.0 * others
    while high - low > 0.01:
        wait = (low + high) / 2
        unprobed = sum(share * (gap - wait) for gap, share in gaps if gap > wait) / others
        low, high = (low, wait) if unprobed**others < _LATE else (wait, high)
    return high


def _judged_s(wanted: int, least_s: float, most_s: float, gap_s: float) -> float:
    """How long a suspicion lasts when a further accuser comes every ``gap_s``."""
    for confirmations in range(wanted + 1):
        verdict_s = timeout_s(confirmations, wanted, least_s, most_s)
        if confirmations == wanted or verdict_s <= (confirmations + 1) * gap_s:
            return max(verdict_s, confirmations * gap_s)
    raise AssertionError("the last confirmation always returns")
