"""Who cannot be a member: agents of another pool, and agents whose protocol versions mean nothing to us.

``gossip.pool`` is a tag, so it needs no key and works in a pool with Serf's agents, which ignore it. One
without a tag is taken, or a running pool could not be given one agent by agent.

Versions are six numbers: least, most and present protocol of memberlist, and the same of Serf. memberlist
takes whatever an alive message says and looks at the versions only when tables are exchanged: then
everybody's present version must lie between the greatest least and the smallest most of all, or the whole
exchange is refused. So a single odd member in a table keeps others from exchanging theirs, for as long as
it is remembered. Here one that does not fit is never put into the table, wherever it is heard of, and so is
in no exchange of ours; the rest of a table that names it is taken as usual. It is held against our own
versions and not against the pool's: with bounds that move, one member could speak for the exclusion of
others.

The operator reads of each stranger once, and of so many; the counters have them all. *Rejected*: to refuse
on the stream only; the wrong members then come in by gossip a moment later.
"""

from __future__ import annotations

from zoned.core.gossip.messages import Alive, Row
from zoned.core.gossip.tags import ROLE, Tags, address_text
from zoned.core.gossip.wire import VERSIONS
from zoned.core.gossip.wiring import Wiring
from zoned.core.names import NodeName

MAX_TOLD = 64


def compatible(versions: bytes) -> bool:
    """Whether one that says this of itself and we understand each other, in both of the protocols."""
    if len(versions) != len(VERSIONS):
        return False
    for at in (0, 3):
        least, most, present = versions[at : at + 3]
        our_least, our_most, our_present = VERSIONS[at : at + 3]
        if not (least <= our_present <= most and our_least <= present <= our_most):
            return False
    return True


class Strangers:
    """Who is kept out."""

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring
        self._told: dict[tuple[str, NodeName], None] = {}

    def has(self, heard: Alive | Row, tags: Tags) -> bool:
        """Whether that agent is not to be a member; told and counted."""
        who = f"not a member: {heard.node} at {address_text(heard.address)}"
        if not compatible(heard.versions):
            ours, theirs = " ".join(map(str, VERSIONS)), " ".join(map(str, heard.versions)) or "none"
            text = f"{who} speaks protocol versions {theirs}, we speak {ours}"
            self._keep_out("protocol", heard.node, text, ("versions", theirs))
            return True
        ours, theirs = self._wiring.me.pool, tags.pool
        if not ours or not theirs or ours == theirs or tags.role != ROLE:
            return False
        text = f"{who} is of pool {theirs!r}, we are of {ours!r} (gossip.pool)"
        self._keep_out("other_pool", heard.node, text, ("pool", theirs))
        return True

    def _keep_out(self, reason: str, node: NodeName, text: str, why: tuple[str, str]) -> None:
        self._wiring.reject(reason)
        if (reason, node) not in self._told and len(self._told) < MAX_TOLD:
            self._told[reason, node] = None
            self._wiring.note("warning", reason, text, ("member", node), why)
