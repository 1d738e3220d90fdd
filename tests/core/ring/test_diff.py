from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from zoned.core.names import SHARDS
from zoned.core.ring import Ring, RingMember, RingSettings, diff, moves

SMALL = RingSettings(vnodes=8)
pools = st.lists(st.sampled_from("abcdef"), unique=True, max_size=5).map(
    lambda nodes: Ring.build([RingMember(node, node.upper(), 1) for node in nodes], SMALL)
)


def first(ring: Ring, shard: int) -> str:
    owners = ring.preference_list(shard)
    return owners[0].node if owners else ""


@settings(max_examples=25, deadline=None)
@given(pools, pools)
def test_diff_and_moves_equal_the_naive_comparison(before: Ring, after: Ring) -> None:
    changed = [shard for shard in range(SHARDS) if first(before, shard) != first(after, shard)]
    assert list(diff(before, after)) == changed
    counted: dict[tuple[str, str], int] = {}
    for shard in changed:
        pair = first(before, shard), first(after, shard)
        counted[pair] = counted.get(pair, 0) + 1
    assert {(move.before, move.after): move.shards for move in moves(before, after)} == counted


def test_nothing_moves_between_equal_rings() -> None:
    ring = Ring.build([RingMember("a", "A", 1)], SMALL)
    assert diff(ring, ring) == ()
    assert moves(ring, ring) == ()
    empty = Ring.build([], SMALL)
    assert diff(empty, empty) == ()
    assert len(diff(empty, ring)) == SHARDS
