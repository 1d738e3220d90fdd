"""Members that an operator had forgotten: who was away then must not bring them back.

An agent that was frozen, cut off or on its way out when others forgot a member did not hear of it. It still
has the member in its table, and with its next exchange it would tell everybody: as one that lives, even, if
it was away since before the member died. So what was forgotten is remembered by incarnation for as long as
others may have it in their tables. News that is not newer is refused; the member itself, should it be there
after all, is told that it is held dead and comes back by refuting that, like any other; and whoever still
has it in its table is told of the forgetting anew.

Members that were forgotten because their time was over are not in here: that happens at each agent by
itself, and after a partition of a week both halves shall meet again without ado.
"""

from __future__ import annotations

from collections import OrderedDict

from zoned.core.gossip.messages import Alive, Dead
from zoned.core.gossip.wiring import Wiring
from zoned.core.names import Instant, NodeName

LIMIT = 1024
_TELL_EVERY_S = 5.0


class _Grave:
    __slots__ = ("incarnation", "since_s", "told_s")

    def __init__(self, incarnation: int, since_s: float) -> None:
        self.incarnation = incarnation
        self.since_s = since_s
        self.told_s: dict[bool, float] = {}


class Forgotten:
    """Who was forgotten, the latest ``LIMIT`` of them."""

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring
        self._graves: OrderedDict[NodeName, _Grave] = OrderedDict()

    def add(self, node: NodeName, incarnation: int, now: Instant) -> None:
        """It is forgotten as of that incarnation."""
        self._graves[node] = _Grave(incarnation, now.mono_s)
        self._graves.move_to_end(node)
        if len(self._graves) > LIMIT:
            self._graves.popitem(last=False)

    def incarnation(self, node: NodeName, heard: int, now: Instant) -> int | None:
        """At which one it was forgotten, if news of the incarnation ``heard`` is not newer than that."""
        grave = self._graves.get(node)
        if grave is None:
            return None
        if heard > grave.incarnation or now.mono_s - grave.since_s > self._wiring.settings.forget_after_s:
            del self._graves[node]
            return None
        return grave.incarnation

    def has(self, heard: Alive, now: Instant) -> bool:
        """Whether that is old news of one that was forgotten. If it is there, it is told and can refute."""
        incarnation = self.incarnation(heard.node, heard.incarnation, now)
        if incarnation is None:
            return False
        self._wiring.count("forgotten_heard")
        if self.may_tell(heard.node, True, now):
            self._wiring.send(heard.address, Dead(incarnation, heard.node, self._wiring.me.node))
        return True

    def may_tell(self, node: NodeName, itself: bool, now: Instant) -> bool:
        """Whether it is time to tell again, the member ``itself`` or the pool: every few seconds at most."""
        grave = self._graves.get(node)
        if grave is None or now.mono_s - grave.told_s.get(itself, float("-inf")) < _TELL_EVERY_S:
            return False
        grave.told_s[itself] = now.mono_s
        return True
