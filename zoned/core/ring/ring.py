"""The ring itself: a value computed from the members alone, then looked up in O(1).

The 2^64 points are cut into 65,536 fixed shards by the top 16 bits; each member has tokens; a shard belongs
to whoever owns the first token at or after the shard's start, and its preference list is the zone-distinct
walk from there. All lists are computed once per ring into a table, so a look-up is two array reads, and
comparing two rings is comparing two arrays. Fixed shards (rather than each key walking from its own
point) cost a little balance (a shard is the grain) and buy all that.

Same members, same parameters: same ring, same id, on every agent, in whatever order they learnt it. Ties of
tokens are ordered by node name. Load, round trips and time never enter: they differ between agents.

Rejected: rendezvous hashing (equal quality; the walk gives "who was next" for removal more cheaply) and
jump hashing (numbered buckets need a leader). See Karger 1997; Dynamo 2007 section 4.3 for preference lists.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from zoned.core.names import SHARD_BITS, SHARDS, KeyHash, NodeName, Shard, Zone
from zoned.core.ring.hashing import ring_id, token_hashes
from zoned.core.ring.settings import RingSettings
from zoned.core.ring.walk import preference_rows
from zoned.core.ring.weights import counted_weight, token_counts

_SHIFT = 64 - SHARD_BITS
_STARTS: npt.NDArray[np.uint64] = np.arange(SHARDS, dtype=np.uint64) << np.uint64(_SHIFT)


class RingMember(NamedTuple):
    """One placement member. Its share of the shards is weight over the sum of weights."""

    node: NodeName
    zone: Zone
    weight: int


class HomeGroup(NamedTuple):
    """So many shards are homed on these zones, first owner's zone first."""

    zones: tuple[Zone, ...]
    shards: int


class Ring:
    """A ring, compared by its id. Make one with ``Ring.build``."""

    __slots__ = ("_first", "_groups", "_hashes", "_homes", "_in_zone", "_lists", "_owners", "_row", "_rows",
                 "_zone_members", "members", "replicas", "ring_id")  # fmt: skip

    def __init__(self, members: tuple[RingMember, ...], settings: RingSettings) -> None:
        """Private: ``build`` has sorted the members, cut their weights and dropped those without one."""
        length = min(settings.preference_length, len(members))
        self.members = members
        self.replicas = settings.replicas
        self.ring_id = ring_id(
            members,
            (settings.vnodes, settings.replicas, settings.preference_length, settings.max_tokens, SHARD_BITS),
        )
        self._lists: dict[int, tuple[RingMember, ...]] = {}  # memo per row, made when first asked for
        self._homes: dict[int, tuple[Zone, ...]] = {}  # memo per (row, replicas)
        self._groups: dict[int, tuple[HomeGroup, ...]] = {}
        self._in_zone: dict[Zone, array[int]] = {}
        self._zone_members: dict[Zone, list[int]] = {}
        for index, member in enumerate(members):
            self._zone_members.setdefault(member.zone, []).append(index)
        self._hashes, self._owners = _tokens(members, settings)
        starts = _first_tokens(self._hashes)
        used = np.zeros(len(self._hashes), dtype=bool)
        used[starts] = True
        codes = {zone: code for code, zone in enumerate(self._zone_members)}
        zones = np.array([codes[member.zone] for member in members], dtype=np.int32)
        # Many shards start at the same token, so the walk is done once per token that some shard starts at.
        self._rows = preference_rows(np.flatnonzero(used).astype(np.int32), self._owners, zones, length)
        self._row = _shorts((np.cumsum(used) - 1)[starts])
        self._first = _shorts(self._owners[starts])

    @staticmethod
    def build(members: Sequence[RingMember], settings: RingSettings) -> Ring:
        """The ring of these members, in any order; those of weight 0 hold nothing and are left out."""
        counted = [RingMember(*member[:2], counted_weight(member.weight, settings)) for member in members]
        kept = tuple(sorted(member for member in counted if member.weight > 0))
        assert len({member.node for member in kept}) == len(kept), "two members of one name"
        assert len(kept) <= SHARDS, "more members than shards"
        return Ring(kept, settings)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ring) and self.ring_id == other.ring_id

    def __hash__(self) -> int:
        return int.from_bytes(bytes.fromhex(self.ring_id))

    def __repr__(self) -> str:
        return f"Ring({self.ring_id}, {len(self.members)} members)"

    # ---- look-ups: O(1), a few hundred nanoseconds ---------------------------------------------------

    def preference_list(self, shard: Shard) -> tuple[RingMember, ...]:
        """Who to turn to for a shard: as many different zones as there are, first owner first."""
        if not self.members:
            return ()
        row = self._row[shard]
        found = self._lists.get(row)
        if found is None:
            found = self._lists[row] = tuple(self.members[index] for index in self._rows[row].tolist())
        return found

    def owner(self, key_hash: KeyHash) -> RingMember | None:
        """The first owner of an instance; None in an empty ring."""
        members = self.members
        return members[self._first[key_hash >> _SHIFT]] if members else None

    def owner_in_zone(self, key_hash: KeyHash, zone: Zone) -> RingMember | None:
        """Which agent of that zone owns the instance there: the first of them on the walk. None: no agent."""
        owners = self._in_zone.get(zone)
        if owners is None:
            if zone not in self._zone_members:
                return None
            owners = self._in_zone[zone] = self._walk_zone(zone)
        return self.members[owners[key_hash >> _SHIFT]]

    def homes(self, key_hash: KeyHash, replicas: int) -> tuple[Zone, ...]:
        """The home zones of an instance, distinct, first owner's first; fewer when there are fewer zones."""
        if not self.members or replicas < 1:
            return ()
        shard = key_hash >> _SHIFT
        memo = self._row[shard] << 8 | min(replicas, 255)
        found = self._homes.get(memo)
        if found is None:
            some = self.preference_list(shard)[: self._distinct(replicas)]
            found = self._homes[memo] = tuple(member.zone for member in some)
        return found

    # ---- the whole table ---------------------------------------------------------------------------

    def owned_ratio(self) -> dict[NodeName, float]:
        """Share of the shards that each member is the first owner of."""
        first = np.asarray(self._first, dtype=np.int64)
        counts = np.bincount(first, minlength=len(self.members)).tolist()
        return {member.node: count / SHARDS for member, count in zip(self.members, counts, strict=True)}

    def first_owners(self) -> array[int]:
        """Per shard, the index in ``members`` of its first owner (empty in an empty ring). Read only."""
        return self._first

    def groups(self, replicas: int) -> tuple[HomeGroup, ...]:
        """The sharding configuration: how many shards are homed on which zones, largest first; made once."""
        found = self._groups.get(replicas)
        if found is None:
            found = self._groups[replicas] = self._count_groups(self._distinct(replicas))
        return found

    def _distinct(self, replicas: int) -> int:
        """How many columns of the table are homes: they are of different zones only as far as zones go."""
        length: int = self._rows.shape[1]
        return max(0, min(replicas, len(self._zone_members), length))

    def _count_groups(self, columns: int) -> tuple[HomeGroup, ...]:
        if not self.members or not columns:
            return ()
        sizes = np.bincount(np.asarray(self._row), minlength=len(self._rows)).tolist()
        counted: Counter[tuple[Zone, ...]] = Counter()
        zones = [member.zone for member in self.members]
        for row, shards in zip(self._rows[:, :columns].tolist(), sizes, strict=True):
            counted[tuple(zones[index] for index in row)] += shards
        largest_first = sorted(counted.items(), key=lambda item: (-item[1], item[0]))
        return tuple(HomeGroup(group, shards) for group, shards in largest_first)

    def _walk_zone(self, zone: Zone) -> array[int]:
        """First owner per shard as if only this zone's members were on the ring."""
        mine = self._zone_members[zone]
        if len(mine) == 1:
            return array("H", mine) * SHARDS
        here = np.isin(self._owners, mine)
        return _shorts(self._owners[here][_first_tokens(self._hashes[here])])


def _tokens(
    members: tuple[RingMember, ...], settings: RingSettings
) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int32]]:
    """Token hashes in ring order, and the member index of each. Ties: the lesser node name first."""
    counts = token_counts([member.weight for member in members], settings)
    if not members:
        return np.empty(0, dtype=np.uint64), np.empty(0, dtype=np.int32)
    hashes = np.concatenate([token_hashes(member.node, n) for member, n in zip(members, counts, strict=True)])
    owners = np.repeat(np.arange(len(members), dtype=np.int32), counts)
    order = np.argsort(hashes, kind="stable")  # members are sorted by name; a stable sort keeps that in ties
    return hashes[order], owners[order]


def _first_tokens(hashes: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
    """Per shard, the position of the first token at or after its start, round the end of the ring."""
    if not len(hashes):
        return np.empty(0, dtype=np.int64)
    found = np.searchsorted(hashes, _STARTS, side="left")
    found[found == len(hashes)] = 0
    return found


def _shorts(values: npt.NDArray[np.signedinteger]) -> array[int]:
    """A compact array whose items are plain ints when read: numpy's scalars are slow, lists are large."""
    return array("H", values.astype(np.uint16).tobytes())
