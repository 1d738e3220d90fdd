"""Coming into the pool: a newcomer is warming, and everybody goes by what it has taken over so far.

The other end of ``farewell``. Three things meet here: our own pending groups (``placement.warming``), which
we step on once a turn and tell in our summary; those of others, which their summaries tell; and the ring as
it serves because of both (``ring.serving``), which routes and plans look owners up in.

Between a newcomer's entering the ring and its first summary there is a second in which nobody knows what it
has: then it has nothing. Who was there before us, we take for settled unless it says otherwise. While nobody
who is settled holds anything (a pool that starts as a whole), there is nothing to take over, and no table is
made. An agent that restarts has kept its place, so it takes up where it was; one that left, was away until it
was out, or comes back without its memory is a newcomer again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from zoned.core.actions import Action, Note
from zoned.core.errors import StateError
from zoned.core.events import Offered
from zoned.core.members import MemberState, News, Summary, SummaryHeard
from zoned.core.names import Instant, NodeName
from zoned.core.peers import Peers
from zoned.core.placement import Phase, Warming
from zoned.core.records import Reason
from zoned.core.ring import ALL_GROUPS, Ring
from zoned.core.settings import NodeSettings
from zoned.core.stages import Stages

_UP = (MemberState.ALIVE, MemberState.SUSPECT, MemberState.LEAVING)


class Joining:
    """Who is warming, ourselves included, and what follows for who serves."""

    def __init__(self, settings: NodeSettings, stages: Stages, peers: Peers, now: Instant) -> None:
        self._me = settings.node
        self._settings = settings
        self._swim, self._cache, self._stages = stages.swim, stages.cache, stages
        self._inheritance = stages.prefetcher.inheritance
        self._peers = peers
        fills = settings.prefetch.enabled and settings.placement.enabled and settings.weight != 0
        self._within_s = settings.placement.warm_within_s if fills else 0.0
        self.own = Warming(self._within_s, now)
        self.left = False
        """Whether we were told to leave for good: who comes back then is a newcomer."""
        self.pending: Mapping[NodeName, int] = {}
        """The groups of shards that each newcomer has yet to take over, as masks; who has none is not in."""
        self._ring = peers.ring  # as looked at last, as are these
        self._summaries: Mapping[NodeName, Summary] | None = None
        self._before: Ring | None = None  # the ring before this one, while somebody warms
        self._former: Ring | None = None  # the one without newcomers
        self._entered: dict[NodeName, float] = {}  # came in and said nothing yet: until when to wait for it
        self._now = now
        self.counters = self.own.counters

    @property
    def under_way(self) -> bool:
        """Whether somebody takes shards over, so that the loop should not rest."""
        return bool(self.pending)

    @property
    def told(self) -> tuple[int, float]:
        """What our summary says: the groups that are not ours yet, and since when we take them over."""
        return self.own.pending, self.own.since.wall_s

    def is_urgent(self, heard: Iterable[News], now: Instant) -> bool:
        """Whether the next turn should not wait: a newcomer tells of itself, or we are one and have met
        somebody who may have something for us."""
        if any(isinstance(news, SummaryHeard) and news.summary.warming for news in heard):
            return True
        self.own.wait(now)
        return self.own.phase is not Phase.SETTLED and any(self._may_hold(node) for node in self._givers())

    @property
    def rings(self) -> tuple[Ring, Ring]:
        """Who owns, and who serves."""
        return self._peers.ring, self._peers.serving

    def offered(self, event: Offered, now: Instant) -> Reason:
        """What an offer is: our inheritance while we are new, or what another gives up."""
        told = self._swim.summaries().get(event.sender)
        if self.own.phase is Phase.SETTLED or (told is not None and told.draining):
            return Reason.DRAIN
        if not event.keys:
            self.own.gave_all(event.sender)
        return Reason.MIGRATE

    # ---- once a turn, and when the ring changed -------------------------------------------------

    def turn(self, now: Instant) -> list[Action]:
        """Take over what is warm, or due."""
        self._now = now
        ring, phase = self._peers.ring, self.own.phase
        if phase is Phase.SETTLED:
            self.look(now)
            return []
        others = len(ring.members) > 1 and any(member.node == self._me for member in ring.members)
        self._inheritance.only_from(self._up())
        self.own.step(others, self._givers(), self._inheritance.groups(), now)
        self.look(now)
        if phase is Phase.ALONE and self.own.phase is Phase.WARMING:
            return [_note(f"warming begun in a ring of {len(ring.members)} members", ())]
        if phase is Phase.WARMING and self.own.phase is Phase.SETTLED:
            warm, late = self.counters["groups_flipped_warm"], self.counters["groups_flipped_late"]
            took_s = now.mono_s - self.own.since.mono_s
            fields = (("seconds", round(took_s, 3)), ("warm", warm), ("late", late))
            text = f"warming ended after {took_s:.1f} s: {warm} of {warm + late} groups of shards were warm"
            return [_note(text, fields)]
        return []  # where nobody had anything for us, it is not worth a line

    def look(self, now: Instant) -> None:
        """Go by the ring and the summaries as they are now."""
        ring, summaries = self._peers.ring, self._swim.summaries()
        self.own.wait(now)
        rests = not (self.pending or self.own.pending or self._entered)
        if rests and ring is self._ring and summaries is self._summaries:
            return  # nobody is new, and nobody has said anything since that was found
        self._summaries = summaries
        self._meet_newcomers(ring, now)
        pending = self._pending_of(ring)
        serving = self._serving(ring, pending)
        if not pending:
            self._before = self._former = None  # a megabyte each
        self.pending = pending
        self._peers.serve_by(serving, bool(pending), now.mono_s)

    # ---- inside ---------------------------------------------------------------------------------

    def _meet_newcomers(self, ring: Ring, now: Instant) -> None:
        summaries = self._swim.summaries()
        before, self._ring = self._ring, ring
        if ring is not before:
            if len(before.members) > 1:  # else it is we who came
                known = frozenset([member.node for member in before.members])
                for member in ring.members:
                    if member.node not in known and member.node != self._me:
                        self._entered[member.node] = now.mono_s + self._within_s
            self._before = before
        waited_for = self._entered.items()
        self._entered = {n: s for n, s in waited_for if s > now.mono_s and n not in summaries}

    def _pending_of(self, ring: Ring) -> dict[NodeName, int]:
        """Of the ring's members that are up, those that have not taken over everything. We are nobody's
        newcomer while we are alone."""
        summaries = self._swim.summaries()
        pending: dict[NodeName, int] = {}
        if len(ring.members) < 2:
            return pending
        for member in ring.members:
            node = member.node
            if node == self._me:
                mask = self.own.pending
            elif node in summaries:
                mask = summaries[node].warming
            else:
                mask = ALL_GROUPS if node in self._entered else 0
            if mask:
                pending[node] = mask
        return pending

    def _serving(self, ring: Ring, pending: dict[NodeName, int]) -> Ring:
        settled = tuple([member for member in ring.members if member.node not in pending])
        if not pending or not any(self._may_hold(member.node) for member in settled):
            return ring
        if pending == self.pending and self._peers.serving is not ring:
            return self._peers.serving
        for known in (self._former, self._before):
            if known is not None and known.members == settled:
                self._former = known
                return ring.serving(pending, known)
        self._former = Ring.build(settled, self._settings.ring)
        return ring.serving(pending, self._former)

    def _up(self) -> list[NodeName]:
        return [member.node for member in self._swim.members() if member.state in _UP]

    def _givers(self) -> list[NodeName]:
        """Who may have something for us: in the ring, up, not giving it away already, and not empty."""
        placed = frozenset([member.node for member in self._peers.ring.members])
        return [node for node in self._up() if node in placed and self._gives(node)]

    def _gives(self, node: NodeName) -> bool:
        told = self._swim.summaries().get(node)
        if node == self._me or (told is not None and (told.warming or told.draining)):
            return False
        return told is None or self._may_hold(node)

    def _may_hold(self, node: NodeName) -> bool:
        if node == self._me:
            return len(self._cache) > 0
        told = self._swim.summaries().get(node)
        return self._cache.directory.claims(node) > 0 or (told is not None and told.used_ratio > 0.0)

    # ---- over a restart -------------------------------------------------------------------------

    def export_state(self) -> dict[str, Any]:
        """Whether all that the ring gives us is ours, and when we last knew."""
        settled = self.own.phase is Phase.SETTLED and not self.left
        return {"settled": settled, "wall_s": self._now.wall_s}

    def restore_state(self, saved: Any, now: Instant) -> None:
        """Take it up: our place was kept, unless we were away for too long. None: saved by a version that
        knew nothing of it. StateError for nonsense."""
        if saved is None:
            self.own.settle()
            return
        try:
            settled, wall_s = saved["settled"], saved["wall_s"]
        except (TypeError, KeyError) as error:
            raise StateError(f"joining: {error!r}") from error
        if type(settled) is not bool or type(wall_s) is not float:
            raise StateError("joining: not what it saves")
        if settled and now.wall_s - wall_s < self._settings.ring.out_after_s:
            self.own.settle()


def _note(text: str, fields: tuple[tuple[str, str | int | float], ...]) -> Note:
    return Note(level="info", event="warming", text=text, fields=fields)
