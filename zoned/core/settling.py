"""What the coming and going of members means: who owns what, whom we ask, who is out, who is awaited.

Gossip says who is there; facts say who is out; the agreement makes a ring of both; the routes follow. This is
where the four are carried to one another: at every change of a member, at every turn, and when a timer of the
agreement is up. SWIM's verdict changes routes at once; the ring only changes by a leave or by a fact.
"""

from __future__ import annotations

from zoned.core.actions import Action, Note
from zoned.core.facts import OUT
from zoned.core.members import Fact, Member, MemberState
from zoned.core.names import Instant, NodeName
from zoned.core.peers import Peers
from zoned.core.ring import Ring
from zoned.core.stages import Stages


class Settling:
    """The ring and the routes of one node, kept in step with what it knows of the pool."""

    def __init__(self, node: NodeName, stages: Stages, peers: Peers) -> None:
        self._node = node
        self._swim = stages.swim
        self._agreement = stages.agreement
        self._facts = stages.facts
        self._cache = stages.cache
        self._peers = peers

    def settle(self, now: Instant) -> Ring:
        """The ring of the members as they are now, and our routes by it; who is overdue is said to be out."""
        members = self._swim.members()
        for node in self._agreement.outs_due(members, now):
            incarnation = next(m.incarnation for m in members if m.node == node)
            self._swim.spread(self._facts.say(OUT, node, str(incarnation), now), now)
        ring = self._agreement.settle(members, self._facts.outs(members), now)
        self._peers.turn_to(ring, now.mono_s)
        self._peers.meet(members, self._swim.summaries())
        return ring

    def moved(self, now: Instant) -> list[Action]:
        """Something about the members changed: settle, and say so if the ring is another one."""
        before = self._agreement.ring.ring_id
        ring = self.settle(now)
        if ring.ring_id == before:
            return []
        epoch, members = self._agreement.epoch, len(ring.members)
        text = f"ring {ring.ring_id} epoch {epoch} members {members}"
        fields = (("ring_id", ring.ring_id), ("epoch", epoch), ("members", members))
        return [Note(level="info", event="ring", text=text, fields=fields)]

    def changed(self, member: Member, now: Instant) -> list[Action]:
        """A member entered another state, or says something else of itself."""
        failed = member.state is MemberState.FAILED and not self._agreement.awaited(member, now)
        if failed or member.state is MemberState.LEFT:
            self._cache.gone(member.node)
        return self.moved(now)

    def said_out(self, fact: Fact, now: Instant) -> list[Action]:
        """Somebody is out, says a fact. If that is us, we are not: a higher incarnation refutes it."""
        if fact.subject == self._node:
            self._swim.refute(int(fact.value), now)
        return self.moved(now)

    def tick(self, now: Instant) -> list[Action]:
        """Once a turn, and when ``agreement.next_deadline`` has come."""
        actions: list[Action] = []
        members = self._swim.members()
        for node in self._agreement.missing(members, now):
            self._cache.gone(node)
            text = f"member failed {node}"
            fields = (("member", node), ("accuser", node))
            actions.append(Note(level="warning", event="member_failed", text=text, fields=fields))
        for node in self._agreement.to_compare(now):
            self._swim.compare(node, now)
        if self._agreement.outs_due(members, now):
            actions += self.moved(now)
        return actions
