from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoned.core.names import SHARDS, group_of
from zoned.core.ring import ALL_GROUPS, Ring, RingMember, RingSettings, flipped_ratio

SETTINGS = RingSettings(vnodes=16)
MEMBERS = [RingMember(f"n{number}", f"z{number % 4}", 1 + number % 2) for number in range(6)]
LOOKED_AT = range(0, SHARDS, 257)


def ring_of(members: list[RingMember]) -> Ring:
    return Ring.build(members, SETTINGS)


def hash_in(shard: int) -> int:
    return shard << 48 | 12345


def naive_owner(ring: Ring, settled: Ring, pending: dict[str, int], shard: int) -> str:
    owner = ring.owner(hash_in(shard))
    assert owner is not None
    if not pending.get(owner.node, 0) >> (shard >> 10) & 1:
        return owner.node
    former = settled.owner(hash_in(shard))
    assert former is not None
    return former.node


masks = st.sampled_from([0, 0, 1, ALL_GROUPS, 0xF0F0_0000_FFFF_0001])


@settings(deadline=None, max_examples=25)
@given(st.lists(masks, min_size=6, max_size=6))
def test_what_is_not_flipped_is_looked_up_at_who_would_own_it_without_the_newcomers(given: list[int]) -> None:
    ring = ring_of(MEMBERS)
    pending = {member.node: mask for member, mask in zip(MEMBERS, given, strict=True)}
    serving = ring.serving(pending)
    assert serving.ring_id == ring.ring_id and serving.members == ring.members
    if all(given) or not any(given):
        assert serving is ring
        return
    settled = ring_of([member for member in ring.members if not pending.get(member.node)])
    for shard in LOOKED_AT:
        wanted = naive_owner(ring, settled, pending, shard)
        owner = serving.owner(hash_in(shard))
        listed = serving.preference_list(shard)
        assert owner is not None and owner.node == wanted == listed[0].node
        assert len({member.node for member in listed}) == len(listed) == 5
        assert len({member.zone for member in listed[:4]}) == 4, "as many zones as there are, first"
        assert len(set(serving.homes(hash_in(shard), 4))) == 4


@settings(deadline=None, max_examples=15)
@given(masks, masks)
def test_an_agent_that_joins_its_zone_leaves_the_zone_to_the_others_until_it_flips(
    one: int, two: int
) -> None:
    ring = ring_of(MEMBERS)  # n0 and n4 are of z0, n1 and n5 of z1
    serving = ring.serving({"n4": one, "n2": two})
    for shard in LOOKED_AT:
        owner, own = serving.owner_in_zone(hash_in(shard), "z0"), ring.owner_in_zone(hash_in(shard), "z0")
        assert owner is not None and own is not None
        assert owner.node == ("n0" if one >> (shard >> 10) & 1 else own.node)
        assert serving.owner_in_zone(hash_in(shard), "z1") == ring.owner_in_zone(hash_in(shard), "z1")


@pytest.mark.parametrize("count", [2, 3, 5])
def test_in_a_small_pool_the_newcomer_comes_last(count: int) -> None:
    members = [RingMember(f"n{number}", f"z{number}", 1) for number in range(count)]
    ring = ring_of(members)
    serving = ring.serving({"n1": ALL_GROUPS})
    for shard in LOOKED_AT:
        listed = [member.node for member in serving.preference_list(shard)]
        assert sorted(listed) == [member.node for member in members]
        own = ring.preference_list(shard)[0].node == "n1"
        assert listed[-1] == "n1" if own else listed == [m.node for m in ring.preference_list(shard)]


def test_a_ring_at_hand_spares_the_making_of_another_and_only_if_it_is_that() -> None:
    ring, former = ring_of(MEMBERS), ring_of(MEMBERS[:5])
    pending = {"n5": ALL_GROUPS}
    given, made = ring.serving(pending, former), ring.serving(pending)
    wrong = ring.serving(pending, ring_of(MEMBERS[:3]))
    for shard in LOOKED_AT:
        assert given.preference_list(shard) == made.preference_list(shard) == wrong.preference_list(shard)
    assert given.owned_ratio()["n5"] == 0.0 < ring.owned_ratio()["n5"]


def test_look_ups_made_before_the_flip_are_not_remembered_after_it() -> None:
    ring = ring_of(MEMBERS)
    shard = next(shard for shard in LOOKED_AT if ring.preference_list(shard)[0].node == "n3")
    ring.homes(hash_in(shard), 2)
    serving = ring.serving({"n3": ALL_GROUPS})
    assert serving.preference_list(shard)[0].node != "n3" == ring.preference_list(shard)[0].node
    assert serving.homes(hash_in(shard), 2) != ring.homes(hash_in(shard), 2)


def test_groups() -> None:
    chance = Random(1)
    for _ in range(100):
        hashed = chance.getrandbits(64)
        assert group_of(hashed) == hashed >> 58 < 64
    assert (flipped_ratio(ALL_GROUPS), flipped_ratio(0), flipped_ratio(0xFF)) == (0.0, 1.0, 0.875)
