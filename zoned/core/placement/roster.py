"""Who may keep a copy for us: the members as placement sees them.

Three questions come up for each copy: which zone is that holder in, does its copy count as safe (it is
alive and its zone is not being given up), and who takes it if nobody has it (``room``). The answers are
computed once per plan, so that asking is a dictionary look-up.
"""

from __future__ import annotations

from collections.abc import Sequence

from zoned.core.members import Member, MemberState
from zoned.core.names import KeyHash, NodeName, Zone
from zoned.core.placement.room import Room
from zoned.core.ring import Ring, placed


class Roster:
    """The members of one moment. ``safe`` maps each alive agent of a zone that stays to its zone."""

    __slots__ = ("_me", "_spread", "draining", "here", "leaving", "room", "safe", "staying", "zone")

    def __init__(
        self,
        members: Sequence[Member],
        draining: Sequence[Zone],
        me_node: NodeName,
        me_zone: Zone,
        leaving: bool = False,
        awaited: Sequence[NodeName] = (),
        room: Room | None = None,
    ) -> None:
        """``here``: the agents of our own zone, alive or restarting and ``awaited``, draining or not;
        this agent is alive to itself, unless it is ``leaving``. ``room``: who could take how much (None: all
        of them anything)."""
        self._me = me_node
        self.room = Room({}, {}) if room is None else room
        self.leaving = leaving
        self.zone = me_zone
        self.draining = tuple(draining)
        alive = [
            member
            for member in members
            if placed(member)
            and (not leaving if member.node == me_node else member.state is MemberState.ALIVE)
        ]
        self.here: dict[NodeName, None] = {
            **{member.node: None for member in alive if member.zone == me_zone},
            **{member.node: None for member in members if member.zone == me_zone and member.node in awaited},
        }
        self.safe: dict[NodeName, Zone] = {
            member.node: member.zone for member in alive if member.zone not in self.draining
        }
        self.staying: tuple[Zone, ...] = tuple(sorted(set(self.safe.values())))
        self._spread = sorted(self.safe)

    def holds_elsewhere(self, holders: Sequence[NodeName]) -> bool:
        """Whether one of them is a safe holder in another zone (or, if only this agent goes, anywhere): then
        our copy may go."""
        safe, zone = self.safe, self.zone
        return any(node in safe and (self.leaving or safe[node] != zone) for node in holders)

    def mine(self, ring: Ring, key_hash: KeyHash) -> bool:
        """Whether this agent, of all of its zone, looks after the instance. A dead owner's are everybody's:
        a copy too many for as long as it is down. One that restarts is waited for."""
        if len(self.here) <= 1:
            return True
        owner = ring.owner_in_zone(key_hash, self.zone)
        return owner is None or owner.node == self._me or owner.node not in self.here

    def first_home(
        self,
        ring: Ring,
        key_hash: KeyHash,
        shard: int,
        size: int = 0,
        room: Room | None = None,
        turn: int = 0,
    ) -> NodeName:
        """Who takes a copy of a zone that is given up: the first safe member with room for it on the
        preference list, else the first with room from a place on that the hash says; where nobody has room,
        the safe ones on the list in ``turn``, or (all of it drains or is down) one by the hash. "": nobody is
        left.

        All agents answer alike as far as they see the same members, drains and ``room`` (None: ours)."""
        room, full, safe = self.room if room is None else room, [], self.safe
        for member in ring.preference_list(shard):
            if member.node in safe:
                if room.fits(member.node, size):
                    return member.node
                full.append(member.node)
        spread, start = self._spread, key_hash % max(1, len(self._spread))
        for step in range(len(spread)):
            node = spread[(start + step) % len(spread)]
            if room.fits(node, size):
                return node
        if full:
            return full[turn % len(full)]
        return spread[start] if spread else ""

    def new_home(self, ring: Ring, key_hash: KeyHash, shard: int, size: int = 0) -> bool:
        """Whether this agent is the one that takes a draining zone's instance."""
        return self.first_home(ring, key_hash, shard, size) == self._me
