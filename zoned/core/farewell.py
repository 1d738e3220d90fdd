"""Leaving for good: first what only we hold goes to others, then we say goodbye.

    Stop(LEAVE) --> hand over, as in a drain --> all handed over, or time is up --> leave intent, dead{self}
         |                                                                              ^
         +---- nothing held, nobody there, movement paused, or told a second time ------+

Until the goodbye we are a member like any other: we serve, and our place in the ring stands. The order of
the two is the point: whoever leaves first and hands over then is no longer asked for its copies. Bounded,
since a stop that waits for ever ends with a kill, and then nothing has been said to anybody.
"""

from __future__ import annotations

from zoned.core.gossip import Swim
from zoned.core.members import Member, MemberState
from zoned.core.names import Instant, NodeName
from zoned.core.records import Plan
from zoned.core.ring import placed


class Farewell:
    """When this agent may leave the pool. ``swim`` is told so once."""

    def __init__(self, node: NodeName, swim: Swim, within_s: float) -> None:
        """``within_s``: the longest that handing over may take."""
        self._node = node
        self._swim = swim
        self._within_s = within_s
        self._by_s: float | None = None

    @property
    def handing_over(self) -> bool:
        """We are going to leave, and others are still taking what only we hold."""
        return self._by_s is not None

    def begin(self, copies: int, members: tuple[Member, ...], paused: bool, now: Instant) -> None:
        """We are told to leave. ``copies``: how many we hold."""
        others = any(placed(m) and m.state is MemberState.ALIVE and m.node != self._node for m in members)
        if self._by_s is not None or paused or not copies or not others:
            self._go(now)
        else:
            self._by_s = now.mono_s + self._within_s

    def review(self, plan: Plan, now: Instant) -> None:
        """Once a turn: go, if what we hold is elsewhere or time is up."""
        if self._by_s is not None and (plan.drained or plan.paused or now.mono_s >= self._by_s):
            self._go(now)

    def _go(self, now: Instant) -> None:
        self._by_s = None
        self._swim.leave(now)
