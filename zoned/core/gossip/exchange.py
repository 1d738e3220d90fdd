"""Push/pull: whole tables by TCP, at joining, every now and then, and with members thought lost.

Rumours can all get lost; this is what repairs the table in the end, and the only way that two halves of a
healed partition learn of each other. Rows are merged as if they had come as messages, with two twists from
memberlist: a dead row only makes us suspect (its member may refute), and we accuse nobody in our own name
for what stands in another's table, as memberlist does: a slow member that comes back calls several others,
and each of them would confirm its errors (in a run of 100 with 10 slow ones, 445 healthy members were held
failed with that, 1 without). What they say about us is read last, when whoever must hear our refutation is
known. We answer after merging, not before as memberlist does, so that the answer already contains our
refutation: a healed partition then needs one dial, not two.
"""

from __future__ import annotations

import math
from contextlib import suppress
from functools import partial

from zoned.core.actions import StreamReply
from zoned.core.errors import PeerError
from zoned.core.gossip.membership import Known
from zoned.core.gossip.messages import (
    Alive,
    Dead,
    ErrorReply,
    PushPull,
    Row,
    Standing,
    StreamMessage,
    Suspect,
)
from zoned.core.gossip.rumours import Rumours
from zoned.core.gossip.serf import SerfLayer
from zoned.core.gossip.stream import compressed_stream, decode_stream, encode_stream
from zoned.core.gossip.tags import ROLE, parse_meta
from zoned.core.gossip.timers import Timer
from zoned.core.gossip.wiring import Wiring
from zoned.core.names import Address, Instant

_SCALE_FROM = 32


class Exchange:
    """Push/pull, called and answered."""

    def __init__(self, wiring: Wiring, rumours: Rumours, serf: SerfLayer, now: Instant) -> None:
        self._wiring = wiring
        self._rumours = rumours
        self._serf = serf
        self.reached: dict[Address, float] = {}  # when each address last answered, bounded by member_limit
        self.joining = False  # seeds were called, and nobody's table has come since
        self._again: Timer | None = None
        interval_s = wiring.settings.push_pull_interval_s
        wiring.timers.at(now.mono_s + interval_s * (0.5 + wiring.rng.random() / 2), self._round)

    def call(self, to: Address, join: bool = False, lost: bool = False) -> bool:
        """Exchange tables with the member at that address, unless a call to it is under way.

        ``lost``: nobody may be there, so do not wait long; if somebody is, there is much to learn."""
        wiring = self._wiring
        if wiring.calling(to):
            return False
        timeout_s = wiring.settings.dial_timeout_s if lost else wiring.settings.stream_timeout_s
        return wiring.call(to, self._bytes(join), partial(self._answered, to, join, lost), timeout_s)

    def received(self, stream: int, theirs: PushPull, now: Instant) -> None:
        """Somebody calls: merge, then answer."""
        self._wiring.count("push_pulls_answered")
        self.merge(theirs, now)
        self._wiring.actions.append(StreamReply(stream=stream, data=self._bytes(theirs.join)))

    def _answered(self, to: Address, join: bool, lost: bool, data: bytes | None, now: Instant) -> None:
        if data is None:
            self._wiring.count("push_pulls_failed")
            self._reached(to, False)
            if self.joining:
                self._look_again(now)  # it may have heard us, only its answer came late: then others know us
            return
        try:
            self._take(to, join, lost, decode_stream(data), now)
        except PeerError as error:
            self._wiring.reject(error.reason)

    def _take(self, to: Address, join: bool, lost: bool, answer: StreamMessage, now: Instant) -> None:
        self._wiring.traffic.came(answer)
        if isinstance(answer, ErrorReply):
            self._wiring.reject("error_reply")
            text = f"gossip {to[0]}:{to[1]} refuses us: {answer.text[:200]!r}"
            if self._wiring.seldom.may_say("gossip_refused", f"{to[0]}:{to[1]}", now):
                self._wiring.note("warning", "gossip_refused", text)
            return
        if not isinstance(answer, PushPull):
            self._wiring.reject("unexpected_answer")
            return
        self._wiring.count("push_pulls")
        self._reached(to, True)
        if len(self.reached) < self._wiring.settings.member_limit:
            self.reached[to] = now.mono_s
        if join or lost or self.joining:
            self._meet_the_dead(answer, now)
        self.merge(answer, now)
        joined, self.joining = self.joining, False
        if join or joined:
            self._serf.say_join()
        if joined:
            others = self._wiring.table.up_count() - 1
            text = f"joined {others} members"
            self._wiring.note("info", "joined", text, ("members", others), ("seed", f"{to[0]}:{to[1]}"))
        if join or joined or lost:
            self._look_again(now)

    def _reached(self, to: Address, well: bool) -> None:
        for known in self._wiring.table.all():
            if known.address == to:
                self._wiring.table.answered(known, tcp=well)

    def _meet_the_dead(self, theirs: PushPull, now: Instant) -> None:
        """Who comes to a pool, or back to it, learns whom it has lost: until they are out they have their
        place in the ring, and we could not agree on one without knowing them. Nobody else learns it: members
        forgotten here and there at different times would be told from one to the other for ever."""
        for row in theirs.rows:
            if row.standing in (Standing.SUSPECT, Standing.DEAD) and self._wiring.table.get(row.node) is None:
                with suppress(PeerError):  # counted when the row is merged
                    self._meet_dead(row, now)

    def _meet_dead(self, row: Row, now: Instant) -> None:
        tags = parse_meta(row.meta)
        if tags.role != ROLE or self._rumours.strangers.has(row, tags):
            return
        if self._rumours.forgotten.incarnation(row.node, row.incarnation, now) is not None:
            return
        known = Known(row.node, row.address, row.meta, row.versions, now)
        known.incarnation = row.incarnation
        if self._wiring.table.add(known):
            self._rumours.changed(known, None, now)

    def merge(self, theirs: PushPull, now: Instant) -> None:
        """Take over what another table says; rows that mean nothing are dropped and counted."""
        own = self._rumours.own.node
        about_us = [row for row in theirs.rows if row.node == own]
        for row in [row for row in theirs.rows if row.node != own] + about_us:
            try:
                self._merge_row(row, now)
            except PeerError as error:
                self._wiring.reject(error.reason)
        if theirs.user:
            try:
                self._serf.merge(theirs.user, now)
            except PeerError as error:
                self._wiring.reject(error.reason)

    def _merge_row(self, row: Row, now: Instant) -> None:
        if self._wiring.table.get(row.node) is None and row.standing is not Standing.LEFT:
            self._still_there(row, now)
        if row.standing is Standing.ALIVE:
            alive = Alive(row.incarnation, row.node, row.address, row.meta, row.versions)
            self._rumours.alive(alive, now)
        elif row.standing is Standing.LEFT:
            self._rumours.dead(Dead(row.incarnation, row.node, row.node), now)
        else:
            self._rumours.suspect(Suspect(row.incarnation, row.node, row.node), now)

    def _still_there(self, row: Row, now: Instant) -> None:
        """Somebody was away when that member was forgotten, if it was: say so again."""
        forgotten, node = self._rumours.forgotten, row.node
        if forgotten.incarnation(node, row.incarnation, now) is not None:
            if forgotten.may_tell(node, False, now):
                self._serf.say_leave(node, prune=True)

    def _bytes(self, join: bool) -> bytes:
        rows = tuple(
            Row(each.node, each.address, each.meta, each.incarnation, each.standing, each.versions)
            for each in self._wiring.table.all()
        )
        data = encode_stream(PushPull(join, rows, self._serf.state()))
        if len(data) >= self._wiring.settings.compress_streams_below_bytes:
            return data
        return compressed_stream(data)

    def _look_again(self, now: Instant) -> None:
        """Soon after joining or healing, ask somebody else: the first one may itself have known few."""
        if self._again is None:
            wait_s = self._wiring.settings.push_pull_interval_s / 30 * (0.5 + self._wiring.rng.random())
            self._again = self._wiring.timers.at(now.mono_s + wait_s, self._second_look)

    def _second_look(self, now: Instant) -> None:
        self._again = None
        self._call_anyone(now)

    def _round(self, now: Instant) -> None:
        wiring = self._wiring
        members = wiring.table.up_count()
        scale = 1.0
        if members > _SCALE_FROM:
            scale += math.ceil(math.log2(members) - math.log2(_SCALE_FROM))
        interval_s = wiring.settings.push_pull_interval_s * scale
        wiring.timers.at(now.mono_s + interval_s, self._round)
        self._call_anyone(now)

    def _call_anyone(self, now: Instant) -> None:
        wiring, own = self._wiring, self._rumours.own
        others = [each for each in wiring.table.all() if each.standing is Standing.ALIVE and each is not own]
        if others and not wiring.leaving:
            self.call(wiring.rng.choice(others).address)
