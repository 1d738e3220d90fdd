"""Members that others know and we do not: every rumour of them went past us.

A rumour is sent a limited number of times to random members, so some hear it never: with 8 transmissions of
each of sixty that start together, e^-8 of 3,540 pairs, which is one in each start. Serf's pools stay like
that until the next push/pull, a minute later. We see it sooner, since agents compare versions every other
second and a vector names everybody who is up over there. A rumour may simply be on its way, theirs to us or
ours to them, so we wait a few gossip rounds; then tables are exchanged with whoever named the member.

Rejected: membership in the vectors themselves. Push/pull has the rows, the rules and Serf's clocks already.
"""

from __future__ import annotations

from collections.abc import Callable

from zoned.core.gossip.membership import Known
from zoned.core.gossip.wiring import Wiring
from zoned.core.names import Address, Instant, NodeName

_ROUNDS = 4
"""Of gossip: what comes at all has come by then, nearly always."""
_PAUSE_ROUNDS = 10
"""Between two exchanges for that reason: in a pool that starts, somebody is always missing."""
_MOST = 64


class Missed:
    """Names that we heard in vectors and have no live member for."""

    def __init__(self, wiring: Wiring, call: Callable[[Address], object]) -> None:
        """``call`` exchanges tables with the member at that address."""
        self._wiring = wiring
        self._call = call
        self._named: dict[NodeName, Known] = {}  # and by whom
        self._called_s = float("-inf")

    def named(self, node: NodeName, peer: Known, now: Instant) -> None:
        """For ``peer``, that zoned agent is up; for us it is not."""
        if len(self._named) >= _MOST or node == self._wiring.me.node:
            return
        interval_s, known = self._wiring.settings.gossip_interval_s, self._wiring.table.get(node)
        if known is not None and now.mono_s - known.since_s < _ROUNDS * interval_s:
            return  # it has just gone, and ``peer`` will hear that from us
        if not self._named:
            soon_s = max(now.mono_s + _ROUNDS * interval_s, self._called_s + _PAUSE_ROUNDS * interval_s)
            self._wiring.timers.at(soon_s, self._look)
        self._named.setdefault(node, peer)

    def _look(self, now: Instant) -> None:
        table, named = self._wiring.table, self._named
        self._named = {}
        for node, peer in named.items():
            known = table.get(node)
            if (known is None or not known.is_zoned()) and peer.is_up() and not self._wiring.leaving:
                self._wiring.count("members_missed")
                self._called_s = now.mono_s
                self._call(peer.address)
                return  # its table has the others, too
