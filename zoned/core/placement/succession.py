"""Succession: what we hold of shards that pass to a newcomer is offered to it, hottest first.

The other side of ``warming``. Of each copy here two rings are asked: who owns its shard, and who serves it
until the newcomer has taken it over. Where the answers are a newcomer and us, the copy is its to have, by the
rules for all copies that homes keep: nothing of ``lru`` dependencies, which are never fetched ahead. What it
has no room for it declines.

When all has been offered once, an empty offer says so; it is said again with each plan, since it may be lost,
until the newcomer tells that it has taken the shards over. Agents of a zone share its instances in the same
way, so an agent that joins its zone inherits from its siblings as well.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from zoned.core.names import KeyHash, NodeName, group_of
from zoned.core.placement.migration import Offers
from zoned.core.placement.wants import Scene
from zoned.core.records import Entry, HandOver


class Heirs:
    """Who takes over what from us: the newcomers that are there to stay, and their pending groups."""

    def __init__(self, me: NodeName, scene: Scene) -> None:
        self._me = me
        self._zone = scene.roster.zone
        self._owned, self._serving = scene.owned, scene.ring
        self.pending: Mapping[NodeName, int] = {
            node: mask
            for node, mask in sorted(scene.warming.items())
            if mask and node != me and node in scene.roster.safe
        }

    def of(self, key_hash: KeyHash) -> tuple[NodeName, ...]:
        """Who is to have that copy: a newcomer that owns its shard, and one that owns it in our zone."""
        group, zone = group_of(key_hash), self._zone
        found: dict[NodeName, None] = {}
        for owner, server in (
            (self._owned.owner(key_hash), self._serving.owner(key_hash)),
            (self._owned.owner_in_zone(key_hash, zone), self._serving.owner_in_zone(key_hash, zone)),
        ):
            if owner is None or server is None or server.node != self._me:
                continue
            if self.pending.get(owner.node, 0) >> group & 1:
                found[owner.node] = None
        return tuple(found)


def succession(scene: Scene, offers: Offers, me_node: NodeName, now_s: float) -> tuple[HandOver, ...]:
    """Offers to the newcomers that take shards over from us; an empty one to each that has all of them."""
    heirs = Heirs(me_node, scene)
    if not heirs.pending:
        return ()
    contents, allows = scene.contents, scene.policies.allows
    entries = deque(contents.entries(), maxlen=scene.settings.max_copies_scanned)
    due: list[tuple[Entry, NodeName]] = []
    unsaid: dict[NodeName, None] = {}
    for entry in reversed(entries):
        for heir in heirs.of(entry.key_hash):
            if not allows(entry.key.dependency, entry.size) or heir in contents.holders(entry.key_hash):
                continue
            due.append((entry, heir))
            if not offers.made(entry.key_hash, heir):
                unsaid[heir] = None
    all_said = tuple([HandOver(heir, (), ()) for heir in heirs.pending if heir not in unsaid])
    return offers.make(due, now_s) + all_said
