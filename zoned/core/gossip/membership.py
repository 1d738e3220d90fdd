"""The table of members, and which news about one wins.

Every member decides alone, from what it hears in any order, and all must end with the same table. That works
because news is ordered: by incarnation, which only the member itself may raise, and within one incarnation
dead > suspect > alive. ``PRECEDENCE`` is that order as a table; the code that acts on the verdicts is in
``rumours.py``. SWIM: Das, Gupta, Motivala (2002), section 4.2.

Dead members stay in the table for ``forget_after_s`` (a day), not 30 s as in memberlist: operators want to
see them (loki 3140), and the dialler needs their addresses to heal partitions.
"""

from __future__ import annotations

from enum import Enum

from zoned.core.gossip.coordinates import Coordinate
from zoned.core.gossip.messages import Kind, Standing
from zoned.core.gossip.suspicion import Suspicion
from zoned.core.gossip.tags import ROLE, Tags, parse_meta
from zoned.core.gossip.timers import Timer
from zoned.core.members import Member, MemberState
from zoned.core.names import Address, Instant, NodeName


class Wins(Enum):
    """When news beats what is known: by a higher incarnation, by at least the same one, or never."""

    NEWER = "newer"
    SAME = "same or newer"
    NEVER = "never"


PRECEDENCE: dict[tuple[Kind, Standing], Wins] = {
    (Kind.ALIVE, Standing.ALIVE): Wins.NEWER,
    (Kind.ALIVE, Standing.SUSPECT): Wins.NEWER,
    (Kind.ALIVE, Standing.DEAD): Wins.NEWER,
    (Kind.ALIVE, Standing.LEFT): Wins.NEWER,
    (Kind.SUSPECT, Standing.ALIVE): Wins.SAME,
    (Kind.SUSPECT, Standing.SUSPECT): Wins.SAME,  # counts as a confirmation
    (Kind.SUSPECT, Standing.DEAD): Wins.NEVER,
    (Kind.SUSPECT, Standing.LEFT): Wins.NEVER,
    (Kind.DEAD, Standing.ALIVE): Wins.SAME,
    (Kind.DEAD, Standing.SUSPECT): Wins.SAME,
    (Kind.DEAD, Standing.DEAD): Wins.NEVER,
    (Kind.DEAD, Standing.LEFT): Wins.NEVER,
}


def wins(kind: Kind, incarnation: int, standing: Standing, known: int) -> bool:
    """Whether news of that kind and incarnation changes a member known as ``standing`` at ``known``."""
    rule = PRECEDENCE[kind, standing]
    if rule is Wins.NEVER:
        return False
    return incarnation > known if rule is Wins.NEWER else incarnation >= known


class Known:
    """One member as we know it. ``leaving`` and ``status_ltime`` are Serf's: intents, and their clock."""

    __slots__ = (
        "_member",
        "_shown_rtt_s",
        "accused_s",
        "accuser",
        "address",
        "conflict_noted",
        "coordinate",
        "counted_up",
        "crc",
        "forget_timer",
        "incarnation",
        "leaving",
        "meta",
        "node",
        "rtt_s",
        "since_s",
        "since_wall_s",
        "standing",
        "status_ltime",
        "suspicion",
        "tags",
        "tcp_ok",
        "udp_ok",
        "versions",
    )

    def __init__(self, node: NodeName, address: Address, meta: bytes, versions: bytes, now: Instant) -> None:
        self.node = node
        self.address = address
        self.incarnation = 0
        self.standing = Standing.DEAD  # until its first alive message is accepted
        self.leaving = False
        self.status_ltime = 0
        self.since_s = now.mono_s
        self.since_wall_s = now.wall_s
        self.accuser: NodeName = ""
        self.suspicion: Suspicion | None = None
        self.forget_timer: Timer | None = None
        self.coordinate: Coordinate | None = None
        self.rtt_s: float | None = None
        self.accused_s = float("-inf")  # when we last told it that it is held dead
        self.udp_ok: bool | None = None
        self.tcp_ok: bool | None = None
        self.conflict_noted = False
        self.counted_up = False  # the table's count of members that are up has us in it
        self._member: Member | None = None
        self._shown_rtt_s: float | None = None
        self.describe(meta, versions)

    def describe(self, meta: bytes, versions: bytes) -> None:
        """Take over what the member says of itself; PeerError when its tags are damaged."""
        self.tags: Tags = parse_meta(meta)
        self.meta = meta
        self.versions = versions
        self.crc = len(versions) == 6 and versions[1] >= 5
        self._member = None

    def enter(self, standing: Standing, now: Instant) -> None:
        """Move to another standing now."""
        self.standing = standing
        self.since_s = now.mono_s
        self.since_wall_s = now.wall_s
        self._member = None

    def touched(self) -> None:
        """Something that ``member()`` shows has changed."""
        self._member = None

    def is_up(self) -> bool:
        """Alive or suspected."""
        return self.standing <= Standing.SUSPECT

    def is_zoned(self) -> bool:
        """A zoned agent that is up: one that understands our own messages."""
        return self.standing <= Standing.SUSPECT and self.tags.role == ROLE

    def state(self) -> MemberState:
        """SWIM's standing and Serf's intents as one word."""
        if self.standing is Standing.LEFT:
            return MemberState.LEFT
        if self.standing is Standing.DEAD:
            return MemberState.LEFT if self.leaving else MemberState.FAILED
        if self.leaving:
            return MemberState.LEAVING
        return MemberState.ALIVE if self.standing is Standing.ALIVE else MemberState.SUSPECT

    def member(self) -> Member:
        """The public view; the same object while nothing in it changed."""
        if self._member is None:
            self._shown_rtt_s = self.rtt_s
            self._member = Member(
                node=self.node,
                zone=self.tags.zone,
                role=self.tags.role,
                state=self.state(),
                incarnation=self.incarnation,
                weight=self.tags.weight,
                gossip=self.address,
                peer=self.tags.peer,
                http=self.tags.http,
                since_wall_s=self.since_wall_s,
                accuser=self.accuser,
                rtt_s=self.rtt_s,
                keys=self.tags.keys,
                udp_ok=self.udp_ok,
                tcp_ok=self.tcp_ok,
            )
        return self._member

    def answered(self, *, udp: bool | None = None, tcp: bool | None = None) -> bool:
        """It did, or did not, answer by these; True when that is news."""
        before = self.udp_ok, self.tcp_ok
        self.udp_ok = self.udp_ok if udp is None else udp
        self.tcp_ok = self.tcp_ok if tcp is None else tcp
        if before == (self.udp_ok, self.tcp_ok):
            return False
        self._member = None
        return True

    def measured(self, rtt_s: float) -> bool:
        """A round trip of that length; True when the shown value is now off by a quarter or more."""
        self.rtt_s = rtt_s if self.rtt_s is None else 0.75 * self.rtt_s + 0.25 * rtt_s
        shown = self._shown_rtt_s
        if shown is not None and abs(self.rtt_s - shown) < max(0.0005, 0.25 * shown):
            return False
        self._member = None
        return True


class Membership:
    """All members known, ourselves included, by name."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._known: dict[NodeName, Known] = {}
        self._members: tuple[Member, ...] | None = None
        self._up = 0
        self.version = 0  # raised by every change; what is derived from the table compares it

    def __len__(self) -> int:
        return len(self._known)

    def get(self, node: NodeName) -> Known | None:
        """The member of that name."""
        return self._known.get(node)

    def add(self, known: Known) -> bool:
        """A new member; False when the table is full."""
        if len(self._known) >= self._limit:
            return False
        self._known[known.node] = known
        self.changed(known)
        return True

    def remove(self, node: NodeName) -> None:
        """Forget a member altogether."""
        known = self._known.pop(node, None)
        if known is not None:
            self._up -= known.counted_up
            self.changed()

    def changed(self, known: Known | None = None) -> None:
        """Some member's tags or shown values changed, or its standing: then it must be said which."""
        if known is not None and known.counted_up is not known.is_up():
            known.counted_up = not known.counted_up
            self._up += 1 if known.counted_up else -1
        self._members = None
        self.version += 1

    def answered(self, known: Known, *, udp: bool | None = None, tcp: bool | None = None) -> None:
        """A member did, or did not, answer by these."""
        if known.answered(udp=udp, tcp=tcp):
            self.shown_changed()

    def shown_changed(self) -> None:
        """Only something that is shown changed (a round trip): nothing is derived from that."""
        self._members = None

    def all(self) -> list[Known]:
        """Everyone, in the order of arrival."""
        return list(self._known.values())

    def up_count(self) -> int:
        """Members alive or suspected, ourselves included: the n of SWIM's timers."""
        return self._up

    def members(self) -> tuple[Member, ...]:
        """The public view, sorted by name; the same object while nothing changed."""
        if self._members is None:
            self._members = tuple(self._known[node].member() for node in sorted(self._known))
        return self._members
