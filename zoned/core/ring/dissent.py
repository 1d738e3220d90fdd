"""Dissent: who computed another ring than ours, since when, and whom to compare tables with about it.

Ring ids come with summaries, with requests of other agents and with their answers; the last one heard of an
agent counts. For some seconds after each change of the pool ids differ, and that mends itself. When an agent
differs for more than three rounds of gossip in which neither ring moved, something was lost: then we push
and pull tables with it, and again ever more rarely while it lasts. While rings still move nothing is: sixty
agents that start together would spend their time on 3,400 exchanges. Not all of us at once: the first after
it by name goes first, the next a little later, since one exchange is usually enough for everybody.

Nothing waits for agreement meanwhile: reads under another ring id are served and answered with ours.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from zoned.core.members import Member, MemberState
from zoned.core.names import Instant, NodeName

ROUNDS = 3
_SMALL = 32  # in pools up to this size everybody hears a summary at once
_TURN_S = 0.05  # between two agents that would compare with the same one
_LONGEST_TURN_S = 10.0
_LONGEST_WAIT_S = 60.0
_UP = (MemberState.ALIVE, MemberState.SUSPECT)


@dataclass(slots=True)
class _Differs:
    """One agent's other ring: since when on the wall clock, and when (mono) to compare tables next."""

    since_wall_s: float
    compare_s: float
    wait_s: float


class Dissent:
    """What the others said last of their rings."""

    def __init__(self, me_node: NodeName, round_s: float) -> None:
        """``round_s``: a round of gossip."""
        self._me = me_node
        self._patience_s = ROUNDS * round_s
        self._said: dict[NodeName, str] = {}
        self._differs: dict[NodeName, _Differs] = {}
        self._names: tuple[NodeName, ...] = ()
        self.next_s: float | None = None
        """When (mono) ``to_compare`` has somebody next. Kept, because it is asked for after every event."""

    def meet(self, members: Sequence[Member]) -> None:
        """Who is there now; what others said is forgotten with them."""
        self._names = tuple(m.node for m in members if m.role == "zoned" and m.state in _UP)
        for table in (self._said, self._differs):
            for node in [node for node in table if node not in self._names]:
                del table[node]
        self._reckon()

    def said_so(self, node: NodeName, ring_id: str) -> bool:
        """[hot] Whether that is what it said last."""
        return self._said.get(node) == ring_id

    def heard(self, node: NodeName, ring_id: str, ours: str, now: Instant) -> bool:
        """That agent says its ring is this one; True if it is another than ours."""
        if not ring_id or node == self._me or node not in self._names:
            return False
        moved = self._said.get(node) != ring_id
        self._said[node] = ring_id
        if ring_id == ours:
            if self._differs.pop(node, None) is not None:
                self._reckon()
        elif moved or node not in self._differs:
            self._wait(node, now)
        return ring_id != ours

    def _wait(self, node: NodeName, now: Instant) -> None:
        """It differs, and its ring or ours is a new one."""
        known = self._differs.get(node)
        since_wall_s = now.wall_s if known is None else known.since_wall_s
        # In a large pool summaries travel by several comparisons, and what we have of it may just be old.
        doublings = math.ceil(math.log2(max(1, len(self._names)) / _SMALL))
        wait_s = self._patience_s * (1 + 2 * max(0, doublings))
        self._differs[node] = _Differs(since_wall_s, now.mono_s + wait_s + self._turn_s(node), wait_s)
        self._reckon()

    def changed(self, ours: str, now: Instant) -> None:
        """Our ring is another one now: what the others said is to be looked at anew."""
        for node, ring_id in list(self._said.items()):
            if self.heard(node, ring_id, ours, now):
                self._wait(node, now)

    def known(self) -> tuple[tuple[NodeName, str, float], ...]:
        """(node, its ring id, since when on the wall clock) of who differs, by name."""
        differs = self._differs
        return tuple((node, self._said[node], differs[node].since_wall_s) for node in sorted(differs))

    def to_compare(self, now: Instant) -> tuple[NodeName, ...]:
        """With whom to push and pull now; each again later, at twice the distance."""
        if self.next_s is None or now.mono_s < self.next_s:
            return ()
        due = [node for node in sorted(self._differs) if self._differs[node].compare_s <= now.mono_s]
        for node in due:
            one = self._differs[node]
            one.wait_s = min(_LONGEST_WAIT_S, 2.0 * one.wait_s)
            one.compare_s = now.mono_s + one.wait_s
        self._reckon()
        return tuple(due)

    def _reckon(self) -> None:
        self.next_s = min((one.compare_s for one in self._differs.values()), default=None)

    def _turn_s(self, node: NodeName) -> float:
        """How long we let others go first: our distance from it in the circle of names."""
        names = self._names
        behind = names.index(self._me) - names.index(node) if self._me in names else len(names)
        return min(_LONGEST_TURN_S, _TURN_S * ((behind - 1) % len(names)))
