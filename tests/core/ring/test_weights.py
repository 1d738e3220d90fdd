from __future__ import annotations

import pytest

from tests.core.solo import at
from zoned.core.names import SHARDS
from zoned.core.ring import OwnWeight, Ring, RingMember, RingSettings, capacity_weight
from zoned.core.ring.weights import counted_weight, token_counts

MIB, GIB = 1 << 20, 1 << 30


@pytest.mark.parametrize(
    ("max_bytes", "max_objects", "weight"),
    [(256 * MIB, None, 1), (1, None, 1), (None, None, 1), (None, 100, 1), (512 * MIB, None, 2),
     (2 * GIB, None, 8), (3 * GIB, None, 16), (2 * GIB + 1, None, 8),
     (1 << 50, None, 64), (None, 131_072, 8), (2 * GIB, 100, 1)],
)  # fmt: skip
def test_the_weight_is_the_class_of_the_room(
    max_bytes: int | None, max_objects: int | None, weight: int
) -> None:
    assert capacity_weight(max_bytes, max_objects) == weight


def test_room_one_class_away_counts_after_ten_minutes_two_at_once() -> None:
    own = OwnWeight(None, 4)
    assert not own.settle(8, at(0)) and not own.settle(8, at(599)) and own.weight == 4
    assert own.settle(8, at(600)) and own.weight == 8
    assert not own.settle(8, at(601))
    assert own.settle(2, at(602)) and own.weight == 2
    assert not own.settle(4, at(700)) and not own.settle(2, at(1200)), "it went back: the time begins anew"
    assert not own.settle(4, at(1300)) and not own.settle(4, at(1899)) and own.settle(4, at(1900))


def test_a_restart_keeps_the_class_that_was_advertised_unless_two_away() -> None:
    own = OwnWeight(None, 8)
    assert own.restore(4) and own.weight == 4
    assert not own.settle(8, at(0)) and own.settle(8, at(600))
    far = OwnWeight(None, 8)
    assert not far.restore(2) and far.weight == 8
    for nonsense in (0, -4, 3, 1 << 40):
        assert not far.restore(nonsense)


def test_a_fixed_weight_stays() -> None:
    own = OwnWeight(3, 8)
    assert not own.settle(64, at(0)) and not own.restore(4) and own.weight == 3
    assert OwnWeight(0, 8).weight == 0


def test_agents_of_one_zone_share_its_part_by_their_weights() -> None:
    members = [RingMember("a1", "a", 1), RingMember("a2", "a", 3), RingMember("b1", "b", 4)]
    ring = Ring.build(members, RingSettings())
    owned = ring.owned_ratio()
    assert owned["a1"] + owned["a2"] == pytest.approx(0.5, abs=0.05)
    inside = [one.node for shard in range(SHARDS) if (one := ring.owner_in_zone(shard << 48, "a"))]
    assert inside.count("a2") / SHARDS == pytest.approx(0.75, abs=0.05)


def test_tokens_are_vnodes_times_weight() -> None:
    assert token_counts([1, 2, 0], RingSettings(vnodes=512)) == (512, 1024, 0)


def test_a_wild_weight_counts_up_to_the_limit() -> None:
    settings = RingSettings(max_weight=8)
    assert counted_weight(10**9, settings) == 8
    assert counted_weight(-3, settings) == 0
    assert Ring.build([RingMember("a", "x", 10**9)], settings).members[0].weight == 8


def test_vnodes_halve_until_the_tokens_fit() -> None:
    settings = RingSettings(vnodes=512, max_tokens=1000)
    assert token_counts([1, 1, 2], settings) == (128, 128, 256)
    assert token_counts([64] * 1000, settings) == (64,) * 1000  # one a unit of weight at the least
    assert token_counts([], settings) == ()
