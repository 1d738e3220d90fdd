"""The ring itself: a value computed from the members alone, then looked up in O(1).

The 2^64 points are cut into 65,536 fixed shards by the top 16 bits; each member has tokens; a shard belongs
to whoever owns the first token at or after the shard's start, and its preference list is the zone-distinct
walk from there. All lists are computed once per ring into a table, so a look-up is one list index, and
comparing two rings is comparing two arrays. Fixed shards (rather than each key walking from its own
point) cost a little balance (a shard is the grain) and buy all that.

Same members, same parameters: same ring, same id, on every agent, in whatever order they learnt it. Ties of
tokens are ordered by node name. Load, round trips and time never enter: they differ between agents.

Rejected: rendezvous hashing (equal quality; the walk gives "who was next" for removal more cheaply) and
jump hashing (numbered buckets need a leader). See Karger 1997; Dynamo 2007 section 4.3 for preference lists.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from copy import copy
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from zoned.core.names import (
    PREFIXES,
    SHARD_BITS,
    SHARDS,
    InstanceKey,
    KeyHash,
    NodeName,
    Shard,
    Zone,
    hash_64,
    key_hash,
)
from zoned.core.ring.hashing import MAX_MEMBERS, Words, owners_of, ring_id, token_words
from zoned.core.ring.serving import Indices, not_flipped, with_former
from zoned.core.ring.settings import RingSettings
from zoned.core.ring.walk import preference_lists
from zoned.core.ring.weights import counted_weight, token_counts

_SHIFT = 64 - SHARD_BITS
_MAX_CODE = 1 << 62


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

    __slots__ = ("_columns", "_first", "_groups", "_homes", "_in_zone", "_lists", "_owner", "_settings",
                 "_words", "_zone_members", "members", "replicas", "ring_id")  # fmt: skip

    def __init__(self, members: tuple[RingMember, ...], settings: RingSettings) -> None:
        """Private: ``build`` has sorted the members, cut their weights and dropped those without one."""
        self._settings = settings
        self.members = members
        self.replicas = settings.replicas
        self.ring_id = ring_id(
            members,
            (settings.vnodes, settings.replicas, settings.preference_length, settings.max_tokens, SHARD_BITS),
        )
        self._lists: dict[Shard, tuple[RingMember, ...]] = {}  # memo, made when first asked for
        self._homes: dict[int, tuple[Zone, ...]] = {}  # memo per (shard, replicas)
        self._groups: dict[tuple[int, int], tuple[HomeGroup, ...]] = {}
        self._in_zone: dict[Zone, array[int]] = {}
        self._zone_members: dict[Zone, list[int]] = {}
        for index, member in enumerate(members):
            self._zone_members.setdefault(member.zone, []).append(index)
        length = min(settings.preference_length, len(members))
        counts = token_counts([member.weight for member in members], settings)
        self._words = token_words([member.node for member in members], counts)
        self._columns = np.empty((0, SHARDS), dtype=np.uint16)  # one per place in the lists
        self._first = array("H")
        self._owner: list[RingMember | None] = [None] * SHARDS
        if members:
            codes = {zone: code for code, zone in enumerate(self._zone_members)}
            zones = np.array([codes[member.zone] for member in members], dtype=np.uint16)
            self._fill(preference_lists(owners_of(self._words), zones, _first_tokens(self._words), length))

    def _fill(self, columns: Indices) -> None:
        """Take these preference lists for the table; what was looked up in another is forgotten."""
        self._lists, self._homes, self._groups = {}, {}, {}
        self._columns = columns
        self._first = array("H", columns[0].tobytes())
        boxes = np.empty(len(self.members), dtype=object)  # numpy deals objects out faster than Python does
        for index, member in enumerate(self.members):
            boxes[index] = member
        self._owner = boxes.take(columns[0]).tolist()

    @staticmethod
    def build(members: Sequence[RingMember], settings: RingSettings) -> Ring:
        """The ring of these members, in any order; those of weight 0 hold nothing and are left out."""
        counted = [RingMember(*member[:2], counted_weight(member.weight, settings)) for member in members]
        kept = tuple(sorted(member for member in counted if member.weight > 0))
        assert len({member.node for member in kept}) == len(kept), "two members of one name"
        assert len(kept) < MAX_MEMBERS, "more members than ranks"
        return Ring(kept, settings)

    def without(self, node: NodeName) -> Ring:
        """The ring as it would be if that member were not there; this one if it is not."""
        if all(member.node != node for member in self.members):
            return self
        return Ring(tuple([member for member in self.members if member.node != node]), self._settings)

    def serving(self, pending: Mapping[NodeName, int], former: Ring | None = None) -> Ring:
        """This ring as it serves: what newcomers have not taken over yet is looked up at those who would own
        it without them. ``pending``: masks of groups (``serving.py``), of those that have any. ``former``:
        the ring without these members, if it is at hand. This one if nobody is pending, or everybody.

        Of the same id and members; only look-ups differ, and the shares that follow from them."""
        late = [pending.get(member.node, 0) for member in self.members]
        settled = tuple([member for member, mask in zip(self.members, late, strict=True) if not mask])
        if not 0 < len(settled) < len(self.members):
            return self
        if former is None or former.members != settled:
            former = Ring(settled, self._settings)
        index = {member: number for number, member in enumerate(self.members)}
        number_of = np.array([index[member] for member in settled], dtype=np.uint16)
        made = copy(self)
        made._in_zone = {}
        for zone in dict.fromkeys(m.zone for m, mask in zip(self.members, late, strict=True) if mask):
            if zone in former._zone_members:
                own = np.asarray(self._walk_zone(zone))
                there = number_of[np.asarray(former._walk_zone(zone))]
                made._in_zone[zone] = array("H", np.where(not_flipped(own, late), there, own).tobytes())
        lists = former._with_newcomers(number_of, index)
        made._fill(with_former(self._columns, lists, not_flipped(self._columns[0], late)))
        return made

    def _with_newcomers(
        self, number_of: npt.NDArray[np.uint16], index: Mapping[RingMember, int]
    ) -> list[Indices | int]:
        """Our preference lists in the numbers of a larger ring, and where they end who of it is not among us:
        first one of each zone that we have nobody of."""
        distinct = len(self._zone_members)
        zones, ours = dict.fromkeys(self._zone_members), frozenset(self.members)
        new_zones: list[Indices | int] = []
        others: list[Indices | int] = []
        for member, number in index.items():
            if member not in ours:
                (others if member.zone in zones else new_zones).append(number)
                zones[member.zone] = None
        lists: list[Indices | int] = list(number_of[self._columns])
        return [*lists[:distinct], *new_zones, *lists[distinct:], *others]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ring) and self.ring_id == other.ring_id

    def __hash__(self) -> int:
        return int.from_bytes(bytes.fromhex(self.ring_id))

    def __repr__(self) -> str:
        return f"Ring({self.ring_id}, {len(self.members)} members)"

    # ---- look-ups: O(1), a few hundred nanoseconds ---------------------------------------------------

    def preference_list(self, shard: Shard) -> tuple[RingMember, ...]:
        """Who to turn to for a shard: as many different zones as there are, first owner first."""
        found = self._lists.get(shard)
        if found is None:
            some = self._columns[:, shard].tolist()
            found = self._lists[shard] = tuple([self.members[index] for index in some])
        return found

    def owner(self, key_hash: KeyHash) -> RingMember | None:
        """[hot] The first owner of an instance; None in an empty ring."""
        return self._owner[key_hash >> _SHIFT]

    def owner_of(self, instance: InstanceKey) -> RingMember | None:
        """[hot] The same for who has not hashed the key yet: ``key_hash`` unrolled, a shift, an index."""
        try:
            return self._owner[hash_64(PREFIXES[instance[0]] + instance[1]) >> _SHIFT]
        except KeyError:
            return self._owner[key_hash(instance) >> _SHIFT]

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
        memo = shard << 8 | min(replicas, 255)
        found = self._homes.get(memo)
        if found is None:
            some = self.preference_list(shard)[: self._distinct(replicas)]
            found = self._homes[memo] = tuple([member.zone for member in some])
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

    def groups(self, replicas: int, most: int = SHARDS) -> tuple[HomeGroup, ...]:
        """The sharding configuration: how many shards are homed on which zones, largest first; made once. No
        more than ``most``: the last one then has no zones, and the shards of all that are smaller."""
        found = self._groups.get((replicas, most))
        if found is None:
            found = self._groups[replicas, most] = self._count_groups(self._distinct(replicas), most)
        return found

    def _distinct(self, replicas: int) -> int:
        """How many columns of the table are homes: they are of different zones only as far as zones go."""
        return max(0, min(replicas, len(self._zone_members), len(self._columns)))

    def _count_groups(self, columns: int, most: int) -> tuple[HomeGroup, ...]:
        if not self.members or not columns:
            return ()
        zones = sorted(self._zone_members)
        number = {zone: place for place, zone in enumerate(zones)}
        zone_of = np.array([number[member.zone] for member in self.members], dtype=np.int64)
        rows = zone_of[self._columns[:columns]]
        codes = rows[0]  # a shard's zones as one number: to sort rows of numbers takes ten times as long
        for row in rows[1:]:
            if int(codes.max()) >= _MAX_CODE // len(zones):
                codes = np.unique(codes, return_inverse=True)[1]
            codes = codes * len(zones) + row
        _, one_of, sizes = np.unique(codes, return_index=True, return_counts=True)
        shown = np.argsort(-sizes, kind="stable")  # of equals the first by the names of their zones
        if len(shown) > most:
            shown = shown[: most - 1]
        found = [
            HomeGroup(tuple([zones[place] for place in group]), shards)
            for group, shards in zip(rows[:, one_of[shown]].T.tolist(), sizes[shown].tolist(), strict=True)
        ]
        if len(sizes) > most:
            found.append(HomeGroup((), SHARDS - sum(group.shards for group in found)))
        return tuple(found)

    def _walk_zone(self, zone: Zone) -> array[int]:
        """First owner per shard as if only this zone's members were on the ring."""
        mine = self._zone_members[zone]
        if len(mine) == 1:
            return array("H", mine) * SHARDS
        owners = owners_of(self._words)
        is_mine = np.zeros(len(self.members), dtype=bool)
        is_mine[mine] = True
        here = np.flatnonzero(is_mine[owners])
        return array("H", owners[here[_first_tokens(self._words[here])]].tobytes())


def _first_tokens(words: Words) -> npt.NDArray[np.int64]:
    """Per shard, the position of the first token at or after its start, round the end of the ring."""
    in_shard = np.bincount((words >> np.uint64(_SHIFT)).astype(np.int64), minlength=SHARDS)
    first = np.cumsum(in_shard) - in_shard
    first[first == len(words)] = 0
    return first
