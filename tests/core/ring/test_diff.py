from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from zoned.core.names import SHARDS
from zoned.core.ring import Ring, RingMember, RingSettings, diff, moves

SMALL = RingSettings(vnodes=8)
pools = st.lists(st.sampled_from("abcdef"), unique=True, max_size=5).map(
    lambda nodes: Ring.build([RingMember(node, node.upper(), 1) for node in nodes], SMALL)
)


def firsts(ring: Ring) -> list[str]:
    """The first owner of every shard, "" where there is none."""
    return [ring.members[index].node for index in ring.first_owners()] or [""] * SHARDS


@settings(max_examples=15, deadline=None)
@given(pools, pools)
def test_diff_and_moves_equal_the_naive_comparison(before: Ring, after: Ring) -> None:
    pairs = list(zip(firsts(before), firsts(after), strict=True))
    assert list(diff(before, after)) == [shard for shard, (old, new) in enumerate(pairs) if old != new]
    counted = Counter(pair for pair in pairs if pair[0] != pair[1])
    assert {(move.before, move.after): move.shards for move in moves(before, after)} == counted


def test_nothing_moves_between_equal_rings() -> None:
    ring = Ring.build([RingMember("a", "A", 1)], SMALL)
    assert diff(ring, ring) == ()
    assert moves(ring, ring) == ()
    empty = Ring.build([], SMALL)
    assert diff(empty, empty) == ()
    assert len(diff(empty, ring)) == SHARDS
