"""Agreement: from what gossip says of the members to the ring, without a leader.

Nobody is asked. Each agent derives the ring from its own view of the members; views converge, so rings
do, and the ring id in summaries and requests says when they have. Until then a wrong owner costs a
cache one miss at most, so nothing waits for agreement.

*Down is not out* (Ceph's words): a suspect or failed member keeps its place, since moving its shards
for a reboot costs more than going to the second owner meanwhile. It loses the place when it leaves, is
forgotten, or is *out*: a fact that any agent may state once the member was failed for ``out_after_s`` (or
``restart_grace_s``, if it said itself that it goes), and that its own return refutes. Timers differ between
agents; the fact is what makes them all drop it together. Two brakes, because a partition looks like
many deaths: none may be out by time while more than a quarter is down, nor a zone's last member.

Rejected: each agent dropping members by its own timer (rings differ for as long as timers do), and
voting (a leader by another name, to protect what is only a cache).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from zoned.core.members import RESTARTING, Member, MemberState, Summary
from zoned.core.names import Instant, NodeName
from zoned.core.ring.ring import Ring, RingMember
from zoned.core.ring.settings import RingSettings

PLACED = (MemberState.ALIVE, MemberState.SUSPECT, MemberState.FAILED)  # who may have a place in the ring


def placed(member: Member) -> bool:
    """Whether a member has a place in the ring, unless it is out by fact."""
    return member.role == "zoned" and member.weight > 0 and member.state in PLACED


class Agreement:
    """This agent's ring, and what it knows of the others' rings."""

    def __init__(self, settings: RingSettings, me_node: NodeName) -> None:
        """An agreement that has seen nobody: its ring is empty until the first ``settle``."""
        self._settings = settings
        self._me = me_node
        self._members: tuple[Member, ...] = ()
        self._outs: tuple[NodeName, ...] = ()
        self._changed: Instant | None = None
        self._differs: dict[NodeName, float] = {}  # who has another ring than ours, since when (wall)
        self._next_out_s: float | None = None  # mono
        self.ring = Ring.build((), settings)
        self.epoch = 0
        """Counts the changes of the ring that this agent saw; shown, never compared between agents."""
        self.counters: dict[str, int] = {"ring_changes": 0, "outs_held_back": 0}

    def settle(self, members: tuple[Member, ...], outs: Collection[NodeName], now: Instant) -> Ring:
        """The ring of these members without those that are out: the same object while nothing changed."""
        same_outs = len(outs) == len(self._outs) and all(node in outs for node in self._outs)
        if members is self._members and same_outs:
            return self.ring
        self._members = members
        self._outs = tuple(sorted(outs))
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
            self._changed = now
            self.epoch += 1
            self.counters["ring_changes"] += 1
        return self.ring

    def disagreeing(self, summaries: Mapping[NodeName, Summary]) -> tuple[tuple[NodeName, str, float], ...]:
        """(node, its ring id, since when on the wall clock) of the agents whose ring is another one."""
        found = []
        differs: dict[NodeName, float] = {}
        changed_s = self._changed.wall_s if self._changed else 0.0
        for node in sorted(summaries):
            summary = summaries[node]
            if summary.ring_id and summary.ring_id != self.ring.ring_id:
                # A summary older than our own change says nothing against us before that change.
                since_s = self._differs.get(node, max(summary.made_wall_s, changed_s))
                differs[node] = since_s
                found.append((node, summary.ring_id, since_s))
        self._differs = differs
        return tuple(found)

    def outs_due(self, members: Sequence[Member], now: Instant) -> tuple[NodeName, ...]:
        """Members failed for so long that we may state them out; none while a brake holds. Sorted."""
        ring_members = [member for member in members if placed(member)]
        down = [member for member in ring_members if member.state is MemberState.FAILED]
        due = []
        self._next_out_s = None
        for member in down:
            wait_s = self._out_at_wall_s(member) - now.wall_s
            if member.node in self._outs or member.node == self._me:
                continue
            if wait_s <= 0:
                due.append(member)
            elif self._next_out_s is None or now.mono_s + wait_s < self._next_out_s:
                self._next_out_s = now.mono_s + wait_s
        free = self._without_brakes(due, ring_members, down) if due else ()
        self.counters["outs_held_back"] = len(due) - len(free)
        return free

    def next_deadline(self) -> float | None:
        """When (mono) the next failed member comes due to be out, as of the last ``outs_due``."""
        return self._next_out_s

    def _out_at_wall_s(self, member: Member) -> float:
        """Who has said that it restarts asked for the grace, and gets no more than that."""
        settings = self._settings
        announced = member.accuser in (RESTARTING, member.node)
        return member.since_wall_s + (settings.restart_grace_s if announced else settings.out_after_s)

    def _without_brakes(
        self, due: Sequence[Member], ring_members: Sequence[Member], down: Sequence[Member]
    ) -> tuple[NodeName, ...]:
        """Those of ``due`` whom the brakes let go. All that are down count, due or not: in a partition
        they fall within seconds of one another, and the first to come due must not slip through."""
        if len(down) > self._settings.max_out_ratio * len(ring_members):
            return ()
        in_zone = Counter(member.zone for member in ring_members)
        down_in_zone = Counter(member.zone for member in down)
        return tuple(
            sorted(
                member.node
                for member in due
                if self._settings.out_whole_zone or down_in_zone[member.zone] < in_zone[member.zone]
            )
        )
