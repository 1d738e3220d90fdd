"""The ring against a naive twin, and the properties that placement relies on."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from itertools import pairwise
from math import sqrt
from random import Random
from statistics import mean, pstdev

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.ring.test_hashing import tokens
from zoned.core.names import SHARDS, InstanceKey
from zoned.core.names import key_hash as hash_of
from zoned.core.ring import HomeGroup, Ring, RingMember, RingSettings, diff

SMALL = RingSettings(vnodes=16)
KEY = InstanceKey("prices", b"/item/1")
SAMPLE = range(0, SHARDS, 331)

names = st.text(alphabet="abcxyz019.-", min_size=1, max_size=5)
pools = st.dictionaries(names, st.tuples(st.sampled_from("ABCD"), st.integers(0, 3)), max_size=9).map(
    lambda drawn: [RingMember(node, zone, weight) for node, (zone, weight) in drawn.items()]
)


def pool(members: int, zones: int, seed: int = 0) -> list[RingMember]:
    return [RingMember(f"node-{seed}-{index}", f"zone-{index % zones}", 1) for index in range(members)]


class Naive:
    """The definition, word for word: sort all tokens, walk from the shard's start."""

    def __init__(self, members: list[RingMember], chosen: RingSettings) -> None:
        self.members = sorted(member for member in members if member.weight > 0)
        self.length = min(chosen.preference_length, len(self.members))
        self.tokens = sorted(
            (token, member.node, member)
            for member in self.members
            for token in tokens(member.node, chosen.vnodes * member.weight)
        )

    def walk(self, shard: int) -> list[RingMember]:
        """All members in the order met, from the start of the shard."""
        start = bisect_left(self.tokens, (shard << 32,))  # tokens are places of 2^48
        met: dict[RingMember, None] = {}
        for _, _, member in self.tokens[start:] + self.tokens[:start]:
            met.setdefault(member)
        return list(met)

    def preference_list(self, shard: int) -> tuple[RingMember, ...]:
        met = self.walk(shard)
        chosen: list[RingMember] = []
        for member in met:
            if len(chosen) < self.length and member.zone not in {other.zone for other in chosen}:
                chosen.append(member)
        chosen += [member for member in met if member not in chosen][: self.length - len(chosen)]
        return tuple(chosen)


@settings(max_examples=40, deadline=None)
@given(pools, st.integers(1, 6))
def test_equals_the_naive_twin(members: list[RingMember], length: int) -> None:
    chosen = RingSettings(vnodes=4, preference_length=length)
    ring, twin = Ring.build(members, chosen), Naive(members, chosen)
    for shard in (0, 1, 4095, 40_000, SHARDS - 1):
        key_hash = (shard << 48) + 12345
        expected = twin.preference_list(shard)
        assert ring.preference_list(shard) == expected
        assert ring.owner(key_hash) == (expected[0] if expected else None)
        assert ring.owner_of(KEY) == ring.owner(hash_of(KEY))
        for zone in "ABCDE":
            in_zone = [member for member in twin.walk(shard) if member.zone == zone]
            assert ring.owner_in_zone(key_hash, zone) == (in_zone[0] if in_zone else None)


@settings(max_examples=30, deadline=None)
@given(pools)
def test_lists_are_zone_distinct_as_far_as_zones_go(members: list[RingMember]) -> None:
    ring = Ring.build(members, SMALL)
    zones = {member.zone for member in ring.members}
    for shard in SAMPLE:
        found = ring.preference_list(shard)
        assert len(found) == len(set(found)) == min(SMALL.preference_length, len(ring.members))
        distinct = min(len(zones), len(found))
        assert len({member.zone for member in found[:distinct]}) == distinct


@settings(max_examples=30, deadline=None)
@given(pools, st.randoms(use_true_random=False))
def test_the_order_of_facts_does_not_matter(members: list[RingMember], rng: Random) -> None:
    ring = Ring.build(members, SMALL)
    shuffled = members.copy()
    rng.shuffle(shuffled)
    again = Ring.build(shuffled, SMALL)
    assert again == ring
    assert again.ring_id == ring.ring_id
    assert again.first_owners() == ring.first_owners()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("members", "zones"), [(4, 4), (9, 3), (29, 5)])
def test_a_newcomer_takes_its_share_and_nobody_else_gains(members: int, zones: int, seed: int) -> None:
    chosen = RingSettings()
    before = Ring.build(pool(members, zones, seed), chosen)
    newcomer = RingMember(f"newcomer-{seed}", "zone-0", 1)
    after = Ring.build([*before.members, newcomer], chosen)
    moved = diff(before, after)
    assert {after.preference_list(shard)[0] for shard in moved} == {newcomer}
    share = 1 / (members + 1)
    # The share of one member: 512 arcs of exponential lengths, seen through a grid of 65,536 shards.
    deviation = sqrt(share * (1 - share) * (1 / (chosen.vnodes * (members + 1)) + 1 / SHARDS))
    assert abs(len(moved) / SHARDS - share) <= 4 * deviation


@settings(max_examples=25, deadline=None)
@given(pools.filter(lambda members: any(member.weight for member in members)))
def test_a_removal_moves_only_what_the_removed_had(members: list[RingMember]) -> None:
    before = Ring.build(members, SMALL)
    gone = before.members[0]
    after = Ring.build(before.members[1:], SMALL)
    for shard in diff(before, after):
        assert before.preference_list(shard)[0] == gone
    for shard in SAMPLE:
        if before.preference_list(shard)[0] != gone:
            assert before.preference_list(shard)[0] == after.preference_list(shard)[0]


@settings(max_examples=20, deadline=None)
@given(pools)
def test_lists_lose_only_the_removed_member(members: list[RingMember]) -> None:
    """With one agent a zone, who steps in is who was next: a hand-over knows its target beforehand."""
    alone = [RingMember(member.node, member.node, member.weight) for member in members]
    before = Ring.build(alone, SMALL)
    if not before.members:
        return
    gone = before.members[-1]
    after = Ring.build(before.members[:-1], SMALL)
    for shard in SAMPLE:
        rest = [member for member in before.preference_list(shard) if member != gone]
        assert list(after.preference_list(shard))[: len(rest)] == rest


def test_more_weight_moves_shards_only_to_the_heavier() -> None:
    members = pool(5, 5)
    heavier = members[0]._replace(weight=3)
    before, after = Ring.build(members, RingSettings()), Ring.build([heavier, *members[1:]], RingSettings())
    assert {after.preference_list(shard)[0] for shard in diff(before, after)} == {heavier}
    assert abs(after.owned_ratio()[heavier.node] - 3 / 7) < 0.05


@pytest.mark.parametrize("members", [30, 100])
def test_shares_are_even(members: int) -> None:
    errors = []
    for seed in range(200):
        shares = Ring.build(pool(members, 5, seed), RingSettings()).owned_ratio().values()
        assert abs(sum(shares) - 1.0) < 1e-9
        errors.append(pstdev(share * members for share in shares))
    assert mean(errors) <= 0.05


def test_homes_are_distinct_zones_in_order() -> None:
    ring = Ring.build(pool(6, 3), RingSettings(replicas=2))
    for shard in SAMPLE:
        key_hash = shard << 48
        homes = ring.homes(key_hash, 2)
        assert homes == tuple(member.zone for member in ring.preference_list(shard)[:2])
        assert len(set(ring.homes(key_hash, 99))) == len(ring.homes(key_hash, 99)) == 3
        assert ring.homes(key_hash, 0) == ()


def test_groups_are_the_table_summed() -> None:
    ring = Ring.build(pool(7, 3), RingSettings())
    for replicas in (1, 2, 3, 7):
        groups = ring.groups(replicas)
        assert sum(group.shards for group in groups) == SHARDS
        assert all(one.shards >= two.shards for one, two in pairwise(groups))
        counted: dict[tuple[str, ...], int] = {}
        for shard in range(SHARDS):
            homes = ring.homes(shard << 48, replicas)
            counted[homes] = counted.get(homes, 0) + 1
        assert {group.zones: group.shards for group in groups} == counted
        assert groups == tuple(sorted(groups, key=lambda group: (-group.shards, group.zones)))
        assert ring.groups(replicas) is groups
        assert ring.groups(replicas, len(groups)) == groups
        if len(groups) > 2:
            rest = sum(group.shards for group in groups[2:])
            assert ring.groups(replicas, 3) == ((*groups[:2], HomeGroup((), rest)) if groups[3:] else groups)


def test_groups_of_more_zones_than_a_number_has_room_for() -> None:
    ring = Ring.build(pool(70, 70), RingSettings(preference_length=16, vnodes=32))
    groups = ring.groups(14)  # 70 ** 14 is beyond 64 bits
    assert sum(group.shards for group in groups) == SHARDS
    counted = Counter(ring.homes(shard << 48, 14) for shard in range(0, SHARDS, 13))
    assert set(counted) <= {group.zones for group in groups if len(set(group.zones)) == 14}


def test_one_zone_gets_members_after_the_first() -> None:
    ring = Ring.build(pool(3, 1), RingSettings())
    assert {len(ring.preference_list(shard)) for shard in SAMPLE} == {3}
    assert ring.homes(1 << 63, 2) == ("zone-0",)
    assert ring.groups(2) == (HomeGroup(("zone-0",), SHARDS),)


def test_an_empty_ring_answers() -> None:
    ring = Ring.build([RingMember("holds-nothing", "a", 0)], RingSettings())
    assert ring.members == ()
    assert ring.owner(5) is None
    assert ring.owner_in_zone(5, "a") is None
    assert ring.preference_list(0) == ()
    assert ring.homes(5, 2) == ()
    assert ring.groups(2) == ()
    assert ring.owned_ratio() == {}
    assert len(ring.ring_id) == 16


def test_one_member_owns_all() -> None:
    ring = Ring.build([RingMember("only", "a", 2)], RingSettings())
    assert ring.owned_ratio() == {"only": 1.0}
    assert ring.owner((1 << 64) - 1) == RingMember("only", "a", 2)


def test_a_far_lighter_zone_is_still_found() -> None:
    """Long walks: one member of weight 1 among many heavy ones of two other zones."""
    heavy = [RingMember(f"n{index}", "AB"[index % 2], 8) for index in range(20)]
    ring = Ring.build([*heavy, RingMember("light", "C", 1)], RingSettings(vnodes=8))
    for shard in SAMPLE:
        assert {member.zone for member in ring.preference_list(shard)[:3]} == {"A", "B", "C"}


def test_a_rare_zone_among_many_tokens_is_where_the_twin_finds_it() -> None:
    """Walks of thousands of steps over tens of thousands of tokens: all the cutting and merging at work."""
    members = [RingMember(f"n{index}", "ABC"[index % 3], 1 if index % 3 == 2 else 40) for index in range(6)]
    ring, twin = Ring.build(members, RingSettings()), Naive(members, RingSettings())
    for shard in range(7, SHARDS, 6553):
        assert ring.preference_list(shard) == twin.preference_list(shard)


def test_two_members_of_one_name_are_a_mistake_of_ours() -> None:
    with pytest.raises(AssertionError):
        Ring.build([RingMember("a", "x", 1), RingMember("a", "y", 1)], SMALL)


def test_rings_compare_by_their_id() -> None:
    one, two = Ring.build(pool(2, 2), SMALL), Ring.build(pool(2, 2), SMALL)
    assert one == two
    assert len({one, two}) == 1
    assert one != Ring.build(pool(3, 2), SMALL)
    assert one != "ring"
    assert one.ring_id in repr(one)
