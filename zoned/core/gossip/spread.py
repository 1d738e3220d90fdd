"""The gossip round: what is queued goes to a few random members, until the queue is empty.

No timer runs while there is nothing to say. The first round after a pause comes almost at once, the others
one ``gossip_interval_s`` apart. Members dead for a short while are told too: that is how one that was only
slow learns of its obituary and refutes it.
"""

from __future__ import annotations

from zoned.core.gossip.membership import Known
from zoned.core.gossip.timers import Timer
from zoned.core.gossip.wiring import Wiring
from zoned.core.names import Instant


class Spreader:
    """Sends queued rumours in rounds."""

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring
        self._timer: Timer | None = None
        self._last_s = float("-inf")

    def arm(self, now: Instant) -> None:
        """See to it that what is queued will go out."""
        if self._timer is not None or not len(self._wiring.queue):
            return
        interval_s = self._wiring.settings.gossip_interval_s
        when_s = max(now.mono_s + min(0.02, interval_s / 4), self._last_s + interval_s)
        self._timer = self._wiring.timers.at(when_s, self._round)

    def burst(self, most: int) -> None:
        """Send what is queued to up to ``most`` members at once: there is no later."""
        for known in self._targets(self._last_s, most):
            self._wiring.gossip(known)

    def _round(self, now: Instant) -> None:
        self._timer = None
        self._last_s = now.mono_s
        for known in self._targets(now.mono_s, self._wiring.settings.gossip_nodes):
            if not self._wiring.gossip(known):
                break
        self.arm(now)

    def _targets(self, now_s: float, most: int) -> list[Known]:
        wiring = self._wiring
        since_s = now_s - wiring.settings.dead_gossip_s
        own = wiring.me.node
        chosen = [
            each
            for each in wiring.table.all()
            if each.node != own and (each.is_up() or (not each.leaving and each.since_s > since_s))
        ]
        if len(chosen) > most:
            chosen = wiring.rng.sample(chosen, most)
        if not chosen:
            wiring.queue.clear()  # nobody to tell: whoever joins later gets it by push/pull
        return chosen
