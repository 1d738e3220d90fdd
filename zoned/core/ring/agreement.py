"""Agreement: from what gossip says of the members to the ring, without a leader.

Nobody is asked. Each agent derives the ring from its own view of the members; views converge, so rings
do, and the ring id in summaries and requests says when they have (``dissent``). Until then a wrong owner
costs a cache one miss at most, so nothing waits for agreement.

A suspect or failed member keeps its place, since moving its shards for a reboot costs more than going to the
second owner meanwhile. It loses the place when it leaves, is forgotten, or is *out* by fact (``outs``).

Rejected: each agent dropping members by its own timer (rings differ for as long as timers do), and
voting (a leader by another name, to protect what is only a cache).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from zoned.core.members import Member
from zoned.core.names import Instant, NodeName
from zoned.core.ring.dissent import Dissent
from zoned.core.ring.outs import Outs, placed
from zoned.core.ring.ring import Ring, RingMember
from zoned.core.ring.settings import RingSettings


class Agreement:
    """This agent's ring, and what it knows of the others' rings."""

    def __init__(self, settings: RingSettings, me_node: NodeName, round_s: float = 1.0) -> None:
        """An agreement that has seen nobody: its ring is empty until the first ``settle``. ``round_s``: how
        long a round of gossip takes."""
        self._settings = settings
        self._members: tuple[Member, ...] = ()
        self._outs: tuple[NodeName, ...] = ()
        self._due = Outs(settings, me_node)
        self._dissent = Dissent(me_node, round_s)
        self.ring = Ring.build((), settings)
        self.epoch = 0
        """Counts the changes of the ring that this agent saw; shown, never compared between agents."""
        self.counters: dict[str, int] = {
            "ring_changes": 0,
            "outs_held_back": 0,
            "ids_differing": 0,
            "comparisons": 0,
        }

    def settle(self, members: tuple[Member, ...], outs: Collection[NodeName], now: Instant) -> Ring:
        """The ring of these members without those that are out: the same object while nothing changed."""
        same_outs = len(outs) == len(self._outs) and all(node in outs for node in self._outs)
        if members is self._members and same_outs:
            return self.ring
        self._members = members
        self._outs = tuple(sorted(outs))
        self._dissent.meet(members)
        place = tuple(
            sorted(
                RingMember(member.node, member.zone, member.weight)
                for member in members
                if placed(member) and member.node not in outs
            )
        )
        # A weight over the limit makes these differ every time; the ids then still say that nothing changed.
        ring = self.ring if place == self.ring.members else Ring.build(place, self._settings)
        if ring != self.ring:
            self.ring = ring
            self.epoch += 1
            self.counters["ring_changes"] += 1
            self._dissent.changed(ring.ring_id, now)
        return self.ring

    # ---- the others' rings -----------------------------------------------------------------------

    def heard(self, node: NodeName, ring_id: str, now: Instant) -> None:
        """[hot] That agent told us its ring id: in a summary, with a request, or with an answer."""
        if not ring_id or (ring_id == self.ring.ring_id and self._dissent.said_so(node, ring_id)):
            return  # nothing new: so it is with nearly every request
        if self._dissent.heard(node, ring_id, self.ring.ring_id, now):
            self.counters["ids_differing"] += 1

    def disagreeing(self) -> tuple[tuple[NodeName, str, float], ...]:
        """(node, its ring id, since when on the wall clock) of the agents whose ring is another one."""
        return self._dissent.known()

    def to_compare(self, now: Instant) -> tuple[NodeName, ...]:
        """Who has differed for too long: with these tables should be compared now."""
        nodes = self._dissent.to_compare(now)
        self.counters["comparisons"] += len(nodes)
        return nodes

    # ---- the failed ------------------------------------------------------------------------------

    def outs_due(self, members: Sequence[Member], now: Instant) -> tuple[NodeName, ...]:
        """Members failed for so long that we may state them out; none while a brake holds. Sorted."""
        due = self._due.due(members, self._outs, now)
        self.counters["outs_held_back"] = self._due.held_back
        return due

    def awaited(self, member: Member, now: Instant) -> bool:
        """Whether it said that it restarts, and may still be doing so: then what it held counts as held."""
        return self._due.awaited(member, now)

    def missing(self, members: Sequence[Member], now: Instant) -> tuple[NodeName, ...]:
        """Who said that it restarts and has just not come back in time; each is named once."""
        return self._due.missing(members, now)

    def next_deadline(self) -> float | None:
        """[hot] When (mono) somebody comes due to be out, is missing, or is to be compared with."""
        out_s, compare_s = self._due.next_s, self._dissent.next_s
        if out_s is None or compare_s is None:
            return compare_s if out_s is None else out_s
        return min(out_s, compare_s)
