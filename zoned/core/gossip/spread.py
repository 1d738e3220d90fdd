"""The gossip round: what is queued goes to a few members, until the queue is empty.

Members come by chance, but each once before any comes twice: a rumour's few transmissions then go to so
many different members. In a pool of five whoever passes it on so reaches everybody; where each round draws
anew, one rumour in two hundred misses somebody, and a query of Serf's is told in no other way.

No timer runs while there is nothing to say. The first round after a pause comes almost at once, the others
one ``gossip_interval_s`` apart. Members dead for a short while are told too: that is how one that was only
slow learns of its obituary and refutes it.
"""

from __future__ import annotations

from zoned.core.gossip.membership import Known
from zoned.core.gossip.timers import Timer
from zoned.core.gossip.wiring import Wiring
from zoned.core.names import Instant, NodeName


class Spreader:
    """Sends queued rumours in rounds."""

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring
        self._timer: Timer | None = None
        self._last_s = float("-inf")
        self._told: dict[NodeName, None] = {}  # who has had a turn since all had one

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
        able = {
            each.node: each
            for each in wiring.table.all()
            if each.node != own and (each.is_up() or (not each.leaving and each.since_s > since_s))
        }
        if not able:
            wiring.queue.clear()  # nobody to tell: whoever joins later gets it by push/pull
        return self._deal(able, most)

    def _deal(self, able: dict[NodeName, Known], most: int) -> list[Known]:
        """``most`` of them, each once before any comes twice."""
        if len(able) <= most:
            return list(able.values())
        rng = self._wiring.rng
        left = [node for node in able if node not in self._told]
        dealt = left if len(left) <= most else rng.sample(left, most)
        if len(dealt) < most:  # once more round, those who were waiting first
            self._told = dict.fromkeys(dealt)
            others = [node for node in able if node not in self._told]
            dealt = dealt + rng.sample(others, most - len(dealt))
        self._told.update(dict.fromkeys(dealt))
        return [able[node] for node in dealt]
