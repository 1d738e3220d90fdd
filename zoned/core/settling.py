"""What the coming and going of members means: who owns what, whom we ask, who is out, who is awaited.

Gossip says who is there; facts say who is out; the agreement makes a ring of both; the routes follow. This is
where the four are carried to one another: at every change of a member, at every turn, and when a timer of the
agreement is up. SWIM's verdict changes routes at once; the ring only changes by a leave or by a fact, and a
little later: it is milliseconds of work, and the news must be passed on before. Sixty agents that start
together would otherwise make it sixty times each, and be busy with nothing else.
"""

from __future__ import annotations

from zoned.core.actions import Action, Note
from zoned.core.facts import OUT
from zoned.core.joining import Joining
from zoned.core.members import Fact, Member, MemberState
from zoned.core.names import Instant
from zoned.core.peers import Peers
from zoned.core.ring import Ring, capacity_weight
from zoned.core.settings import NodeSettings
from zoned.core.stages import Stages

_NEVER_S = float("inf")


class Settling:
    """The ring and the routes of one node, kept in step with what it knows of the pool."""

    def __init__(self, settings: NodeSettings, stages: Stages, peers: Peers, joining: Joining) -> None:
        self._node = settings.node
        self._swim = stages.swim
        self._agreement = stages.agreement
        self._facts = stages.facts
        self._cache = stages.cache
        self._weight = stages.weight
        self._wanted_weight = capacity_weight(settings.cache.max_bytes, settings.cache.max_objects)
        self._peers = peers
        self._joining = joining
        self._gather_s = settings.ring.gather_s
        self._made_s = -_NEVER_S
        self._due_s = _NEVER_S  # members changed: when the ring follows

    def _settle(self, now: Instant) -> Ring:
        """The ring of the members as they are now, and our routes by it; who is overdue is said to be out."""
        self._due_s = _NEVER_S
        members = self._swim.members()
        for node in self._agreement.outs_due(members, now):
            incarnation = next(m.incarnation for m in members if m.node == node)
            self._swim.spread(self._facts.say(OUT, node, str(incarnation), now), now)
        ring = self._agreement.settle(members, self._facts.outs(members), now)
        self._peers.turn_to(ring, now.mono_s)
        self._peers.meet(members, self._swim.summaries())
        self._joining.look(now)
        return ring

    def _moved(self, now: Instant) -> list[Action]:
        """Settle, and say so if the ring is another one."""
        before = self._agreement.ring.ring_id
        ring = self._settle(now)
        if ring.ring_id == before:
            return []
        self._made_s = now.mono_s
        epoch, members = self._agreement.epoch, len(ring.members)
        text = f"ring {ring.ring_id} epoch {epoch} members {members}"
        fields = (("ring_id", ring.ring_id), ("epoch", epoch), ("members", members))
        return [Note(level="info", event="ring", text=text, fields=fields)]

    def _move_soon(self, now: Instant) -> None:
        """Something about the members changed: our routes follow at once, and soon the ring."""
        self._peers.meet(self._swim.members(), self._swim.summaries())
        due_s = max(now.mono_s + self._gather_s / 10, self._made_s + self._gather_s)
        self._due_s = min(self._due_s, due_s)

    def changed(self, member: Member, now: Instant) -> None:
        """A member entered another state, or says something else of itself."""
        failed = member.state is MemberState.FAILED and not self._agreement.awaited(member, now)
        if failed or member.state is MemberState.LEFT:
            self._cache.gone(member.node)
        self._move_soon(now)

    def said_out(self, fact: Fact, now: Instant) -> None:
        """Somebody is out, says a fact. If that is us, we are not: a higher incarnation refutes it."""
        if fact.subject == self._node:
            self._swim.refute(int(fact.value), now)
        self._move_soon(now)

    def turn(self, now: Instant) -> list[Action]:
        """Once a turn: as ``tick``, and also what came without news (another weight) moves the ring."""
        coming = now.mono_s < self._due_s < _NEVER_S
        return self.tick(now) if coming else self._moved(now) + self.tick(now)

    def next_deadline(self) -> float | None:
        """When (mono) the ring follows what changed, or a timer of the agreement is up."""
        due_s = self._agreement.next_deadline()
        return self._due_s if due_s is None else min(self._due_s, due_s)

    def tick(self, now: Instant) -> list[Action]:
        """Once a turn, and when ``next_deadline`` has come."""
        actions: list[Action] = []
        if self._weight.settle(self._wanted_weight, now):
            self._swim.weigh(self._weight.weight, now)
            actions += self._moved(now)
        members = self._swim.members()
        for node in self._agreement.missing(members, now):
            self._cache.gone(node)
            text = f"member failed {node}"
            fields = (("member", node), ("accuser", node))
            actions.append(Note(level="warning", event="member_failed", text=text, fields=fields))
        for node in self._agreement.to_compare(now):
            told = self._swim.summaries().get(node)
            if told is not None:  # a late answer may have overruled it: last heard counts
                self._agreement.heard(node, told.ring_id, now)
            self._swim.compare(node, now)
        if now.mono_s >= self._due_s or self._agreement.outs_due(members, now):
            actions += self._moved(now)
        return actions
