"""Down is not out: who among the failed loses the place in the ring, when, and who must not yet.

*Down* (SWIM's verdict) changes whom we ask, at once. *Out* changes who owns what, and moves copies; so it
takes ``out_after_s``, and then a fact that any agent may state and that the member's return refutes. Timers
differ between agents; the fact is what makes them all drop it together (Ceph's down and out).

Two brakes, because a partition looks like many deaths. While more than ``max_out_ratio`` of the members are
down, nobody goes out by time: all that are down count, due or not, since in a partition they fall within
seconds of one another and the first to come due must not slip through. One is always allowed from three
members on. And a zone that had several agents does not lose all of them; a zone's only agent may go.

Who says that it restarts is *awaited* for ``restart_grace_s``: no alarm, and what it held counts as held.
If it does not come, it has been failed since it went: the grace is no extension of ``out_after_s``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

from zoned.core.members import RESTARTING, Member, MemberState
from zoned.core.names import Instant, NodeName
from zoned.core.ring.settings import RingSettings

PLACED = (MemberState.ALIVE, MemberState.SUSPECT, MemberState.FAILED)  # who may have a place in the ring
_ALWAYS_ALLOWED_FROM = 3


def placed(member: Member) -> bool:
    """Whether a member has a place in the ring, unless it is out by fact."""
    return member.role == "zoned" and member.weight > 0 and member.state in PLACED


class Outs:
    """The failed members of one agent's view, and their times."""

    def __init__(self, settings: RingSettings, me_node: NodeName) -> None:
        self._settings = settings
        self._me = me_node
        self._overdue: frozenset[NodeName] = frozenset()  # whose grace is over and who was told of
        self._members: Sequence[Member] = ()  # as looked at last, and who of them has a place, and is down:
        self._placed: list[Member] = []
        self._down: list[Member] = []
        self._restarting: list[Member] = []
        self.next_s: float | None = None
        """When (mono) the next member comes due to be out, or is missing, as of the last ``due``."""
        self.held_back = 0
        """How many are due, but for the brakes."""

    def awaited(self, member: Member, now: Instant) -> bool:
        """Whether a failed member said that it restarts, and may still be doing so."""
        return _restarts(member) and now.wall_s < self._grace_ends_s(member)

    def missing(self, members: Sequence[Member], now: Instant) -> tuple[NodeName, ...]:
        """Who has just not come back within its grace; each is named once. Sorted."""
        self._look(members)
        if not self._restarting and not self._overdue:
            return ()
        gone = self._restarting
        over = frozenset([member.node for member in gone if now.wall_s >= self._grace_ends_s(member)])
        fresh = over - self._overdue
        self._overdue = over
        return tuple(sorted(fresh))

    def due(
        self, members: Sequence[Member], outs: Collection[NodeName], now: Instant
    ) -> tuple[NodeName, ...]:
        """Members failed for so long that we may state them out; none while a brake holds. Sorted."""
        self._look(members)
        down = self._down
        due = []
        waits_s = []
        for member in down:
            if self.awaited(member, now):
                waits_s.append(self._grace_ends_s(member) - now.wall_s)
            if member.node in outs or member.node == self._me:
                continue
            wait_s = self._out_at_wall_s(member) - now.wall_s
            if wait_s <= 0:
                due.append(member)
            else:
                waits_s.append(wait_s)
        self.next_s = now.mono_s + min(waits_s) if waits_s else None
        free = self._without_brakes(due, self._placed, down) if due else ()
        self.held_back = len(due) - len(free)
        return free

    def _look(self, members: Sequence[Member]) -> None:
        """Several times a second the same members are asked about, of whom nearly always nobody is down."""
        if members is self._members and type(members) is tuple:
            return
        self._members = members
        self._placed = [member for member in members if placed(member)]
        self._down = [member for member in self._placed if member.state is MemberState.FAILED]
        self._restarting = [member for member in members if _restarts(member)]

    def _grace_ends_s(self, member: Member) -> float:
        return member.since_wall_s + self._settings.restart_grace_s

    def _out_at_wall_s(self, member: Member) -> float:
        out_s = member.since_wall_s + self._settings.out_after_s
        return max(out_s, self._grace_ends_s(member)) if _restarts(member) else out_s

    def _without_brakes(
        self, due: Sequence[Member], ring_members: Sequence[Member], down: Sequence[Member]
    ) -> tuple[NodeName, ...]:
        """Those of ``due`` whom the brakes let go; who is out already is among ``down``, too."""
        members = len(ring_members)
        allowed = int(self._settings.max_out_ratio * members)
        if members >= _ALWAYS_ALLOWED_FROM:
            allowed = max(1, allowed)
        if len(down) > allowed:
            return ()
        in_zone = Counter(member.zone for member in ring_members)
        down_in_zone = Counter(member.zone for member in down)
        dark = [zone for zone, count in in_zone.items() if 1 < count == down_in_zone[zone]]
        whole = self._settings.out_whole_zone
        return tuple(sorted(member.node for member in due if whole or member.zone not in dark))


def _restarts(member: Member) -> bool:
    return member.state is MemberState.FAILED and member.accuser == RESTARTING
