"""Who is going to give up what it holds, as gossip and they themselves say; what is lost with them.

Whoever drains or leaves tells all in its summary, and offers its copies at once to those who are to take
them. An offer is there first: without its word, a copy that is offered would be weighed as if the one that
goes were there to stay, and declined.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from zoned.core.names import NodeName

_SAID_S = 15.0  # by then gossip has told of it, or it was called off

_MAX_SAID = 256


class Going:
    """Members whose copies nobody counts on."""

    def __init__(self) -> None:
        self._told: tuple[NodeName, ...] = ()
        self._said: dict[NodeName, float] = {}  # until when its word counts
        self._standing: dict[NodeName, int] = {}  # who held how much, and was not going

    @property
    def nodes(self) -> tuple[NodeName, ...]:
        """All of them, each once."""
        return tuple(dict.fromkeys((*self._told, *self._said)))

    def told(self, nodes: Sequence[NodeName], now_s: float) -> None:
        """Gossip tells of these, and of no others. Of who was told of once, its own word counts no more."""
        self._told = tuple(nodes)
        said = self._said
        for node in [node for node, until_s in said.items() if until_s <= now_s or node in nodes]:
            del said[node]

    def said(self, node: NodeName, now_s: float) -> None:
        """That member says so itself. Beyond ``_MAX_SAID`` the oldest is forgotten: gossip will tell."""
        self._said.pop(node, None)
        self._said[node] = now_s + _SAID_S
        if len(self._said) > _MAX_SAID:
            del self._said[next(iter(self._said))]

    def lost_share(self, held: Mapping[NodeName, int]) -> float:
        """Of all that others held and were to keep when this was asked last, the share that went since with
        its holders (died, left, or going). ``held``: how many copies each other member claims."""
        going = self.nodes
        before = self._standing
        self._standing = {node: count for node, count in held.items() if node not in going}
        lost = sum(count for node, count in before.items() if node not in self._standing)
        return lost / sum(before.values()) if lost else 0.0
