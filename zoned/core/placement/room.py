"""Room: how much more each member could hold without giving anything up.

A zone that is given up hands its copies to whom the ring names. Where that member's store is full and its
neighbour's is not, each copy handed over pushes another out, last copies among them, while room next door
stays empty: on the demo's day that was the cause of most misses after a drain. So whoever has room goes
before whoever has not; only where nobody has any does the ring alone decide, and the receiver's own eviction
whether the copy is worth more than one of its own.

How many copies a member holds is what its digest says, a second old at most; how many bytes is what its last
summary says, 5 % steps that are seconds old. Of whom we know nothing yet we think that it has just started,
with an empty store. Rejected: asking (a round trip more per offer, and the answer is as old when the copy
comes).
"""

from __future__ import annotations

from collections.abc import Mapping
from math import inf

from zoned.core.members import Summary
from zoned.core.names import NodeName


class Room:
    """What is left where, in copies and in bytes."""

    __slots__ = ("_bytes", "_copies")

    def __init__(self, copies: Mapping[NodeName, float], room_bytes: Mapping[NodeName, float]) -> None:
        """Both by member; one that is not named has any."""
        self._copies = dict(copies)
        self._bytes = dict(room_bytes)

    def copy(self) -> Room:
        """The same room, to be given away in thought."""
        return Room(self._copies, self._bytes)

    def fits(self, node: NodeName, size: int) -> bool:
        """Whether that member could take a copy of so many bytes and give nothing up."""
        return self._copies.get(node, inf) >= 1.0 and self._bytes.get(node, inf) >= size

    def give(self, node: NodeName, size: int) -> None:
        """A copy of that size goes there; below nothing is nothing."""
        self._copies[node] = self._copies.get(node, inf) - 1.0
        self._bytes[node] = self._bytes.get(node, inf) - size


def room_of(
    summaries: Mapping[NodeName, Summary], held: Mapping[NodeName, int], me: NodeName, left: float
) -> Room:
    """The room of all members. ``held``: the copies that their digests claim; ``left``: the share of our own
    store that is free."""
    copies: dict[NodeName, float] = {me: inf if left > 0.0 else 0.0}
    room_bytes: dict[NodeName, float] = {}
    for node, told in summaries.items():
        copies[node] = told.capacity_objects - held.get(node, 0) if told.capacity_objects else inf
        full = told.capacity_bytes * (1.0 - told.used_ratio)
        # With a bound in copies, too, the ratio may be that one's, and then says nothing of bytes.
        room_bytes[node] = inf if told.capacity_objects or not told.capacity_bytes else full
    return Room(copies, room_bytes)
