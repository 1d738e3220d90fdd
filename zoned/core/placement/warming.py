"""Warming: how a newcomer takes over its shards, a group at a time (make before break).

    ALONE --- the ring has others ---> WARMING --- each group flipped: warm, or at the deadline ---> SETTLED
      +------- nobody came for a while, or a restart: its place was kept -----------------------------> +

While a group is *pending* its former owners serve it (``ring.serving``), and offer us what they hold of it,
hottest first, until they have nothing more to offer, which they say with an empty offer. A group is warm when
everyone who may hold something of it has said so and nothing of what was offered is still to be fetched.
``warm_within_s`` after we met the pool what is left is flipped as it is: a miss then asks the former owner
before the origin.

Nothing of this is agreed upon, and each step may be the last one of anybody:

    a former owner dies, leaves, drains   is waited for no more; what the dead one offered is let go
    we die                                others skip who is down; back without a memory we begin anew
    a partition, a lost offer, a pause    the deadline
    another newcomer                      has nothing to give, and is not waited for

A group that is flipped stays so; only a new life begins anew. Rejected: flips agreed step by step with the
former owner (whoever dies in between leaves a shard to nobody); waiting for digests to show that all is here
(they say what is held, not which shards it is of).
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import NamedTuple

from zoned.core.names import Instant, NodeName
from zoned.core.ring import ALL_GROUPS

ALONE_S = 10.0
"""Who has met nobody for so long is the pool, and no newcomer to those who come."""


class Phase(Enum):
    """How far a newcomer is."""

    ALONE = "alone"
    WARMING = "warming"
    SETTLED = "settled"


class Flips(NamedTuple):
    """Groups taken over in one step: because they are warm, and because time is up (masks)."""

    warm: int
    late: int


class Warming:
    """One agent's own groups."""

    def __init__(self, within_s: float, now: Instant) -> None:
        """``within_s``: the deadline; 0: there is nothing to wait for."""
        self._within_s = within_s
        self._given_all: dict[NodeName, None] = {}
        self.phase = Phase.ALONE
        self.pending = ALL_GROUPS
        """The groups that their former owners still serve, as a mask."""
        self.since = now
        self.counters = {"groups_flipped_warm": 0, "groups_flipped_late": 0}
        if within_s <= 0:
            self.settle()

    def settle(self) -> None:
        """There is nothing to take over (any more)."""
        self.phase, self.pending = Phase.SETTLED, 0

    def wait(self, now: Instant) -> None:
        """Time passes: who has been alone for long enough is the pool."""
        if self.phase is Phase.ALONE and now.mono_s >= self.since.mono_s + ALONE_S:
            self.settle()

    def gave_all(self, node: NodeName) -> None:
        """That member has offered us all that it has for us."""
        if self.phase is not Phase.SETTLED:
            self._given_all[node] = None

    def step(self, others: bool, givers: Iterable[NodeName], waiting: int, now: Instant) -> Flips:
        """What is flipped now. ``others``: whether the ring has more than us; ``givers``: who may have
        something for us; ``waiting``: the groups of which something offered is still to be fetched."""
        self.wait(now)
        if self.phase is Phase.ALONE and others:
            self.phase, self.since = Phase.WARMING, now
        if self.phase is not Phase.WARMING:
            return Flips(0, 0)
        owed = any(node not in self._given_all for node in givers)
        warm = 0 if owed else self.pending & ~waiting
        late = self.pending & ~warm if now.mono_s >= self.since.mono_s + self._within_s else 0
        self.pending &= ~(warm | late)
        self.counters["groups_flipped_warm"] += warm.bit_count()
        self.counters["groups_flipped_late"] += late.bit_count()
        if not self.pending:
            self.settle()
        return Flips(warm, late)
