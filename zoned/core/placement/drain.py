"""Drain: a zone is given up without the others going cold.

Both sides work at once. The *draining* zone offers what no zone that stays holds, hottest first, to the
next member of the ring that has room, or where nobody has, to one home after the other until one keeps it
(``evacuation``); the *receiving* agents take what the draining zone's summary calls hot, without waiting to
be offered it (``drain_wants``). The share of its copies that staying zones hold is the answer to "may its
traffic move?". Every agent of a draining zone does this for its own copies: nothing depends on one of them.

The same offers serve replication (``replication``): a holder of a ``replicate`` dependency's copy offers
it to homes that lack one; only the first holder by name does, so that a home is asked once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from zoned.core.names import KeyHash, NodeName, shard_of
from zoned.core.placement.demand import chance_of_use
from zoned.core.placement.migration import Offers
from zoned.core.placement.wants import Scene
from zoned.core.records import Entry, HandOver, Reason, Want


class Evacuation(NamedTuple):
    """How far a drain is. ``ratio``: share of our copies (of ``drain_settle_s`` and older) that staying zones
    hold; ``done``: the rest is too little to matter, or the others have no room for it."""

    offers: tuple[HandOver, ...]
    ratio: float
    done: bool


def evacuation(scene: Scene, offers: Offers, now_s: float, paused: bool) -> Evacuation:
    """Offer what only draining zones hold (nothing while paused), and see how far that is."""
    contents, roster = scene.contents, scene.roster
    entries = deque(contents.entries(), maxlen=scene.settings.max_copies_scanned)
    entries.reverse()  # hottest first
    alone = [entry for entry in entries if not roster.holds_elsewhere(contents.holders(entry.key_hash))]

    settled_s = now_s - scene.settings.drain_settle_s
    targets = _targets(alone, scene, offers, now_s)
    left = [entry for entry, target in targets if not (target and offers.in_vain(entry.key_hash, now_s))]
    done = _evacuated(entries, left, settled_s) >= scene.settings.drained_ratio
    due = () if paused else offers.make(((e, target) for e, target in targets if target), now_s, going=True)
    return Evacuation(due, _evacuated(entries, alone, settled_s), done)


def _targets(
    alone: Sequence[Entry], scene: Scene, offers: Offers, now_s: float
) -> list[tuple[Entry, NodeName]]:
    """Who takes each of them, the first first: each takes room. What is under way to somebody stays his."""
    roster, room, targets = scene.roster, scene.roster.room.copy(), []
    for entry in alone:
        hashed, size = entry.key_hash, entry.size
        target = offers.under_way(hashed, now_s)
        if target not in roster.safe:
            turn = offers.times(hashed)
            target = roster.first_home(scene.ring, hashed, shard_of(hashed), size, room, turn)
        room.give(target, size)
        targets.append((entry, target))
    return targets


def _evacuated(entries: Sequence[Entry], alone: Sequence[Entry], settled_s: float) -> float:
    """Share of the copies stored by then that are not alone; of all copies, where none is that old."""
    settled = sum(entry.stored_s <= settled_s for entry in entries)
    if settled:
        return 1.0 - sum(entry.stored_s <= settled_s for entry in alone) / settled
    return 1.0 - len(alone) / len(entries) if entries else 1.0


def replication(scene: Scene, offers: Offers, me_node: NodeName, now_s: float) -> tuple[HandOver, ...]:
    """Offers of our copies of replicated dependencies to homes whose zone has none."""
    contents, safe, ring = scene.contents, scene.roster.safe, scene.ring
    replicated = {name: scene.policies.replicas(name, ring) for name in scene.policies.replicated}
    entries = deque(contents.entries(), maxlen=scene.settings.max_copies_scanned)

    def lacking() -> Iterator[tuple[Entry, NodeName]]:
        for entry in reversed(entries):
            replicas = replicated.get(entry.key.dependency)
            if replicas is None:
                continue
            holders = [node for node in contents.holders(entry.key_hash) if node in safe]
            if holders and holders[0] < me_node:
                continue
            covered = {safe[node] for node in holders} | {scene.roster.zone}
            homes = ring.homes(entry.key_hash, replicas)
            for home in ring.preference_list(shard_of(entry.key_hash))[: len(homes)]:
                if home.zone not in covered and home.node in safe:
                    yield entry, home.node

    return offers.make(lacking(), now_s)


def drain_wants(scene: Scene) -> Iterator[Want]:
    """What is hot in a draining zone, held there but by nobody who stays, and next homed at this agent."""
    safe = scene.roster.safe
    seen: dict[KeyHash, None] = {}
    room = scene.settings.max_candidates
    for node, lists in scene.demand.leaving:
        for dependency in sorted(lists):
            for hashed, hot in lists[dependency].hot.items():
                if room <= 0:
                    return
                if hashed in seen or not scene.roster.new_home(
                    scene.ring, hashed, shard_of(hashed), hot.size
                ):
                    continue
                room -= 1
                seen[hashed] = None
                if scene.contents.holds(hot.key) or not scene.policies.allows(dependency, hot.size):
                    continue
                holders = scene.contents.holders(hashed)
                if not holders or any(holder in safe for holder in holders):
                    continue  # not held there either: the origin would pay for a guess
                chance, saved_s = chance_of_use(hot.uses), scene.prices.from_origin_s
                want = scene.weigh(hot.key, hashed, hot.size, Reason.DRAIN, chance, saved_s, node)
                if want is not None:
                    yield want
