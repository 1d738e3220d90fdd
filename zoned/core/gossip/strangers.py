"""Agents of another pool that came by a crossed seed: kept out, and told of.

``gossip.pool`` is a tag, so it needs no key and works in a pool with Serf's agents, which ignore it. One
without a tag is taken, or a running pool could not be given one agent by agent. The operator reads of each
stranger once, and of so many; the counter has them all. *Rejected*: to refuse on the stream only; the wrong
members then come in by gossip a moment later.
"""

from __future__ import annotations

from zoned.core.gossip.messages import Alive
from zoned.core.gossip.tags import ROLE, Tags, address_text
from zoned.core.gossip.wiring import Wiring
from zoned.core.names import NodeName

MAX_TOLD = 64


class Strangers:
    """Who is not of our pool."""

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring
        self._told: dict[NodeName, None] = {}

    def has(self, heard: Alive, tags: Tags) -> bool:
        """Whether that member is of another pool, and so none of ours."""
        ours, theirs = self._wiring.me.pool, tags.pool
        if not ours or not theirs or ours == theirs or tags.role != ROLE:
            return False
        self._wiring.reject("other_pool")
        if heard.node not in self._told and len(self._told) < MAX_TOLD:
            self._told[heard.node] = None
            who = f"{heard.node} at {address_text(heard.address)}"
            text = f"not a member: {who} is of pool {theirs!r}, we are of {ours!r} (gossip.pool)"
            self._wiring.note("warning", "other_pool", text, ("member", heard.node), ("pool", theirs))
        return True
