"""How long a suspected member has to refute, Lifeguard's second idea.

It starts long, and each independent accuser shortens it, down to the least: one slow accuser alone cannot
kill a healthy member quickly, while several who agree can. Formula as in memberlist's suspicion.go:

    timeout(c) = max - (max - min) * ln(c + 1) / ln(k + 1),  floored to ms, not below min

with c confirmations besides the first accuser and k = suspicion_mult - 2 wanted (0 in tiny pools: min at
once).
"""

from __future__ import annotations

import math

from zoned.core.gossip.settings import GossipSettings
from zoned.core.gossip.timers import Timer
from zoned.core.names import NodeName


def timeout_s(confirmations: int, wanted: int, least_s: float, most_s: float) -> float:
    """Seconds from the start of the suspicion until the verdict."""
    if wanted < 1:
        return least_s
    share = math.log(confirmations + 1) / math.log(wanted + 1)
    return max(least_s, math.floor(1000 * (most_s - share * (most_s - least_s))) / 1000)


def bounds_s(members: int, settings: GossipSettings) -> tuple[int, float, float]:
    """(confirmations wanted, least and most seconds of a suspicion) in a pool of so many members."""
    wanted = settings.suspicion_mult - 2
    least_s = settings.suspicion_mult * max(1.0, math.log10(max(1, members))) * settings.probe_interval_s
    return wanted if members - 2 >= wanted > 0 else 0, least_s, settings.suspicion_max_mult * least_s


class Suspicion:
    """One member under suspicion: who accused it, and until when it may refute."""

    __slots__ = ("_accusers", "_least_s", "_most_s", "_started_s", "_wanted", "timer")

    def __init__(
        self, accuser: NodeName | None, members: int, settings: GossipSettings, started_s: float
    ) -> None:
        self._wanted, self._least_s, self._most_s = bounds_s(members, settings)
        self._started_s = started_s
        self._accusers = {} if accuser is None else {accuser: None}  # None: hearsay, nobody's own probe
        self.timer: Timer | None = None

    def deadline_s(self) -> float:
        """When the verdict falls, with the confirmations so far."""
        count = max(0, len(self._accusers) - 1)
        return self._started_s + timeout_s(count, self._wanted, self._least_s, self._most_s)

    def confirm(self, accuser: NodeName) -> bool:
        """True if this accuser is new and still wanted: the deadline moved, and the rumour goes on."""
        if accuser in self._accusers or len(self._accusers) > self._wanted:
            return False
        self._accusers[accuser] = None
        return True
